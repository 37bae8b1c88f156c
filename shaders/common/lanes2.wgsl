// Element-wise kernels, two neighbouring elements an invocation, for those that hold so many vectors that four would spill. S is F as
// storage holds it.
alias F = vec2<f32>;
alias U = vec2<u32>;
alias B = vec2<bool>;
alias S = Pair;
const LANES = 2u;
fn load(s: S) -> F { return pair(s); }
fn stored(v: F) -> S { return pair_of(v); }
