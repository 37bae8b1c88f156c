//! Splits in memory: bytes of 48 x 48 grey images, and parts of another split.

use std::sync::Arc;

use image::{DynamicImage, GrayImage};

use super::decode::write_floats;
use super::{InputSpec, Origin, Split};
use crate::error::{Error, Result};

/// Rows and columns of a stored image.
pub(super) const SIDE: usize = 48;
/// Bytes of a stored image.
pub(super) const PIXELS: usize = SIDE * SIDE;

/// How a stored image is called.
pub(super) enum Names {
    /// By the file's name and the row that each image came from.
    Rows(String, Vec<u32>),
    /// By a word and the place in the split.
    Numbered(String),
}

/// Images as bytes.
pub(super) struct Stored {
    /// One image after the other, [`PIXELS`] bytes each.
    pub pixels: Vec<u8>,
    /// One label an image.
    pub labels: Vec<u32>,
    /// How many labels there are.
    pub classes: usize,
    /// What they are called.
    pub names: Names,
    /// What the network takes.
    pub input: InputSpec,
}

impl Split for Stored {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn input(&self) -> InputSpec {
        self.input
    }

    fn outputs(&self) -> usize {
        self.classes
    }

    fn label(&self, index: usize) -> u32 {
        self.labels[index]
    }

    fn name(&self, index: usize) -> String {
        match &self.names {
            Names::Rows(file, rows) => format!("{file} row {}", rows[index]),
            Names::Numbered(word) => format!("{word} {index}"),
        }
    }

    fn origin(&self, index: usize) -> Origin<'_> {
        match &self.names {
            Names::Rows(_, rows) => Origin::Row(rows[index]),
            Names::Numbered(_) => Origin::Drawn,
        }
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
        check_length(self.input, out)?;
        let bytes = &self.pixels[index * PIXELS..(index + 1) * PIXELS];
        if self.input == (InputSpec { height: SIDE, width: SIDE, channels: 1 }) {
            for (to, from) in out.iter_mut().zip(bytes) {
                *to = f32::from(*from) / 255.0;
            }
            return Ok(());
        }
        let image = GrayImage::from_raw(SIDE as u32, SIDE as u32, bytes.to_vec());
        let image = image.expect("the slice has one byte for each pixel");
        write_floats(&DynamicImage::ImageLuma8(image), self.input, out);
        Ok(())
    }
}

/// Some images of another split.
pub(super) struct Part {
    /// The whole.
    pub whole: Arc<dyn Split>,
    /// Places in the whole.
    pub members: Vec<u32>,
}

impl Split for Part {
    fn len(&self) -> usize {
        self.members.len()
    }

    fn input(&self) -> InputSpec {
        self.whole.input()
    }

    fn outputs(&self) -> usize {
        self.whole.outputs()
    }

    fn label(&self, index: usize) -> u32 {
        self.whole.label(self.members[index] as usize)
    }

    fn target(&self, index: usize, out: &mut [f32]) {
        self.whole.target(self.members[index] as usize, out);
    }

    fn weight(&self, index: usize) -> f32 {
        self.whole.weight(self.members[index] as usize)
    }

    fn name(&self, index: usize) -> String {
        self.whole.name(self.members[index] as usize)
    }

    fn origin(&self, index: usize) -> Origin<'_> {
        self.whole.origin(self.members[index] as usize)
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
        self.whole.read(self.members[index] as usize, out)
    }
}

/// Refuses a buffer that is not exactly one image long.
pub(super) fn check_length(input: InputSpec, out: &[f32]) -> Result<()> {
    if out.len() == input.len() {
        return Ok(());
    }
    Err(Error::usage(
        format!("a buffer of {} floats for an image of {}", out.len(), input.len()),
        "the buffer must hold height x width x channels floats",
    ))
}
