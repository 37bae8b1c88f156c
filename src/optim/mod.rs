//! Optimizers: Adam on flat arenas, on the GPU and in the reference, with what is done to gradients before it, and schedules of
//! its learning rate.

mod accumulate;
mod adam;
mod clip;
mod schedule;

pub use accumulate::Sum;
pub use adam::{Adam, Arenas, Decayed, is_kernel};
pub use clip::Clip;
pub use schedule::{Kind, Length, Schedule};

use crate::gpu::Gpu;
use std::ops::Range;

/// How a graph's parameters are moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimizer {
    /// The rule.
    pub adam: Adam,
    /// Batches whose gradients are averaged for one update, each sample counting the same: at least 1. The batches of an update
    /// behave as one of all their samples, but for batch norm, whose statistics are those of each batch.
    pub accumulate: usize,
}

impl Default for Optimizer {
    /// Keras's Adam, an update a batch.
    fn default() -> Self {
        Self { adam: Adam::default(), accumulate: 1 }
    }
}

/// Ranges of a flat arena of `elements`, each within a binding and beginning where one may.
fn slices(gpu: &Gpu, elements: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let most = (gpu.max_binding() / gpu.alignment() * gpu.alignment() / 4) as usize;
    (0..elements).step_by(most.max(1)).map(move |start| start..(start + most).min(elements))
}
