//! Splits in memory: bytes of square grey images, and parts of another split.

use std::sync::Arc;

use image::{DynamicImage, GrayImage};

use super::conversion::write_floats;
use super::within::Within;
use super::{InputSpec, Origin, Split};
use crate::error::{Error, Result};

/// Rows and columns of FER2013's images and of drawn ones.
pub(super) const SIDE: usize = 48;
/// Bytes of such an image.
pub(super) const PIXELS: usize = SIDE * SIDE;

/// How a stored image is called.
pub(super) enum Names {
    /// By the file's name and the row that each image came from; `has_usage` if the file says which split a row is of.
    Rows { file: String, places: Vec<RowPlace>, has_usage: bool },
    /// By a word and the place in the split.
    Numbered(String),
}

/// Where a row is in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowPlace {
    /// The line that it begins in, where the file's first is 1.
    pub line: u32,
    /// Its number among the rows below the header that are not blank, from 0.
    pub number: u32,
    /// How many rows before it cannot be read.
    pub damaged: u32,
}

/// Images as bytes.
pub(super) struct Stored {
    /// One image after the other, `side` x `side` bytes each.
    pub pixels: Vec<u8>,
    /// Rows and columns of an image.
    pub side: usize,
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
        let size = self.side * self.side;
        &self.pixels[index * size..(index + 1) * size]
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
            Names::Rows { file, places, .. } => format!("{file} row {}", places[index].line),
            Names::Numbered(word) => format!("{word} {index}"),
        }
    }

    fn origin(&self, index: usize) -> Origin<'_> {
        match &self.names {
            Names::Rows { places, has_usage, .. } => Origin::Row { place: places[index], has_usage: *has_usage },
            Names::Numbered(_) => Origin::Other,
        }
    }

    fn picture(&self, index: usize) -> Result<DynamicImage> {
        let image = GrayImage::from_raw(self.side as u32, self.side as u32, self.bytes(index).to_vec());
        Ok(DynamicImage::ImageLuma8(image.expect("the slice has one byte for each pixel")))
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
        check_length(self.input, out)?;
        if self.input.dims() == [self.side, self.side, 1] {
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
