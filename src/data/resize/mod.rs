//! Resizing as Pillow, OpenCV and TensorFlow do it, each held to that library's own results (`tests/golden/resize.json`): a network only
//! works with the filter that it was trained with. A library is a file, a filter a row of [`TABLE`].

mod cv2;
mod pil;
#[cfg(test)]
mod tests;
mod tf;

use crate::error::nearest;
use image::imageops::FilterType;
use image::{ImageBuffer, Luma, Pixel, Rgb};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A filter, by the library that has it and its name there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Resize {
    /// Pillow's `BILINEAR`, a triangle as wide as the reduction: torchvision's `Resize` of images. The default, for it neither leaves
    /// pixels out, as Keras's loaders do when they reduce, nor differs by more than rounding from what older checkpoints were trained
    /// with.
    #[default]
    PilBilinear,
    /// Pillow's `NEAREST`, which Keras's `flow_from_directory` and `load_img` use unless told otherwise.
    PilNearest,
    /// Pillow's `BOX`.
    PilBox,
    /// Pillow's `HAMMING`.
    PilHamming,
    /// Pillow's `BICUBIC`.
    PilBicubic,
    /// Pillow's `LANCZOS`.
    PilLanczos,
    /// OpenCV's `INTER_LINEAR`, which `cv2.resize` uses unless told otherwise.
    Cv2Linear,
    /// OpenCV's `INTER_NEAREST`.
    Cv2Nearest,
    /// OpenCV's `INTER_AREA`.
    Cv2Area,
    /// OpenCV's `INTER_CUBIC`.
    Cv2Cubic,
    /// `tf.image.resize` unless told otherwise, and so Keras's `image_dataset_from_directory`.
    TfBilinear,
    /// `tf.image.resize` with `antialias=True`.
    TfBilinearAntialias,
    /// `tf.image.resize` with `method="nearest"`.
    TfNearest,
    /// `tf.image.resize` with `method="area"`.
    TfArea,
    /// The triangle filter of the Rust crate `image`, by which checkpoints that do not name a filter were trained.
    ImageTriangle,
}

/// Writes an image in another size, as floats from 0 to 1.
type Write = fn(&Pixels<'_>, [usize; 2], &mut [f32]);

/// All filters by name.
const TABLE: [(&str, Resize, Write); 15] = [
    ("pil-bilinear", Resize::PilBilinear, |from, to, out| pil::resize(&pil::BILINEAR, from, to, out)),
    ("pil-nearest", Resize::PilNearest, pil::nearest),
    ("pil-box", Resize::PilBox, |from, to, out| pil::resize(&pil::BOX, from, to, out)),
    ("pil-hamming", Resize::PilHamming, |from, to, out| pil::resize(&pil::HAMMING, from, to, out)),
    ("pil-bicubic", Resize::PilBicubic, |from, to, out| pil::resize(&pil::BICUBIC, from, to, out)),
    ("pil-lanczos", Resize::PilLanczos, |from, to, out| pil::resize(&pil::LANCZOS, from, to, out)),
    ("cv2-linear", Resize::Cv2Linear, cv2::linear),
    ("cv2-nearest", Resize::Cv2Nearest, cv2::nearest),
    ("cv2-area", Resize::Cv2Area, cv2::area),
    ("cv2-cubic", Resize::Cv2Cubic, cv2::cubic),
    ("tf-bilinear", Resize::TfBilinear, tf::bilinear),
    ("tf-bilinear-antialias", Resize::TfBilinearAntialias, tf::bilinear_antialias),
    ("tf-nearest", Resize::TfNearest, tf::nearest),
    ("tf-area", Resize::TfArea, tf::area),
    ("image-triangle", Resize::ImageTriangle, image_triangle),
];

/// An image in memory, rows first, channels last.
pub(super) struct Pixels<'a> {
    /// `height * width * channels` of them.
    pub bytes: &'a [u8],
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl<'a> Pixels<'a> {
    fn row(&self, y: usize) -> &'a [u8] {
        let length = self.width * self.channels;
        &self.bytes[y * length..(y + 1) * length]
    }
}

impl Resize {
    /// Writes an image in `[height, width]`, as floats from 0 to 1: bytes divided by 255, but for TensorFlow's filters, which do not
    /// round. `out` is `height * width * channels` long.
    pub(super) fn write(self, from: &Pixels<'_>, to: [usize; 2], out: &mut [f32]) {
        if [from.height, from.width] == to {
            put(from.bytes.iter().copied(), out);
        } else if let Some((.., write)) = TABLE.iter().find(|(_, resize, _)| *resize == self) {
            write(from, to, out);
        }
    }
}

/// Writes bytes as floats.
fn put(bytes: impl Iterator<Item = u8>, out: &mut [f32]) {
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = f32::from(from) / 255.0;
    }
}

/// Writes the pixels of some rows and columns.
fn pick(from: &Pixels<'_>, rows: &[usize], columns: &[usize], out: &mut [f32]) {
    let c = from.channels;
    for (y, out) in rows.iter().zip(out.chunks_exact_mut(columns.len() * c)) {
        let row = from.row(*y);
        put(columns.iter().flat_map(|x| row[x * c..(x + 1) * c].iter().copied()), out);
    }
}

fn image_triangle(from: &Pixels<'_>, to: [usize; 2], out: &mut [f32]) {
    fn run<P: Pixel<Subpixel = u8> + 'static>(from: &Pixels<'_>, [height, width]: [usize; 2], out: &mut [f32]) {
        let image = ImageBuffer::<P, &[u8]>::from_raw(from.width as u32, from.height as u32, from.bytes);
        let image = image.expect("a byte for each channel of each pixel");
        let resized = image::imageops::resize(&image, width as u32, height as u32, FilterType::Triangle);
        put(resized.iter().copied(), out);
    }
    if from.channels == 1 { run::<Luma<u8>>(from, to, out) } else { run::<Rgb<u8>>(from, to, out) }
}

impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TABLE.iter().find(|(_, resize, _)| resize == self).map_or("", |(name, ..)| name))
    }
}

impl FromStr for Resize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = TABLE.iter().find(|(name, ..)| *name == text);
        found.map(|(_, resize, _)| *resize).ok_or_else(|| {
            let names = TABLE.map(|(name, ..)| name);
            let near = nearest(text, names).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            format!("the resize filter `{text}` is not known{near} (one of {})", names.join(", "))
        })
    }
}

impl TryFrom<String> for Resize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Resize> for String {
    fn from(resize: Resize) -> Self {
        resize.to_string()
    }
}
