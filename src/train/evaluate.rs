//! A network's figures on a split, and a network from its checkpoint.

use super::device::Device;
use super::saved;
use crate::data::loader::Loader;
use crate::data::{InputSpec, Split};
use crate::error::{Error, Result};
use crate::eval::metrics::{Evaluation, Scorer};
use crate::formats::checkpoint::{Checkpoint, Meta};
use crate::graph::Executor;
use crate::models;
use std::path::Path;
use std::sync::Arc;

/// Threads that decode and assemble batches; two keep ahead of any adapter at these image sizes.
pub(super) const LOADER_THREADS: usize = 2;

/// Scores a network on every image of a split, `batch` at a time.
///
/// # Errors
/// An image that cannot be read, or whatever the device reports.
pub fn evaluate(
    executor: &mut dyn Executor,
    split: &Arc<dyn Split>,
    classes: &[String],
    batch: usize,
) -> Result<Evaluation> {
    let mut scorer = Scorer::new(classes)?;
    let order = (0..split.len() as u32).collect();
    for loaded in Loader::start(Arc::clone(split), order, batch, LOADER_THREADS) {
        let loaded = loaded?;
        let probabilities = executor.predict(&loaded.x, loaded.labels.len())?;
        scorer.push(&loaded.labels, &probabilities, None)?;
    }
    scorer.finish()
}

/// A network ready for inference.
pub struct Loaded {
    /// The network on its device.
    pub executor: Box<dyn Executor>,
    /// What the checkpoint says of it.
    pub meta: Meta,
}

impl Loaded {
    /// Reads a run folder's best checkpoint, or a checkpoint file, and puts its network on `device` for batches of up to
    /// `batch`.
    ///
    /// # Errors
    /// A damaged checkpoint, one of a network that this version does not know, or tensors that are not that network's.
    pub fn open(run_or_file: &Path, device: &Device, batch: usize) -> Result<Self> {
        let path = super::run::checkpoint_of(run_or_file)?;
        let checkpoint = Checkpoint::load(&path)?;
        let meta = checkpoint.meta.clone();
        let graph = Arc::new(graph_of(&meta, &path)?);
        let snapshot = saved::snapshot(checkpoint, &path, &graph)?;
        let mut executor = device.executor(&graph, batch, 0, false)?;
        executor.restore(&snapshot)?;
        Ok(Self { executor, meta })
    }

    /// The images that the network takes.
    pub fn input(&self) -> InputSpec {
        let [height, width, channels] = self.meta.input;
        InputSpec { height, width, channels }
    }
}

/// The graph of a checkpoint.
///
/// # Errors
/// A network or preprocessing that this version does not know.
pub(super) fn graph_of(meta: &Meta, path: &Path) -> Result<crate::graph::Graph> {
    let model = models::find(&meta.model).map_err(|e| Error::checkpoint(path, e.to_string(), ""))?;
    if meta.preprocessing != super::PREPROCESSING {
        let what = format!("preprocessing `{}` is not known", meta.preprocessing);
        return Err(Error::checkpoint(path, what, "a newer version may know it"));
    }
    if meta.input != model.input {
        let what = format!("input {:?}, {} takes {:?}", meta.input, model.name, model.input);
        return Err(Error::checkpoint(path, what, ""));
    }
    model.graph(meta.classes.len())
}
