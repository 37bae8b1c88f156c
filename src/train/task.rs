//! What classes and values have differently in a run: the loss, the epoch's figures, the result.

use super::config::Config;
use super::evaluate::{LOADER_THREADS, evaluate};
use crate::data::loader::Loader;
use crate::data::{Dataset, Split, Task};
use crate::error::{Error, Result};
use crate::eval::Scores;
use crate::eval::values::{OutputScore, ValueScorer, ValueScores};
use crate::graph::{Executor, Graph, Loss, Metrics};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a network's outputs go through where they are values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// Nothing.
    #[default]
    Linear,
    /// tanh: values from -1 to 1.
    Tanh,
}

impl Config {
    /// The network with the loss of a task, and the end that it asks for.
    ///
    /// # Errors
    /// Settings of the other task.
    pub fn for_task(&self, graph: Graph, task: Task) -> Result<Graph> {
        let refuse =
            |flag: &str, what: &str| Err(Error::usage(format!("{flag}: {} has {what}", self.data), "leave it out"));
        match task {
            Task::Classes if !self.outputs.is_empty() => refuse("--outputs", "classes, not values"),
            Task::Classes if self.output.is_some() => refuse("--output", "classes, not values"),
            Task::Classes => Ok(Graph { loss: Loss::CrossEntropy { smoothing: self.label_smoothing }, ..graph }),
            Task::Values if self.label_smoothing > 0.0 => refuse("--label-smoothing", "values, not classes"),
            Task::Values if self.output == Some(Output::Tanh) => Ok(graph.for_values()?.ending_in_tanh()),
            Task::Values => graph.for_values(),
        }
    }
}

/// Scores a network on every image of a split, `batch` at a time, by its task; `names` are the classes' or the outputs'.
///
/// # Errors
/// An image that cannot be read, a network that has diverged, or whatever the device reports.
pub fn score(
    executor: &mut dyn Executor,
    split: &Arc<dyn Split>,
    (task, names): (Task, &[String]),
    batch: usize,
) -> Result<Scores> {
    Ok(match task {
        Task::Classes => Scores::Classes(evaluate(executor, split, names, batch)?),
        Task::Values => Scores::Values(evaluate_values(executor, split, names, batch)?),
    })
}

/// The sums over the validation images, and the scores of each output where these are values.
pub(super) fn validate(
    executor: &mut dyn Executor,
    data: &Dataset,
    batch: usize,
) -> Result<(Metrics, Vec<OutputScore>)> {
    if data.task == Task::Values {
        let scores = evaluate_values(executor, &data.validation, &data.classes, batch)?;
        return Ok((metrics_of_values(&scores), scores.outputs));
    }
    let order = (0..data.validation.len() as u32).collect();
    let mut sums = Metrics::default();
    for loaded in Loader::start(Arc::clone(&data.validation), order, batch, LOADER_THREADS) {
        executor.evaluate(&loaded?.batch())?;
        sums += executor.arrived()?;
    }
    sums += executor.drain()?;
    Ok((sums, Vec::new()))
}

/// Scores the values that a network predicts for every image of a split, `batch` at a time; `names` are the outputs'.
///
/// # Errors
/// An image that cannot be read, a network that has diverged, or whatever the device reports.
pub(super) fn evaluate_values(
    executor: &mut dyn Executor,
    split: &Arc<dyn Split>,
    names: &[String],
    batch: usize,
) -> Result<ValueScores> {
    let mut scorer = ValueScorer::new(names);
    let order = (0..split.len() as u32).collect();
    for loaded in Loader::start(Arc::clone(split), order, batch, LOADER_THREADS) {
        let loaded = loaded?;
        scorer.push(&executor.predict(&loaded.x, loaded.samples.len())?, &loaded.targets)?;
    }
    scorer.finish()
}

/// The sums that the steps of an evaluation would have given.
fn metrics_of_values(scores: &ValueScores) -> Metrics {
    let count = scores.n as f64;
    let sum = scores.loss * count;
    Metrics { loss: sum, correct: f64::NAN, mse: sum, count, not_finite: !scores.loss.is_finite() }
}
