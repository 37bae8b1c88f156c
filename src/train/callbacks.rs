//! What is decided at the end of an epoch, with the names, meanings and defaults of Keras's callbacks of the same names.
//!
//! Both count anew in each phase, as in each of Keras's `fit`s.

use super::history::EpochRow;
use crate::data::Task;
use crate::error::{Error, Result};
use crate::formats::checkpoint::{Best, Plateau};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A figure of an epoch, by Keras's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Monitor {
    /// Loss on the validation images.
    ValLoss,
    /// Accuracy on the validation images; of values, their mean concordance there.
    ValAccuracy,
    /// Loss of training.
    Loss,
    /// Accuracy of training.
    Accuracy,
}

impl Monitor {
    /// Its value in an epoch.
    pub fn of(self, row: &EpochRow) -> f64 {
        match self {
            Self::ValLoss => row.val_loss,
            Self::ValAccuracy => row.monitored(),
            Self::Loss => row.loss,
            Self::Accuracy => row.accuracy,
        }
    }

    /// Whether a value is better than the best so far by more than `min_delta`; any number is better than none.
    pub fn improves(self, value: f64, best: Option<Best>, min_delta: f64) -> bool {
        match (self, best.map(|b| b.value)) {
            (_, None) => !value.is_nan(),
            (Self::ValAccuracy | Self::Accuracy, Some(best)) => value - min_delta.abs() > best,
            (Self::ValLoss | Self::Loss, Some(best)) => value + min_delta.abs() < best,
        }
    }

    /// In words.
    pub fn name(self, task: Task) -> &'static str {
        match self {
            Self::ValAccuracy if task == Task::Values => "mean concordance on validation",
            Self::ValLoss => "validation loss",
            Self::ValAccuracy => "validation accuracy",
            Self::Loss => "training loss",
            Self::Accuracy => "training accuracy",
        }
    }
}

/// `[early-stopping]`: ends a phase that no longer gets better. It also says which epoch is the best.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EarlyStopping {
    /// What is watched.
    pub monitor: Monitor,
    /// A change that is no larger counts as none.
    pub min_delta: f64,
    /// Epochs without an improvement after which the phase ends.
    pub patience: usize,
    /// Whether the next phase starts from the best epoch's parameters instead of the last's. A run's result is its best epoch in any
    /// case.
    pub restore_best_weights: bool,
    /// Epochs of a phase before anything is watched.
    pub start_from_epoch: usize,
    /// What is to be beaten: until it is, epochs count as without improvement, but none that is the best so far ends the phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self {
            monitor: Monitor::ValLoss,
            min_delta: 0.0,
            patience: 0,
            restore_best_weights: false,
            start_from_epoch: 0,
            baseline: None,
        }
    }
}

impl EarlyStopping {
    /// Counts an epoch of a phase, the `epoch`th from 0: `stale` epochs without improvement on `best`.
    pub fn count(&self, row: &EpochRow, epoch: usize, best: &mut Option<Best>, stale: &mut usize) {
        if epoch < self.start_from_epoch {
            return;
        }
        let value = self.monitor.of(row);
        if self.monitor.improves(value, *best, self.min_delta) {
            *best = Some(Best { epoch: row.epoch, value });
            let baseline = self.baseline.map(|value| Best { epoch: 0, value });
            *stale = if self.monitor.improves(value, baseline, self.min_delta) { 0 } else { *stale + 1 };
        } else {
            *stale += 1;
        }
    }

    /// Whether so many epochs without improvement are enough, the last of them being `epoch`.
    pub fn stops(&self, stale: usize, best: Option<Best>, epoch: usize) -> bool {
        stale > 0 && stale >= self.patience && best.is_none_or(|best| best.epoch != epoch)
    }

    pub(super) fn check(&self) -> Result<()> {
        if let Some(baseline) = self.baseline.filter(|baseline| !baseline.is_finite()) {
            return Err(Error::setting("early-stopping", "baseline", baseline, "a number, such as 0.5"));
        }
        check_min_delta("early-stopping", self.min_delta)
    }
}

/// `[reduce-on-plateau]`: Keras's `ReduceLROnPlateau`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReduceOnPlateau {
    /// What is watched.
    pub monitor: Monitor,
    /// By what the learning rate is multiplied.
    pub factor: f64,
    /// Epochs without an improvement after which it is.
    pub patience: usize,
    /// A change that is no larger counts as none.
    pub min_delta: f64,
    /// Epochs after a reduction in which nothing is counted.
    pub cooldown: usize,
    /// The least learning rate.
    pub min_lr: f64,
}

impl Default for ReduceOnPlateau {
    fn default() -> Self {
        Self { monitor: Monitor::ValLoss, factor: 0.1, patience: 10, min_delta: 1e-4, cooldown: 0, min_lr: 0.0 }
    }
}

impl ReduceOnPlateau {
    /// Counts an epoch; `state.lr` is the rate from here on.
    pub fn count(&self, row: &EpochRow, state: &mut Plateau) {
        let value = self.monitor.of(row);
        if state.cooldown > 0 {
            state.cooldown -= 1;
            state.wait = 0;
        }
        if self.monitor.improves(value, state.best, self.min_delta) {
            (state.best, state.wait) = (Some(Best { epoch: row.epoch, value }), 0);
        } else if state.cooldown == 0 {
            state.wait += 1;
            if state.wait >= self.patience && state.lr > self.min_lr {
                (state.cooldown, state.wait) = (self.cooldown, 0);
                state.lr = (state.lr * self.factor).max(self.min_lr);
            }
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        check_min_delta("reduce-on-plateau", self.min_delta)?;
        let refuse = |key, value: f64, range: &str| Err(Error::setting("reduce-on-plateau", key, value, range));
        if !(self.factor > 0.0 && self.factor < 1.0) {
            return refuse("factor", self.factor, "between 0 and 1");
        }
        if !(self.min_lr >= 0.0 && self.min_lr.is_finite()) {
            return refuse("min-lr", self.min_lr, "0 or more");
        }
        Ok(())
    }
}

fn check_min_delta(table: &str, min_delta: f64) -> Result<()> {
    if min_delta.is_finite() {
        return Ok(());
    }
    Err(Error::setting(table, "min-delta", min_delta, "a number, such as 0.001"))
}

/// A time budget as users write it: `2h`, `1h30m`, `90s`.
///
/// # Errors
/// Anything else, and nothing at all.
pub fn parse_time(text: &str) -> Result<Duration> {
    let refuse = || Error::setting("", "time", text, "hours, minutes and seconds, such as 2h, 1h30m or 90s");
    let (mut seconds, mut rest, mut units) = (0u64, text, &[('h', 3600), ('m', 60), ('s', 1)][..]);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(refuse)?;
        let (number, unit) = (rest[..end].parse::<u64>().map_err(|_| refuse())?, rest[end..].chars().next());
        let at = units.iter().position(|(u, _)| Some(*u) == unit).ok_or_else(refuse)?;
        seconds = number.checked_mul(units[at].1).and_then(|s| s.checked_add(seconds)).ok_or_else(refuse)?;
        (units, rest) = (&units[at + 1..], &rest[end + 1..]);
    }
    if seconds == 0 { Err(refuse()) } else { Ok(Duration::from_secs(seconds)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::history::tests::row;

    fn rows(values: &[f64]) -> impl Iterator<Item = (usize, EpochRow)> {
        let row = |(i, v): (usize, &f64)| (i, EpochRow { val_loss: *v, val_accuracy: 1.0 - *v, ..row(i + 1) });
        values.iter().enumerate().map(row).collect::<Vec<_>>().into_iter()
    }

    /// The epoch, from 0, after which training stops.
    fn stops_at(stopping: &EarlyStopping, values: &[f64]) -> Option<usize> {
        let (mut best, mut stale) = (None, 0);
        rows(values).find_map(|(i, row)| {
            stopping.count(&row, i, &mut best, &mut stale);
            stopping.stops(stale, best, row.epoch).then_some(i)
        })
    }

    #[test]
    fn early_stopping_is_keras() {
        let keras = EarlyStopping::default();
        assert_eq!(stops_at(&keras, &[0.5, 0.4, 0.3, 0.3, 0.2]), Some(3));
        let patient = EarlyStopping { patience: 2, ..keras.clone() };
        assert_eq!(stops_at(&patient, &[0.5, 0.6, 0.4, 0.41, 0.42, 0.1]), Some(4));
        assert_eq!(stops_at(&EarlyStopping { min_delta: 0.05, ..patient.clone() }, &[0.5, 0.48, 0.46, 0.1]), Some(2));
        assert_eq!(
            stops_at(&EarlyStopping { start_from_epoch: 3, ..keras }, &[0.1, 0.5, 0.6, 0.7, 0.6, 0.65]),
            Some(5)
        );
        // As Keras 3.15's own callback did with these losses.
        let based = EarlyStopping { baseline: Some(0.35), ..patient.clone() };
        assert_eq!(stops_at(&based, &[0.5, 0.45, 0.4, 0.4, 0.1]), Some(3));
        assert_eq!(stops_at(&based, &[0.5, 0.45, 0.4, 0.3, 0.31, 0.29, 0.3, 0.3]), Some(7));
        let accuracy = EarlyStopping { monitor: Monitor::ValAccuracy, ..patient };
        assert_eq!(stops_at(&accuracy, &[0.5, 0.4, 0.4, 0.4]), Some(3));
        assert_eq!(stops_at(&accuracy, &[f64::NAN, f64::NAN, 0.4]), Some(1));
    }

    /// The rates that Keras 3.15's own callback gave for these losses.
    #[test]
    fn plateaus_are_keras() {
        let rates = |reduce: &ReduceOnPlateau, values: &[f64]| {
            let mut state = Plateau::new(1.0);
            let each = rows(values).map(|(_, row)| {
                reduce.count(&row, &mut state);
                state.lr
            });
            each.collect::<Vec<_>>()
        };
        let reduce = ReduceOnPlateau { patience: 2, factor: 0.5, ..ReduceOnPlateau::default() };
        let losses = [0.5, 0.5, 0.49995, 0.4, 0.4, 0.4, 0.4, 0.4];
        assert_eq!(rates(&reduce, &losses), [1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]);
        let cool = ReduceOnPlateau { cooldown: 2, min_lr: 0.4, ..reduce };
        assert_eq!(rates(&cool, &[0.5; 8]), [1.0, 1.0, 0.5, 0.5, 0.5, 0.4, 0.4, 0.4]);
    }

    #[test]
    fn times() {
        for (text, seconds) in [("2h", 7200), ("30m", 1800), ("90s", 90), ("1h30m", 5400), ("1h1m1s", 3661)] {
            assert_eq!(parse_time(text).expect(text), Duration::from_secs(seconds));
        }
        for text in ["", "2", "h", "30m1h", "1h1h", "-1s", "1.5h", "0s", "2 h", "99999999999999999999h", "2d"] {
            assert!(parse_time(text).expect_err(text).to_string().contains("such as 2h"), "{text}");
        }
    }
}
