//! Whether a checkpoint and the settings are of the same run.

use super::config::Config;
use super::evaluate::graph_of;
use super::phase::Phase;
use super::run::RunFolder;
use crate::data::{Dataset, InputSpec, Task};
use crate::error::{Error, Result};
use crate::formats::checkpoint::{Checkpoint, Meta, Progress};
use crate::graph::Graph;
use crate::models::file;
use std::path::Path;

/// Reads the settings of a run that is to be resumed.
///
/// # Errors
/// A folder that holds no run.
pub fn config_of(run: &Path) -> Result<Config> {
    Config::read(&RunFolder::open(run)?.config())
}

/// Refuses to resume a run for fewer epochs than it has: they cannot be taken back. Reads only.
///
/// # Errors
/// Names both numbers of epochs; a damaged checkpoint.
pub fn check_epochs(run: &Path, config: &Config) -> Result<()> {
    let folder = RunFolder::open(run)?;
    let last = folder.last();
    // A first epoch whose process ended before it wrote `last` is one epoch at most.
    let Some(progress) = last.is_file().then(|| Checkpoint::load(&last)).transpose()?.and_then(|c| c.meta.progress)
    else {
        return Ok(());
    };
    let done = progress.epoch;
    if config.epochs >= done {
        return Ok(());
    }
    let what = format!("--epochs {}: the run in {} has trained {done} epochs already", config.epochs, run.display());
    Err(Error::usage(
        what,
        format!("--epochs counts from the run's first epoch: ask for more than {done}, or leave it out"),
    ))
}

/// What a checkpoint's network was frozen by, if not as the phase says.
fn frozen_otherwise(meta: &Meta, path: &Path, phase: &Phase) -> Result<Option<String>> {
    if meta.network.is_none() {
        let said = || meta.freeze.as_ref().map_or("no --freeze".to_owned(), ToString::to_string);
        return Ok((meta.freeze != phase.freeze).then(said));
    }
    let graph = graph_of(meta, path)?;
    let frozen = |graph: &Graph| graph.nodes.iter().map(|n| n.frozen).collect::<Vec<_>>();
    let same = frozen(&phase.graph(&graph)?) == frozen(&graph);
    Ok((!same).then(|| "other layers frozen".to_owned()))
}

/// Where the training that a checkpoint goes on with stands, if the settings continue it.
///
/// # Errors
/// A checkpoint for inference only; the first setting that differs.
pub(super) fn continues(meta: &Meta, path: &Path, config: &Config, dataset: &Dataset) -> Result<Progress> {
    let refuse = |what: String| Err(Error::checkpoint(path, what, "a resumed run keeps its settings; start a new one"));
    if meta.task != dataset.task {
        let what = |task| if task == Task::Values { "values" } else { "classes" };
        return refuse(format!("was trained on {}; the data has {}", what(meta.task), what(dataset.task)));
    }
    if meta.classes != dataset.classes {
        let (had, has) = (meta.classes.join(", "), dataset.classes.join(", "));
        return refuse(format!("trained on the classes {had}; the data has {has}"));
    }
    if meta.model != file::name_of(&config.model) {
        return refuse(format!("is of the network {}, not {}", meta.model, config.model));
    }
    let [height, width, _] = meta.input;
    let InputSpec { height: rows, width: columns, .. } = dataset.train.input();
    if [rows, columns] != [height, width] || config.variant()?.size.is_some_and(|size| size != [height, width]) {
        return refuse(format!("was trained on images of {height}x{width}"));
    }
    let Some(progress) = meta.progress.clone() else {
        return Err(Error::checkpoint(path, "holds no training state", "it can be evaluated, not resumed"));
    };
    let phases = config.phases()?;
    let Some(phase) = phases.get(progress.phase) else {
        return refuse(format!("is in phase {}; the settings have {}", progress.phase + 1, phases.len()));
    };
    if let Some(said) = frozen_otherwise(meta, path, phase)? {
        return refuse(format!("was trained with {said}"));
    }
    if progress.batch != phase.batch || progress.seed != config.seed || progress.lr != phase.lr {
        return refuse(format!("has batch {}, seed {}, lr {}", progress.batch, progress.seed, progress.lr));
    }
    let preprocess = meta.preprocessing;
    if let Some(asked) = config.preprocess.filter(|asked| *asked != preprocess) {
        return refuse(format!("was trained with the preprocessing {preprocess}, not {asked}"));
    }
    let resize = meta.conversion.resize;
    if let Some(asked) = config.resize.filter(|asked| *asked != resize) {
        return refuse(format!("was trained on images resized by {resize}, not {asked}"));
    }
    Ok(progress)
}
