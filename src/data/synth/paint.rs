//! Draws one head, back to front: hair behind, neck, head, and over it what [`features`](super::features) draws.

use super::camera::Pose;
use super::draw::{Canvas, Point, closed_curve, curve, ellipse};
use super::face::{ActionUnits, Hair, Identity};
use super::features;
use crate::philox::Philox;

/// All that a part of the face needs to be drawn.
pub(super) struct Sitter {
    /// Who.
    pub id: Identity,
    /// Doing what.
    pub au: ActionUnits,
    /// Seen how.
    pub pose: Pose,
    /// Where the eyes look: -1 to 1 along x and y.
    pub gaze: Point,
}

impl Sitter {
    /// Somebody who shows the emotion `EMOTIONS[emotion]` on a canvas of `size` pixels.
    pub(super) fn sample(size: usize, emotion: usize, rng: &mut Philox) -> Self {
        let id = Identity::sample(rng);
        let au = ActionUnits::sample(emotion, rng);
        let pose = Pose::sample(size, rng);
        Self { id, au, pose, gaze: [rng.uniform(-1.0, 1.0), rng.uniform(-1.0, 1.0)] }
    }

    /// Strength of an action unit.
    pub(super) fn pull(&self, unit: usize) -> f32 {
        self.au.get(unit)
    }

    /// Pixels of points of the face.
    pub(super) fn map(&self, points: &[Point]) -> Vec<Point> {
        points.iter().map(|p| self.pose.project(p[0], p[1], 0.0)).collect()
    }

    /// A smooth line through points of the face.
    pub(super) fn line(&self, points: &[Point]) -> Vec<Point> {
        curve(&self.map(points), 5)
    }

    /// A length of the face in pixels.
    pub(super) fn px(&self, length: f32) -> f32 {
        length * self.pose.scale
    }

    /// How far the chin hangs below its rest.
    pub(super) fn jaw_drop(&self) -> f32 {
        0.15 * self.pull(26)
    }
}

/// A canvas of `size` pixels with background, head and face, not lit yet.
pub(super) fn head(size: usize, sitter: &Sitter, rng: &mut Philox) -> Canvas {
    let mut canvas = background(size, rng);
    hair_behind(&mut canvas, sitter);
    neck(&mut canvas, sitter);
    ears(&mut canvas, sitter);
    let outline = head_outline(sitter);
    let mask = canvas.cover(&outline);
    canvas.paint(&mask, sitter.id.skin, 1.0);
    // The edge of a head turns away from the eye and darkens; under the chin it also parts the face from the neck.
    canvas.shade(&outline, sitter.px(0.07), -0.22);
    beard(&mut canvas, sitter);
    features::draw(&mut canvas, sitter);
    hair_in_front(&mut canvas, sitter, rng);
    glasses(&mut canvas, sitter);
    canvas
}

/// A wall with a slope of light and a few soft things on it.
fn background(size: usize, rng: &mut Philox) -> Canvas {
    let mut canvas = Canvas::new(size, rng.uniform(0.12, 0.88));
    let (slope_x, slope_y) = (rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3));
    for (i, tone) in canvas.tones.iter_mut().enumerate() {
        let (x, y) = ((i % size) as f32 / size as f32 - 0.5, (i / size) as f32 / size as f32 - 0.5);
        *tone = (*tone + slope_x * x + slope_y * y).clamp(0.05, 0.95);
    }
    for _ in 0..rng.below(4) {
        let centre = [rng.uniform(0.0, size as f32), rng.uniform(0.0, size as f32)];
        let radii = [rng.uniform(0.08, 0.4) * size as f32, rng.uniform(0.08, 0.4) * size as f32];
        let tone = rng.uniform(0.1, 0.9);
        canvas.fill(&ellipse(centre, radii), tone, 0.6);
    }
    canvas
}

/// Points of the right half of the head's outline, crown to chin, and their mirror image.
fn head_outline(sitter: &Sitter) -> Vec<Point> {
    let id = &sitter.id;
    let half = [
        (0.45, -0.97),
        (0.82, -0.70),
        (0.98, -0.32),
        (1.0, 0.0),
        (0.96, 0.30),
        (0.80 + 0.09 * id.jaw, 0.62),
        (0.50 + 0.16 * id.jaw, 0.88),
        (0.20 + 0.10 * id.jaw, 1.01),
    ];
    let puff = 0.03 * sitter.pull(12);
    let place = |x: f32, y: f32| {
        let low = ((y - 0.2) / 0.8).max(0.0);
        let y = if y > 0.5 { 0.5 + (y - 0.5) * (2.0 * id.chin - 1.0) } else { y };
        let wide = id.width * (1.0 + puff * (1.0 - (y - 0.3).abs()).max(0.0));
        sitter.pose.place(x * wide, y + sitter.jaw_drop() * low)
    };
    let mut points = vec![place(0.0, -1.04)];
    points.extend(half.iter().map(|&(x, y)| place(x, y)));
    points.push(place(0.0, 1.03));
    points.extend(half.iter().rev().map(|&(x, y)| place(-x, y)));
    closed_curve(&points, 4)
}

fn neck(canvas: &mut Canvas, sitter: &Sitter) {
    let id = &sitter.id;
    let place = |points: &[Point]| points.iter().map(|p| sitter.pose.place(p[0], p[1])).collect::<Vec<_>>();
    let w = 0.62 * id.width;
    canvas.fill(&place(&[[-w, 0.5], [w, 0.5], [w * 1.15, 1.6], [-w * 1.15, 1.6]]), id.skin * 0.72, 1.0);
    let shirt =
        place(&[[-2.0, 2.2], [-1.6, 1.45], [-w * 1.1, 1.22], [0.0, 1.42], [w * 1.1, 1.22], [1.6, 1.45], [2.0, 2.2]]);
    canvas.fill(&shirt, id.cloth, 1.0);
}

fn ears(canvas: &mut Canvas, sitter: &Sitter) {
    for side in [-1.0, 1.0] {
        let centre = sitter.pose.place(side * (sitter.id.width + 0.03), -0.02);
        canvas.fill(&ellipse(centre, [sitter.px(0.09), sitter.px(0.17)]), sitter.id.skin * 0.88, 1.0);
        canvas.fill(&ellipse(centre, [sitter.px(0.045), sitter.px(0.10)]), sitter.id.skin * 0.68, 0.7);
    }
}

fn hair_behind(canvas: &mut Canvas, sitter: &Sitter) {
    let id = &sitter.id;
    let place = |x: f32, y: f32| sitter.pose.place(x * id.width, y);
    match id.hair {
        Hair::Long => {
            let half = [(0.7, -1.12), (1.15, -0.7), (1.27, 0.0), (1.32, 0.7), (1.25, 1.35), (0.7, 1.5)];
            let mut points: Vec<Point> = half.iter().map(|&(x, y)| place(x, y)).collect();
            points.extend(half.iter().rev().map(|&(x, y)| place(-x, y)));
            canvas.fill(&closed_curve(&points, 4), id.hair_tone, 1.0);
        }
        Hair::Curly => {
            for i in 0..13 {
                let (sin, cos) = (std::f32::consts::PI * (i as f32 / 12.0 * 1.3 - 0.15)).sin_cos();
                let r = sitter.px(0.3);
                canvas.fill(&ellipse(place(1.12 * cos, -0.35 - 0.72 * sin), [r, r]), id.hair_tone, 1.0);
            }
        }
        _ => {}
    }
}

/// The hair that frames the forehead: from temple over the crown to the other temple, and back along the hairline.
fn hair_in_front(canvas: &mut Canvas, sitter: &Sitter, rng: &mut Philox) {
    let id = &sitter.id;
    if id.hair == Hair::Bald {
        return;
    }
    let (side, low) = match id.hair {
        Hair::Short => (-0.28, -0.70 + 0.12 * id.hairline),
        Hair::Fringe => (-0.22, -0.58 + 0.10 * id.hairline),
        Hair::Long => (0.25, -0.74 + 0.14 * id.hairline),
        _ => (-0.2, -0.68 + 0.12 * id.hairline),
    };
    let w = id.width;
    let mut points: Vec<Point> =
        [(-1.03, side), (-1.04, -0.5), (-0.75, -0.93), (0.0, -1.14), (0.75, -0.93), (1.04, -0.5)]
            .iter()
            .map(|&(x, y)| sitter.pose.place(x * w, y))
            .collect();
    points.push(sitter.pose.place(1.03 * w, side));
    let parting = rng.uniform(-0.3, 0.3);
    let waves = if id.hair == Hair::Fringe { 0.05 } else { 0.02 };
    for (i, x) in [0.88_f32, 0.66, 0.36, 0.0, -0.36, -0.66, -0.88].into_iter().enumerate() {
        let rise = if id.hair == Hair::Long { 0.08 * (1.0 - (x - parting).abs()) } else { 0.0 };
        let temple = if x.abs() > 0.8 { 0.45 * (side - low) } else { 0.10 * x * x };
        let wave = if i % 2 == 0 { waves } else { -waves };
        points.push(sitter.pose.project(x * w, low + temple - rise + wave, 0.05));
    }
    let outline = closed_curve(&points, 4);
    canvas.fill(&outline, id.hair_tone, 1.0);
    for x in [-0.5, -0.1, 0.35] {
        let strand = [sitter.pose.place((x + 0.1) * w, -1.05), sitter.pose.project(x * w, low - 0.02, 0.05)];
        canvas.shade(&strand, sitter.px(0.05), 0.35);
    }
}

/// Stubble or a beard over the jaw; the moustache belongs to the mouth.
fn beard(canvas: &mut Canvas, sitter: &Sitter) {
    let id = &sitter.id;
    if id.beard == 0.0 {
        return;
    }
    let drop = sitter.jaw_drop();
    let w = id.width;
    let half = [(0.99, 0.05), (0.97, 0.35), (0.85, 0.66), (0.58, 0.93 + drop), (0.0, 1.06 + drop)];
    let mut points: Vec<Point> = half.iter().map(|&(x, y)| sitter.pose.place(x * w, y)).collect();
    points.extend(half[..4].iter().rev().map(|&(x, y)| sitter.pose.place(-x * w, y)));
    let inner = [(-0.72, 0.30), (-0.52, 0.46), (-0.30, 0.70 + drop), (0.30, 0.70 + drop), (0.52, 0.46), (0.72, 0.30)];
    points.extend(inner.iter().map(|&(x, y)| sitter.pose.project(x * w, y, 0.0)));
    let tone = id.skin + (id.hair_tone - id.skin) * 0.85;
    canvas.fill(&closed_curve(&points, 3), tone, id.beard);
}

fn glasses(canvas: &mut Canvas, sitter: &Sitter) {
    let id = &sitter.id;
    let Some(darkness) = id.glasses else { return };
    let (tone, width) = (0.5 * (1.0 - darkness), sitter.px(0.045));
    for side in [-1.0, 1.0] {
        let (x, y) = (side * id.eye_distance, -0.09);
        let (rx, ry) = if id.round_glasses { (0.22, 0.21) } else { (0.25, 0.16) };
        let rim: Vec<Point> = (0..=24)
            .map(|i| {
                let (sin, cos) = (i as f32 / 24.0 * std::f32::consts::TAU).sin_cos();
                // Straight glasses are a superellipse: its sides are flatter than a circle's.
                let power = if id.round_glasses { 1.0 } else { 0.6 };
                let bend = |v: f32| v.abs().powf(power) * v.signum();
                sitter.pose.project(x + rx * bend(cos), y + ry * bend(sin), 0.08)
            })
            .collect();
        canvas.fill(&rim, 0.9, 0.07);
        canvas.stroke(&rim, &[width], tone, 0.9);
        let arm = [sitter.pose.project(x + side * rx, y - 0.04, 0.08), sitter.pose.place(side * id.width, y - 0.06)];
        canvas.stroke(&arm, &[width], tone, 0.9);
    }
    let gap = id.eye_distance - 0.23;
    let bridge = [[-gap, -0.11], [0.0, -0.14], [gap, -0.11]];
    let bridge: Vec<Point> = bridge.iter().map(|p| sitter.pose.project(p[0], p[1], 0.1)).collect();
    canvas.stroke(&curve(&bridge, 4), &[width], tone, 0.9);
}
