// peak_arithmetic: how many multiply-adds a second the adapter does. Three chains of vec4s in registers, 8 links a trip; nothing
// is loaded or stored inside the loop. Every value tends to o / (1 - s), so none overflows or becomes denormal.

struct Params { scale: f32, trips: u32, padding0: u32, padding1: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;               // [4], never written in fact

@compute @workgroup_size(64)
fn peak_arithmetic(@builtin(global_invocation_id) id: vec3<u32>) {
    let s = params.scale;
    // An invocation's own, for not every GPU's instruction takes two operands that all invocations share.
    let o = 1.0 + f32(id.x & 1u);
    var a = vec4(f32(id.x));
    var b = a + 1.0;
    var c = a + 2.0;
    for (var i = 0u; i < params.trips; i++) {
        a = a * s + o; b = b * s + o; c = c * s + o;
        a = a * s + o; b = b * s + o; c = c * s + o;
        a = a * s + o; b = b * s + o; c = c * s + o;
        a = a * s + o; b = b * s + o; c = c * s + o;
        a = a * s + o; b = b * s + o; c = c * s + o;
        a = a * s + o; b = b * s + o; c = c * s + o;
        a = a * s + o; b = b * s + o; c = c * s + o;
        a = a * s + o; b = b * s + o; c = c * s + o;
    }
    // No compiler can know that the sum is not this, so none leaves the loop out.
    if all(a + b + c == vec4(-1.0)) { y[0] = 1.0; }
}
