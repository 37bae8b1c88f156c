//! A network's figures on a split, and a network from its checkpoint.

use super::device::Device;
use super::saved;
use super::task::evaluate_values;
use crate::data::loader::Loader;
use crate::data::{Head, InputSpec, Split, Task};
use crate::error::{Error, Result};
use crate::eval::Scores;
use crate::eval::metrics::calibration::{apply_temperature, fit_temperature};
use crate::eval::metrics::{Evaluation, Scorer, binary_cross_entropy};
use crate::formats::checkpoint::{Checkpoint, Meta};
use crate::formats::export::Network;
use crate::graph::{Executor, Graph, Samples, Snapshot};
use crate::models::{self, Variant};
use std::path::Path;
use std::sync::Arc;

/// Threads that decode and assemble batches; two keep ahead of any adapter at these image sizes.
pub(super) const LOADER_THREADS: usize = 2;

/// Scores a network on every image of a split, `batch` at a time, by what its softmax gives.
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
    each_batch(split, batch, |loaded| {
        let labels = labels_of(split, &loaded);
        let probabilities = executor.predict(&loaded.x, labels.len())?;
        scorer.push(&labels, &probabilities, None)
    })?;
    scorer.finish()
}

/// Every image of a split in order, `batch` at a time.
fn each_batch(split: &Arc<dyn Split>, batch: usize, mut use_it: impl FnMut(Samples) -> Result<()>) -> Result<()> {
    let order = (0..split.len() as u32).collect();
    Loader::start(Arc::clone(split), order, batch, LOADER_THREADS).try_for_each(|loaded| use_it(loaded?))
}

/// The labels of a batch.
fn labels_of(split: &Arc<dyn Split>, batch: &Samples) -> Vec<u32> {
    batch.samples.iter().map(|index| split.label(*index as usize)).collect()
}

/// A checkpoint that was read and checked, on no device yet.
pub struct Saved {
    meta: Meta,
    graph: Arc<Graph>,
    snapshot: Snapshot,
}

/// Stores a temperature in a checkpoint; everything else in it stays.
///
/// # Errors
/// A checkpoint that cannot be read or replaced, or of a run that another process trains; the old one is then intact.
pub fn store_temperature(path: &Path, temperature: f64) -> Result<()> {
    let _right = super::run::right_to_replace(path)?;
    let mut checkpoint = Checkpoint::load(path)?;
    checkpoint.meta.temperature = Some(temperature);
    checkpoint.save(path)
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

    /// The network's layers.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The network for a writer of another program's format.
    pub fn export(&self, half: bool) -> Network<'_> {
        Network { graph: &self.graph, parameters: &self.snapshot.parameters, meta: &self.meta, half }
    }

    /// The number of parameters, those that are not trained included.
    pub fn parameters(&self) -> usize {
        self.snapshot.parameters.iter().map(|t| t.values.len()).sum()
    }

    /// The network as a checkpoint for inference: without what only training needs.
    pub fn into_checkpoint(self) -> Checkpoint {
        let meta = Meta { progress: None, ..self.meta };
        saved::checkpoint(meta, Snapshot { slots: Vec::new(), ..self.snapshot })
    }

    /// Puts the network on `device`, for batches of up to `batch`.
    ///
    /// # Errors
    /// Tensors that the device cannot hold.
    pub fn on(self, device: &Device, batch: usize) -> Result<Loaded> {
        let mut executor = device.executor(&self.graph, batch, 0, false)?;
        executor.restore(&self.snapshot)?;
        Ok(Loaded { executor, meta: self.meta, mirrored: false })
    }
}

/// A network ready for inference.
pub struct Loaded {
    /// The network on its device.
    pub executor: Box<dyn Executor>,
    /// What the checkpoint says of it.
    pub meta: Meta,
    /// Whether a prediction is the mean over an image and its mirror image.
    mirrored: bool,
}

impl Loaded {
    /// [`Saved::read`] and [`Saved::on`].
    ///
    /// # Errors
    /// As these.
    pub fn open(run_or_file: &Path, device: &Device, batch: usize) -> Result<Self> {
        Saved::read(run_or_file)?.on(device, batch)
    }

    /// From here on takes the mean probabilities over each image and its mirror image: test-time augmentation, at twice the time.
    ///
    /// # Errors
    /// A network that predicts values.
    pub fn mirror(&mut self) -> Result<()> {
        if self.meta.task == Task::Values {
            return Err(Error::usage("--tta: the network predicts values, not classes", "leave it out"));
        }
        self.mirrored = true;
        Ok(())
    }

    /// The probabilities of `n` images, before any temperature.
    fn uncalibrated(&mut self, x: &[f32], n: usize) -> Result<Vec<f32>> {
        let head = if self.meta.task == Task::Classes { self.meta.head } else { Head::Softmax };
        let mut probabilities = self.executor.predict(x, n)?;
        head.apply(&mut probabilities);
        if self.mirrored {
            let mut mirror = self.executor.predict(&mirrored(x, self.meta.input), n)?;
            head.apply(&mut mirror);
            probabilities.iter_mut().zip(mirror).for_each(|(p, q)| *p = 0.5 * (*p + q));
        }
        Ok(probabilities)
    }

    /// The probabilities of `n` images, by the temperature that the checkpoint was calibrated with, if it was: `[n, classes]`.
    ///
    /// # Errors
    /// Whatever the device reports.
    pub fn predict(&mut self, x: &[f32], n: usize) -> Result<Vec<f32>> {
        let mut probabilities = self.uncalibrated(x, n)?;
        if let Some(temperature) = self.meta.temperature {
            apply_temperature(&mut probabilities, self.meta.classes.len(), temperature);
        }
        Ok(probabilities)
    }

    /// Scores the network on every image of a split, whose labels are its own, `batch` at a time.
    ///
    /// # Errors
    /// An image that cannot be read, or whatever the device reports.
    pub fn evaluate(&mut self, split: &Arc<dyn Split>, batch: usize) -> Result<Evaluation> {
        let mut scorer = Scorer::new(&self.meta.classes)?;
        each_batch(split, batch, |loaded| {
            let labels = labels_of(split, &loaded);
            let probabilities = self.predict(&loaded.x, labels.len())?;
            let losses = self.meta.head.is_independent().then(|| binary_cross_entropy(&labels, &probabilities));
            scorer.push(&labels, &probabilities, losses.as_deref())
        })?;
        scorer.finish()
    }

    /// Scores the network on every image of a split by its task: classes as [`Loaded::evaluate`] does, or values.
    ///
    /// # Errors
    /// As [`Loaded::evaluate`].
    pub fn score(&mut self, split: &Arc<dyn Split>, batch: usize) -> Result<Scores> {
        Ok(match self.meta.task {
            Task::Classes => Scores::Classes(self.evaluate(split, batch)?),
            Task::Values => Scores::Values(evaluate_values(self.executor.as_mut(), split, &self.meta.classes, batch)?),
        })
    }

    /// Fits the temperature on a split and applies it from now on, in place of that which the checkpoint has.
    ///
    /// # Errors
    /// As [`Loaded::evaluate`].
    pub fn calibrate(&mut self, split: &Arc<dyn Split>, batch: usize) -> Result<f64> {
        if self.meta.head.is_independent() {
            let what = format!("--calibrate: {}", Head::INDEPENDENT);
            return Err(Error::usage(what, "a temperature is for a softmax; leave it out"));
        }
        let (mut labels, mut probabilities) = (Vec::new(), Vec::new());
        each_batch(split, batch, |loaded| {
            let of_batch = labels_of(split, &loaded);
            probabilities.extend(self.uncalibrated(&loaded.x, of_batch.len())?);
            labels.extend(of_batch);
            Ok(())
        })?;
        let temperature = fit_temperature(&labels, &probabilities, self.meta.classes.len())?;
        self.meta.temperature = Some(temperature);
        Ok(temperature)
    }

    /// The images that the network takes.
    pub fn input(&self) -> InputSpec {
        input_of(&self.meta)
    }
}

/// Images `[n, height, width, channels]`, each line of pixels turned round.
fn mirrored(x: &[f32], [_, width, channels]: [usize; 3]) -> Vec<f32> {
    x.chunks_exact(width * channels).flat_map(|line| line.chunks_exact(channels).rev().flatten().copied()).collect()
}

fn input_of(meta: &Meta) -> InputSpec {
    let [height, width, channels] = meta.input;
    InputSpec::new(height, width, channels).converted(meta.conversion)
}

/// The graph of a checkpoint.
///
/// # Errors
/// A network that this version does not know, or that contradicts its own description.
pub(super) fn graph_of(meta: &Meta, path: &Path) -> Result<Graph> {
    let refuse = |what: String| Error::checkpoint(path, what, "");
    meta.preprocessing.check(meta.input[2]).map_err(|e| refuse(e.to_string()))?;
    // The softmax of classes is the executors'; any other end is [`Head::apply`]'s.
    let plain = meta.task == Task::Values || meta.head.is_independent();
    let finish = |graph: Graph| if plain { graph.for_values() } else { Ok(graph) };
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
