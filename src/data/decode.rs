//! Image files: what they hold decides how they are read, not what they are called.
//!
//! `conversion` makes a network's pixels of them.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::{DynamicImage, ImageError};

use super::InputSpec;
use super::codec::{self, Decoded};
use super::conversion::write_floats;
use super::kinds::{EXPECTED, recognise};
use super::store::check_length;
use crate::error::{Error, Result};
use crate::input;

/// Largest image file: more than an uncompressed image of the largest size takes is no image.
const MAX_FILE_BYTES: u64 = 512 << 20;
/// Bytes at the start of a file that tell what it is, if no image.
const MARK: u64 = 32;

/// Reads one image file as the network takes it: height x width x channels floats from 0 to 1, rows first, channels
/// last. The same decoding as for folders.
///
/// # Errors
/// Names the file: not there, empty, not an image, damaged or cut, too large; an `out` of another length.
pub fn read_image(path: &Path, input: InputSpec, out: &mut [f32]) -> Result<()> {
    input.check()?;
    check_length(input, out)?;
    write_decoded(&decode(path)?, Place::file(path), input, out)
}

/// Decodes a file, whatever its extension says, and turns it upright as its EXIF data ask for. An image of more than
/// [`MAX_SIDE`](super::MAX_SIDE) pixels a side comes back smaller.
///
/// # Errors
/// As [`read_image`].
pub fn decode(path: &Path) -> Result<DynamicImage> {
    decode_sized(path).map(|decoded| decoded.image)
}

/// [`decode`], with the size that the file has.
///
/// # Errors
/// As [`read_image`].
pub fn decode_sized(path: &Path) -> Result<Decoded> {
    check_header(path)?;
    let bytes = input::read_bytes(path, MAX_FILE_BYTES, EXPECTED)?;
    guarded(Place::file(path), || codec::decode(&bytes))
}

/// Where an image's bytes come from: a file, or a row of one.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub path: &'a Path,
    pub row: Option<u64>,
}

impl<'a> Place<'a> {
    fn file(path: &'a Path) -> Self {
        Self { path, row: None }
    }

    fn error(self, what: impl Into<String>, expected: impl Into<String>) -> Error {
        Error::Data { path: self.path.to_path_buf(), row: self.row, what: what.into(), expected: expected.into() }
    }
}

/// [`decode`] for an image in memory, as Parquet holds it; its header was checked with [`check_start`].
#[cfg(feature = "parquet")]
pub(super) fn decode_bytes(bytes: &[u8], place: Place<'_>) -> Result<DynamicImage> {
    guarded(place, || codec::decode(bytes)).map(|decoded| decoded.image)
}

/// Reads only as much of a file as tells its format, its size and whether it was cut, and refuses what cannot be an image of a face.
pub(super) fn check_header(path: &Path) -> Result<()> {
    let file = input::open(path, EXPECTED)?;
    if file.metadata().map_err(Error::io("read", path))?.len() == 0 {
        return Err(Error::data(path, "an empty file", EXPECTED));
    }
    check_start(BufReader::new(file), Place::file(path))
}

/// [`check_header`] for what a file or a part of it holds.
pub(super) fn check_start(mut bytes: impl BufRead + Seek, place: Place<'_>) -> Result<()> {
    let Some((format, (width, height))) = guarded(place, || codec::size(&mut bytes))? else {
        return Err(unknown(bytes, place));
    };
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > codec::MAX_PIXELS {
        let expected = format!("1 to {} million pixels", codec::MAX_PIXELS / 1_000_000);
        return Err(place.error(format!("an image of {width} x {height} pixels"), expected));
    }
    guarded(place, || codec::check_end(format, bytes))
}

/// The error of content that is no image which is read.
fn unknown(mut bytes: impl BufRead + Seek, place: Place<'_>) -> Error {
    let mut start = Vec::new();
    let read = bytes.seek(SeekFrom::Start(0)).and_then(|_| bytes.take(MARK).read_to_end(&mut start));
    match read.map(|_| recognise(&start)) {
        Err(error) => Error::io("read", place.path)(error),
        Ok(Some((what, remedy))) => place.error(format!("{what}, which is not read"), format!("{EXPECTED} ({remedy})")),
        Ok(None) => place.error("its content is no known image format", EXPECTED),
    }
}

/// Runs a decoder; its error or panic becomes ours.
fn guarded<T>(place: Place<'_>, decoder: impl FnOnce() -> image::ImageResult<T>) -> Result<T> {
    // Nothing that a panic could leave half done outlives the closure but `out`, which the caller then drops.
    match catch_unwind(AssertUnwindSafe(decoder)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(ImageError::IoError(error))) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            Err(place.error(format!("cannot be read ({error})"), EXPECTED))
        }
        Ok(Err(error)) => Err(place.error(format!("cannot be decoded ({error})"), EXPECTED)),
        Err(_) => Err(place.error("cannot be decoded (the decoder gave up on it)", EXPECTED)),
    }
}

/// [`write_floats`] for an image that a file or a row holds.
pub(super) fn write_decoded(image: &DynamicImage, place: Place<'_>, input: InputSpec, out: &mut [f32]) -> Result<()> {
    guarded(place, || {
        write_floats(image, input, out);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use image::{GrayImage, ImageFormat, RgbImage};
    use std::io::Cursor;

    const GREY: InputSpec = InputSpec::new(4, 6, 1);

    fn read(path: &Path, input: InputSpec) -> Result<Vec<f32>> {
        let mut out = vec![f32::NAN; input.len()];
        read_image(path, input, &mut out).map(|()| out)
    }

    #[test]
    fn content_decides_not_the_extension() {
        let dir = tempfile::tempdir().unwrap();
        let picture = GrayImage::from_fn(6, 4, |x, y| image::Luma([(x * 40 + y) as u8]));
        for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Pnm] {
            let path = dir.path().join("lies.jpg");
            picture.save_with_format(&path, format).unwrap();
            let floats = read(&path, GREY).unwrap();
            assert_eq!(floats[6 * 3 + 5], f32::from(203u8) / 255.0, "row 3, column 5 of {format:?}");
        }
        let path = dir.path().join("lies.png");
        picture.save_with_format(&path, ImageFormat::Jpeg).unwrap();
        assert!((read(&path, GREY).unwrap()[5] - 200.0 / 255.0).abs() < 0.05);
    }

    #[test]
    fn channels_and_sizes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.png");
        RgbImage::from_pixel(3, 5, image::Rgb([255, 0, 51])).save(&path).unwrap();
        let rgb = read(&path, InputSpec::new(2, 7, 3)).unwrap();
        assert_eq!(rgb.len(), 42);
        assert!(rgb.chunks(3).all(|p| p == [1.0, 0.0, 0.2]), "{rgb:?}");
        let grey = read(&path, GREY).unwrap();
        assert!(grey.iter().all(|p| (p - (0.299 + 0.114 * 0.2)).abs() < 0.01), "{grey:?}");
    }

    #[test]
    fn files_that_are_no_images() {
        let dir = tempfile::tempdir().unwrap();
        let refuse = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let text = read(&path, GREY).unwrap_err().to_string();
            assert!(text.contains(name), "{text}");
            text
        };
        assert!(refuse("empty.png", b"").contains("empty file"));
        assert!(refuse("text.png", b"this is no image at all").contains("no known image format"));
        let mut png = Vec::new();
        let noise = GrayImage::from_fn(60, 60, |x, y| image::Luma([((x * 37) ^ (y * 91)) as u8]));
        noise.write_to(&mut Cursor::new(&mut png), ImageFormat::Png).unwrap();
        assert!(refuse("cut.png", &png[..png.len() / 2]).contains("cannot be decoded"));
        assert!(refuse("head.png", &png[..20]).contains("cannot be decoded"));
        let mut flipped = png.clone();
        flipped[60] ^= 0x55;
        assert!(refuse("flipped.png", &flipped).contains("cannot be decoded"));
        let mut jpeg = Vec::new();
        noise.write_to(&mut Cursor::new(&mut jpeg), ImageFormat::Jpeg).unwrap();
        assert!(refuse("cut.jpg", &jpeg[..200]).contains("cannot be decoded"));
        assert!(read(dir.path(), GREY).unwrap_err().to_string().contains("not a file"));
        let gone = read(&dir.path().join("gone.png"), GREY).unwrap_err().to_string();
        assert!(gone.contains("cannot read") && gone.contains("gone.png"), "{gone}");
    }

    #[test]
    fn a_huge_image_is_refused_by_its_header() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("huge.bmp");
        // A BMP header that promises 30,000 x 30,000 pixels of 24 bits, and nothing behind it.
        let mut bmp = b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
        bmp.extend(30_000u32.to_le_bytes());
        bmp.extend(30_000u32.to_le_bytes());
        bmp.extend([1, 0, 24, 0]);
        bmp.extend([0; 24]);
        std::fs::write(&path, &bmp).unwrap();
        let text = read(&path, GREY).unwrap_err().to_string();
        assert!(text.contains("30000 x 30000") && text.contains("268 million"), "{text}");
    }

    #[test]
    fn a_buffer_of_another_length() {
        let text = read_image(Path::new("x.png"), GREY, &mut [0.0; 5]).unwrap_err().to_string();
        assert!(text.contains("5 floats for an image of 24"), "{text}");
    }
}
