//! What a step is given.

use super::Graph;
use crate::error::{Error, Result};
use crate::ops::softmax_cross_entropy::one_hot;

/// The samples of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Batch<'a> {
    /// `[n, input]`: the images, one after the other.
    pub x: &'a [f32],
    /// `[n, outputs]`: a row a sample; one-hot, shares of votes, or values.
    pub targets: &'a [f32],
    /// `[n]`: what each sample's loss counts; 1 is once.
    pub weights: &'a [f32],
    /// `[n]`: each image's number in its split.
    pub samples: &'a [u32],
}

impl Batch<'_> {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Its samples in order, `most` at a time.
    pub(super) fn parts(self, most: usize, graph: &Graph) -> impl Iterator<Item = Self> {
        let (image, outputs) = (graph.input().elements(), graph.output().elements());
        (0..self.len()).step_by(most.max(1)).map(move |start| {
            let end = (start + most.max(1)).min(self.len());
            Self {
                x: &self.x[start * image..end * image],
                targets: &self.targets[start * outputs..end * outputs],
                weights: &self.weights[start..end],
                samples: &self.samples[start..end],
            }
        })
    }

    /// Refuses a batch whose parts do not fit a graph or each other.
    ///
    /// # Errors
    /// Names the part, its length, and the length that it should have.
    pub(super) fn check(&self, graph: &Graph) -> Result<()> {
        let n = self.len();
        let parts = [
            ("values of images", self.x.len(), n * graph.input().elements()),
            ("targets", self.targets.len(), n * graph.output().elements()),
            ("numbers of samples", self.samples.len(), n),
        ];
        match parts.iter().find(|(_, found, wanted)| found != wanted) {
            None => Ok(()),
            Some((what, found, wanted)) => {
                let what = format!("{found} {what} in a batch of {n} for {}", graph.name);
                Err(Error::usage(what, format!("{wanted} are expected")))
            }
        }
    }
}

/// A batch that owns its numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// As [`Batch::x`].
    pub x: Vec<f32>,
    /// As [`Batch::targets`].
    pub targets: Vec<f32>,
    /// As [`Batch::weights`].
    pub weights: Vec<f32>,
    /// As [`Batch::samples`].
    pub samples: Vec<u32>,
}

impl Samples {
    /// Images of one class each, by its number, which is below `classes`; all of weight 1, numbered from 0.
    pub fn labelled(x: Vec<f32>, labels: &[u32], classes: usize) -> Self {
        Self {
            x,
            targets: one_hot(labels, classes),
            weights: vec![1.0; labels.len()],
            samples: (0..labels.len() as u32).collect(),
        }
    }

    /// `n` images that nothing is known of, without their pixels: for predictions.
    pub(super) fn unknown(n: usize, outputs: usize) -> Self {
        Self { x: Vec::new(), targets: vec![0.0; n * outputs], weights: vec![0.0; n], samples: vec![0; n] }
    }

    /// The batch.
    pub fn batch(&self) -> Batch<'_> {
        Batch { x: &self.x, targets: &self.targets, weights: &self.weights, samples: &self.samples }
    }
}

/// Where in training a step is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct At {
    /// Optimizer steps done before it.
    pub step: u64,
    /// Epochs done before its own.
    pub epoch: u32,
    /// Learning rate.
    pub lr: f64,
}

impl At {
    /// A step of the first epoch.
    pub fn step(step: u64, lr: f64) -> Self {
        Self { step, epoch: 0, lr }
    }
}
