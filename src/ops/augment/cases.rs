//! Cases.

use super::super::{Case, Input, Subject, Tolerance};
use super::{Augment, FillMode, Row, Transform};
use crate::tensor::fill;

/// Pixels from 0 to 255 are inputs on [-1, 1), as [`Input`] makes them.
const TF: Augment = Augment {
    warps: true,
    pixels: false,
    fill: FillMode::Nearest,
    cval: 40.0,
    scale: [1.0 / 127.5; 4],
    offset: [-1.0; 4],
};
/// Another map for each channel.
const CHANNELS: Augment =
    Augment { scale: [0.007, 0.008, 0.009, 0.01], offset: [-1.1, -1.2, -1.3, -1.4], pixels: true, ..TF };
const PIXELS: Augment = Augment { warps: false, pixels: true, ..TF };

/// A place is a sum of three f32 products: within 2^-22 of its size, 48 at most here, along either axis, at slopes of up to 2.
const WARPED: Tolerance = Tolerance { abs: 1e-4, rel: 1e-5 };
/// A few roundings of pixel values, each 2^-24 of 255, and exponentials of a few units in the last place.
const CHANGED: Tolerance = Tolerance { abs: 5e-6, rel: 1e-5 };
/// WGSL promises sines within 2^-11 only; times the largest radius, 5.8, a deviation of 20 pixel values, and 1 / 127.5.
const NOISY: Tolerance = Tolerance { abs: 5e-4, rel: 1e-5 };

/// Rotated, shifted, sheared, zoomed and, every second one, flipped, by formula.
fn moved(n: usize, [h, w]: [usize; 2]) -> Vec<Row> {
    let row = |i: usize| {
        let at = |seed| f64::from(fill(seed, i as u32));
        let [theta, shear] = [50.0 * at(21), 30.0 * at(24)];
        let [tx, ty] = [0.5 * at(22) * w as f64, 0.5 * at(23) * h as f64];
        let [zx, zy] = [1.0 + 0.5 * at(25), 1.0 + 0.5 * at(26)];
        Transform { theta, tx, ty, shear, zx, zy, flip: i % 2 == 1 }.row(h, w)
    };
    (0..n).map(row).collect()
}

/// Rows whose values change too: each more than the one before.
fn changed(n: usize, hw @ [h, w]: [usize; 2]) -> Vec<Row> {
    let change = |(i, row): (usize, Row)| {
        let at = |seed| fill(seed, i as u32);
        Row {
            key_low: at(31),
            key_high: at(32),
            brightness: 1.0 + 0.5 * at(33),
            contrast: 1.0 + 0.9 * at(34),
            noise: if i % 3 == 2 { 0.0 } else { 10.0 + 9.0 * at(35) },
            blur: if i % 4 == 1 { 0.0 } else { 0.8 + 0.7 * at(36) },
            erased: if i % 3 == 1 { [0.0; 4] } else { [h / 3, w / 4, h - 1, w / 4 + 2].map(|v| v as f32) },
            ..row
        }
    };
    moved(n, hw).into_iter().enumerate().map(change).collect()
}

fn case(what: &str, op: Augment, shape: [usize; 4], rows: Vec<Row>, tolerance: Tolerance) -> Case {
    Case {
        name: format!("augment/{what}"),
        subject: Subject::Augment { op, x: Input::new(shape, 1), rows },
        tolerance,
        cotangent: Case::COTANGENT,
        // No gradient passes through it.
        smooth: false,
        bench: false,
    }
}

/// Every way to fill, at one pixel, at few, and from several images away; channels with and without maps of their own; planes of
/// less and more than a workgroup's four pixels each; each change of values by itself, then all.
pub(in super::super) fn cases() -> Vec<Case> {
    let modes = [FillMode::Constant, FillMode::Nearest, FillMode::Reflect, FillMode::Wrap];
    let mut cases = Vec::new();
    for fill in modes {
        let name = |what: &str| format!("{what}_{fill:?}").to_lowercase();
        let op = Augment { fill, ..TF };
        let warp = |what: &str, shape: [usize; 4], rows| case(&name(what), op, shape, rows, WARPED);
        cases.push(warp("warp", [5, 9, 7, 3], moved(5, [9, 7])));
        let far = [(0.3, -40.7), (25.4, 3.2)].map(|(tx, ty)| Transform { tx, ty, ..Transform::default() });
        cases.push(warp("far", [2, 5, 8, 1], far.map(|t| t.row(5, 8)).to_vec()));
        let off = Transform { tx: 0.4, ty: -0.3, ..Transform::default() };
        cases.push(warp("one", [2, 1, 1, 2], vec![Row::IDENTITY, off.row(1, 1)]));
    }
    let only = |change: fn(&mut Row)| {
        let mut row = Row { key_low: 0.3, key_high: 0.7, ..Row::IDENTITY };
        change(&mut row);
        vec![row, row]
    };
    let shape = [2, 11, 13, 1];
    cases.extend([
        case("copy", Augment { warps: false, ..TF }, [3, 5, 7, 3], vec![Row::IDENTITY; 3], Tolerance::EXACT),
        case("group", TF, [3, 8, 8, 4], moved(3, [8, 8]), WARPED),
        case("brightness", PIXELS, shape, only(|r| r.brightness = 1.4), CHANGED),
        case("contrast", PIXELS, shape, only(|r| r.contrast = 0.3), CHANGED),
        case("blur", PIXELS, shape, only(|r| r.blur = 1.2), CHANGED),
        case("noise", PIXELS, shape, only(|r| r.noise = 20.0), NOISY),
        case("erased", PIXELS, shape, only(|r| r.erased = [2.0, 3.0, 7.0, 12.0]), CHANGED),
        case("pixels_above_group", PIXELS, [1, 33, 37, 1], changed(1, [33, 37]), NOISY),
        case("one_pixel", PIXELS, [1, 1, 1, 1], changed(1, [3, 4]), NOISY),
        case("all", CHANNELS, [7, 13, 10, 3], changed(7, [13, 10]), NOISY),
        case("fer7", Augment { pixels: true, ..TF }, [100, 48, 48, 1], changed(100, [48, 48]), NOISY).benched(),
    ]);
    cases
}
