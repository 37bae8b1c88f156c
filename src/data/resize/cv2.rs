//! `cv2.resize` (OpenCV, `modules/imgproc/src/resize.cpp`) of bytes, in its fixed-point and float arithmetic.

use super::{Pixels, pick, put};

/// 1 in OpenCV's weights of 11 bits behind the point.
const ONE: f32 = 2048.0;

/// Source pixels for one of the result.
fn scale(from: usize, to: usize) -> f64 {
    1.0 / (to as f64 / from as f64)
}

/// A whole number of source pixels for one of the result, if it is one.
fn whole(from: usize, to: usize) -> Option<usize> {
    from.is_multiple_of(to).then(|| from / to)
}

/// Two or four neighbours along a line, and their weights.
struct Tap<const N: usize> {
    places: [usize; N],
    weights: [i32; N],
}

/// Weights as OpenCV rounds them.
fn tap<const N: usize>(first: i64, from: usize, weights: [f32; N]) -> Tap<N> {
    let mut places = [0; N];
    for (place, i) in places.iter_mut().zip(first..) {
        *place = i.clamp(0, from as i64 - 1) as usize;
    }
    Tap { places, weights: weights.map(|w| (w * ONE).round_ties_even() as i32) }
}

/// The pixel before a pixel's place in the source, and how far behind it the place is.
fn place(x: usize, scale: f64) -> (i64, f32) {
    let at = ((x as f64 + 0.5) * scale - 0.5) as f32;
    (at.floor() as i64, at - at.floor())
}

fn linear_taps(from: usize, to: usize) -> Vec<Tap<2>> {
    let scale = scale(from, to);
    let tap = |x| {
        let (low, share) = place(x, scale);
        tap(low, from, [1.0 - share, share])
    };
    (0..to).map(tap).collect()
}

/// The linear weights by which `INTER_AREA` enlarges.
fn enlarging_taps(from: usize, to: usize) -> Vec<Tap<2>> {
    let scale = scale(from, to);
    let tap = |x: usize| {
        let low = (x as f64 * scale).floor();
        let share = ((x as f64 + 1.0) - (low + 1.0) / scale) as f32;
        let share = if share <= 0.0 { 0.0 } else { share - share.floor() };
        tap(low as i64, from, [1.0 - share, share])
    };
    (0..to).map(tap).collect()
}

fn cubic_taps(from: usize, to: usize) -> Vec<Tap<4>> {
    const A: f32 = -0.75;
    let scale = scale(from, to);
    let tap = |x| {
        let (low, t) = place(x, scale);
        let far = ((A * (t + 1.0) - 5.0 * A) * (t + 1.0) + 8.0 * A) * (t + 1.0) - 4.0 * A;
        let near = |t: f32| ((A + 2.0) * t - (A + 3.0)) * t * t + 1.0;
        let [left, right] = [near(t), near(1.0 - t)];
        tap(low - 1, from, [far, left, right, 1.0 - far - left - right])
    };
    (0..to).map(tap).collect()
}

/// Writes weighted sums of `N` x `N` neighbours; `column` makes a byte of `N` sums of a row each and their weights.
fn taps<const N: usize>(
    from: &Pixels<'_>,
    rows: &[Tap<N>],
    columns: &[Tap<N>],
    column: fn([i32; N], [i32; N]) -> u8,
    out: &mut [f32],
) {
    let c = from.channels;
    let line = |y: usize| -> Vec<i32> {
        let row = from.row(y);
        let sum = |tap: &Tap<N>, channel: usize| {
            tap.places.iter().zip(tap.weights).map(|(x, w)| i32::from(row[x * c + channel]) * w).sum()
        };
        columns.iter().flat_map(|tap| (0..c).map(move |channel| sum(tap, channel))).collect()
    };
    for (tap, out) in rows.iter().zip(out.chunks_exact_mut(columns.len() * c)) {
        let lines = tap.places.map(line);
        put((0..out.len()).map(|i| column(std::array::from_fn(|k| lines[k][i]), tap.weights)), out);
    }
}

/// What OpenCV makes of two rows' sums, dropping bits on the way so that 16 bits hold a product.
fn linear_column(sums: [i32; 2], weights: [i32; 2]) -> u8 {
    let [a, b] = [0, 1].map(|k| (weights[k] * (sums[k] >> 4)) >> 16);
    ((a + b + 2) >> 2).clamp(0, 255) as u8
}

fn cubic_column(sums: [i32; 4], weights: [i32; 4]) -> u8 {
    let sum: i64 = sums.iter().zip(weights).map(|(s, w)| i64::from(*s) * i64::from(w)).sum();
    ((sum + (1 << 21)) >> 22).clamp(0, 255) as u8
}

/// `INTER_LINEAR`; at half the size in both directions it is `INTER_AREA`.
pub(super) fn linear(from: &Pixels<'_>, to: [usize; 2], out: &mut [f32]) {
    let [height, width] = to;
    if whole(from.height, height) == Some(2) && whole(from.width, width) == Some(2) {
        return area(from, to, out);
    }
    taps(from, &linear_taps(from.height, height), &linear_taps(from.width, width), linear_column, out);
}

/// `INTER_CUBIC`.
pub(super) fn cubic(from: &Pixels<'_>, [height, width]: [usize; 2], out: &mut [f32]) {
    taps(from, &cubic_taps(from.height, height), &cubic_taps(from.width, width), cubic_column, out);
}

/// `INTER_NEAREST`.
pub(super) fn nearest(from: &Pixels<'_>, [height, width]: [usize; 2], out: &mut [f32]) {
    let places = |from: usize, to: usize| -> Vec<usize> {
        let scale = scale(from, to);
        (0..to).map(|x| ((x as f64 * scale).floor() as usize).min(from - 1)).collect()
    };
    pick(from, &places(from.height, height), &places(from.width, width), out);
}

/// The pixels that one of the result covers, the first of them, and the share of each.
struct Cover {
    start: usize,
    shares: Vec<f32>,
}

fn covers(from: usize, to: usize) -> Vec<Cover> {
    let scale = scale(from, to);
    let cover = |x: usize| {
        let begin = x as f64 * scale;
        let end = begin + scale;
        let width = scale.min(from as f64 - begin);
        let last = (end.floor() as usize).min(from - 1);
        let first = (begin.ceil() as usize).min(last);
        let mut cover = Cover { start: first, shares: Vec::new() };
        // OpenCV leaves out what covers less than a thousandth of a pixel.
        if first as f64 - begin > 1e-3 {
            cover.start = first.saturating_sub(1);
            cover.shares.push(((first as f64 - begin) / width) as f32);
        }
        cover.shares.extend((first..last).map(|_| (1.0 / width) as f32));
        if end - last as f64 > 1e-3 {
            cover.shares.push(((end - last as f64).min(1.0).min(width) / width) as f32);
        }
        cover
    };
    (0..to).map(cover).collect()
}

/// `INTER_AREA`: means of the pixels covered; an enlarged image is interpolated.
pub(super) fn area(from: &Pixels<'_>, [height, width]: [usize; 2], out: &mut [f32]) {
    if from.height < height || from.width < width {
        let (rows, columns) = (enlarging_taps(from.height, height), enlarging_taps(from.width, width));
        return taps(from, &rows, &columns, linear_column, out);
    }
    if let (Some(y), Some(x)) = (whole(from.height, height), whole(from.width, width)) {
        return blocks(from, [y, x], out);
    }
    let (c, columns) = (from.channels, covers(from.width, width));
    let (mut line, mut sums) = (vec![0.0f32; width * c], vec![0.0f32; width * c]);
    for (cover, out) in covers(from.height, height).iter().zip(out.chunks_exact_mut(width * c)) {
        sums.fill(0.0);
        for (y, share) in (cover.start..).zip(&cover.shares) {
            let row = from.row(y);
            for (column, line) in columns.iter().zip(line.chunks_exact_mut(c)) {
                line.fill(0.0);
                for (pixel, share) in row[column.start * c..].chunks_exact(c).zip(&column.shares) {
                    line.iter_mut().zip(pixel).for_each(|(sum, v)| *sum += f32::from(*v) * share);
                }
            }
            sums.iter_mut().zip(&line).for_each(|(sum, v)| *sum += v * share);
        }
        put(sums.iter().map(|v| v.round_ties_even().clamp(0.0, 255.0) as u8), out);
    }
}

/// Means of whole blocks of pixels.
fn blocks(from: &Pixels<'_>, [down, across]: [usize; 2], out: &mut [f32]) {
    let (c, length) = (from.channels, from.width / across * from.channels);
    let mut sums = vec![0u32; length];
    let share = 1.0 / (down * across) as f32;
    let mean = |sum: u32| {
        if [down, across] == [2, 2] { ((sum + 2) >> 2) as u8 } else { (sum as f32 * share).round_ties_even() as u8 }
    };
    for (block, out) in out.chunks_exact_mut(length).enumerate() {
        sums.fill(0);
        for y in block * down..(block + 1) * down {
            for (pixels, sums) in from.row(y).chunks_exact(across * c).zip(sums.chunks_exact_mut(c)) {
                for pixel in pixels.chunks_exact(c) {
                    sums.iter_mut().zip(pixel).for_each(|(sum, v)| *sum += u32::from(*v));
                }
            }
        }
        put(sums.iter().map(|sum| mean(*sum)), out);
    }
}
