//! How an image becomes pixels of the channels and the size that a network takes. A checkpoint says which [`Conversion`] its network was
//! trained with, and everything that reads images for a network goes through [`write_floats`].

use super::InputSpec;
use super::grey::Grey;
use super::resize::{Pixels, Resize};
use image::DynamicImage;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What happens to an image before [`Preprocess`](super::Preprocess).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversion {
    /// The weights of colours in grey.
    pub grey: Grey,
    /// The filter that changes an image's size.
    pub resize: Resize,
}

impl Conversion {
    /// That of checkpoints which do not name theirs: there was no other.
    pub(crate) fn of_old_checkpoints() -> Self {
        Self { grey: Grey::Rec709, resize: Resize::ImageTriangle }
    }
}

/// Writes an image as floats from 0 to 1, in the channels and the size of `input` and by its conversion: grey first, then resized, as
/// Keras does. The aspect ratio is not kept, as in Keras. `out` has the right length.
pub fn write_floats(image: &DynamicImage, input: InputSpec, out: &mut [f32]) {
    let Conversion { grey, resize } = input.conversion;
    let bytes = match image {
        _ if input.channels == 1 => grey.bytes(image),
        DynamicImage::ImageRgb8(rgb) => Cow::Borrowed(rgb.as_raw().as_slice()),
        _ => Cow::Owned(image.to_rgb8().into_raw()),
    };
    let (height, width, channels) = (image.height() as usize, image.width() as usize, input.channels);
    resize.write(&Pixels { bytes: &bytes, height, width, channels }, [input.height, input.width], out);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A red image, which the two weights tell apart, and an edge, which two filters do.
    #[test]
    fn goes_by_the_conversion_of_the_input() {
        let red = DynamicImage::ImageRgb8(image::RgbImage::from_pixel(4, 4, image::Rgb([255, 0, 0])));
        let edge = image::GrayImage::from_fn(7, 1, |x, _| image::Luma([if x < 3 { 0 } else { 255 }]));
        let edge = DynamicImage::ImageLuma8(edge);
        let read = |image: &DynamicImage, conversion: Conversion, [height, width]: [usize; 2]| {
            let mut out = vec![f32::NAN; height * width];
            write_floats(image, InputSpec::new(height, width, 1).converted(conversion), &mut out);
            out.iter().map(|v| v * 255.0).collect::<Vec<_>>()
        };
        let old = Conversion::of_old_checkpoints();
        assert_eq!(read(&red, Conversion::default(), [2, 2]), [76.0; 4]);
        assert_eq!(read(&red, old, [2, 2]), [54.0; 4]);
        let nearest = Conversion { resize: Resize::PilNearest, ..Conversion::default() };
        assert_eq!(read(&edge, nearest, [1, 2]), [0.0, 255.0]);
        assert_ne!(read(&edge, Conversion::default(), [1, 2]), [0.0, 255.0]);
    }

    /// What was done before there was a choice: older checkpoints give the same predictions as ever.
    #[test]
    fn older_checkpoints_see_the_same_pixels() {
        let pixel = |x: u32, y: u32| image::Rgb([x * 7, y * 11, x * y].map(|v| (v % 256) as u8));
        let photo = DynamicImage::ImageRgb8(image::RgbImage::from_fn(31, 23, pixel));
        for (height, width) in [(9, 12), (23, 40), (23, 31)] {
            for channels in [1, 3] {
                let input = InputSpec::new(height, width, channels).converted(Conversion::of_old_checkpoints());
                let mut ours = vec![f32::NAN; input.len()];
                write_floats(&photo, input, &mut ours);
                let before = match channels {
                    1 => DynamicImage::ImageLuma8(photo.to_luma8()),
                    _ => photo.clone(),
                };
                let before = before.resize_exact(width as u32, height as u32, image::imageops::FilterType::Triangle);
                let before: Vec<f32> = before.as_bytes().iter().map(|v| f32::from(*v) / 255.0).collect();
                assert_eq!(ours, before, "{height} x {width} x {channels}");
            }
        }
    }
}
