// leaky_relu: y = x where x > 0, else SLOPE * x; dx = dy where y > 0, else SLOPE * dy. SLOPE is 0 or more, put in front as a constant.
// Prelude: common/elementwise.wgsl.

fn activate(x: F) -> F {
    return select(x * SLOPE, x, x > F());
}

// At the output.
fn slope(y: F) -> F {
    return select(F(SLOPE), F(1.0), y > F());
}
