// silu: y = x * s, s = 1 / (1 + exp(-x)); dx = dy * s * (1 + x * (1 - s)). Preludes: common/elementwise.wgsl,
// common/sigmoid.wgsl.

fn activate(x: F) -> F {
    return x * logistic(x);
}

// At the input. 1 - s is taken as the logistic function of -x, which keeps its digits where s is near 1.
fn slope(x: F) -> F {
    return logistic(x) * (1.0 + x * logistic(-x));
}
