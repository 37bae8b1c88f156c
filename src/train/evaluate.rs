//! A network's figures on a split, and a network from its checkpoint.

use super::device::Device;
use super::saved;
use crate::data::loader::Loader;
use crate::data::{InputSpec, Split, Task};
use crate::error::{Error, Result};
use crate::eval::metrics::{Evaluation, Scorer};
use crate::formats::checkpoint::{Checkpoint, Meta};
use crate::formats::export::Network;
use crate::graph::{Executor, Graph, Snapshot};
use crate::models::{self, Variant};
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
        let labels: Vec<u32> = loaded.samples.iter().map(|i| split.label(*i as usize)).collect();
        let probabilities = executor.predict(&loaded.x, labels.len())?;
        scorer.push(&labels, &probabilities, None)?;
    }
    scorer.finish()
}

/// A checkpoint that was read and checked, on no device yet.
pub struct Saved {
    meta: Meta,
    graph: Arc<Graph>,
    snapshot: Snapshot,
}

impl Saved {
    /// Reads a run folder's best checkpoint, or a checkpoint file.
    ///
    /// # Errors
    /// A damaged checkpoint, one of a network that this version does not know, or tensors that are not that network's.
    pub fn read(run_or_file: &Path) -> Result<Self> {
        let path = super::run::checkpoint_of(run_or_file)?;
        let checkpoint = Checkpoint::load(&path)?;
        let meta = checkpoint.meta.clone();
        let graph = Arc::new(graph_of(&meta, &path)?);
        let snapshot = saved::snapshot(checkpoint, &path, &graph)?;
        Ok(Self { meta, graph, snapshot })
    }

    /// What the checkpoint says of the network.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The images that the network takes.
    pub fn input(&self) -> InputSpec {
        input_of(&self.meta)
    }

    /// The network for a writer of another program's format.
    pub fn export(&self, half: bool) -> Network<'_> {
        Network { graph: &self.graph, parameters: &self.snapshot.parameters, meta: &self.meta, half }
    }

    /// The network as a checkpoint for inference: without what only training needs.
    pub fn into_checkpoint(self) -> Checkpoint {
        let meta = Meta { progress: None, ..self.meta };
        saved::checkpoint(meta, Snapshot { m: Vec::new(), v: Vec::new(), ..self.snapshot })
    }

    /// Puts the network on `device`, for batches of up to `batch`.
    ///
    /// # Errors
    /// Tensors that the device cannot hold.
    pub fn on(self, device: &Device, batch: usize) -> Result<Loaded> {
        let mut executor = device.executor(&self.graph, batch, 0, false)?;
        executor.restore(&self.snapshot)?;
        Ok(Loaded { executor, meta: self.meta })
    }
}

/// A network ready for inference.
pub struct Loaded {
    /// The network on its device.
    pub executor: Box<dyn Executor>,
    /// What the checkpoint says of it.
    pub meta: Meta,
}

impl Loaded {
    /// [`Saved::read`] and [`Saved::on`].
    ///
    /// # Errors
    /// As these.
    pub fn open(run_or_file: &Path, device: &Device, batch: usize) -> Result<Self> {
        Saved::read(run_or_file)?.on(device, batch)
    }

    /// The images that the network takes.
    pub fn input(&self) -> InputSpec {
        input_of(&self.meta)
    }
}

fn input_of(meta: &Meta) -> InputSpec {
    let [height, width, channels] = meta.input;
    InputSpec { height, width, channels }
}

/// The graph of a checkpoint.
///
/// # Errors
/// A network that this version does not know, or that contradicts its own description.
pub(super) fn graph_of(meta: &Meta, path: &Path) -> Result<Graph> {
    let refuse = |what: String| Error::checkpoint(path, what, "");
    meta.preprocessing.check(meta.input[2]).map_err(|e| refuse(e.to_string()))?;
    let finish = |graph: Graph| if meta.task == Task::Values { graph.for_values() } else { Ok(graph) };
    if let Some(network) = &meta.network {
        let graph = network.graph(&meta.model).map_err(|e| refuse(e.to_string()))?;
        if graph.input().dims() != meta.input || graph.output().dims() != [meta.classes.len()] {
            let (from, to) = (graph.input(), graph.output());
            let classes = meta.classes.len();
            return Err(refuse(format!("its layers map {from} to {to}, not {:?} to {classes} classes", meta.input)));
        }
        return finish(graph);
    }
    let model = models::find(&meta.model).map_err(|e| refuse(e.to_string()))?;
    let [height, width, _] = meta.input;
    let variant = Variant { size: Some([height, width]), freeze: meta.freeze.clone() };
    if meta.input != model.input_of(&variant) || height.max(width) > Variant::MAX_SIDE {
        let what = format!("input {:?}, {} takes {:?}", meta.input, model.name, model.input);
        return Err(refuse(what));
    }
    finish(model.variant(meta.classes.len(), &variant)?)
}
