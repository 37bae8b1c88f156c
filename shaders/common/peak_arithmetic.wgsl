// peak_arithmetic: how many multiply-adds a second the adapter does. Three chains of vec4s in registers, 8 links a trip; nothing
// is loaded or stored inside the loop. Every value tends to offset / (1 - scale), so none overflows or becomes denormal.

struct Params { scale: f32, offset: f32, trips: u32, padding: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;               // [4], never written in fact

@compute @workgroup_size(64)
fn peak_arithmetic(@builtin(global_invocation_id) id: vec3<u32>) {
    let s = vec4(params.scale);
    let o = vec4(params.offset);
    var a = vec4(f32(id.x));
    var b = a + 1.0;
    var c = a + 2.0;
    for (var i = 0u; i < params.trips; i++) {
        a = fma(a, s, o); b = fma(b, s, o); c = fma(c, s, o);
        a = fma(a, s, o); b = fma(b, s, o); c = fma(c, s, o);
        a = fma(a, s, o); b = fma(b, s, o); c = fma(c, s, o);
        a = fma(a, s, o); b = fma(b, s, o); c = fma(c, s, o);
        a = fma(a, s, o); b = fma(b, s, o); c = fma(c, s, o);
        a = fma(a, s, o); b = fma(b, s, o); c = fma(c, s, o);
        a = fma(a, s, o); b = fma(b, s, o); c = fma(c, s, o);
        a = fma(a, s, o); b = fma(b, s, o); c = fma(c, s, o);
    }
    // No compiler can know that the sum is not this, so none leaves the loop out.
    if all(a + b + c == vec4(-1.0)) { y[0] = 1.0; }
}
