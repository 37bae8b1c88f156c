// 1 / (1 + exp(-x)), written so that the exponential never overflows; a NaN stays one.
fn logistic(x: F) -> F {
    let e = exp(-abs(x));
    return select(e, F(1.0), x >= F()) / (1.0 + e);
}

