// Philox 4x32-10 (Salmon, Moraes, Dror, Shaw 2011): random bits from a counter, the same as src/philox.rs.

// High 32 bits of a * b. WGSL has no 64-bit product, so it is put together from 16-bit halves; no partial sum overflows.
fn mul_high(a: u32, b: u32) -> u32 {
    let a_low = a & 0xffffu;
    let a_high = a >> 16u;
    let b_low = b & 0xffffu;
    let b_high = b >> 16u;
    let middle = a_high * b_low + ((a_low * b_low) >> 16u);
    return a_high * b_high + (middle >> 16u) + ((a_low * b_high + (middle & 0xffffu)) >> 16u);
}

// The 128 random bits that belong to `counter` under `key`.
fn philox4x32(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    var c = counter;
    var k = key;
    for (var round = 0u; round < 10u; round++) {
        let first = 0xd2511f53u;
        let second = 0xcd9e8d57u;
        c = vec4(mul_high(second, c.z) ^ c.y ^ k.x, second * c.z, mul_high(first, c.x) ^ c.w ^ k.y, first * c.x);
        // The golden ratio and the square root of three less one, as 32-bit fractions.
        k += vec2(0x9e3779b9u, 0xbb67ae85u);
    }
    return c;
}
