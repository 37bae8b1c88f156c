// tanh: y = tanh(x); dx = dy * (1 - y^2). Prelude: common/elementwise.wgsl.
// Not WGSL's own tanh, which some drivers compute from exponentials that overflow to a NaN for large x.

fn activate(x: F) -> F {
    let size = abs(x);
    let e = exp(-2.0 * size);
    let far = (1.0 - e) / (1.0 + e);
    // Near 0 that difference would lose digits: five terms of the Taylor series, whose next one is below 1e-8 of the result here.
    let s = size * size;
    let near = size * (1.0 + s * (-0.33333334 + s * (0.13333334 + s * (-0.053968254 + s * 0.021869488))));
    let y = select(far, near, size < F(0.25));
    return select(-y, y, x >= F());
}

// At the output.
fn slope(y: F) -> F {
    return (1.0 - y) * (1.0 + y);
}
