//! A small rasteriser of grey tones: filled polygons with exact horizontal coverage, strokes, soft strokes.

/// A place on the canvas in pixels, x to the right, y down; pixel (0, 0) covers [0, 1) x [0, 1).
pub(super) type Point = [f32; 2];

/// Scan lines per pixel row: coverage is exact along x and sampled this often along y.
const SCANS: usize = 4;

/// Coverage, 0 to 1, of a rectangle of pixels.
#[derive(Debug, Clone)]
pub(super) struct Mask {
    left: usize,
    top: usize,
    width: usize,
    alpha: Vec<f32>,
}

/// A square picture of tones, 0 black to 1 white.
#[derive(Debug, Clone)]
pub(super) struct Canvas {
    /// Pixels along a side.
    pub size: usize,
    /// Row-major tones.
    pub tones: Vec<f32>,
}

impl Canvas {
    /// A canvas of one tone.
    pub(super) fn new(size: usize, tone: f32) -> Self {
        Self { size, tones: vec![tone; size * size] }
    }

    /// How much of each pixel lies in the polygon (non-zero winding, so that strokes may cross themselves).
    pub(super) fn cover(&self, polygon: &[Point]) -> Mask {
        let ([left, top], [right, bottom]) = self.bounds(polygon, 0.0);
        let mut mask = Mask { left, top, width: right - left, alpha: vec![0.0; (right - left) * (bottom - top)] };
        let mut crossings: Vec<(f32, i32)> = Vec::new();
        for row in top..bottom {
            for scan in 0..SCANS {
                let y = row as f32 + (scan as f32 + 0.5) / SCANS as f32;
                crossings.clear();
                for (i, a) in polygon.iter().enumerate() {
                    let b = &polygon[(i + 1) % polygon.len()];
                    if (a[1] <= y) != (b[1] <= y) {
                        let x = a[0] + (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]);
                        crossings.push((x, if a[1] <= y { 1 } else { -1 }));
                    }
                }
                crossings.sort_by(|a, b| a.0.total_cmp(&b.0));
                let line = &mut mask.alpha[(row - top) * (right - left)..(row - top + 1) * (right - left)];
                let mut winding = 0;
                for pair in crossings.windows(2) {
                    winding += pair[0].1;
                    if winding != 0 {
                        add_span(line, pair[0].0 - left as f32, pair[1].0 - left as f32);
                    }
                }
            }
        }
        mask
    }

    /// Paints the tone over the mask, `opacity` 0 to 1.
    pub(super) fn paint(&mut self, mask: &Mask, tone: f32, opacity: f32) {
        self.change(mask, |old, alpha| old + (tone - old) * alpha * opacity);
    }

    /// Paints over the part of `mask` that lies in `clip` too.
    pub(super) fn paint_within(&mut self, mask: &Mask, clip: &Mask, tone: f32, opacity: f32) {
        for (i, alpha) in mask.alpha.iter().enumerate() {
            let (x, y) = (mask.left + i % mask.width.max(1), mask.top + i / mask.width.max(1));
            let old = &mut self.tones[y * self.size + x];
            *old += (tone - *old) * alpha * clip.at(x, y) * opacity;
        }
    }

    /// Fills a polygon.
    pub(super) fn fill(&mut self, polygon: &[Point], tone: f32, opacity: f32) {
        let mask = self.cover(polygon);
        self.paint(&mask, tone, opacity);
    }

    /// Draws a line of changing width (the whole width at each point, in pixels).
    pub(super) fn stroke(&mut self, line: &[Point], widths: &[f32], tone: f32, opacity: f32) {
        self.fill(&outline(line, widths), tone, opacity);
    }

    /// Multiplies the tones near a line by `1 + amount` at its middle, fading as a Gaussian of `sigma` pixels: a fold
    /// (negative amount) or a highlight (positive).
    pub(super) fn shade(&mut self, line: &[Point], sigma: f32, amount: f32) {
        let reach = 3.0 * sigma;
        let ([left, top], [right, bottom]) = self.bounds(line, reach);
        let width = right - left;
        // Squared distance to the line, only where a piece of it is near.
        let mut nearest = vec![f32::INFINITY; width * (bottom - top)];
        let mut visit = |a: Point, b: Point| {
            let ([from_x, from_y], [to_x, to_y]) = self.bounds(&[a, b], reach);
            for y in from_y..to_y {
                for x in from_x..to_x {
                    let d = &mut nearest[(y - top) * width + x - left];
                    *d = d.min(distance_squared([x as f32 + 0.5, y as f32 + 0.5], a, b));
                }
            }
        };
        match line {
            [only] => visit(*only, *only),
            _ => line.windows(2).for_each(|piece| visit(piece[0], piece[1])),
        }
        let falloff = -0.5 / (sigma * sigma).max(1e-6);
        for (i, d) in nearest.iter().enumerate().filter(|(_, d)| d.is_finite()) {
            self.tones[(top + i / width) * self.size + left + i % width] *= 1.0 + amount * (d * falloff).exp();
        }
    }

    /// Half the size: each pixel the mean of four.
    pub(super) fn halved(&self) -> Self {
        let size = self.size / 2;
        let at = |x: usize, y: usize| self.tones[y * self.size + x];
        let tones = (0..size * size)
            .map(|i| {
                let (x, y) = (2 * (i % size), 2 * (i / size));
                0.25 * (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1))
            })
            .collect();
        Self { size, tones }
    }

    /// A Gaussian blur of `sigma` pixels; the border repeats.
    pub(super) fn blur(&mut self, sigma: f32) {
        let radius = (3.0 * sigma).ceil() as isize;
        if radius < 1 {
            return;
        }
        let mut kernel: Vec<f32> = (-radius..=radius).map(|d| (-0.5 * (d as f32 / sigma).powi(2)).exp()).collect();
        let sum: f32 = kernel.iter().sum();
        kernel.iter_mut().for_each(|k| *k /= sum);
        let last = self.size as isize - 1;
        for (along_x, along_y) in [(1, 0), (0, 1)] {
            let from = self.tones.clone();
            for (i, tone) in self.tones.iter_mut().enumerate() {
                let (x, y) = ((i % self.size) as isize, (i / self.size) as isize);
                *tone = kernel
                    .iter()
                    .zip(-radius..)
                    .map(|(k, d)| {
                        let (sx, sy) = ((x + d * along_x).clamp(0, last), (y + d * along_y).clamp(0, last));
                        k * from[sy as usize * self.size + sx as usize]
                    })
                    .sum();
            }
        }
    }

    /// Applies `f(old tone, coverage)` to the pixels of a mask.
    pub(super) fn change(&mut self, mask: &Mask, f: impl Fn(f32, f32) -> f32) {
        for (i, alpha) in mask.alpha.iter().enumerate() {
            let (x, y) = (mask.left + i % mask.width.max(1), mask.top + i / mask.width.max(1));
            let tone = &mut self.tones[y * self.size + x];
            *tone = f(*tone, *alpha);
        }
    }

    /// Corners of the pixels that the points, grown by `margin`, touch, within the canvas.
    fn bounds(&self, points: &[Point], margin: f32) -> ([usize; 2], [usize; 2]) {
        let span = |axis: usize| {
            let low = points.iter().map(|p| p[axis]).fold(f32::INFINITY, f32::min) - margin;
            let high = points.iter().map(|p| p[axis]).fold(f32::NEG_INFINITY, f32::max) + margin;
            let low = low.floor().clamp(0.0, self.size as f32) as usize;
            (low, (high.ceil().clamp(0.0, self.size as f32) as usize).max(low))
        };
        let ((left, right), (top, bottom)) = (span(0), span(1));
        ([left, top], [right, bottom])
    }
}

impl Mask {
    /// Coverage of one pixel, 0 outside the rectangle.
    fn at(&self, x: usize, y: usize) -> f32 {
        if x < self.left || y < self.top || x >= self.left + self.width {
            return 0.0;
        }
        self.alpha.get((y - self.top) * self.width + x - self.left).copied().unwrap_or(0.0)
    }
}

/// Adds one scan line's span [from, to) to a row of coverage.
fn add_span(row: &mut [f32], from: f32, to: f32) {
    let (from, to) = (from.max(0.0), to.min(row.len() as f32));
    if to <= from {
        return;
    }
    let (first, last) = (from as usize, (to.ceil() as usize).min(row.len()));
    for (x, alpha) in row.iter_mut().enumerate().take(last).skip(first) {
        let covered = to.min(x as f32 + 1.0) - from.max(x as f32);
        *alpha = (*alpha + covered / SCANS as f32).min(1.0);
    }
}

/// The polygon around a line of changing width; the last width holds for all further points.
fn outline(line: &[Point], widths: &[f32]) -> Vec<Point> {
    let side = |i: usize, sign: f32| {
        let (before, after) = (line[i.saturating_sub(1)], line[(i + 1).min(line.len() - 1)]);
        let (dx, dy) = (after[0] - before[0], after[1] - before[1]);
        let half = 0.5 * sign * widths.get(i).or(widths.last()).copied().unwrap_or(1.0) / dx.hypot(dy).max(1e-6);
        [line[i][0] - dy * half, line[i][1] + dx * half]
    };
    let there = (0..line.len()).map(|i| side(i, 1.0));
    there.chain((0..line.len()).rev().map(|i| side(i, -1.0))).collect()
}

/// Squared distance from `p` to the nearest point between `a` and `b`.
fn distance_squared(p: Point, a: Point, b: Point) -> f32 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let t = (((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / (dx * dx + dy * dy).max(1e-9)).clamp(0.0, 1.0);
    (p[0] - a[0] - t * dx).powi(2) + (p[1] - a[1] - t * dy).powi(2)
}

/// A smooth line through the points (Catmull-Rom), `steps` pieces between two of them.
pub(super) fn curve(points: &[Point], steps: usize) -> Vec<Point> {
    let at = |i: isize| points[i.clamp(0, points.len() as isize - 1) as usize];
    let mut line = Vec::with_capacity(points.len() * steps);
    for i in 0..points.len() as isize - 1 {
        for step in 0..steps {
            line.push(spline([at(i - 1), at(i), at(i + 1), at(i + 2)], step as f32 / steps as f32));
        }
    }
    line.extend(points.last());
    line
}

/// A smooth closed outline through the points.
pub(super) fn closed_curve(points: &[Point], steps: usize) -> Vec<Point> {
    let n = points.len();
    (0..n * steps)
        .map(|k| {
            let i = k / steps;
            let around = [points[(i + n - 1) % n], points[i], points[(i + 1) % n], points[(i + 2) % n]];
            spline(around, (k % steps) as f32 / steps as f32)
        })
        .collect()
}

/// The Catmull-Rom piece between `p[1]` and `p[2]` at `t`.
fn spline(p: [Point; 4], t: f32) -> Point {
    std::array::from_fn(|axis| {
        let [a, b, c, d] = p.map(|q| q[axis]);
        let (quadratic, cubic) = (2.0 * a - 5.0 * b + 4.0 * c - d, 3.0 * b - a - 3.0 * c + d);
        0.5 * (2.0 * b + t * (c - a + t * (quadratic + t * cubic)))
    })
}

/// An ellipse as a polygon.
pub(super) fn ellipse(centre: Point, radii: [f32; 2]) -> Vec<Point> {
    (0..24)
        .map(|i| {
            let (sin, cos) = (i as f32 / 24.0 * std::f32::consts::TAU).sin_cos();
            [centre[0] + radii[0] * cos, centre[1] + radii[1] * sin]
        })
        .collect()
}
