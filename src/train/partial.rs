//! Parts of an epoch: what an interrupted one leaves, and the batches of its last steps.

use crate::error::Result;
use crate::formats::checkpoint::{PartialEpoch, UnreadSums};
use crate::graph::{At, Metrics, Unread};

/// The batches of the last steps: more than can be queued between two readings of the metrics.
#[derive(Default)]
pub(super) struct Recent {
    batches: std::collections::VecDeque<(At, Vec<u32>)>,
}

impl Recent {
    pub(super) fn push(&mut self, at: At, indices: Vec<u32>) {
        self.batches.push_back((at, indices));
        if self.batches.len() > 64 {
            self.batches.pop_front();
        }
    }

    /// What `look` finds first, from the oldest batch on: it is given where in training it was, and the images' indices.
    pub(super) fn first<T>(&self, mut look: impl FnMut(At, &[u32]) -> Result<Option<T>>) -> Result<Option<T>> {
        for (at, indices) in &self.batches {
            if let Some(found) = look(*at, indices)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

pub(super) fn metrics_of(p: &PartialEpoch) -> Metrics {
    Metrics { loss: p.loss, correct: p.correct, mse: p.mse, count: p.count, not_finite: false }
}

pub(super) fn partial_of(m: &Metrics, unread: Option<Unread>, steps: usize, seconds: f64) -> PartialEpoch {
    let unread = unread.map(|Unread { sums: [loss, correct, mse, count], submitted }| UnreadSums {
        loss,
        correct,
        mse,
        count,
        submitted,
    });
    PartialEpoch { steps, loss: m.loss, correct: m.correct, mse: m.mse, count: m.count, seconds, unread }
}

/// What the device had not given when the epoch was interrupted.
pub(super) fn unread_of(p: &PartialEpoch) -> Option<Unread> {
    p.unread.map(|u| Unread { sums: [u.loss, u.correct, u.mse, u.count], submitted: u.submitted })
}
