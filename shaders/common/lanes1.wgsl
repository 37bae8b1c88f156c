// Element-wise kernels, one element an invocation. S and SU are F and U as storage holds them.
alias F = f32;
alias U = u32;
alias B = bool;
alias S = f32;
alias SU = u32;
const LANES = 1u;
fn load(s: S) -> F { return s; }
fn load_u(s: SU) -> U { return s; }
fn stored(v: F) -> S { return v; }
fn stored_u(v: U) -> SU { return v; }
fn element(v: F, k: u32) -> f32 { return v; }
fn element_u(v: U, k: u32) -> u32 { return v; }
