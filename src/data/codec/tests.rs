#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use image::{GrayImage, Luma};
use std::fs;
use std::path::{Path, PathBuf};

/// Files that Pillow wrote, each with its pixels as Pillow reads them: `tools/image_golden.py`.
fn golden() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.file_name().unwrap().to_str().unwrap().matches('.').count() == 1);
    files.sort();
    assert_eq!(files.len(), 28);
    files
}

fn name(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap()
}

/// What a file holds, where its header is accepted and its pixels are.
fn read(bytes: &[u8]) -> ImageResult<DynamicImage> {
    let Some((format, _)) = size(Cursor::new(bytes))? else { return Err(damaged(None, "no image")) };
    check_end(format, Cursor::new(bytes))?;
    decode(bytes).map(|decoded| decoded.image)
}

#[test]
fn pixels_are_those_that_pillow_reads() {
    for file in golden() {
        let found = read(&fs::read(&file).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", name(&file)));
        let wanted = image::open(format!("{}.png", file.display())).unwrap();
        let (found, wanted) = (found.to_rgb8(), wanted.to_rgb8());
        assert_eq!(found.dimensions(), wanted.dimensions(), "{}", name(&file));
        let apart = found.iter().zip(wanted.iter()).map(|(a, b)| a.abs_diff(*b));
        // Decoders of lossy formats differ in rounding, and in how they enlarge subsampled colours.
        let (most, mean) = match name(&file) {
            file if file.starts_with("cmyk") => (12, 2.0),
            file if file.ends_with(".jpg") => (8, 1.0),
            "lossy.webp" => (4, 1.0),
            _ => (0, 0.0),
        };
        let sum: f64 = apart.clone().map(f64::from).sum();
        let (worst, average) = (apart.max().unwrap(), sum / found.len() as f64);
        assert!(worst <= most && average <= mean, "{}: {worst} at most, {average} on average", name(&file));
    }
}

/// At every length of a file: an error, or every pixel of the whole file.
#[test]
fn a_cut_file_is_never_half_an_image() {
    for file in golden() {
        let bytes = fs::read(&file).unwrap();
        let whole = read(&bytes).unwrap();
        let step = (bytes.len() / 400).max(1);
        for length in (0..bytes.len()).step_by(step).chain(bytes.len() - 3..bytes.len()) {
            let Ok(found) = read(&bytes[..length]) else { continue };
            assert!(!name(&file).ends_with("jpg"), "{} cut at {length} of {}", name(&file), bytes.len());
            assert_eq!(found, whole, "{} cut at {length} of {}", name(&file), bytes.len());
        }
    }
}

#[test]
fn what_follows_the_end_of_a_jpeg_does_not_matter() {
    for file in golden().iter().filter(|file| name(file).ends_with("jpg")) {
        let bytes = fs::read(file).unwrap();
        let whole = read(&bytes).unwrap();
        // Junk, zeros, and the second image of a multi-picture file, itself cut.
        for more in [&b"junk\xff\x00 \xff"[..], &[0; 600], &bytes[..bytes.len() / 2]] {
            assert_eq!(read(&[&bytes[..], more].concat()).unwrap(), whole, "{}", name(file));
        }
    }
}

/// Bytes between the segments of a header are passed over; a code that no table has is damage.
#[test]
fn odd_and_damaged_jpegs() {
    let file = golden().into_iter().find(|file| name(file) == "colour_base.jpg").unwrap();
    let bytes = fs::read(file).unwrap();
    let whole = read(&bytes).unwrap();
    let first = 4 + usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
    let padded = [&bytes[..first], &[0; 9][..], &bytes[first..]].concat();
    assert_eq!(read(&padded).unwrap(), whole);
    let filled = [&bytes[..first], &[0xff; 3][..], &bytes[first..]].concat();
    assert_eq!(read(&filled).unwrap(), whole);
    let mut damaged = bytes.clone();
    let scan = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    for at in (scan + 40..bytes.len() - 40).step_by(2) {
        damaged[at] = 0xff;
        damaged[at + 1] = 0;
    }
    assert!(read(&damaged).is_err());
}

#[test]
fn photographs_are_scaled_while_they_are_decoded() {
    let picture = GrayImage::from_fn(9001, 40, |x, y| Luma([(x / 40) as u8 / 2 + (y as u8)]));
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Pnm, ImageFormat::Tiff] {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        let decoded = decode(&bytes.into_inner()).unwrap();
        assert_eq!(decoded.size, (9001, 40), "{format:?}");
        let grey = decoded.image.to_luma8();
        assert_eq!(grey.dimensions(), (4501, 20), "{format:?}");
        for (x, y) in [(0, 0), (2222, 10), (4499, 19)] {
            let (found, wanted) = (grey.get_pixel(x, y).0[0], picture.get_pixel(2 * x, 2 * y).0[0]);
            assert!(found.abs_diff(wanted) <= 3, "{format:?} at {x}, {y}: {found} for {wanted}");
        }
    }
    assert_eq!([8192, 8193, 16384, 16385, 65535].map(|side| divisor(side, 10)), [1, 2, 2, 4, 8]);
}
