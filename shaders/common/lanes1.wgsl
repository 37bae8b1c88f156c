// Element-wise kernels, one element an invocation.
alias F = f32;
alias U = u32;
alias B = bool;
const LANES = 1u;
