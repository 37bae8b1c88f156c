// sigmoid: y = 1 / (1 + exp(-x)); dx = dy * y * (1 - y). Preludes: common/elementwise.wgsl, common/sigmoid.wgsl.

fn activate(x: F) -> F {
    return logistic(x);
}

// At the output.
fn slope(y: F) -> F {
    return y * (1.0 - y);
}
