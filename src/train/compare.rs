//! What a run folder says of its run, for tables of several.

use super::Saved;
use super::history::{EpochRow, read_results};
use super::run::RunFolder;
use crate::error::{Error, Result};
use crate::input::read_text;
use crate::toml_text::plain;
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
    /// Where the network predicts values, which have no accuracy: mean concordance on the validation images in that epoch.
    pub validation_ccc: Option<f64>,
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
    /// Of values, the mean of the outputs' root mean squared errors there.
    pub rmse: Option<f64>,
    /// Of values, the mean concordance there.
    pub ccc: Option<f64>,
    /// Time of all epochs.
    pub seconds: f64,
}

/// The part of `metrics.json` that the table has: figures of classes or of values.
#[derive(Debug, Default, Deserialize)]
struct Figures {
    split: Option<String>,
    loss: Option<f64>,
    accuracy: Option<f64>,
    macro_f1: Option<f64>,
    weighted_f1: Option<f64>,
    rmse: Option<f64>,
    ccc: Option<f64>,
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
    let measured = |of: fn(&EpochRow) -> f64| best.map(of).filter(|value| !value.is_nan());
    let Figures { split, loss, accuracy, macro_f1, weighted_f1, rmse, ccc } = figures(&run)?;
    let summary = RunSummary {
        run: folder.display().to_string(),
        model: saved.meta().model.clone(),
        parameters: saved.parameters(),
        epochs: history.len(),
        best_epoch,
        train_accuracy: measured(|row| row.accuracy),
        validation_accuracy: measured(|row| row.val_accuracy),
        validation_ccc: best.and_then(EpochRow::val_ccc),
        evaluated_on: split,
        accuracy,
        loss,
        macro_f1,
        weighted_f1,
        rmse,
        ccc,
        seconds: history.iter().map(|row| row.seconds).sum(),
    };
    Ok((summary, history))
}

/// None of a run that has not come to its end.
fn figures(run: &RunFolder) -> Result<Figures> {
    let path = run.metrics();
    if !path.is_file() {
        return Ok(Figures::default());
    }
    let expected = "the figures that `train` writes at its end";
    let text = read_text(&path, expected)?;
    let damaged = |what: String| Error::data(&path, what, expected);
    let figures: Figures = serde_json::from_str(&text).map_err(|e| damaged(plain(&e.to_string())))?;
    if figures.accuracy.is_none() && figures.ccc.is_none() {
        return Err(damaged("neither `accuracy` nor `ccc`".to_owned()));
    }
    Ok(figures)
}
