//! What image files are called, and what other files say of themselves in their first bytes.

use std::path::Path;

/// Formats that are read, and the endings of their files; the content decides how a file is read, whatever its ending.
const FORMATS: [(&str, &[&str]); 7] = [
    ("PNG", &["png"]),
    ("JPEG", &["jpg", "jpeg", "jpe", "jfif"]),
    ("BMP", &["bmp", "dib"]),
    ("GIF", &["gif"]),
    ("WebP", &["webp"]),
    ("TIFF", &["tif", "tiff"]),
    ("PNM", &["pgm", "ppm", "pnm", "pbm", "pam"]),
];
/// Formats of images that are not read, and the endings of their files: such a file among images is named, not passed over.
const UNREAD: [(&str, &[&str]); 5] = [
    ("HEIC", &["heic", "heif", "hif"]),
    ("AVIF", &["avif"]),
    ("JPEG XL", &["jxl"]),
    ("JPEG 2000", &["jp2", "j2k"]),
    ("camera raw", &["dng", "cr2", "cr3", "nef", "arw"]),
];
/// What an image file must be.
pub(super) const EXPECTED: &str = "a PNG, JPEG, BMP, GIF, WebP, TIFF or PNM image";

/// Content that is no image which is read: where its mark stands, the mark, what it is, and what to do.
const OTHERS: [(usize, &[u8], &str, &str); 17] = [
    (4, b"ftypavif", "an AVIF image", CONVERT),
    (4, b"ftypavis", "an AVIF image", CONVERT),
    (4, b"ftyphei", "a HEIC image", CONVERT),
    (4, b"ftyphev", "a HEIC image", CONVERT),
    (4, b"ftypmif1", "a HEIC image", CONVERT),
    (4, b"ftypmsf1", "a HEIC image", CONVERT),
    (4, b"ftyp", "a video", "predict takes videos"),
    (0, b"\xff\x0a", "a JPEG XL image", CONVERT),
    (4, b"JXL ", "a JPEG XL image", CONVERT),
    (4, b"jP  ", "a JPEG 2000 image", CONVERT),
    (0, b"8BPS", "a Photoshop document", CONVERT),
    (0, b"%PDF", "a PDF document", CONVERT),
    (0, b"<svg", "an SVG drawing", CONVERT),
    (0, b"<!DOCTYPE html", "a web page", "load the file again: a server sent a page in its place"),
    (0, b"<html", "a web page", "load the file again: a server sent a page in its place"),
    (0, b"version https://git-lfs", "a Git LFS pointer", "get the files that it stands for with: git lfs pull"),
    (0, b"PK\x03\x04", "a zip archive", "unpack it"),
];
const CONVERT: &str = "convert it, as in: magick photo.heic photo.jpg";

/// Whether a file is called like an image that is read.
pub(super) fn is_image(path: &Path) -> bool {
    has_ending(path, &FORMATS)
}

/// Whether a file is called like an image, read or not.
pub(super) fn is_any_image(path: &Path) -> bool {
    is_image(path) || has_ending(path, &UNREAD)
}

fn has_ending(path: &Path, formats: &[(&str, &[&str])]) -> bool {
    let Some(ending) = path.extension() else { return false };
    formats.iter().flat_map(|(_, endings)| *endings).any(|known| ending.eq_ignore_ascii_case(known))
}

/// The endings of image files for messages: `.png .jpg ...`.
pub(super) fn endings() -> String {
    let endings = FORMATS.iter().flat_map(|(_, endings)| *endings).map(|ending| format!(".{ending}"));
    endings.collect::<Vec<_>>().join(" ")
}

/// What a file that is no image calls itself by its first bytes, and what to do about it.
pub(super) fn recognise(start: &[u8]) -> Option<(&'static str, &'static str)> {
    let marked =
        |at: usize, mark: &[u8]| start.get(at..at + mark.len()).is_some_and(|found| found.eq_ignore_ascii_case(mark));
    OTHERS.iter().find(|(at, mark, ..)| marked(*at, mark)).map(|(_, _, what, remedy)| (*what, *remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_in_any_case() {
        for name in ["a.png", "b.JPEG", "c.jfif", "d.JPE", "e.tif", "f.TIFF", "g.webp", "h.gif", "i.pgm", "j.ppm"] {
            assert!(is_image(Path::new(name)), "{name}");
        }
        for name in ["png", "a.txt", "a.png.txt", "a.heic", ""] {
            assert!(!is_image(Path::new(name)), "{name}");
        }
        assert!(is_any_image(Path::new("a.HEIC")) && !is_any_image(Path::new("a.csv")));
        assert!(endings().starts_with(".png .jpg") && endings().contains(".webp"));
        FORMATS.iter().for_each(|(format, _)| assert!(EXPECTED.contains(format), "{format}"));
    }

    #[test]
    fn files_that_say_what_they_are() {
        let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
        assert_eq!(recognise(heic).map(|(what, _)| what), Some("a HEIC image"));
        assert_eq!(recognise(b"\0\0\0\x1cftypavif").map(|(what, _)| what), Some("an AVIF image"));
        assert_eq!(recognise(b"<!doctype HTML>").map(|(what, _)| what), Some("a web page"));
        assert!(recognise(b"version https://git-lfs.github.com/spec/v1").is_some_and(|(_, to)| to.contains("pull")));
        assert_eq!(recognise(b"no image at all"), None);
        assert_eq!(recognise(b""), None);
    }
}
