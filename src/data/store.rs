//! Splits in memory: bytes of 48 x 48 grey images, and parts of another split.

use std::sync::Arc;

use image::{DynamicImage, GrayImage};

use super::decode::write_floats;
use super::within::Within;
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

impl Stored {
    /// The pixels of an image.
    fn bytes(&self, index: usize) -> &[u8] {
        &self.pixels[index * PIXELS..(index + 1) * PIXELS]
    }
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
            Names::Numbered(_) => Origin::Other,
        }
    }

    fn picture(&self, index: usize) -> Result<DynamicImage> {
        let image = GrayImage::from_raw(SIDE as u32, SIDE as u32, self.bytes(index).to_vec());
        Ok(DynamicImage::ImageLuma8(image.expect("the slice has one byte for each pixel")))
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
        check_length(self.input, out)?;
        if self.input == (InputSpec { height: SIDE, width: SIDE, channels: 1 }) {
            for (to, from) in out.iter_mut().zip(self.bytes(index)) {
                *to = f32::from(*from) / 255.0;
            }
            return Ok(());
        }
        write_floats(&self.picture(index)?, self.input, out);
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

impl Within for Part {
    fn whole(&self) -> &dyn Split {
        self.whole.as_ref()
    }

    fn len(&self) -> usize {
        self.members.len()
    }

    fn place(&self, index: usize) -> (&dyn Split, usize) {
        (self.whole(), self.members[index] as usize)
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
