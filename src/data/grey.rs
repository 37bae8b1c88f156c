//! Colours become grey.

use image::DynamicImage;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The weights of red, green and blue in a grey pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grey {
    /// 0.299, 0.587, 0.114 (ITU-R BT.601), as Pillow's `convert("L")`, OpenCV, TensorFlow and so Keras have them.
    #[default]
    Rec601,
    /// 0.2126, 0.7152, 0.0722 (ITU-R BT.709): what checkpoints that say nothing of it were trained with.
    Rec709,
}

impl Grey {
    /// The weights in words, for the metadata of exported networks.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Rec601 => "0.299 red + 0.587 green + 0.114 blue",
            Self::Rec709 => "0.2126 red + 0.7152 green + 0.0722 blue",
        }
    }

    /// The grey bytes of an image, row by row. Transparency is ignored.
    pub fn bytes(self, image: &DynamicImage) -> Cow<'_, [u8]> {
        match (image, self) {
            (DynamicImage::ImageLuma8(grey), _) => Cow::Borrowed(grey.as_raw()),
            (DynamicImage::ImageRgb8(rgb), Self::Rec601) => Cow::Owned(rec601(rgb.as_raw())),
            (_, Self::Rec601) if image.color().has_color() => Cow::Owned(rec601(&image.to_rgb8())),
            // The weights of the `image` crate.
            _ => Cow::Owned(image.to_luma8().into_raw()),
        }
    }
}

/// Pillow's fixed-point formula.
fn rec601(rgb: &[u8]) -> Vec<u8> {
    let grey = |p: &[u8]| {
        let [red, green, blue] = [p[0], p[1], p[2]].map(u32::from);
        ((red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16) as u8
    };
    rgb.chunks_exact(3).map(grey).collect()
}
