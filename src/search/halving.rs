//! Which trials go on: asynchronous successive halving (Li et al. 2020, "A system for massively parallel hyperparameter tuning").
//!
//! Rungs are numbers of epochs, each `eta` times the one before. Whoever is free trains a trial of the best `1 / eta` of those that
//! have reached a rung to the next rung, from the highest rung down, or else begins a trial; nobody waits for a rung to be full.

use super::results::{Row, Status};
use crate::train::Monitor;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// `[halving]` of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Halving {
    /// One of so many trials goes on past a rung.
    pub eta: usize,
    /// Epochs of the first rung.
    pub min_epochs: usize,
}

impl Default for Halving {
    fn default() -> Self {
        Self { eta: 3, min_epochs: 1 }
    }
}

impl Halving {
    pub(super) fn check(self) -> Result<(), String> {
        match self {
            Self { eta: 0 | 1, .. } => Err(format!("[halving] eta = {}: it must be at least 2", self.eta)),
            Self { min_epochs: 0, .. } => Err("[halving] min-epochs = 0: it must be at least 1".into()),
            _ => Ok(()),
        }
    }

    /// The epochs of each rung of a trial of so many epochs; the last is all of them.
    pub fn rungs(halving: Option<Self>, epochs: usize) -> Vec<usize> {
        let first = halving.map(|h| h.min_epochs);
        let next = |rung: &usize| halving.and_then(|h| rung.checked_mul(h.eta));
        std::iter::successors(first, next).take_while(|rung| *rung < epochs).chain([epochs]).collect()
    }
}

/// Something to be done: a trial, from 1, and the rung to train it to, from 0.
pub type Next = (usize, usize);

/// What may be done, in order of preference. Of what is being done by others, the callers know.
pub fn next(rows: &[Row], trials: usize, halving: Option<Halving>, monitor: Monitor) -> Vec<Next> {
    let mut all = Vec::new();
    let highest = rows.iter().map(|row| row.rung).max();
    if let (Some(highest), Some(halving)) = (highest, halving) {
        for rung in (0..=highest).rev() {
            let mut here: Vec<&Row> = rows.iter().filter(|r| r.rung == rung && r.status != Status::Failed).collect();
            here.sort_by(|a, b| order(a, b, monitor));
            let good = here.iter().take(here.len() / halving.eta).filter(|row| row.status == Status::Rung);
            let waits = |row: &&&Row| !rows.iter().any(|r| r.trial == row.trial && r.rung > rung);
            all.extend(good.filter(waits).map(|row| (row.trial, rung + 1)));
        }
    }
    all.extend((1..=trials).filter(|trial| rows.iter().all(|r| r.trial != *trial)).map(|trial| (trial, 0)));
    all
}

/// The best of all trials that did not diverge in the end, at the rung where it was best.
pub fn best(rows: &[Row], monitor: Monitor) -> Option<&Row> {
    let sound =
        |row: &&Row| !row.value.is_nan() && !rows.iter().any(|r| r.trial == row.trial && r.status == Status::Diverged);
    rows.iter().filter(sound).min_by(|a, b| order(a, b, monitor))
}

/// The better first, those without a value last, the lower number first among equals.
pub fn order(a: &Row, b: &Row, monitor: Monitor) -> Ordering {
    let key = |row: &Row| match monitor {
        _ if row.value.is_nan() => f64::INFINITY,
        Monitor::ValAccuracy | Monitor::Accuracy => -row.value,
        Monitor::ValLoss | Monitor::Loss => row.value,
    };
    key(a).total_cmp(&key(b)).then(a.trial.cmp(&b.trial)).then(a.rung.cmp(&b.rung))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(trial: usize, rung: usize, status: Status, value: f64) -> Row {
        Row { trial, rung, status, value, ..Row::default() }
    }

    #[test]
    fn rungs_end_with_all_epochs() {
        let halving = Some(Halving { eta: 3, min_epochs: 2 });
        assert_eq!(Halving::rungs(halving, 30), [2, 6, 18, 30]);
        assert_eq!(Halving::rungs(halving, 18), [2, 6, 18]);
        assert_eq!(Halving::rungs(halving, 1), [1]);
        assert_eq!(Halving::rungs(None, 7), [7]);
        assert!(Halving { eta: 1, min_epochs: 1 }.check().is_err());
        assert!(Halving { eta: 2, min_epochs: 0 }.check().is_err());
    }

    #[test]
    fn the_best_of_a_rung_go_on_before_new_trials_begin() {
        let halving = Some(Halving { eta: 2, min_epochs: 1 });
        let of = |rows: &[Row], trials| next(rows, trials, halving, Monitor::ValAccuracy);
        assert_eq!(of(&[], 2), [(1, 0), (2, 0)]);
        let mut rows = vec![row(1, 0, Status::Rung, 0.3)];
        assert_eq!(of(&rows, 2), [(2, 0)], "one alone is not the best half");
        rows.extend([row(2, 0, Status::Failed, f64::NAN), row(3, 0, Status::Rung, 0.5)]);
        assert_eq!(of(&rows, 4), [(3, 1), (4, 0)], "what cannot be built does not count");
        rows.extend([row(4, 0, Status::Diverged, f64::NAN), row(5, 0, Status::Complete, 0.9)]);
        assert_eq!(of(&rows, 5), [(3, 1)], "what diverged counts, what is complete has nowhere to go");
        rows.extend([row(3, 1, Status::Rung, 0.6), row(6, 0, Status::Rung, 0.7), row(7, 0, Status::Rung, 0.1)]);
        assert_eq!(of(&rows, 7), [(6, 1)], "the half of six: 5, 6 and 3, of which 3 has gone on");
        rows.push(row(6, 1, Status::Rung, 0.7));
        assert_eq!(of(&rows, 8), [(6, 2), (8, 0)], "the higher rung first");
        assert_eq!(next(&rows, 8, None, Monitor::ValAccuracy), [(8, 0)]);
        assert_eq!(next(&rows[..3], 3, halving, Monitor::ValLoss), [(1, 1)], "the lower loss is the better");
    }

    #[test]
    fn the_best_does_not_diverge_later() {
        let rows = [
            row(1, 0, Status::Rung, 0.8),
            row(1, 1, Status::Diverged, f64::NAN),
            row(2, 0, Status::Rung, 0.6),
            row(3, 0, Status::Rung, 0.6),
        ];
        assert_eq!(best(&rows, Monitor::ValAccuracy).map(|r| r.trial), Some(2));
        assert_eq!(best(&rows[1..2], Monitor::ValAccuracy), None);
    }
}
