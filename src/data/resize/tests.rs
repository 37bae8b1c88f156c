//! Every filter against its library, on random pixels (`tests/golden/resize.json`, by tools/resize_golden.py).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::data::grey::Grey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, RgbImage};

#[derive(Deserialize)]
struct File {
    grey: OfGrey,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct OfGrey {
    from: [usize; 3],
    pil: String,
    cv2: String,
}

#[derive(Deserialize)]
struct Case {
    filter: Resize,
    from: [usize; 3],
    to: [usize; 2],
    values: String,
}

fn file() -> File {
    serde_json::from_str(include_str!("../../../tests/golden/resize.json")).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

/// The pixels of tools/resize_golden.py.
fn pixels([height, width, channels]: [usize; 3]) -> Vec<u8> {
    let pixel = |i: usize| {
        let mut x = (i as u32).wrapping_mul(2_654_435_761).wrapping_add((97 * height + width) as u32);
        x ^= x >> 15;
        x = x.wrapping_mul(2_246_822_519);
        x ^= x >> 13;
        (x >> 24) as u8
    };
    (0..height * width * channels).map(pixel).collect()
}

impl Case {
    /// The largest difference from the library, in 255ths.
    fn error(&self) -> f32 {
        let stored = bytes(&self.values);
        let wanted: Vec<f32> = if self.filter.to_string().starts_with("tf-") {
            stored.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        } else {
            stored.iter().map(|b| f32::from(*b)).collect()
        };
        let ([height, width, channels], source) = (self.from, pixels(self.from));
        let mut out = vec![f32::NAN; self.to[0] * self.to[1] * channels];
        assert_eq!(out.len(), wanted.len());
        self.filter.write(&Pixels { bytes: &source, height, width, channels }, self.to, &mut out);
        let error = |(a, b): (&f32, &f32)| (a * 255.0 - b).abs();
        out.iter().zip(&wanted).map(error).map(|e| if e.is_nan() { f32::INFINITY } else { e }).fold(0.0, f32::max)
    }
}

/// Pillow's and the nearest pixels are equal; OpenCV may round otherwise on another processor.
#[test]
fn every_filter_is_that_of_its_library() {
    let cases = file().cases;
    let mut failures = Vec::new();
    for (name, filter, _) in &TABLE[..TABLE.len() - 1] {
        let of_filter: Vec<&Case> = cases.iter().filter(|case| case.filter == *filter).collect();
        assert_eq!(of_filter.len(), 17, "{name}");
        let most = match name.split_once('-').unwrap() {
            ("cv2", "linear" | "cubic" | "area") => 1.0,
            ("tf", _) => 1e-3,
            _ => 1e-4,
        };
        let errors = of_filter.iter().map(|case| (case.error(), case.from, case.to));
        failures.extend(errors.filter(|(e, ..)| *e > most).map(|failure| (name, failure)));
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn grey_is_that_of_pillow() {
    let OfGrey { from, pil, cv2 } = file().grey;
    let rgb = RgbImage::from_raw(from[1] as u32, from[0] as u32, pixels(from)).unwrap();
    let image = DynamicImage::ImageRgb8(rgb);
    let ours = Grey::Rec601.bytes(&image).into_owned();
    assert_eq!(ours, bytes(&pil));
    assert!(ours.iter().zip(bytes(&cv2)).all(|(a, b)| a.abs_diff(b) <= 1));
    assert_eq!(ours, *Grey::Rec601.bytes(&DynamicImage::ImageRgba8(image.to_rgba8())), "transparency is ignored");
    let old = Grey::Rec709.bytes(&image).into_owned();
    assert_eq!(old, image.to_luma8().into_raw());
    assert_ne!(old, ours);
}

#[test]
fn names() {
    for (name, resize, _) in TABLE {
        assert_eq!((name.parse(), resize.to_string()), (Ok(resize), name.to_owned()));
    }
    let text = "pil-bilinaer".parse::<Resize>().unwrap_err();
    assert!(text.contains("did you mean `pil-bilinear`?") && text.contains("cv2-area"), "{text}");
}
