// Whether a value is NaN, by its bits: compilers may take it that floats never are, and fold comparisons into min and max, which
// drop NaNs. Prelude: the types F, U and B of common/lanes*.wgsl.
fn is_nan(v: F) -> B {
    return (bitcast<U>(v) & U(0x7fffffffu)) > U(0x7f800000u);
}
