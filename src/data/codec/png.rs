//! PNG of more than [`MAX_SIDE`](crate::data::MAX_SIDE) pixels a side, row by row.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageFormat, ImageReader, ImageResult, RgbImage};
use png::{ColorType, Decoder, Limits, Transformations};

use super::{damaged, whole};

/// Most memory in bytes that the decoder may take beside the reduced image: its rows.
pub(super) const MOST: usize = 64 << 20;

/// The means of squares of `divisor` x `divisor` pixels, without transparency, in 8 bits.
pub(super) fn reduced(bytes: &[u8], divisor: u32) -> ImageResult<(DynamicImage, Orientation)> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: MOST });
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(refuse)?;
    if reader.info().interlaced {
        // Its rows come in seven passes; what is not too large is read whole and reduced then.
        return whole(ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png));
    }
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    let orientation = reader.info().exif_metadata.as_ref().and_then(|exif| Orientation::from_exif_chunk(exif));
    let stored = reader.output_color_type().0.samples();
    let grey = matches!(reader.output_color_type().0, ColorType::Grayscale | ColorType::GrayscaleAlpha);
    let (channels, divisor) = (if grey { 1 } else { 3 }, divisor as usize);
    let (columns, rows) = (width.div_ceil(divisor), height.div_ceil(divisor));
    let (mut sums, mut pixels) = (vec![0u32; columns * channels], Vec::with_capacity(columns * rows * channels));
    for y in 0..height {
        let row = reader.next_row().map_err(refuse)?.ok_or_else(|| refuse("it has fewer rows than its header says"))?;
        for (x, pixel) in row.data().chunks_exact(stored).enumerate() {
            let sums = &mut sums[x / divisor * channels..][..channels];
            sums.iter_mut().zip(pixel).for_each(|(sum, level)| *sum += u32::from(*level));
        }
        if (y + 1) % divisor == 0 || y + 1 == height {
            let high = y % divisor + 1;
            for (x, sums) in sums.chunks_exact(channels).enumerate() {
                let count = (high * divisor.min(width - x * divisor)) as u32;
                pixels.extend(sums.iter().map(|sum| ((sum + count / 2) / count) as u8));
            }
            sums.fill(0);
        }
    }
    reader.finish().map_err(refuse)?;
    let (columns, rows) = (columns as u32, rows as u32);
    let image = if grey {
        GrayImage::from_raw(columns, rows, pixels).map(DynamicImage::ImageLuma8)
    } else {
        RgbImage::from_raw(columns, rows, pixels).map(DynamicImage::ImageRgb8)
    };
    Ok((
        image.ok_or_else(|| refuse("fewer pixels than its header says"))?,
        orientation.unwrap_or(Orientation::NoTransforms),
    ))
}

fn refuse(what: impl ToString) -> image::ImageError {
    damaged(Some(ImageFormat::Png), what.to_string())
}
