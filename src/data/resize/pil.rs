//! `PIL.Image.resize` (Pillow, `src/libImaging/Resample.c`), pixel for pixel: weights in 22 bits of fixed point, one direction
//! after the other, bytes in between.

use super::{Pixels, pick, put};
use std::f64::consts::PI;

/// A filter: how far it reaches in pixels of the smaller image, and its weight at a distance from the centre.
pub(super) struct Filter {
    support: f64,
    weight: fn(f64) -> f64,
}

pub(super) const BOX: Filter = Filter { support: 0.5, weight: |x| if x > -0.5 && x <= 0.5 { 1.0 } else { 0.0 } };

pub(super) const BILINEAR: Filter = Filter { support: 1.0, weight: |x| (1.0 - x.abs()).max(0.0) };

pub(super) const HAMMING: Filter = Filter {
    support: 1.0,
    weight: |x| match x.abs() {
        0.0 => 1.0,
        // Pillow's two constants are floats.
        x if x < 1.0 => sinc(x) * (f64::from(0.54f32) + f64::from(0.46f32) * (x * PI).cos()),
        _ => 0.0,
    },
};

pub(super) const BICUBIC: Filter = Filter {
    support: 2.0,
    weight: |x| {
        const A: f64 = -0.5;
        match x.abs() {
            x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    },
};

pub(super) const LANCZOS: Filter =
    Filter { support: 3.0, weight: |x| if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 } };

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) }
}

/// Bits behind the point of a weight.
const BITS: u32 = 32 - 8 - 2;

/// The pixels of a line that make one of the new line, and their weights.
struct Span {
    start: usize,
    weights: Vec<i32>,
}

/// One span for each of the `to` pixels of a line that has `from`.
fn spans(filter: &Filter, from: usize, to: usize) -> Vec<Span> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let (support, inverse) = (filter.support * stretch, 1.0 / stretch);
    let span = |x: usize| {
        let centre = (x as f64 + 0.5) * scale;
        // Casts go towards zero, as in C, and stop at 0.
        let start = (centre - support + 0.5) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let mut weights: Vec<f64> =
            (start..end).map(|i| (filter.weight)((i as f64 - centre + 0.5) * inverse)).collect();
        let sum: f64 = weights.iter().sum();
        if sum != 0.0 {
            weights.iter_mut().for_each(|w| *w /= sum);
        }
        let fixed = |w: f64| (w * f64::from(1 << BITS) + 0.5f64.copysign(w)) as i32;
        Span { start, weights: weights.into_iter().map(fixed).collect() }
    };
    (0..to).map(span).collect()
}

/// A sum of weighted bytes, to which half a unit was added, as a byte.
fn byte(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

const HALF: i32 = 1 << (BITS - 1);

/// All rows of `C` channels in another width.
fn across<const C: usize>(bytes: &[u8], width: usize, spans: &[Span]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / width * spans.len());
    for row in bytes.chunks_exact(width * C) {
        let (pixels, _) = row.as_chunks::<C>();
        for span in spans {
            let mut sums = [HALF; C];
            for (pixel, weight) in pixels[span.start..].iter().zip(&span.weights) {
                for (sum, v) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(*v) * weight;
                }
            }
            out.extend(sums.map(byte));
        }
    }
    out
}

/// Rows of `length` bytes in another number.
fn down(bytes: &[u8], length: usize, spans: &[Span]) -> Vec<u8> {
    let (mut sums, mut out) = (vec![0; length], Vec::with_capacity(length * spans.len()));
    for span in spans {
        sums.fill(HALF);
        for (row, weight) in bytes[span.start * length..].chunks_exact(length).zip(&span.weights) {
            for (sum, v) in sums.iter_mut().zip(row) {
                *sum += i32::from(*v) * weight;
            }
        }
        out.extend(sums.iter().map(|sum| byte(*sum)));
    }
    out
}

/// Writes an image in another size. Pillow 13 begins with the columns if they lose more than twice as many pixels as the rows; before, it
/// always began with the rows, which at most moves a byte by one.
pub(super) fn resize(filter: &Filter, from: &Pixels<'_>, [height, width]: [usize; 2], out: &mut [f32]) {
    let c = from.channels;
    let in_width = |bytes: &[u8]| {
        let spans = spans(filter, from.width, width);
        if c == 1 { across::<1>(bytes, from.width, &spans) } else { across::<3>(bytes, from.width, &spans) }
    };
    let in_height = |bytes: &[u8], width: usize| down(bytes, width * c, &spans(filter, from.height, height));
    let fewer = |from: usize, to: usize| from as i64 - to as i64;
    let lost = [fewer(from.height, height), fewer(from.width, width)];
    let bytes = if height == from.height {
        in_width(from.bytes)
    } else if width == from.width {
        in_height(from.bytes, width)
    } else if lost[0] > 0 && lost[0] > 2 * lost[1] {
        in_width(&in_height(from.bytes, from.width))
    } else {
        in_height(&in_width(from.bytes), width)
    };
    put(bytes.into_iter(), out);
}

/// `NEAREST`, whose places are summed up, not multiplied (`ImagingScaleAffine`).
pub(super) fn nearest(from: &Pixels<'_>, [height, width]: [usize; 2], out: &mut [f32]) {
    let places = |from: usize, to: usize| {
        let step = from as f64 / to as f64;
        let mut at = 0.5 * step;
        let mut places = Vec::with_capacity(to);
        for _ in 0..to {
            places.push((at as usize).min(from - 1));
            at += step;
        }
        places
    };
    pick(from, &places(from.height, height), &places(from.width, width), out);
}
