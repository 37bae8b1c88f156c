// general_conv2d one channel at a time: X, of which the types stand in front, is a number that meets LANES filters, or (one filter a
// channel) LANES channels that meet a filter each.
const DEPTH = 1u;
fn factors_at(at: u32, units: u32) -> F { return load(w[at]); }
fn product(v: X, f: F) -> F { return v * f; }

// What four rows of the weight gradient meet at a pixel: four neighbouring taps of a line.
struct Values { v0: X, v1: X, v2: X, v3: X }
fn values(line: u32, column: u32, unit: u32) -> Values {
    let step = params.tap_step.y;
    return Values(
        value(line, column, unit),
        value(line, column + step, unit),
        value(line, column + 2u * step, unit),
        value(line, column + 3u * step, unit),
    );
}
