//! An epoch in progress: its last batches, and its sums as a checkpoint holds them.

use crate::formats::checkpoint::PartialEpoch;
use crate::graph::Metrics;
use std::collections::VecDeque;

/// The batches of the last steps: more than can be queued between two readings of the metrics.
#[derive(Default)]
pub(super) struct Recent {
    batches: VecDeque<(u64, Vec<u32>)>,
}

impl Recent {
    /// Remembers the images of a step.
    pub(super) fn push(&mut self, step: u64, indices: Vec<u32>) {
        self.batches.push_back((step, indices));
        if self.batches.len() > 64 {
            self.batches.pop_front();
        }
    }

    /// Step and images, oldest first.
    pub(super) fn batches(&self) -> impl Iterator<Item = &(u64, Vec<u32>)> {
        self.batches.iter()
    }
}

/// The sums of an interrupted epoch.
pub(super) fn metrics_of(p: &PartialEpoch) -> Metrics {
    Metrics { loss: p.loss, correct: p.correct, mse: p.mse, count: p.count, not_finite: false }
}

/// The sums of an epoch that is interrupted now.
pub(super) fn partial_of(m: &Metrics, steps: usize, seconds: f64) -> PartialEpoch {
    PartialEpoch { steps, loss: m.loss, correct: m.correct, mse: m.mse, count: m.count, seconds }
}
