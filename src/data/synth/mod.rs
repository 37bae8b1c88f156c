//! Faces that the program draws: seven emotions, made from facial action units, on people who differ, seen in poses,
//! lights and through a camera that differ. They need no download and no licence, and are hard enough that a linear
//! classifier on pixels fails while a small convolutional network succeeds. Accuracy on them says nothing about
//! people.
//!
//! An image is a function of (seed, split, number, emotion) alone: images are drawn in parallel, and `synth:700` and
//! `synth:7000` begin with the same ones. (On another processor or system a pixel may differ by a rounding: sine and
//! exponential are the system's own.)

mod camera;
mod draw;
mod face;
mod features;
mod paint;
mod tree;

use std::sync::Arc;

use rayon::prelude::*;

use super::select::{choose_classes, unused_split_note};
use super::store::{Names, PIXELS, SIDE, Stored};
use super::{Dataset, InputSpec, Options, Split, Task};
use crate::error::{Error, Result};
use crate::philox::Philox;
pub use face::EMOTIONS;
use paint::Sitter;
pub use tree::{Written, write_tree};

/// Images of plain `synth`: 3,000 to train on, 600 to validate, 600 to test.
pub const DEFAULT_COUNT: usize = 4200;
/// Fewest images: every split must have every emotion.
pub const MIN_COUNT: usize = 70;
/// Most images; they are held in memory, 2,304 bytes each.
pub const MAX_COUNT: usize = 500_000;

/// The splits, in the order of their numbers.
const SPLITS: [&str; 3] = ["train", "validation", "test"];
/// Canvas pixels per image pixel.
const OVERSAMPLING: usize = 2;

/// The number of images if the source is `synth` or `synth:N`; `None` if it is something else.
///
/// # Errors
/// `synth:` with something that is not a number from [`MIN_COUNT`] to [`MAX_COUNT`].
pub fn parse_source(source: &str) -> Result<Option<usize>> {
    if source == "synth" {
        return Ok(Some(DEFAULT_COUNT));
    }
    let Some(count) = source.strip_prefix("synth:") else { return Ok(None) };
    let count = count.parse().map_err(|_| {
        Error::usage(format!("`{source}`: `{count}` is not a number of images"), format!("as in synth:{DEFAULT_COUNT}"))
    })?;
    check_count(count).map(|()| Some(count))
}

/// Refuses too few images, and more than memory should hold.
fn check_count(count: usize) -> Result<()> {
    if (MIN_COUNT..=MAX_COUNT).contains(&count) {
        return Ok(());
    }
    let hint = format!("from {MIN_COUNT} (so that every split has every emotion) to {MAX_COUNT}");
    Err(Error::usage(format!("{count} drawn faces"), hint))
}

/// Images of the three splits: five sevenths to train, a seventh to validate, the rest to test.
fn split_counts(count: usize) -> [usize; 3] {
    let (train, validation) = (count / 7 * 5 + count % 7 * 5 / 7, count / 7);
    [train, validation, count - train - validation]
}

/// Draws a dataset of `count` images; see [`super::open`].
pub(super) fn open(source: &str, count: usize, input: InputSpec, options: &Options) -> Result<Dataset> {
    check_count(count)?;
    let classes = choose_classes(&EMOTIONS.map(str::to_string), options)?;
    let emotions: Vec<usize> = classes.iter().filter_map(|c| EMOTIONS.iter().position(|e| e == c)).collect();
    let counts = split_counts(count);
    let [train, validation, test] = [0, 1, 2].map(|split| -> Arc<dyn Split> {
        let mut pixels = vec![0; counts[split] * PIXELS];
        pixels.par_chunks_exact_mut(PIXELS).enumerate().for_each(|(i, image)| {
            image.copy_from_slice(&draw(options.seed, split, i, emotions[i % emotions.len()]));
        });
        let labels = (0..counts[split]).map(|i| (i % emotions.len()) as u32).collect();
        let names = Names::Numbered(format!("synth {} image", SPLITS[split]));
        Arc::new(Stored { pixels, side: SIDE, labels, classes: emotions.len(), names, input })
    });
    let notes = unused_split_note(options).into_iter().collect();
    Ok(Dataset { source: source.to_string(), task: Task::Classes, classes, train, validation, test: Some(test), notes })
}

/// Numbers that a face is drawn by, for networks that predict numbers.
pub(super) struct Known {
    /// How far the corners of the mouth are up (1) or down (-1): action units 12 and 15.
    pub smile: f32,
    /// How far the head is turned to the side, from -1 to 1.
    pub turn: f32,
}

/// The numbers of the image that [`draw`] gives.
fn known(seed: u64, split: usize, index: usize, emotion: usize) -> Known {
    let (sitter, _) = sitter(seed, split, index, emotion);
    Known { smile: sitter.au.get(12) - sitter.au.get(15), turn: sitter.pose.turn() }
}

/// Who sits for an image and how, and the generator to go on with.
fn sitter(seed: u64, split: usize, index: usize, emotion: usize) -> (Sitter, Philox) {
    let mut rng = Philox::new(seed, (split as u64) << 32 | index as u64);
    let sitter = Sitter::sample(SIDE * OVERSAMPLING, emotion, &mut rng);
    (sitter, rng)
}

/// Image `index` of a split (0 train, 1 validation, 2 test) with the emotion `EMOTIONS[emotion]`: 48 x 48 grey bytes,
/// rows first.
fn draw(seed: u64, split: usize, index: usize, emotion: usize) -> Vec<u8> {
    let (sitter, mut rng) = sitter(seed, split, index, emotion);
    let mut canvas = paint::head(SIDE * OVERSAMPLING, &sitter, &mut rng);
    camera::light(&mut canvas, &sitter.pose, sitter.id.width, &mut rng);
    camera::occlude(&mut canvas, &sitter.pose, sitter.id.skin, &mut rng);
    camera::photograph(canvas.halved(), &mut rng)
}

/// Where eyes, brows and mouth are drawn in an image of the test split of `synth` with all emotions: what a network that looks at
/// a face should look at. 48 x 48, rows first. Something that is in front of the face may hide some of it.
pub fn test_features(seed: u64, index: usize) -> Vec<bool> {
    let (sitter, _) = sitter(seed, SPLITS.len() - 1, index, index % EMOTIONS.len());
    features::drawn(SIDE * OVERSAMPLING, &sitter).halved().tones.iter().map(|covered| *covered >= 0.5).collect()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
