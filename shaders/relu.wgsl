// relu: y = 0 where x < 0, else x (so that a NaN stays one); dx = dy where y > 0, else 0.
// Preludes: common/elementwise.wgsl, common/nan.wgsl.

fn activate(x: F) -> F {
    return select(max(x, F()), x, is_nan(x));
}

// At the output.
fn slope(y: F) -> F {
    return select(F(), F(1.0), y > F());
}
