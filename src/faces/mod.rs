//! Faces in photographs: where they are, cut out for a network, drawn on a copy; and the frames of videos.
//!
//! Faces are found by SeetaFace's funnel-structured cascade (Wu et al. 2017) through the crate `rustface`, with its model of upright
//! frontal faces inside the program. It knows nothing of profiles, and of faces turned by more than some 30 degrees.

mod annotate;
mod ffmpeg;
mod find;
mod recording;
pub mod video;

pub use annotate::annotate;
pub use find::{Detector, Find};
pub use recording::Recording;

use image::{DynamicImage, GenericImageView, Rgb, RgbImage};
use serde::Serialize;

/// A face's place in a picture, in pixels, within the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FaceBox {
    /// Left.
    pub x: u32,
    /// Top.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl FaceBox {
    /// The same place in the picture at another size, both given as columns and rows.
    #[must_use]
    pub fn scaled(self, from: (u32, u32), to: (u32, u32)) -> Self {
        let along = |at: u32, from: u32, to: u32| {
            ((f64::from(at) * f64::from(to) / f64::from(from.max(1))).round() as u32).min(to)
        };
        let (x, y) = (along(self.x, from.0, to.0), along(self.y, from.1, to.1));
        let right = along(self.x.saturating_add(self.width), from.0, to.0);
        let bottom = along(self.y.saturating_add(self.height), from.1, to.1);
        Self { x, y, width: right - x, height: bottom - y }
    }

    /// Pixels in it.
    pub fn area(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// Cuts a face out, with `margin` times its size more on each side. Beyond the picture its border is repeated, so that the face is
/// not stretched.
pub fn cut(picture: &DynamicImage, face: FaceBox, margin: f32) -> DynamicImage {
    let more = |side: u32| (side as f32 * margin).round() as i64;
    let (dx, dy) = (more(face.width), more(face.height));
    let (left, top) = (i64::from(face.x) - dx, i64::from(face.y) - dy);
    let (width, height) = (i64::from(face.width) + 2 * dx, i64::from(face.height) + 2 * dy);
    let inside = |at: i64, length: u32| at.clamp(0, i64::from(length).max(1) - 1) as u32;
    let at = |x: u32, y: u32| {
        let place = (inside(left + i64::from(x), picture.width()), inside(top + i64::from(y), picture.height()));
        let [r, g, b, _] = picture.get_pixel(place.0, place.1).0;
        Rgb([r, g, b])
    };
    DynamicImage::ImageRgb8(RgbImage::from_fn(width.max(1) as u32, height.max(1) as u32, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_have_their_margin_and_repeat_the_border() {
        let picture = DynamicImage::ImageRgb8(RgbImage::from_fn(20, 10, |x, y| Rgb([x as u8, y as u8, 7])));
        let face = FaceBox { x: 10, y: 2, width: 10, height: 5 };
        let double = FaceBox { x: 20, y: 5, width: 20, height: 13 };
        assert_eq!(face.scaled((20, 10), (40, 25)), double);
        assert_eq!(double.scaled((40, 25), (20, 10)), face);
        let cropped = cut(&picture, face, 0.0).to_rgb8();
        assert_eq!((cropped.dimensions(), cropped.get_pixel(3, 4).0), ((10, 5), [13, 6, 7]));
        let wide = cut(&picture, face, 0.4).to_rgb8();
        assert_eq!(wide.dimensions(), (18, 9));
        assert_eq!((wide.get_pixel(0, 2).0, wide.get_pixel(17, 0).0), ([6, 2, 7], [19, 0, 7]));
    }
}
