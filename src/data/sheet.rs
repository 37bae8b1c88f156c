//! Sheets of small images for a person to look at.

use super::{InputSpec, write_floats};
use crate::error::{Error, Result};
use crate::formats::atomic::write_atomically;
use image::imageops::overlay;
use image::{DynamicImage, ImageFormat, RgbImage};
use std::io::Cursor;
use std::path::Path;

/// Rows of images, each brought to `side` x `side` pixels; grey if all of them are.
pub(super) fn sheet(rows: &[Vec<DynamicImage>], side: u32) -> DynamicImage {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0) as u32;
    let mut sheet = RgbImage::new(side * columns, side * rows.len() as u32);
    for (y, row) in (0i64..).zip(rows) {
        for (x, image) in (0i64..).zip(row) {
            let mut cell = vec![0.0; (side * side * 3) as usize];
            write_floats(image, InputSpec::new(side as usize, side as usize, 3), &mut cell);
            let bytes = cell.iter().map(|v| (v * 255.0).round() as u8).collect();
            let cell = RgbImage::from_raw(side, side, bytes).expect("three bytes for each pixel");
            overlay(&mut sheet, &cell, i64::from(side) * x, i64::from(side) * y);
        }
    }
    let grey = rows.iter().flatten().all(|image| matches!(image, DynamicImage::ImageLuma8(_)));
    let sheet = DynamicImage::ImageRgb8(sheet);
    if grey { DynamicImage::ImageLuma8(sheet.to_luma8()) } else { sheet }
}

/// Encodes and writes one file.
///
/// # Errors
/// What the system or the encoder refuses.
pub(super) fn write_png(path: &Path, picture: &DynamicImage) -> Result<()> {
    let bytes = png(path, picture)?;
    write_atomically(path, |w| w.write_all(&bytes))
}

/// The bytes of a PNG file; `path` is for the error's text.
///
/// # Errors
/// What the encoder refuses.
pub(super) fn png(path: &Path, picture: &DynamicImage) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    picture
        .write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)
        .map_err(|error| Error::data(path, format!("cannot be encoded ({error})"), "a PNG image"))?;
    Ok(bytes)
}
