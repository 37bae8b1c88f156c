// Element-wise kernels, four neighbouring elements an invocation. S and SU are F and U as read-only storage holds them.
alias F = vec4<f32>;
alias U = vec4<u32>;
alias B = vec4<bool>;
alias S = Quad;
alias SU = QuadU;
const LANES = 4u;
fn load(s: S) -> F { return quad(s); }
fn load_u(s: SU) -> U { return quad_u(s); }
