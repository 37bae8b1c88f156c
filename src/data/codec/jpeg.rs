//! JPEG, strictly: decoders in common use fill the rest of a file that was cut with grey and report nothing.
//!
//! `zune-jpeg`, the decoder of the `image` crate, has a strict mode, which refuses damaged streams but not a cut in the last row of
//! blocks; that a stream reaches its end marker is checked here. Photographs over [`MAX_SIDE`](crate::data::MAX_SIDE) are for
//! `jpeg-decoder`, which has an inverse DCT of 1, 2 and 4 points and keeps only the scaled rows.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageFormat, ImageResult, RgbImage};
use jpeg_decoder::PixelFormat;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{damaged, too_large};

/// Most memory in bytes that a scaled photograph may take while it is decoded: the scaled planes and pixels, at most 8192 x 8192 x 3
/// bytes each, and, of a progressive file, which sends each block in parts, 2 bytes for each coefficient.
pub(super) const MOST: u64 = 1536 << 20;
/// The end marker.
pub(super) const END: [u8; 2] = [0xff, 0xd9];
const START_OF_SCAN: u8 = 0xda;

/// Decodes a JPEG of the given size, at one part in `divisor` of it.
pub(super) fn decode(bytes: &[u8], size: (u32, u32), divisor: u32) -> ImageResult<(DynamicImage, Orientation)> {
    check_end(bytes)?;
    let mut decoder = with_options(bytes, true);
    let strict = decoder.decode_headers();
    // Some cameras leave bytes between the segments of the header, which every decoder passes over.
    let strict = !matches!(&strict, Err(DecodeErrors::FormatStatic(text)) if text.contains("Extra bytes"));
    if !strict {
        decoder = with_options(bytes, false);
    }
    decoder.decode_headers().map_err(refuse)?;
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    let orientation = orientation.unwrap_or(Orientation::NoTransforms);
    if divisor > 1 {
        return Ok((scaled(bytes, size, divisor)?, orientation));
    }
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let colours = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(colours));
    let pixels = decoder.decode().map_err(refuse)?;
    Ok((image(size, pixels, grey)?, orientation))
}

fn with_options(bytes: &[u8], strict: bool) -> JpegDecoder<ZCursor<&[u8]>> {
    let options = DecoderOptions::default().set_strict_mode(strict);
    let options = options.set_max_width(usize::from(u16::MAX)).set_max_height(usize::from(u16::MAX));
    JpegDecoder::new_with_options(ZCursor::new(bytes), options)
}

/// Refuses a stream that does not reach its end marker.
pub(super) fn check_end(bytes: &[u8]) -> ImageResult<()> {
    if has_end(bytes) { Ok(()) } else { Err(refuse("the file ends before the image does: it was cut")) }
}

/// Whether the stream reaches its end marker: what follows that is no part of the image.
fn has_end(bytes: &[u8]) -> bool {
    if bytes.ends_with(&END) {
        return true;
    }
    // Behind the start marker.
    let mut at = 2;
    let mut in_scan = false;
    loop {
        let Some(next) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0xff)) else {
            return false;
        };
        at += next + 1;
        let Some(&marker) = bytes.get(at) else { return false };
        match marker {
            // A fill byte before a marker.
            0xff => continue,
            0xd9 => return true,
            // An 0xff that is data, a restart marker, markers without a segment.
            0x00 | 0x01 | 0xd0..=0xd8 => at += 1,
            // No marker of the standard's: in the data of a scan damage, which is the decoder's to judge.
            0x02..=0xbf if in_scan => at += 1,
            _ => {
                let Some(&[high, low]) = bytes.get(at + 1..at + 3) else { return false };
                at += 1 + usize::from(u16::from_be_bytes([high, low]));
                in_scan |= marker == START_OF_SCAN;
            }
        }
    }
}

/// Decodes with the inverse DCT of fewer points.
fn scaled(bytes: &[u8], (width, height): (u32, u32), divisor: u32) -> ImageResult<DynamicImage> {
    let mut decoder = jpeg_decoder::Decoder::new(Cursor::new(bytes));
    decoder.read_info().map_err(refuse)?;
    let info = decoder.info().ok_or_else(|| refuse("it has no frame"))?;
    let pixels = u64::from(width) * u64::from(height);
    // Planes may have as many samples as the pixels; a sequential file keeps none of their coefficients.
    let channels = info.pixel_format.pixel_bytes() as u64;
    let progressive = info.coding_process == jpeg_decoder::CodingProcess::DctProgressive;
    let scaled_pixels = pixels / u64::from(divisor).pow(2);
    if 2 * channels * scaled_pixels + if progressive { 2 * channels * pixels } else { 0 } > MOST {
        return Err(too_large());
    }
    let asked = [width, height].map(|side| side.div_ceil(divisor) as u16);
    let (columns, rows) = decoder.scale(asked[0], asked[1]).map_err(refuse)?;
    let size = (u32::from(columns), u32::from(rows));
    let pixels = decoder.decode().map_err(refuse)?;
    match info.pixel_format {
        PixelFormat::L8 => image(size, pixels, true),
        PixelFormat::RGB24 => image(size, pixels, false),
        PixelFormat::CMYK32 => image(size, pixels.chunks_exact(4).flat_map(ink).collect(), false),
        PixelFormat::L16 => Err(refuse("a grey image of more than 8 bits, too large to be read whole")),
    }
}

/// Red, green, blue of cyan, magenta, yellow, black, which Adobe's programs store inverted.
fn ink(cmyk: &[u8]) -> [u8; 3] {
    let black = 255 - u16::from(cmyk[3]);
    [cmyk[0], cmyk[1], cmyk[2]].map(|ink| ((255 - u16::from(ink)) * black / 255) as u8)
}

fn image((width, height): (u32, u32), pixels: Vec<u8>, grey: bool) -> ImageResult<DynamicImage> {
    let image = if grey {
        GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8)
    } else {
        RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
    };
    image.ok_or_else(|| refuse("it has fewer pixels than its header says"))
}

fn refuse(what: impl ToString) -> image::ImageError {
    damaged(Some(ImageFormat::Jpeg), what.to_string())
}
