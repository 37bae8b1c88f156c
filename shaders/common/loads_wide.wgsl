// How vectors of storage are loaded and stored: two or four words at a time. Here: as one or two 64-bit words, for drivers that load
// and store word by word and lane by lane (Mesa's llvmpipe), which makes half as many.
alias Pair = u64;
alias Quad = vec2<u64>;
alias QuadU = vec2<u64>;
fn pair(p: Pair) -> vec2<f32> { return bitcast<vec2<f32>>(vec2(u32(p), u32(p >> 32u))); }
fn quad_u(q: QuadU) -> vec4<u32> { return vec4(u32(q.x), u32(q.x >> 32u), u32(q.y), u32(q.y >> 32u)); }
fn quad(q: Quad) -> vec4<f32> { return bitcast<vec4<f32>>(quad_u(q)); }
fn pair_of(v: vec2<f32>) -> Pair { let u = bitcast<vec2<u32>>(v); return u64(u.x) | (u64(u.y) << 32u); }
fn quad_of_u(u: vec4<u32>) -> QuadU { return vec2(u64(u.x) | (u64(u.y) << 32u), u64(u.z) | (u64(u.w) << 32u)); }
fn quad_of(v: vec4<f32>) -> Quad { return quad_of_u(bitcast<vec4<u32>>(v)); }
