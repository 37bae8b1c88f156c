//! How the face is seen: pose, light, what is in the way, and the faults of a small camera.

use super::draw::{Canvas, Point, closed_curve, curve};
use crate::philox::Philox;

/// The usual turn to the side, in radians.
const YAW: f32 = 0.13;
/// The most that a head is turned, over the usual.
const FARTHEST: f32 = 2.2;

/// Where the head is and how it is turned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pose {
    yaw: f32,
    pitch: f32,
    roll: f32,
    /// Pixels per face unit.
    pub scale: f32,
    centre: Point,
}

impl Pose {
    /// A random pose of a face that roughly fills a canvas of `size` pixels.
    pub(super) fn sample(size: usize, rng: &mut Philox) -> Self {
        let size = size as f32;
        Self {
            yaw: YAW * rng.normal().clamp(-FARTHEST, FARTHEST),
            pitch: 0.07 * rng.normal().clamp(-FARTHEST, FARTHEST),
            roll: 0.08 * rng.normal().clamp(-FARTHEST, FARTHEST),
            scale: size * rng.uniform(0.45, 0.52),
            centre: [size * (0.5 + rng.uniform(-0.04, 0.04)), size * (0.47 + rng.uniform(-0.04, 0.04))],
        }
    }

    /// How far the head is turned to the side, by the most that it ever is: -1 to 1.
    pub(super) fn turn(&self) -> f32 {
        self.yaw / (YAW * FARTHEST)
    }

    /// The pixel of a point of the face: `x`, `y` in face units, `lift` how far it stands out of the head's round.
    pub(super) fn project(&self, x: f32, y: f32, lift: f32) -> Point {
        let depth = 0.75 * (1.0 - (x / 0.85).powi(2) - (y / 1.25).powi(2)).max(0.0).sqrt() + lift;
        let turned = [x * self.yaw.cos() + depth * self.yaw.sin(), y * self.pitch.cos() + depth * self.pitch.sin()];
        self.place(turned[0], turned[1])
    }

    /// The pixel of a point of the head's outline, which a turn leaves where it is.
    pub(super) fn place(&self, x: f32, y: f32) -> Point {
        let (sin, cos) = self.roll.sin_cos();
        [self.centre[0] + self.scale * (x * cos - y * sin), self.centre[1] + self.scale * (x * sin + y * cos)]
    }

    /// The point of the head (before any turn) under a pixel.
    fn lift_off(&self, pixel: Point) -> Point {
        let (sin, cos) = self.roll.sin_cos();
        let (dx, dy) = ((pixel[0] - self.centre[0]) / self.scale, (pixel[1] - self.centre[1]) / self.scale);
        [dx * cos + dy * sin, dy * cos - dx * sin]
    }
}

/// Lights the drawn tones as if they lay on a round head: one lamp from a random side, and light from everywhere.
pub(super) fn light(canvas: &mut Canvas, pose: &Pose, width: f32, rng: &mut Philox) {
    let (side, height) = (rng.uniform(-0.85, 0.85), rng.uniform(-0.75, 0.2));
    let front = (1.0 - side * side * 0.7 - height * height * 0.7).max(0.1).sqrt();
    let ambient = rng.uniform(0.55, 0.85);
    let size = canvas.size;
    for (i, tone) in canvas.tones.iter_mut().enumerate() {
        let [u, v] = pose.lift_off([(i % size) as f32 + 0.5, (i / size) as f32 + 0.5]);
        let (u, v) = (u / (1.1 * width), v / 1.2);
        let reach = u.hypot(v);
        let (u, v) = if reach > 0.95 { (u * 0.95 / reach, v * 0.95 / reach) } else { (u, v) };
        let out = (1.0 - u * u - v * v).sqrt();
        let lamp = (u * side + v * height + out * front).max(0.0);
        *tone *= ambient + (1.1 - ambient) * lamp;
    }
}

/// Sometimes something is in front of the face: a blot, a hand, or a bar across the picture.
pub(super) fn occlude(canvas: &mut Canvas, pose: &Pose, skin: f32, rng: &mut Philox) {
    match rng.below(16) {
        0 => blot(canvas, pose, rng),
        1 => hand(canvas, pose, skin, rng),
        2 => bar(canvas, rng),
        _ => {}
    }
}

/// A round, uneven patch over a part of the face.
fn blot(canvas: &mut Canvas, pose: &Pose, rng: &mut Philox) {
    let (x, y) = (rng.uniform(-0.75, 0.75), rng.uniform(-0.7, 0.8));
    let radius = rng.uniform(0.14, 0.27);
    let corners: Vec<Point> = (0..8)
        .map(|i| {
            let (sin, cos) = (i as f32 / 8.0 * std::f32::consts::TAU).sin_cos();
            let r = radius * rng.uniform(0.75, 1.25);
            pose.place(x + r * cos, y + r * sin)
        })
        .collect();
    let tone = rng.uniform(0.05, 0.9);
    canvas.fill(&closed_curve(&corners, 4), tone, 1.0);
}

/// Fingers that reach over a cheek or the chin from outside.
fn hand(canvas: &mut Canvas, pose: &Pose, skin: f32, rng: &mut Philox) {
    let side = if rng.chance(0.5) { 1.0 } else { -1.0 };
    let (x, y) = (side * rng.uniform(0.35, 0.6), rng.uniform(0.3, 0.75));
    let tone = skin * rng.uniform(0.85, 1.05);
    for finger in 0..4 {
        let along = 0.14 * finger as f32;
        let tip = pose.place(x + side * 0.05 * (finger as f32 - 1.5).abs(), y + along - 0.2);
        let knuckle = pose.place(x + side * 0.35, y + along * 0.9);
        let wrist = pose.place(x + side * 0.9, y + 0.25 + along * 0.7);
        let line = curve(&[tip, knuckle, wrist], 4);
        let width = 0.15 * pose.scale;
        canvas.stroke(&line, &[0.6 * width, 0.9 * width, width], tone, 1.0);
        canvas.shade(&line.iter().map(|p| [p[0], p[1] + 0.5 * width]).collect::<Vec<_>>(), 0.03 * pose.scale, -0.35);
    }
}

/// A straight, slim object across the picture: a strap, a cable, a pen.
fn bar(canvas: &mut Canvas, rng: &mut Philox) {
    let size = canvas.size as f32;
    let (a, b) = (rng.uniform(-0.2, 1.2) * size, rng.uniform(-0.2, 1.2) * size);
    let line = if rng.chance(0.5) { [[-2.0, a], [size + 2.0, b]] } else { [[a, -2.0], [b, size + 2.0]] };
    let (width, tone) = (rng.uniform(0.03, 0.09) * size, rng.uniform(0.05, 0.9));
    canvas.stroke(&line, &[width], tone, 1.0);
}

/// The camera: blur, contrast, brightness, noise, and 8 bits a pixel.
pub(super) fn photograph(mut canvas: Canvas, rng: &mut Philox) -> Vec<u8> {
    canvas.blur(rng.uniform(0.2, 0.6));
    let contrast = rng.uniform(0.8, 1.2);
    let brightness = rng.uniform(-0.1, 0.1);
    let noise = rng.uniform(0.004, 0.018);
    canvas
        .tones
        .iter()
        .map(|tone| {
            let seen = (tone - 0.5) * contrast + 0.5 + brightness + noise * rng.normal();
            (seen * 255.0).round().clamp(0.0, 255.0) as u8
        })
        .collect()
}
