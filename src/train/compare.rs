//! What a run folder says of its run, for tables of several.

use super::Saved;
use super::history::{EpochRow, read_results};
use super::run::RunFolder;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSummary {
    /// Its folder.
    pub run: String,
    /// The network.
    pub model: String,
    /// Its parameters, those that were not trained included.
    pub parameters: usize,
    /// Epochs done.
    pub epochs: usize,
    /// The epoch of the best checkpoint.
    pub best_epoch: Option<usize>,
    /// Accuracy on the training images in that epoch, in training mode.
    pub train_accuracy: Option<f64>,
    /// Accuracy on the validation images in that epoch.
    pub validation_accuracy: Option<f64>,
    /// The split that the figures below are of; none of a run that has not come to its end.
    pub evaluated_on: Option<String>,
    /// Accuracy of the best checkpoint there.
    pub accuracy: Option<f64>,
    /// Loss there.
    pub loss: Option<f64>,
    /// Macro F1 there.
    pub macro_f1: Option<f64>,
    /// Weighted F1 there.
    pub weighted_f1: Option<f64>,
    /// Time of all epochs.
    pub seconds: f64,
}

/// The part of `metrics.json` that the table has.
#[derive(Debug, Deserialize)]
struct Figures {
    split: Option<String>,
    accuracy: f64,
    loss: Option<f64>,
    macro_f1: f64,
    weighted_f1: f64,
}

/// Reads a run folder: its best checkpoint, history and figures.
///
/// # Errors
/// A folder without a checkpoint or `results.csv`; a file that is damaged.
pub fn summarise(folder: &Path) -> Result<(RunSummary, Vec<EpochRow>)> {
    let run = RunFolder::open(folder)?;
    let history = read_results(&run.results())?;
    let saved = Saved::read(folder)?;
    let best_epoch = saved.meta().progress.as_ref().and_then(|p| p.best).map(|best| best.epoch);
    let best = history.iter().find(|row| Some(row.epoch) == best_epoch);
    let figures = figures(&run)?;
    let of = |value: fn(&Figures) -> f64| figures.as_ref().map(value);
    let summary = RunSummary {
        run: folder.display().to_string(),
        model: saved.meta().model.clone(),
        parameters: saved.parameters(),
        epochs: history.len(),
        best_epoch,
        train_accuracy: best.map(|row| row.accuracy),
        validation_accuracy: best.map(|row| row.val_accuracy),
        evaluated_on: figures.as_ref().and_then(|f| f.split.clone()),
        accuracy: of(|f| f.accuracy),
        loss: figures.as_ref().and_then(|f| f.loss),
        macro_f1: of(|f| f.macro_f1),
        weighted_f1: of(|f| f.weighted_f1),
        seconds: history.iter().map(|row| row.seconds).sum(),
    };
    Ok((summary, history))
}

fn figures(run: &RunFolder) -> Result<Option<Figures>> {
    let path = run.metrics();
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|e| Error::data(&path, e.to_string(), "the figures that `train` writes at its end"))
}
