// Element-wise kernels, four neighbouring elements an invocation. S and SU are F and U as storage holds them.
alias F = vec4<f32>;
alias U = vec4<u32>;
alias B = vec4<bool>;
alias S = Quad;
alias SU = QuadU;
const LANES = 4u;
fn load(s: S) -> F { return quad(s); }
fn load_u(s: SU) -> U { return quad_u(s); }
fn stored(v: F) -> S { return quad_of(v); }
fn stored_u(v: U) -> SU { return quad_of_u(v); }
fn element(v: F, k: u32) -> f32 { return v[k]; }
fn element_u(v: U, k: u32) -> u32 { return v[k]; }
