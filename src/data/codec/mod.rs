//! Bytes of an image file to upright pixels, whole or not at all: a file that was cut is an error in every format.
//!
//! The `image` crate reads most formats; `jpeg` and `tiff` are for what it does not do. An image of more than [`MAX_SIDE`] pixels a
//! side comes back smaller, by a whole number on both sides.

mod jpeg;
mod png;
mod tiff;

use std::io::{BufRead, Cursor, Read, Seek, SeekFrom};
use std::sync::{Mutex, MutexGuard, PoisonError};

use image::error::{DecodingError, ImageFormatHint, LimitError, LimitErrorKind};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, ImageResult, Limits};

use super::MAX_SIDE;

/// Most pixels of an image file: the photographs of the largest sensors have 200 million.
pub(super) const MAX_PIXELS: u64 = 1 << 28;
/// Most memory that the whole pixels of one image may take, in bytes. Larger ones are scaled while they are decoded, within
/// [`jpeg::MOST`] or [`png::MOST`].
const MAX_BYTES: u64 = 256 << 20;
/// Most memory that what comes with the pixels of a PNG, such as a colour profile, may unpack to, in bytes.
const MAX_METADATA: u64 = 16 << 20;
/// An image whose pixels take more bytes than this is decoded while no other such image is, so that as many threads as there may be
/// need the memory for one.
const LARGE: u64 = 32 << 20;

/// An upright image and the size that its file has.
pub struct Decoded {
    /// The pixels.
    pub image: DynamicImage,
    /// Columns and rows in the file, upright.
    pub size: (u32, u32),
}

/// Decodes an image whose format and size were checked with [`size`].
pub(super) fn decode(bytes: &[u8]) -> ImageResult<Decoded> {
    let mut start = Cursor::new(bytes);
    let (format, (width, height)) = size(&mut start)?.ok_or_else(|| damaged(None, "its content is no known image"))?;
    let divisor = divisor(width, height);
    let _alone = alone(u64::from(width) * u64::from(height) * 4);
    let (image, orientation) = match format {
        ImageFormat::Jpeg => jpeg::decode(bytes, (width, height), divisor)?,
        ImageFormat::Tiff => tiff::decode(bytes)?,
        ImageFormat::Png if divisor > 1 => png::reduced(bytes, divisor)?,
        _ => whole(ImageReader::with_format(Cursor::new(bytes), format))?,
    };
    let mut image = reduce(image, (width, height), divisor);
    image.apply_orientation(orientation);
    let turned = matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    let size = if turned { (height, width) } else { (width, height) };
    Ok(Decoded { image, size })
}

/// The format of an image file and its columns and rows before it is turned; nothing if it is of no format that is read.
pub(super) fn size(mut bytes: impl BufRead + Seek) -> ImageResult<Option<(ImageFormat, (u32, u32))>> {
    let mut reader = ImageReader::new(&mut bytes).with_guessed_format()?;
    reader.limits(limits(reader.format()));
    Ok(match reader.format() {
        Some(ImageFormat::Tiff) => Some((ImageFormat::Tiff, tiff::size(reader.into_inner())?)),
        Some(
            format @ (ImageFormat::Png
            | ImageFormat::Jpeg
            | ImageFormat::Bmp
            | ImageFormat::Pnm
            | ImageFormat::Gif
            | ImageFormat::WebP),
        ) => Some((format, reader.into_dimensions()?)),
        _ => None,
    })
}

/// Refuses a file that was cut, as far as its end tells, so that it is found before training begins: of JPEG only, whose decoders
/// accept such files.
pub(super) fn check_end(format: ImageFormat, mut bytes: impl Read + Seek) -> ImageResult<()> {
    if format != ImageFormat::Jpeg {
        return Ok(());
    }
    let mut end = [0; 2];
    let length = bytes.seek(SeekFrom::End(0))?;
    bytes.seek(SeekFrom::Start(length.saturating_sub(2)))?;
    bytes.read_exact(&mut end)?;
    if end == jpeg::END {
        return Ok(());
    }
    let mut all = Vec::new();
    bytes.seek(SeekFrom::Start(0))?;
    bytes.read_to_end(&mut all)?;
    jpeg::check_end(&all)
}

/// Decodes what the `image` crate reads as it is.
fn whole<R: BufRead + Seek>(mut reader: ImageReader<R>) -> ImageResult<(DynamicImage, Orientation)> {
    reader.limits(limits(reader.format()));
    let mut decoder = reader.into_decoder()?;
    if decoder.total_bytes() > MAX_BYTES {
        return Err(too_large());
    }
    let orientation = decoder.orientation()?;
    Ok((DynamicImage::from_decoder(decoder)?, orientation))
}

/// What a decoder may ask for. Of a PNG the pixels are counted by [`whole`]; its decoder asks for the rest.
fn limits(format: Option<ImageFormat>) -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(if format == Some(ImageFormat::Png) { MAX_METADATA } else { MAX_BYTES });
    limits
}

/// The least whole number that brings both sides to [`MAX_SIDE`]: 1, 2, 4 or 8, as JPEG's blocks of 8 x 8 are scaled; more for
/// other formats.
fn divisor(width: u32, height: u32) -> u32 {
    let mut divisor: u32 = 1;
    while width.max(height).div_ceil(divisor) > MAX_SIDE {
        divisor *= 2;
    }
    divisor
}

/// An image at the size that a divisor asks for, where its decoder did not see to that.
fn reduce(image: DynamicImage, (width, height): (u32, u32), divisor: u32) -> DynamicImage {
    let (columns, rows) = (width.div_ceil(divisor), height.div_ceil(divisor));
    if divisor == 1 || (image.width() <= columns && image.height() <= rows) {
        return image;
    }
    image.thumbnail_exact(columns, rows)
}

/// Waits until no other large image is decoded.
fn alone(bytes: u64) -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    (bytes > LARGE).then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

fn too_large() -> ImageError {
    ImageError::Limits(LimitError::from_kind(LimitErrorKind::InsufficientMemory))
}

fn damaged(format: Option<ImageFormat>, what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageError {
    let format = format.map_or(ImageFormatHint::Unknown, ImageFormatHint::Exact);
    ImageError::Decoding(DecodingError::new(format, what))
}

#[cfg(test)]
mod tests;
