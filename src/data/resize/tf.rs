//! `tf.image.resize` (TensorFlow, `core/kernels/image`) in float32, without rounding to bytes.

use super::{Pixels, pick};

/// A float of TensorFlow's, from 0 to 255, as it is written.
fn unit(value: f32) -> f32 {
    value / 255.0
}

/// The pixels of a line that make one of the new line, and their weights.
struct Span {
    start: usize,
    weights: Vec<f32>,
}

/// `method="bilinear"`: the four pixels around a place, however much the image is reduced.
pub(super) fn bilinear(from: &Pixels<'_>, [height, width]: [usize; 2], out: &mut [f32]) {
    let places = |from: usize, to: usize| -> Vec<(usize, usize, f32)> {
        let scale = from as f32 / to as f32;
        let place = |x: usize| {
            let at = (x as f32 + 0.5) * scale - 0.5;
            let (low, high) = (at.floor().max(0.0) as usize, (at.ceil().max(0.0) as usize).min(from - 1));
            (low.min(from - 1), high, at - at.floor())
        };
        (0..to).map(place).collect()
    };
    let (c, columns) = (from.channels, places(from.width, width));
    for ((low, high, share), out) in places(from.height, height).into_iter().zip(out.chunks_exact_mut(width * c)) {
        let (top, bottom) = (from.row(low), from.row(high));
        for ((left, right, across), out) in columns.iter().zip(out.chunks_exact_mut(c)) {
            for (channel, to) in out.iter_mut().enumerate() {
                let mix = |row: &[u8]| {
                    let [a, b] = [left, right].map(|x| f32::from(row[x * c + channel]));
                    a + (b - a) * across
                };
                let (top, bottom) = (mix(top), mix(bottom));
                *to = unit(top + (bottom - top) * share);
            }
        }
    }
}

/// `method="nearest"`.
pub(super) fn nearest(from: &Pixels<'_>, [height, width]: [usize; 2], out: &mut [f32]) {
    let places = |from: usize, to: usize| -> Vec<usize> {
        let scale = from as f32 / to as f32;
        (0..to).map(|x| (((x as f32 + 0.5) * scale).floor() as usize).min(from - 1)).collect()
    };
    pick(from, &places(from.height, height), &places(from.width, width), out);
}

/// The spans of a triangle as wide as the reduction (`ScaleAndTranslate`).
fn triangles(from: usize, to: usize) -> Vec<Span> {
    let inverse = 1.0 / (to as f32 / from as f32);
    let radius = inverse.max(1.0);
    let span = |x: usize| {
        let at = (x as f32 + 0.5) * inverse;
        let start = ((at - radius - 0.5).ceil().max(0.0) as usize).min(from - 1);
        let end = ((at + radius - 0.5).floor().max(0.0) as usize).min(from - 1);
        let weight = |i: usize| (1.0 - ((i as f32 + 0.5 - at) / radius).abs()).max(0.0);
        let mut weights: Vec<f32> = (start..=end).map(weight).collect();
        let sum: f32 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= sum);
        Span { start, weights }
    };
    (0..to).map(span).collect()
}

/// The spans of what one of the new pixels covers (`ResizeArea`).
fn covers(from: usize, to: usize) -> Vec<Span> {
    let scale = from as f32 / to as f32;
    let span = |x: usize| {
        let (begin, end) = (x as f32 * scale, (x as f32 + 1.0) * scale);
        let (start, last) = (begin.floor() as usize, (end.ceil() as usize).min(from));
        let weight = |i: usize| ((i as f32 + 1.0).min(end) - (i as f32).max(begin)) / scale;
        Span { start, weights: (start..last).map(weight).collect() }
    };
    (0..to).map(span).collect()
}

/// Writes weighted sums, of whole rows first.
fn weighted(from: &Pixels<'_>, rows: &[Span], columns: &[Span], out: &mut [f32]) {
    let c = from.channels;
    let mut line = vec![0.0f32; from.width * c];
    for (span, out) in rows.iter().zip(out.chunks_exact_mut(columns.len() * c)) {
        line.fill(0.0);
        for (y, weight) in (span.start..).zip(&span.weights) {
            line.iter_mut().zip(from.row(y)).for_each(|(sum, v)| *sum += f32::from(*v) * weight);
        }
        for (span, out) in columns.iter().zip(out.chunks_exact_mut(c)) {
            out.fill(0.0);
            for (pixel, weight) in line[span.start * c..].chunks_exact(c).zip(&span.weights) {
                out.iter_mut().zip(pixel).for_each(|(sum, v)| *sum += v * weight);
            }
            out.iter_mut().for_each(|v| *v = unit(*v));
        }
    }
}

/// `method="bilinear"`, `antialias=True`.
pub(super) fn bilinear_antialias(from: &Pixels<'_>, [height, width]: [usize; 2], out: &mut [f32]) {
    weighted(from, &triangles(from.height, height), &triangles(from.width, width), out);
}

/// `method="area"`.
pub(super) fn area(from: &Pixels<'_>, [height, width]: [usize; 2], out: &mut [f32]) {
    weighted(from, &covers(from.height, height), &covers(from.width, width), out);
}
