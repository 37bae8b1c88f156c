// relu6: y = 0 where x < 0, 6 where x > 6, else x (so that a NaN stays one); dx = dy where 0 < y < 6, else 0.
// Preludes: common/elementwise.wgsl, common/nan.wgsl.

fn activate(x: F) -> F {
    return select(clamp(x, F(), F(6.0)), x, is_nan(x));
}

// At the output.
fn slope(y: F) -> F {
    return select(F(), F(1.0), (y > F()) & (y < F(6.0)));
}
