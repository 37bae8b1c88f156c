//! What a training step does to its images first.

use super::Graph;
use crate::error::{Error, Result};
use crate::ops::augment::{Augment, Row};

/// Says how the images of training steps are changed before the network sees them; those of evaluation never are. It must answer
/// the same for the same question: runs are resumed bit for bit.
pub trait Augmentation: Send + Sync {
    /// What all images share.
    fn op(&self) -> &Augment;

    /// The numbers of image `sample` of the training split in epoch `epoch`, counted from 0.
    fn row(&self, epoch: u32, sample: u32) -> Row;
}

/// Refuses networks whose input no augmentation can change.
///
/// # Errors
/// An input that is not `[h, w, c]` of 1 to 4 channels.
pub(super) fn check(graph: &Graph) -> Result<()> {
    if let [_, _, 1..=4] = graph.input().dims() {
        return Ok(());
    }
    let what = format!("{} takes {}; images of 1 to 4 channels can be augmented", graph.name, graph.input());
    Err(Error::usage(what, "train without augmentation"))
}
