//! A sheet of augmented images.

use super::Augmenter;
use crate::data::sheet::{sheet, write_png};
use crate::data::{InputSpec, Split};
use crate::error::{Error, Result};
use crate::graph::Augmentation;
use crate::ops::augment::reference;
use crate::tensor::HostTensor;
use image::{DynamicImage, GrayImage, RgbImage};
use std::path::Path;

/// Epochs on the sheet: columns after the image itself.
const EPOCHS: u32 = 7;
/// Pixels of an image on the sheet, along a side.
const CELL: u32 = 96;

/// Writes a sheet of `count` images, spread evenly over a split of pixels from 0 to 1: a row each, first the image itself, then what
/// training sees of it in its first seven epochs. Returns their numbers in the split.
///
/// # Errors
/// An image or a file that the system refuses; no images.
pub fn preview(split: &dyn Split, augmenter: &Augmenter, count: usize, path: &Path) -> Result<Vec<usize>> {
    let count = count.min(split.len());
    if count == 0 {
        return Err(Error::usage("a sheet of no images", "ask for at least one row, of data with images"));
    }
    let chosen: Vec<usize> = (0..count).map(|i| i * split.len() / count).collect();
    let rows = chosen.iter().map(|i| row(split, augmenter, *i)).collect::<Result<Vec<_>>>()?;
    write_png(path, &sheet(&rows, CELL))?;
    Ok(chosen)
}

fn row(split: &dyn Split, augmenter: &Augmenter, index: usize) -> Result<Vec<DynamicImage>> {
    let input @ InputSpec { height, width, channels, .. } = split.input();
    let mut pixels = vec![0.0; input.len()];
    split.read(index, &mut pixels)?;
    let x = HostTensor::from_f32([1, height, width, channels], &pixels);
    let epochs = (0..EPOCHS).map(|epoch| reference(augmenter.op(), &x, &[augmenter.row(epoch, index as u32)]));
    Ok(std::iter::once(x.clone()).chain(epochs).map(|x| picture(&x, input)).collect())
}

/// An image of values from 0 to 1.
fn picture(x: &HostTensor, InputSpec { height, width, channels, .. }: InputSpec) -> DynamicImage {
    let bytes = x.data.iter().map(|v| (v * 255.0).round() as u8).collect();
    let (width, height) = (width as u32, height as u32);
    let whole = "a value for each channel of each pixel";
    if channels == 1 {
        DynamicImage::ImageLuma8(GrayImage::from_raw(width, height, bytes).expect(whole))
    } else {
        DynamicImage::ImageRgb8(RgbImage::from_raw(width, height, bytes).expect(whole))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::Settings;
    use super::*;
    use crate::data::{Options, Preprocess, open};

    #[test]
    fn a_row_is_an_image_and_what_becomes_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sheet.png");
        for channels in [1, 3] {
            let input = InputSpec::new(24, 32, channels);
            let data = open("synth:70", input, &Options::default()).unwrap();
            let dark = Settings { brightness_range: [0.5, 0.5], ..Settings::default() };
            let augmenter = Augmenter::new(&dark, 0, input, Preprocess::Unit).unwrap();
            assert_eq!(preview(data.train.as_ref(), &augmenter, 5, &path).unwrap(), [0, 10, 20, 30, 40]);
            let sheet = image::open(&path).unwrap();
            assert_eq!((sheet.width(), sheet.height(), sheet.color().channel_count()), (768, 480, channels as u8));
            let mean = |column: u32| {
                let cell = sheet.crop_imm(column * CELL, 0, CELL, CELL).to_luma8();
                cell.iter().map(|v| f64::from(*v)).sum::<f64>() / f64::from(CELL * CELL)
            };
            assert!(mean(0) > 20.0 && (mean(1) * 2.0 - mean(0)).abs() < 1.5, "{} {}", mean(0), mean(1));
            assert_eq!(preview(data.train.as_ref(), &augmenter, 500, &path).unwrap().len(), 50);
            assert!(preview(data.train.as_ref(), &augmenter, 0, &path).is_err());
        }
    }
}
