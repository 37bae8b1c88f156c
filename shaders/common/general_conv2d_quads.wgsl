// general_conv2d where a group's input channels come in fours: X is four of them, and each filter has four weights for it.
alias X = vec4<f32>;
alias XS = Quad;
const DEPTH = 4u;
fn load_x(s: XS) -> X { return quad(s); }

// Four rows of weights of one tap, in LANES filters.
struct Factors { f0: F, f1: F, f2: F, f3: F }
fn factors_at(at: u32, units: u32) -> Factors {
    return Factors(load(w[at]), load(w[at + units]), load(w[at + 2u * units]), load(w[at + 3u * units]));
}
fn product(v: X, f: Factors) -> F { return v.x * f.f0 + v.y * f.f1 + v.z * f.f2 + v.w * f.f3; }

// What four rows of the weight gradient meet at a pixel: the channels of one tap.
struct Values { v0: f32, v1: f32, v2: f32, v3: f32 }
fn values(line: u32, column: u32, unit: u32) -> Values {
    let v = value(line, column, unit);
    return Values(v.x, v.y, v.z, v.w);
}
