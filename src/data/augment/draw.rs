//! The numbers of an image in an epoch.

use super::Settings;
use crate::data::{InputSpec, Preprocess};
use crate::graph::Augmentation;
use crate::ops::augment::{Augment, Row, Transform};
use crate::philox::Philox;

/// Parts the stream of these numbers from all others of a run's seed, which take the seed itself as their key.
const KEY: u64 = u64::from_be_bytes(*b"augments");

/// Height over width of an erased rectangle, as in torchvision's `RandomErasing`.
const ERASED_RATIO: [f64; 2] = [0.3, 3.3];

/// Draws for the images of a run. What an image gets depends on the run's seed, the epoch and the image's number in its split, and
/// on nothing else: not on batches, not on what was drawn before.
#[derive(Clone, Debug)]
pub struct Augmenter {
    settings: Settings,
    seed: u64,
    input: InputSpec,
    op: Augment,
}

impl Augmenter {
    /// For images of a size that were preprocessed in a way; nothing if the settings change nothing.
    pub fn new(settings: &Settings, seed: u64, input: InputSpec, preprocess: Preprocess) -> Option<Self> {
        if settings.is_none() {
            return None;
        }
        let affine = preprocess.affine();
        // Each channel of a pixel has its own, a fourth the third's.
        let four = |of: [f64; 3]| [of[0], of[1], of[2], of[2]].map(|v| v as f32);
        let op = Augment {
            warps: settings.warps(),
            pixels: settings.changes_pixels(),
            fill: settings.fill_mode,
            cval: settings.cval,
            scale: four(affine.scale),
            offset: four(affine.offset),
        };
        Some(Self { settings: settings.clone(), seed, input, op })
    }
}

/// Uniform numbers on [0, 1), always taken in the same order: a setting that is added changes nothing of the others' draws.
struct Uniform(Philox);

impl Uniform {
    fn next(&mut self) -> f64 {
        f64::from(self.0.next_f32())
    }

    fn between(&mut self, [low, high]: [f32; 2]) -> f64 {
        let (low, high) = (f64::from(low), f64::from(high));
        low + (high - low) * self.next()
    }

    /// Up to `range` either way.
    fn around(&mut self, range: f32) -> f64 {
        self.between([-range, range])
    }

    /// Up to `range` either way, in pixels of a side of so many; a range under 1 is a share of it.
    fn shift(&mut self, range: f32, side: usize) -> f64 {
        self.around(range) * if range < 1.0 { side as f64 } else { 1.0 }
    }
}

/// First row, first column, and those behind the last, of a rectangle with this share of an image.
fn rectangle([h, w]: [usize; 2], area: f64, u: &mut Uniform) -> [f32; 4] {
    let [low, high] = ERASED_RATIO.map(f64::ln);
    let ratio = (low + (high - low) * u.next()).exp();
    let area = area * (h * w) as f64;
    let [height, width] = [(area * ratio).sqrt(), (area / ratio).sqrt()].map(f64::round);
    let [height, width] = [height.min(h as f64), width.min(w as f64)];
    let mut place = |side: f64, room: usize| (u.next() * (room as f64 - side + 1.0)).floor();
    let [top, left] = [place(height, h), place(width, w)];
    [top, left, top + height, left + width].map(|v| v as f32)
}

impl Augmentation for Augmenter {
    fn op(&self) -> &Augment {
        &self.op
    }

    fn row(&self, epoch: u32, sample: u32) -> Row {
        let InputSpec { height: h, width: w, .. } = self.input;
        let s = &self.settings;
        let stream = u64::from(epoch) << 32 | u64::from(sample);
        let mut u = Uniform(Philox::new(self.seed ^ KEY, stream));
        let transform = Transform {
            flip: u.next() < 0.5 && s.horizontal_flip,
            theta: u.around(s.rotation_range),
            tx: u.shift(s.width_shift_range, w),
            ty: u.shift(s.height_shift_range, h),
            shear: u.around(s.shear_range),
            zx: u.between(s.zoom_range.limits()),
            zy: u.between(s.zoom_range.limits()),
        };
        let brightness = u.between(s.brightness_range);
        let contrast = u.between(s.contrast_range);
        let blurred = u.next() < f64::from(s.blur_probability);
        let blur = u.between(s.blur_sigma);
        let noise = u.between([0.0, s.noise_sigma]);
        let erased = u.next() < f64::from(s.erasing_probability);
        let area = u.between(s.erasing_scale);
        let erased_rows = rectangle([h, w], area, &mut u);
        Row {
            key_low: u.0.next_f32(),
            key_high: u.0.next_f32(),
            brightness: brightness as f32,
            contrast: contrast as f32,
            noise: noise as f32,
            blur: if blurred { blur as f32 } else { 0.0 },
            erased: if erased { erased_rows } else { [0.0; 4] },
            ..transform.row(h, w)
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::Preset;
    use super::*;

    const INPUT: InputSpec = InputSpec::new(48, 40, 1);

    fn of(settings: &Settings, seed: u64) -> Augmenter {
        Augmenter::new(settings, seed, INPUT, Preprocess::Unit).unwrap()
    }

    #[test]
    fn seed_epoch_and_image_decide() {
        let strong = of(&Preset::Strong.into(), 5);
        let row = strong.row(3, 17);
        assert_eq!(row, strong.row(3, 17));
        for other in [strong.row(4, 17), strong.row(3, 18), of(&Preset::Strong.into(), 6).row(3, 17)] {
            assert_ne!(row, other);
        }
        assert!(Augmenter::new(&Settings::default(), 5, INPUT, Preprocess::Unit).is_none());
    }

    #[test]
    fn one_setting_changes_nothing_of_the_others() {
        let light = of(&Preset::Light.into(), 5);
        let noisy = of(&Settings { noise_sigma: 9.0, ..Preset::Light.into() }, 5);
        for image in 0..20 {
            let row = noisy.row(0, image);
            assert!(row.noise > 0.0 && row.noise < 9.0);
            assert_eq!(Row { noise: 0.0, ..row }, light.row(0, image));
        }
        assert!(noisy.op.pixels && !light.op.pixels && light.op.warps);
    }

    #[test]
    fn numbers_lie_where_the_settings_say() {
        let n = 4000;
        let rows = |s: Settings| {
            let augmenter = of(&s, 1);
            (0..n).map(|i| augmenter.row(0, i)).collect::<Vec<Row>>()
        };
        let share = |count: usize| count as f64 / f64::from(n);
        let strong = rows(Settings { erasing_scale: [0.1, 0.2], ..Preset::Strong.into() });
        // Four standard deviations of a share of 4000 are at most 0.032.
        assert!((share(strong.iter().filter(|r| r.blur > 0.0).count()) - 0.2).abs() < 0.032);
        let erased: Vec<[f32; 4]> = strong.iter().map(|r| r.erased).filter(|e| e[2] > 0.0).collect();
        assert!((share(erased.len()) - 0.25).abs() < 0.032);
        for [top, left, bottom, right] in erased {
            assert!(top >= 0.0 && left >= 0.0 && bottom <= 48.0 && right <= 40.0);
            let area = (bottom - top) * (right - left) / (48.0 * 40.0);
            assert!((0.08..0.23).contains(&area), "sides are rounded to pixels: {area}");
        }
        assert!(strong.iter().all(|r| (0.7..1.3).contains(&r.brightness) && (0.0..8.0).contains(&r.noise)));
        let turned = |r: &Row| f64::from(r.rows[1]).atan2(f64::from(r.rows[0])).to_degrees();
        let rotated = rows(Settings { rotation_range: 30.0, ..Settings::default() });
        let most = rotated.iter().map(|r| turned(r).abs()).fold(0.0, f64::max);
        assert!(most > 29.0 && most <= 30.001, "{most}");
        let flips = rows(Settings { horizontal_flip: true, ..Settings::default() });
        assert!((share(flips.iter().filter(|r| r.columns[1] < 0.0).count()) - 0.5).abs() < 0.032);
        for (range, most) in [(0.25, 10.0), (3.0, 3.0)] {
            let shifted = rows(Settings { width_shift_range: range, ..Settings::default() });
            let found = shifted.iter().map(|r| r.columns[2].abs()).fold(0.0, f32::max);
            assert!(found <= most && found > 0.95 * most && shifted.iter().all(|r| r.rows[2] == 0.0), "{range}");
        }
    }
}
