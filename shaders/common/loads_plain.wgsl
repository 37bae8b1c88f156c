// How vectors of storage are loaded and stored: two or four words at a time. Here: as they are.
fn begin(size: u32) {}
alias Pair = vec2<f32>;
alias Quad = vec4<f32>;
alias QuadU = vec4<u32>;
fn pair(p: Pair) -> vec2<f32> { return p; }
fn quad_u(q: QuadU) -> vec4<u32> { return q; }
fn quad(q: Quad) -> vec4<f32> { return q; }
fn pair_of(v: vec2<f32>) -> Pair { return v; }
fn quad_of_u(u: vec4<u32>) -> QuadU { return u; }
fn quad_of(v: vec4<f32>) -> Quad { return v; }
