//! The f64 reference.

use super::{Augment, FillMode, Row};
use crate::philox::philox4x32;
use crate::tensor::HostTensor;
use std::f64::consts::TAU;

/// The reference of [`record`](super::record): `x` `[n, h, w, c]`, a row an image.
pub fn reference(op: &Augment, x: &HostTensor, rows: &[Row]) -> HostTensor {
    let &[_, h, w, c] = x.shape.dims() else { unreachable!("the graph has checked that images are [n, h, w, c]") };
    let mut y = x.clone();
    if x.data.is_empty() {
        return y;
    }
    for (image, row) in y.data.chunks_exact_mut(h * w * c).zip(rows) {
        if op.warps || !op.pixels {
            let warped = warp(op, image, [h, w, c], row);
            image.copy_from_slice(&warped);
        }
        if op.pixels {
            (0..c).for_each(|k| pixels(op, image, [h, w, c], k, row));
        }
    }
    y
}

/// Two neighbours along an axis of `size` pixels and the second's weight, or nothing outside.
fn taps(fill: FillMode, place: f64, size: usize) -> Option<(usize, usize, f64)> {
    let last = size as f64 - 1.0;
    let inside = (0.0..=last).contains(&place);
    let at = match fill {
        FillMode::Constant if !inside => return None,
        FillMode::Reflect => {
            let low = place.floor();
            return Some((reflected(low as i64, size), reflected(low as i64 + 1, size), place - low));
        }
        FillMode::Wrap if !inside && size > 1 && place < 0.0 => place + last * ((-place / last).trunc() + 1.0),
        FillMode::Wrap if !inside && size > 1 => place - last * (place / last).trunc(),
        _ => place.clamp(0.0, last),
    };
    let low = at.floor();
    Some((low as usize, (low as usize + 1).min(size - 1), at - low))
}

/// `i` of an axis that goes on as its own mirror image.
fn reflected(i: i64, size: usize) -> usize {
    let m = i.rem_euclid(2 * size as i64) as usize;
    if m < size { m } else { 2 * size - 1 - m }
}

fn warp(op: &Augment, x: &[f64], [h, w, c]: [usize; 3], row: &Row) -> Vec<f64> {
    let mut y = Vec::with_capacity(x.len());
    for i in 0..h * w {
        let [r, q] = [i / w, i % w].map(|v| v as f64);
        let place = |m: [f32; 3]| f64::from(m[0]) * r + f64::from(m[1]) * q + f64::from(m[2]);
        let found = taps(op.fill, place(row.rows), h).zip(taps(op.fill, place(row.columns), w));
        for k in 0..c {
            y.push(match found {
                None => f64::from(op.cval) * f64::from(op.scale[k]) + f64::from(op.offset[k]),
                Some(((top, bottom, down), (left, right, across))) => {
                    let at = |r: usize, q: usize| x[(r * w + q) * c + k];
                    let line = |r: usize| at(r, left) * (1.0 - across) + at(r, right) * across;
                    line(top) * (1.0 - down) + line(bottom) * down
                }
            });
        }
    }
    y
}

/// Changes channel `k` of an image.
fn pixels(op: &Augment, image: &mut [f64], [h, w, c]: [usize; 3], k: usize, row: &Row) {
    let (scale, offset) = (f64::from(op.scale[k]), f64::from(op.offset[k]));
    let clip = |v: f64| v.clamp(0.0, 255.0);
    let mut plane: Vec<f64> = image[k..].iter().step_by(c).map(|x| (x - offset) / scale).collect();
    if row.blur > 0.0 {
        plane = blur(&plane, [h, w], f64::from(row.blur));
    }
    plane.iter_mut().for_each(|v| *v = clip(*v * f64::from(row.brightness)));
    let mean = plane.iter().sum::<f64>() / plane.len() as f64;
    for (i, four) in plane.chunks_mut(4).enumerate() {
        let words = philox4x32([i as u32, k as u32, 0, 0], [row.key_low.to_bits(), row.key_high.to_bits()]);
        for (v, z) in four.iter_mut().zip(normals(words)) {
            *v = clip(mean + f64::from(row.contrast) * (*v - mean));
            *v = clip(*v + f64::from(row.noise) * z);
        }
    }
    let [top, left, bottom, right] = row.erased;
    for (i, v) in plane.into_iter().enumerate() {
        let gone = (top..bottom).contains(&((i / w) as f32)) && (left..right).contains(&((i % w) as f32));
        image[i * c + k] = if gone { 0.0 } else { v } * scale + offset;
    }
}

fn blur(x: &[f64], [h, w]: [usize; 2], sigma: f64) -> Vec<f64> {
    let weights = [2.0f64, 1.0, 0.0, 1.0, 2.0].map(|d| (-0.5 * d * d / (sigma * sigma)).exp());
    let total: f64 = weights.iter().sum();
    let near = |at: usize, d: usize, size: usize| (at + d).saturating_sub(2).min(size - 1);
    let value = |i: usize| {
        let line = |r: usize| -> f64 { (0..5).map(|d| weights[d] * x[r * w + near(i % w, d, w)]).sum() };
        let sum: f64 = (0..5).map(|d| weights[d] * line(near(i / w, d, h))).sum();
        sum / (total * total)
    };
    (0..x.len()).map(value).collect()
}

/// Four standard normal numbers from 128 random bits.
fn normals(words: [u32; 4]) -> [f64; 4] {
    let [a, b, c, d] = words.map(|word| f64::from(word >> 8) / 16_777_216.0);
    let pair = |u: f64, v: f64| {
        let (sin, cos) = (TAU * (v - 0.5)).sin_cos();
        [cos, sin].map(|part| (-2.0 * (1.0 - u).ln()).sqrt() * part)
    };
    let ([first, second], [third, fourth]) = (pair(a, b), pair(c, d));
    [first, second, third, fourth]
}

#[cfg(test)]
mod tests {
    use super::super::Transform;
    use super::*;

    const UNIT: Augment = Augment {
        warps: true,
        pixels: true,
        fill: FillMode::Constant,
        cval: 0.0,
        scale: [1.0 / 255.0; 4],
        offset: [0.0; 4],
    };

    /// An image of grey `v`, as a network takes it.
    fn flat(v: f64, side: usize) -> HostTensor {
        HostTensor::from_fn([1, side, side, 1], |_| v / 255.0)
    }

    /// The pixel values of an augmented image.
    fn apply(op: &Augment, x: &HostTensor, row: Row) -> Vec<f64> {
        reference(op, x, &[row]).data.iter().map(|v| v * 255.0).collect()
    }

    #[test]
    fn each_mode_fills_as_its_picture() {
        let x = HostTensor::from_fn([1, 1, 3, 1], |i| (i + 1) as f64 / 255.0);
        for (fill, shift, expected) in [
            (FillMode::Constant, 3.0, [9.0, 9.0, 9.0]),
            (FillMode::Nearest, 3.0, [3.0, 3.0, 3.0]),
            (FillMode::Reflect, 3.0, [3.0, 2.0, 1.0]),
            (FillMode::Reflect, -3.0, [3.0, 2.0, 1.0]),
            (FillMode::Reflect, 6.0, [1.0, 2.0, 3.0]),
            (FillMode::Wrap, 2.5, [1.5, 2.5, 1.5]),
            (FillMode::Wrap, -3.5, [1.5, 2.5, 1.5]),
            (FillMode::Constant, 0.5, [1.5, 2.5, 9.0]),
        ] {
            let op = Augment { pixels: false, fill, cval: 9.0, ..UNIT };
            let y = apply(&op, &x, Transform { tx: shift, ..Transform::default() }.row(1, 3));
            assert!(y.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{fill:?} by {shift}: {y:?}");
        }
    }

    #[test]
    fn brightness_contrast_and_erasing() {
        let row = Row { brightness: 1.5, ..Row::IDENTITY };
        assert!(apply(&UNIT, &flat(100.0, 4), row).iter().all(|v| (v - 150.0).abs() < 1e-4));
        assert!(apply(&UNIT, &flat(200.0, 4), row).iter().all(|v| (v - 255.0).abs() < 1e-4), "clipped");
        let two = HostTensor::from_fn([1, 1, 2, 1], |i| (100 + 20 * i) as f64 / 255.0);
        let y = apply(&UNIT, &two, Row { contrast: 2.0, ..Row::IDENTITY });
        assert!((y[0] - 90.0).abs() < 1e-4 && (y[1] - 130.0).abs() < 1e-4, "{y:?}");
        let y = apply(&UNIT, &flat(50.0, 3), Row { erased: [1.0, 0.0, 3.0, 2.0], ..Row::IDENTITY });
        let gone: Vec<usize> = (0..9).filter(|i| y[*i] == 0.0).collect();
        assert_eq!(gone, [3, 4, 6, 7]);
    }

    #[test]
    fn blur_keeps_the_sum_and_spreads() {
        let dot = HostTensor::from_fn([1, 9, 9, 1], |i| if i == 40 { 1.0 } else { 0.0 });
        let y = apply(&UNIT, &dot, Row { blur: 1.0, ..Row::IDENTITY });
        assert!((y.iter().sum::<f64>() - 255.0).abs() < 1e-9);
        // exp(-1/2) less a step away, along either axis.
        assert!((y[41] / y[40] - (-0.5f64).exp()).abs() < 1e-9 && (y[31] - y[41]).abs() < 1e-9);
        assert!((y[42] / y[40] - (-2.0f64).exp()).abs() < 1e-9 && y[43] == 0.0);
    }

    #[test]
    fn noise_is_normal_and_its_key_decides() {
        let noisy = |key_low| apply(&UNIT, &flat(128.0, 200), Row { noise: 10.0, key_low, ..Row::IDENTITY });
        let (a, n) = (noisy(0.25), 40_000.0);
        let mean = a.iter().sum::<f64>() / n;
        let variance = a.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        // Five standard errors: 10 / 200 of the mean, 100 sqrt(2) / 200 of the variance.
        assert!((mean - 128.0).abs() < 0.25 && (variance - 100.0).abs() < 3.6, "{mean} {variance}");
        let fourth = a.iter().map(|v| (v - mean).powi(4)).sum::<f64>() / n / variance.powi(2);
        assert!((fourth - 3.0).abs() < 0.13, "a normal distribution's fourth moment is 3: {fourth}");
        assert_eq!(a, noisy(0.25));
        assert!(a.iter().zip(noisy(0.5)).filter(|(a, b)| (*a - b).abs() < 1e-9).count() < 10);
    }
}
