// How read-only storage is loaded: four words at a time. Here: as two 64-bit words, for drivers that load
// word by word and lane by lane (Mesa's llvmpipe), which makes half as many loads.
alias Quad = vec2<u64>;
alias QuadU = vec2<u64>;
fn quad_u(q: QuadU) -> vec4<u32> { return vec4(u32(q.x), u32(q.x >> 32u), u32(q.y), u32(q.y >> 32u)); }
fn quad(q: Quad) -> vec4<f32> { return bitcast<vec4<f32>>(quad_u(q)); }
