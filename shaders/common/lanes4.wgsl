// Element-wise kernels, four neighbouring elements an invocation.
alias F = vec4<f32>;
alias U = vec4<u32>;
alias B = vec4<bool>;
const LANES = 4u;
