//! A network, its optimizer and its progress in one file.
//!
//! The file is plain safetensors (any reader of that format opens it), all tensors `F32` (`F16` is read as well: an export with
//! `--half` has it):
//!
//! * a parameter or running statistic under its own name: `conv2d/kernel`, `batch_normalization/moving_mean`;
//! * optimizer state under `optimizer/`: `optimizer/m/conv2d/kernel`, `optimizer/v/conv2d/kernel`;
//! * `__metadata__`: `format` = `fer-gpu/1` (`fer-gpu/2` where probabilities are not a softmax's); `meta` = [`Meta`] as JSON; `crc32` over `meta` and all tensor bytes. A
//!   file edited by other tools may drop `crc32`, and is then not checked for flipped bits.
//!
//! The same checkpoint gives the same bytes. Saving replaces the file atomically; loading trusts no number in the file
//! before it has been compared with the file's real size, and allocates nothing from a claim.

mod read;
#[cfg(test)]
pub(crate) mod tests;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::data::{Conversion, Head, Preprocess, Task};
use crate::error::{Error, Result};
use crate::formats::exact_float;
use crate::graph::{Description, Freeze};
use crate::text::check_name;
use crate::train::history::EpochRow;

/// Value of the `format` key of `__metadata__`; the number grows when an older program could misread the file.
pub const FORMAT: &str = "fer-gpu/1";
/// [`FORMAT`] of a network with another head than a softmax, which an older program would add one to.
pub const FORMAT_WITH_HEAD: &str = "fer-gpu/2";
/// Before the name of an optimizer tensor in the file.
const OPTIMIZER: &str = "optimizer/";
/// A header larger than this is refused: 100,000 epochs of history take less, and parsing it may take 20 times its
/// size.
const MAX_HEADER_BYTES: usize = 32 << 20;
/// A file larger than this is refused; our networks take under 100 MB.
const MAX_FILE_BYTES: u64 = 8 << 30;

/// A tensor on the host, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorData {
    /// Sizes, slowest axis first; empty for a scalar.
    pub shape: Vec<usize>,
    /// As many values as the product of `shape`.
    pub values: Vec<f32>,
}

/// What the tensors mean. It travels inside the file so that a prediction needs nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The network's name: in the model registry, if `network` is absent.
    pub model: String,
    /// The layers of a network that the registry does not build under that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Description>,
    /// What the outputs are.
    #[serde(default, skip_serializing_if = "Task::is_classes")]
    pub task: Task,
    /// How the outputs become probabilities, where they are classes.
    #[serde(default, skip_serializing_if = "Head::is_softmax")]
    pub head: Head,
    /// Class names in the order of the network's outputs; where these are values, their names.
    pub classes: Vec<String>,
    /// Height, width and channels of the input.
    pub input: [usize; 3],
    /// Which layers of a network without `network` are frozen; what its report freezes if absent. `network` says it layer by
    /// layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<Freeze>,
    /// How pixels become inputs.
    pub preprocessing: Preprocess,
    /// How images become pixels; files that do not say so are of before there was a choice.
    #[serde(default = "Conversion::of_old_checkpoints")]
    pub conversion: Conversion,
    /// Which variants of kernels trained it: they fix the order of sums, so a resumed run keeps to them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kernels: BTreeMap<String, String>,
    /// What the logits are divided by, so that the network is as sure as it is right (`evaluate --calibrate`); 1 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Where training stands; absent in a file that is only for inference.
    pub progress: Option<Progress>,
}

/// Where training stands at the end of an epoch: all that the next epoch depends on besides the tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs completed.
    pub epoch: usize,
    /// The phase, counted from 0.
    #[serde(default)]
    pub phase: usize,
    /// Epochs that were completed when it began.
    #[serde(default)]
    pub phase_start: usize,
    /// Optimizer steps completed in the phase (Adam's `t`).
    pub step: u64,
    /// The run's seed. Shuffling, augmentation and dropout derive from it, the epoch and the step.
    pub seed: u64,
    /// Images per step.
    pub batch: usize,
    /// Learning rate of the phase, before any schedule.
    #[serde(with = "exact_float")]
    pub lr: f64,
    /// The best epoch so far.
    pub best: Option<Best>,
    /// Epochs without improvement, counted by early stopping.
    pub stale_epochs: usize,
    /// The best epoch of the phase as early stopping counts.
    #[serde(default)]
    pub stopping: Option<Best>,
    /// What reduces the learning rate on a plateau, if anything does.
    #[serde(default)]
    pub plateau: Option<Plateau>,
    /// The epoch that was interrupted, if one was.
    #[serde(default)]
    pub partial: Option<PartialEpoch>,
    /// One row an epoch completed.
    pub history: Vec<EpochRow>,
}

/// The part of an epoch that was done when training was interrupted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct PartialEpoch {
    /// Steps done of the epoch.
    pub steps: usize,
    /// Sum of the samples' losses.
    #[serde(with = "exact_float")]
    pub loss: f64,
    /// Samples whose label was the first choice.
    #[serde(with = "exact_float")]
    pub correct: f64,
    /// Sum of the samples' mean squared errors.
    #[serde(with = "exact_float")]
    pub mse: f64,
    /// Samples.
    #[serde(with = "exact_float")]
    pub count: f64,
    /// Time spent.
    #[serde(with = "exact_float")]
    pub seconds: f64,
    /// Sums that the device had begun and not given to those above; absent if it keeps none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<UnreadSums>,
}

/// Sums of some steps as a device adds them up, in single precision: only the device may add what follows, or the last bits differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct UnreadSums {
    /// Of the samples' losses.
    #[serde(with = "exact_float")]
    pub loss: f32,
    /// Samples whose label was the first choice.
    #[serde(with = "exact_float")]
    pub correct: f32,
    /// Of the samples' mean squared errors.
    #[serde(with = "exact_float")]
    pub mse: f32,
    /// Samples.
    #[serde(with = "exact_float")]
    pub count: f32,
    /// Submissions since the device last gave its sums.
    pub submitted: u32,
}

/// The best epoch so far by the monitored metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Counted from 1.
    pub epoch: usize,
    /// The metric's value then.
    #[serde(with = "exact_float")]
    pub value: f64,
}

/// Where the reduction of the learning rate on a plateau stands in a phase.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// The best epoch so far by its metric.
    pub best: Option<Best>,
    /// Epochs without improvement.
    pub wait: usize,
    /// Epochs before any is counted again.
    pub cooldown: usize,
    /// Learning rate now.
    #[serde(with = "exact_float")]
    pub lr: f64,
}

impl Plateau {
    /// Before the first epoch, at the phase's learning rate.
    pub fn new(lr: f64) -> Self {
        Self { best: None, wait: 0, cooldown: 0, lr }
    }
}

/// A network, its optimizer and its progress.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// What the tensors mean.
    pub meta: Meta,
    /// Parameters and running statistics by name.
    pub tensors: BTreeMap<String, TensorData>,
    /// Optimizer state by name (`m/<parameter>`, `v/<parameter>`); empty in a file that is only for inference.
    pub optimizer: BTreeMap<String, TensorData>,
}

impl Checkpoint {
    /// Saves atomically (temporary file in the same folder, sync, rename).
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses (no space, no right, no folder), [`Error::Checkpoint`] when the checkpoint
    /// contradicts itself; what stood at `path` before is then untouched.
    pub fn save(&self, path: &Path) -> Result<()> {
        write::save(self, path, false)
    }

    /// [`Checkpoint::save`] with parameters as `F16`: half the size, and 3 decimal digits of each value.
    ///
    /// # Errors
    /// As [`Checkpoint::save`]; a value that is too large for it.
    pub fn save_half(&self, path: &Path) -> Result<()> {
        for (name, tensor) in self.tensors.iter().filter(|(_, t)| !t.shape.is_empty()) {
            crate::formats::onnx::to_half(name, &tensor.values)?;
        }
        write::save(self, path, true)
    }

    /// Loads and checks a file written by [`Checkpoint::save`].
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Checkpoint`] when it is cut short, damaged, hostile, not ours or
    /// neither `F32` nor `F16`.
    pub fn load(path: &Path) -> Result<Self> {
        read::load(path)
    }

    /// Moves the network's tensors out, in the order of `expected` (name and shape of each). `path` is for the error's
    /// text.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] listing every missing tensor, every one left over and every wrong shape; nothing is moved
    /// then.
    pub fn take(&mut self, path: &Path, expected: &[(String, Vec<usize>)]) -> Result<Vec<Vec<f32>>> {
        take(&mut self.tensors, expected).map_err(|what| Error::checkpoint(path, what, OTHER_MODEL))
    }

    /// [`Checkpoint::take`] for the optimizer's tensors.
    ///
    /// # Errors
    /// As [`Checkpoint::take`]; a file without any optimizer state is told apart.
    pub fn take_optimizer(&mut self, path: &Path, expected: &[(String, Vec<usize>)]) -> Result<Vec<Vec<f32>>> {
        if self.optimizer.is_empty() && !expected.is_empty() {
            let hint = "such a file is for prediction; resume from the run's `last.safetensors`";
            return Err(Error::checkpoint(path, "it holds no optimizer state", hint));
        }
        take(&mut self.optimizer, expected)
            .map_err(|what| Error::checkpoint(path, format!("optimizer state: {what}"), OTHER_MODEL))
    }
}

const OTHER_MODEL: &str = "the file belongs to another network or another version of it; name its model with `--model`";
/// How many names an error lists before it only counts.
const LISTED: usize = 8;

fn take(from: &mut BTreeMap<String, TensorData>, expected: &[(String, Vec<usize>)]) -> Result<Vec<Vec<f32>>, String> {
    let mut known = BTreeSet::new();
    let (mut missing, mut wrong, mut twice) = (Vec::new(), Vec::new(), Vec::new());
    for (name, shape) in expected {
        if !known.insert(name.as_str()) {
            twice.push(name.clone());
        }
        match from.get(name) {
            None => missing.push(name.clone()),
            Some(t) if t.shape != *shape => wrong.push(format!("{name} is {:?}, expected {shape:?}", t.shape)),
            Some(_) => {}
        }
    }
    let left_over = from.keys().filter(|name| !known.contains(name.as_str())).cloned().collect();
    let problems: Vec<String> =
        [("missing", missing), ("left over", left_over), ("wrong shape", wrong), ("asked for twice", twice)]
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(title, names)| listing(title, &names))
            .collect();
    if !problems.is_empty() {
        return Err(problems.join("; "));
    }
    Ok(expected.iter().filter_map(|(name, _)| from.remove(name)).map(|t| t.values).collect())
}

/// `missing (12): a, b, c and 9 more`.
pub(crate) fn listing(title: &str, names: &[String]) -> String {
    let shown = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    let rest = names.len().saturating_sub(LISTED);
    let and = if rest == 0 { String::new() } else { format!(" and {rest} more") };
    format!("{title} ({}): {shown}{and}", names.len())
}

/// Product of the sizes, if it fits.
fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size))
}

/// What must hold of the description in every file, written or read.
fn check_meta(meta: &Meta) -> Result<(), String> {
    let unique: BTreeSet<_> = meta.classes.iter().collect();
    if meta.model.is_empty() {
        return Err("the model has no name".into());
    }
    if meta.classes.is_empty() || unique.len() != meta.classes.len() {
        return Err(format!("the class names {:?} are not one or more different names", meta.classes));
    }
    meta.classes.iter().chain([&meta.model]).try_for_each(|name| check_name("a class or the model", name))?;
    if meta.input.contains(&0) {
        return Err(format!("the input size {:?} has a zero", meta.input));
    }
    if let Some(t) = meta.temperature
        && !(t.is_finite() && t > 0.0)
    {
        return Err(format!("the temperature is {t}, not a number above 0"));
    }
    if meta.temperature.is_some() && meta.task == Task::Values {
        return Err("it has a temperature, which predicted values do not".into());
    }
    if meta.head.is_independent() && (meta.task == Task::Values || meta.temperature.is_some()) {
        return Err("it has independent probabilities, which go neither with values nor with a temperature".into());
    }
    let Some(progress) = &meta.progress else { return Ok(()) };
    if progress.batch == 0 {
        return Err("the batch size is 0".into());
    }
    if progress.history.len() != progress.epoch || progress.history.iter().zip(1..).any(|(row, n)| row.epoch != n) {
        return Err(format!("{} epochs are done but the history has {} rows", progress.epoch, progress.history.len()));
    }
    if progress.phase_start > progress.epoch || (progress.phase == 0) != (progress.phase_start == 0) {
        let Progress { phase, phase_start, epoch, .. } = progress;
        return Err(format!("phase {} began after epoch {phase_start} of {epoch}", phase.saturating_add(1)));
    }
    match progress.best {
        Some(best) if best.epoch == 0 || best.epoch > progress.epoch => {
            Err(format!("the best epoch is {} of {}", best.epoch, progress.epoch))
        }
        _ => Ok(()),
    }
}
