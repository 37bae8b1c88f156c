//! Finding faces.

use super::FaceBox;
use crate::data::Grey;
use crate::error::{Error, Result};
use image::imageops::{FilterType, resize};
use image::{DynamicImage, GrayImage};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// SeetaFace's model of upright frontal faces; see `src/faces/seetaface`.
const MODEL: &[u8] = include_bytes!("seetaface/seeta_fd_frontal_v1.0.bin");
/// Longest side of the picture that is searched: more finds no more of the faces that matter, and takes seconds.
const LONGEST: u32 = 1600;
/// Smallest face, in pixels of that picture: a smaller one has nothing to read an expression from.
const SMALLEST: u32 = 24;
/// Least score of a face: SeetaFace's own choice.
const SCORE: f64 = 2.0;
/// Ratio of two sizes that are searched, and steps between two places: SeetaFace's own choices.
const PYRAMID: f32 = 0.8;
const STEP: u32 = 4;

/// Something that finds faces; tests bring their own.
pub trait Find: Sync {
    /// The faces of a picture, from left to right.
    ///
    /// # Errors
    /// A picture that the finder gives up on.
    fn find(&self, picture: &DynamicImage) -> Result<Vec<FaceBox>>;
}

/// SeetaFace.
pub struct Detector {
    model: rustface::Model,
}

impl Detector {
    /// Reads the model.
    ///
    /// # Errors
    /// A program that was built with a damaged model.
    pub fn new() -> Result<Self> {
        let model = rustface::read_model(MODEL).map_err(Error::io("read", "the face model in this program"))?;
        Ok(Self { model })
    }

    fn search(&self, grey: &GrayImage) -> Vec<rustface::FaceInfo> {
        let mut detector = rustface::create_detector_with_model(self.model.clone());
        detector.set_min_face_size(SMALLEST);
        detector.set_score_thresh(SCORE);
        detector.set_pyramid_scale_factor(PYRAMID);
        detector.set_slide_window_step(STEP, STEP);
        detector.detect(&rustface::ImageData::new(grey.as_raw(), grey.width(), grey.height()))
    }
}

impl Find for Detector {
    fn find(&self, picture: &DynamicImage) -> Result<Vec<FaceBox>> {
        let (width, height) = (picture.width(), picture.height());
        // Not the network's grey: faces must not move with the checkpoint.
        let grey = Grey::Rec709.bytes(picture).into_owned();
        let mut grey = GrayImage::from_raw(width, height, grey).expect("a byte for each pixel");
        if width.min(height) < SMALLEST {
            return Ok(Vec::new());
        }
        let shrink = (f64::from(LONGEST) / f64::from(width.max(height))).min(1.0);
        if shrink < 1.0 {
            let side = |length: u32| ((f64::from(length) * shrink).round() as u32).max(1);
            grey = resize(&grey, side(width), side(height), FilterType::Triangle);
        }
        // Nothing that a panic could leave half done outlives the closure.
        let found = catch_unwind(AssertUnwindSafe(|| self.search(&grey))).map_err(|_| {
            Error::usage(
                format!("the face finder gave up on a picture of {width} x {height}"),
                "--face none takes it whole",
            )
        })?;
        let mut faces: Vec<FaceBox> =
            found.iter().filter_map(|face| within(face.bbox(), shrink, (width, height))).collect();
        faces.sort_by_key(|face| (face.x, face.y));
        Ok(faces)
    }
}

/// A found box in pixels of the whole picture, and what of it is in the picture; none if that is nothing.
fn within(found: &rustface::Rectangle, shrink: f64, (width, height): (u32, u32)) -> Option<FaceBox> {
    let span = |start: i32, length: u32, limit: u32| {
        let low = (f64::from(start) / shrink).round().clamp(0.0, f64::from(limit));
        let high = ((f64::from(start) + f64::from(length)) / shrink).round().clamp(low, f64::from(limit));
        (low as u32, (high - low) as u32)
    };
    let (x, columns) = span(found.x(), found.width(), width);
    let (y, rows) = span(found.y(), found.height(), height);
    (columns > 0 && rows > 0).then_some(FaceBox { x, y, width: columns, height: rows })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::data::{InputSpec, Options, open};
    use image::Luma;

    /// A grey wall with drawn faces of some size at some places.
    fn wall(faces: &[(u32, u32, u32, usize)], size: (u32, u32)) -> DynamicImage {
        let data = open("synth:70", InputSpec::new(48, 48, 1), &Options::default()).unwrap();
        let mut wall = GrayImage::from_pixel(size.0, size.1, Luma([120]));
        for (x, y, side, index) in faces {
            let mut pixels = vec![0.0; 48 * 48];
            data.train.read(*index, &mut pixels).unwrap();
            let face = GrayImage::from_fn(48, 48, |x, y| Luma([(pixels[(y * 48 + x) as usize] * 255.0) as u8]));
            image::imageops::replace(
                &mut wall,
                &resize(&face, *side, *side, FilterType::Triangle),
                (*x).into(),
                (*y).into(),
            );
        }
        DynamicImage::ImageLuma8(wall)
    }

    /// Drawn faces are face enough. The picture is searched at four fifths of its size.
    #[test]
    fn drawn_faces_are_found_where_they_are() {
        let faces = [(100, 150, 300, 4), (1500, 300, 260, 8)];
        let found = Detector::new().unwrap().find(&wall(&faces, (2000, 700))).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        for (face, (x, y, side, _)) in found.iter().zip(faces) {
            let middle = (face.x + face.width / 2, face.y + face.height / 2);
            let inside = |at: u32, start: u32| (start + side / 3..start + side * 4 / 5).contains(&at);
            assert!(inside(middle.0, x) && inside(middle.1, y), "{face:?} of a face at {x}, {y}");
            assert!((side / 2..side).contains(&face.width), "{face:?} of a face of {side}");
        }
    }

    #[test]
    fn odd_pictures_have_no_faces() {
        let detector = Detector::new().unwrap();
        for (width, height) in [(1, 1), (23, 900), (24, 24), (39, 40), (41, 41), (3000, 30), (1700, 40)] {
            assert_eq!(detector.find(&wall(&[], (width, height))).unwrap(), vec![], "{width} x {height}");
        }
    }
}
