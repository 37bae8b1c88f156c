//! What a run tells while it goes on, and what came of it.

use super::history::EpochRow;
use crate::eval::Scores;
use crate::formats::checkpoint::Best;
use crate::graph::Metrics;
use std::time::Duration;

/// Told what happens, for a progress bar or a log.
pub trait Observer {
    /// A step is queued: epoch and step from 1, of how many, the metrics that have arrived, images a second so far.
    fn step(&mut self, epoch: usize, step: usize, steps: usize, so_far: &Metrics, images_per_s: f64);
    /// A phase begins or is resumed, if there are several: which, of how many, and what it is in a line.
    fn phase(&mut self, _number: usize, _of: usize, _about: &str) {}
    /// Validation begins.
    fn validating(&mut self, _epoch: usize) {}
    /// An epoch is done; whether it is the best so far.
    fn epoch(&mut self, row: &EpochRow, best: bool);
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// One row an epoch.
    pub history: Vec<EpochRow>,
    /// The best epoch, by [`super::Config::monitor`].
    pub best: Option<Best>,
    /// The best checkpoint's figures on the test split, or on validation where there is no test split; none if interrupted.
    pub evaluation: Option<Scores>,
    /// The split of `evaluation`.
    pub evaluated_on: &'static str,
    /// Why it ended before the last epoch, if it did.
    pub stopped: Option<Stopped>,
    /// Time that steps waited for the loader.
    pub waited: Duration,
}

/// Why training ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Ctrl-C or a termination signal.
    Interrupted,
    /// Early stopping ended the last phase.
    Patience,
    /// The time of `--time` is over.
    Time,
}
