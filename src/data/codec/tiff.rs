//! TIFF. The `image` crate reads grey of 1, 8 and 16 bits and colours; here are palettes and grey of 2 and 4 bits as well.

use std::borrow::Cow;
use std::io::{BufRead, Cursor, Seek};

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageFormat, ImageReader, ImageResult, RgbImage};
use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

use super::{MAX_BYTES, damaged, too_large, whole};

/// Photometric interpretations: grey from black to white, and indices of a palette.
const GREY: u16 = 1;
const PALETTE: u16 = 3;

/// Columns and rows of the first image.
pub(super) fn size(bytes: impl BufRead + Seek) -> ImageResult<(u32, u32)> {
    Decoder::new(bytes).and_then(|mut decoder| decoder.dimensions()).map_err(refuse)
}

/// Decodes the first image.
pub(super) fn decode(bytes: &[u8]) -> ImageResult<(DynamicImage, Orientation)> {
    let mut decoder = open(bytes)?;
    let palette = decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation).map_err(refuse)? == Some(PALETTE);
    let colours = if palette { decoder.get_tag_u16_vec(Tag::ColorMap).map_err(refuse)? } else { Vec::new() };
    let bytes = if palette { Cow::Owned(indices_as_grey(bytes)?) } else { Cow::Borrowed(bytes) };
    let mut decoder = open(&bytes)?;
    let bits = match decoder.colortype().map_err(refuse)? {
        ColorType::Gray(bits @ (1 | 2 | 4 | 8)) if palette || bits == 2 || bits == 4 => u32::from(bits),
        _ if palette => return Err(refuse("a palette of more than 256 colours")),
        _ => return whole(ImageReader::with_format(Cursor::new(&*bytes), ImageFormat::Tiff)),
    };
    let (width, height) = decoder.dimensions().map_err(refuse)?;
    if u64::from(width) * u64::from(height) * 3 > MAX_BYTES {
        return Err(too_large());
    }
    let orientation = decoder.find_tag_unsigned::<u8>(Tag::Orientation).map_err(refuse)?;
    let orientation = orientation.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms);
    let DecodingResult::U8(packed) = decoder.read_image().map_err(refuse)? else {
        return Err(refuse("samples that are no bytes"));
    };
    let samples = unpack(&packed, width as usize, bits);
    let image = if palette {
        let colour = |index: u8| colour(&colours, bits, index);
        let pixels = samples.into_iter().map(colour).collect::<ImageResult<Vec<[u8; 3]>>>()?.concat();
        RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
    } else {
        let most = (1u16 << bits) - 1;
        let pixels = samples.into_iter().map(|sample| (u16::from(sample) * 255 / most) as u8).collect();
        GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8)
    };
    Ok((image.ok_or_else(|| refuse("fewer pixels than its header says"))?, orientation))
}

fn open(bytes: &[u8]) -> ImageResult<Decoder<Cursor<&[u8]>>> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_BYTES as usize;
    Ok(Decoder::new(Cursor::new(bytes)).map_err(refuse)?.with_limits(limits))
}

/// The samples of rows that each begin with a new byte.
fn unpack(packed: &[u8], width: usize, bits: u32) -> Vec<u8> {
    let (bits, in_byte) = (bits as usize, 8 / bits as usize);
    let mask = ((1u16 << bits) - 1) as u8;
    let row = |row: &[u8]| -> Vec<u8> {
        (0..width).map(|x| (row[x / in_byte] >> (8 - bits * (x % in_byte + 1))) & mask).collect()
    };
    packed.chunks_exact(width.div_ceil(in_byte)).flat_map(row).collect()
}

/// A colour of a map that has all reds, then all greens, then all blues, of 16 bits each.
fn colour(map: &[u16], bits: u32, index: u8) -> ImageResult<[u8; 3]> {
    let size = 1usize << bits;
    let channel = |channel: usize| map.get(channel * size + usize::from(index)).map(|level| (level >> 8) as u8);
    match (channel(0), channel(1), channel(2)) {
        (Some(r), Some(g), Some(b)) => Ok([r, g, b]),
        _ => Err(refuse("its palette lacks colours")),
    }
}

/// The file with its first image declared to be grey, whose samples the `tiff` crate then gives as they are: it reads no palettes.
fn indices_as_grey(bytes: &[u8]) -> ImageResult<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    let entry = photometric(&bytes).ok_or_else(|| refuse("a palette in a BigTIFF file"))?;
    let grey = if bytes.starts_with(b"II") { GREY.to_le_bytes() } else { GREY.to_be_bytes() };
    bytes[entry..entry + 2].copy_from_slice(&grey);
    Ok(bytes)
}

/// Where the value of the first image's `PhotometricInterpretation` stands; nothing in BigTIFF.
fn photometric(bytes: &[u8]) -> Option<usize> {
    let little = bytes.starts_with(b"II");
    let number = |at: usize, length: usize| {
        let digits = bytes.get(at..at.checked_add(length)?)?.iter();
        let add = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
        Some(if little { digits.rev().fold(0, add) } else { digits.fold(0, add) })
    };
    if number(2, 2)? != 42 {
        return None;
    }
    let directory = number(4, 4)?;
    let entries = number(directory, 2)?;
    let entry = |i: usize| directory + 2 + 12 * i;
    let found =
        (0..entries).find(|i| number(entry(*i), 2) == Some(usize::from(Tag::PhotometricInterpretation.to_u16())))?;
    bytes.get(entry(found) + 8..entry(found) + 10).map(|_| entry(found) + 8)
}

fn refuse(what: impl ToString) -> image::ImageError {
    damaged(Some(ImageFormat::Tiff), what.to_string())
}
