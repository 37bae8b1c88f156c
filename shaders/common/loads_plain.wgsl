// How read-only storage is loaded: four words at a time. Here: as they are.
alias Quad = vec4<f32>;
alias QuadU = vec4<u32>;
fn quad(q: Quad) -> vec4<f32> { return q; }
fn quad_u(q: QuadU) -> vec4<u32> { return q; }
