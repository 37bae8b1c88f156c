//! A network trained on tensors in memory: `fit`, `evaluate` and `predict`, with the meanings that they have in Keras.
//!
//! [`Network`] is what a library user needs: it counts steps and epochs, shuffles, cuts batches and keeps Adam's moments between
//! calls. The command's [`super::Trainer`] is the larger twin: it reads images from files, writes a run folder and can be
//! resumed. Both use the same executors and the same order of images.

use super::device::Device;
use super::order::order;
use super::saved;
use super::start::kept;
use crate::data::{Head, InputSpec, Preprocess, Task};
use crate::error::{Error, Result};
use crate::formats::checkpoint::Meta;
use crate::graph::{At, Executor, Graph, Loss, Metrics, Samples};
use crate::optim::Optimizer;
use std::path::Path;
use std::sync::Arc;

/// Images that a prediction takes at once where `fit` has not said otherwise: Keras's default.
const BATCH: usize = 32;

/// How [`Network::fit`] trains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Times that every image is seen.
    pub epochs: usize,
    /// Images of an update; the last one of an epoch may have fewer.
    pub batch: usize,
    /// Learning rate.
    pub lr: f64,
    /// The rule of the updates.
    pub optimizer: Optimizer,
}

impl Default for Fit {
    /// One epoch, batches of 32, Adam at 0.001: Keras's defaults.
    fn default() -> Self {
        Self { epochs: 1, batch: BATCH, lr: 1e-3, optimizer: Optimizer::default() }
    }
}

/// Means over the images of an epoch of [`Network::fit`], or of [`Network::evaluate`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochMetrics {
    /// The loss.
    pub loss: f64,
    /// The share of images whose class got the highest probability; `NaN` where the network predicts values.
    pub accuracy: f64,
    /// Mean squared error of the probabilities, or of the values.
    pub mse: f64,
}

impl EpochMetrics {
    fn of(sums: &Metrics, loss: Loss) -> Self {
        let mean = |sum: f64| sum / sums.count.max(1.0);
        let classes = matches!(loss, Loss::CrossEntropy { .. });
        Self {
            loss: mean(sums.loss),
            accuracy: if classes { mean(sums.correct) } else { f64::NAN },
            mse: mean(sums.mse),
        }
    }
}

/// A graph with parameters on a device.
///
/// ```
/// use fer_gpu::models::Stack;
/// use fer_gpu::train::{Device, Fit, Network};
///
/// // 64 images of 8 x 8 pixels: stripes across are class 0, stripes down class 1.
/// let pixel = |i: usize| ((if i / 64 % 2 == 0 { i / 8 } else { i }) % 2) as f32;
/// let x: Vec<f32> = (0..64 * 64).map(pixel).collect();
/// let labels: Vec<u32> = (0..64).map(|image| image % 2).collect();
/// let graph = Stack::new("stripes", [8, 8, 1]).conv_same(4, 3).relu().max_pool(2, 2).flatten().dense(2).finish()?;
/// let mut network = Network::new(graph, Device::gpu().unwrap_or(Device::Cpu), 0)?;
/// let history = network.fit(&x, &labels, &Fit { epochs: 8, lr: 0.02, ..Fit::default() })?;
/// let probabilities = network.predict(&x[..64])?; // [1, 2]
/// assert!(history[7].accuracy == 1.0 && probabilities[0] > 0.9);
/// # Ok::<(), fer_gpu::Error>(())
/// ```
pub struct Network {
    graph: Arc<Graph>,
    device: Device,
    seed: u64,
    executor: Box<dyn Executor>,
    /// What `executor` was made for.
    planned: (usize, Optimizer),
    steps: u64,
    epochs: usize,
}

impl Network {
    /// Puts a graph on a device, with starting parameters drawn from `seed`; dropout and the order of images follow from it, too.
    ///
    /// # Errors
    /// A graph that the device cannot hold.
    pub fn new(graph: Graph, device: Device, seed: u64) -> Result<Self> {
        let (graph, planned) = (Arc::new(graph), (BATCH, Optimizer::default()));
        let executor = device.trainer(&graph, planned.0, seed, planned.1)?;
        Ok(Self { graph, device, seed, executor, planned, steps: 0, epochs: 0 })
    }

    /// The layers.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Where it runs.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Trains on images `x`, `[n, height, width, channels]` row-major, of the classes `labels`, `[n]`. A further call goes on: with
    /// the parameters, Adam's moments and the count of epochs of the call before.
    ///
    /// # Errors
    /// Lengths that do not fit, a label that the network has no output for, settings of 0, a loss that is not finite
    /// ([`Error::NotFinite`]), or whatever the device reports.
    pub fn fit(&mut self, x: &[f32], labels: &[u32], fit: &Fit) -> Result<Vec<EpochMetrics>> {
        let data = self.labelled(x, labels)?;
        self.fit_targets(x, &data.targets, fit)
    }

    /// [`Network::fit`] on targets `[n, outputs]`: shares of votes, or values where the graph's loss is the mean squared error.
    ///
    /// # Errors
    /// As [`Network::fit`].
    pub fn fit_targets(&mut self, x: &[f32], targets: &[f32], fit: &Fit) -> Result<Vec<EpochMetrics>> {
        let n = self.images(x)?;
        self.check_targets(targets, n)?;
        if fit.batch == 0 || fit.optimizer.accumulate == 0 || !fit.lr.is_finite() {
            let what = format!("{fit:?}: a batch or accumulate of 0, or a learning rate that is not finite");
            return Err(Error::usage(what, "use a batch and an accumulate of at least 1"));
        }
        self.plan(fit.batch, fit.optimizer)?;
        (0..fit.epochs).map(|_| self.epoch(x, targets, n, fit)).collect()
    }

    /// Loss, accuracy and mean squared error of images in inference mode; shapes as in [`Network::fit`].
    ///
    /// # Errors
    /// As [`Network::fit`].
    pub fn evaluate(&mut self, x: &[f32], labels: &[u32]) -> Result<EpochMetrics> {
        let data = self.labelled(x, labels)?;
        for part in data.samples.chunks(self.planned.0) {
            self.executor.evaluate(&gather(x, &data.targets, part, &self.graph).batch())?;
        }
        Ok(EpochMetrics::of(&self.executor.flush()?, self.graph.loss))
    }

    /// Class probabilities, or values, `[n, outputs]`, of images `[n, height, width, channels]`.
    ///
    /// # Errors
    /// A length that is no whole number of images, or whatever the device reports.
    pub fn predict(&mut self, x: &[f32]) -> Result<Vec<f32>> {
        self.images(x)?;
        let image = self.graph.input().elements();
        let mut out = Vec::new();
        for part in x.chunks(self.planned.0 * image) {
            out.extend(self.executor.predict(part, part.len() / image)?);
        }
        Ok(out)
    }

    /// Writes a checkpoint that `fer-gpu predict`, `evaluate`, `explain` and `export` read. `names` are the classes' or the values',
    /// in the order of the outputs; `preprocess` says what makes the network's input of an image's pixels.
    ///
    /// # Errors
    /// A network that does not take images, a number of names that is not the number of outputs, or a file that cannot be
    /// written; what stood there before is then untouched.
    pub fn save(&self, path: &Path, names: &[&str], preprocess: Preprocess) -> Result<()> {
        let outputs = self.graph.output().elements();
        if names.len() != outputs {
            let what = format!("{} names for the {outputs} outputs of {}", names.len(), self.graph.name);
            return Err(Error::usage(what, "name each output once"));
        }
        let InputSpec { height, width, channels, conversion } = InputSpec::of(self.graph.input())?;
        let (network, freeze) = kept(&self.graph, None)?;
        let meta = Meta {
            model: self.graph.name.clone(),
            network,
            task: if self.graph.loss == Loss::MeanSquaredError { Task::Values } else { Task::Classes },
            head: Head::Softmax,
            classes: names.iter().map(ToString::to_string).collect(),
            input: [height, width, channels],
            freeze,
            preprocessing: preprocess,
            conversion,
            kernels: self.device.choices(),
            temperature: None,
            progress: None,
        };
        let mut checkpoint = saved::checkpoint(meta, self.executor.snapshot()?);
        checkpoint.optimizer.clear();
        checkpoint.save(path)
    }

    /// Number of images in `x`.
    fn images(&self, x: &[f32]) -> Result<usize> {
        let image = self.graph.input().elements();
        if x.is_empty() || !x.len().is_multiple_of(image) {
            let what = format!("{} pixels for {}", x.len(), self.graph.name);
            return Err(Error::usage(what, format!("give whole images: {image} pixels each, at least one")));
        }
        Ok(x.len() / image)
    }

    fn check_targets(&self, targets: &[f32], n: usize) -> Result<()> {
        let wanted = n * self.graph.output().elements();
        if targets.len() == wanted {
            return Ok(());
        }
        let what = format!("{} targets for {n} images of {}", targets.len(), self.graph.name);
        Err(Error::usage(what, format!("{wanted} are expected: the outputs of each image")))
    }

    /// Checks images and labels; the targets that belong to them.
    fn labelled(&self, x: &[f32], labels: &[u32]) -> Result<Samples> {
        let (n, classes) = (self.images(x)?, self.graph.output().elements());
        if labels.len() != n {
            return Err(Error::usage(
                format!("{} labels for {n} images", labels.len()),
                "give one label for each image",
            ));
        }
        if let Some((image, label)) = labels.iter().enumerate().find(|(_, label)| **label as usize >= classes) {
            let what = format!("label {label} of image {image}: {} has {classes} classes", self.graph.name);
            return Err(Error::usage(what, format!("labels count from 0 to {}", classes - 1)));
        }
        Ok(Samples::labelled(Vec::new(), labels, classes))
    }

    /// An executor for these batches, with the parameters and moments of the one before.
    fn plan(&mut self, batch: usize, optimizer: Optimizer) -> Result<()> {
        if self.planned != (batch, optimizer) {
            let snapshot = self.executor.snapshot()?;
            let mut executor = self.device.trainer(&self.graph, batch, self.seed, optimizer)?;
            executor.restore(&snapshot)?;
            (self.executor, self.planned) = (executor, (batch, optimizer));
        }
        Ok(())
    }

    fn epoch(&mut self, x: &[f32], targets: &[f32], n: usize, fit: &Fit) -> Result<EpochMetrics> {
        let mut sums = Metrics::default();
        let order = order(self.seed, self.epochs, n);
        let update = fit.batch.saturating_mul(fit.optimizer.accumulate);
        for (step, part) in order.chunks(update).enumerate() {
            let at = At { step: self.steps, epoch: self.epochs as u32, lr: fit.lr };
            self.executor.train(&gather(x, targets, part, &self.graph).batch(), at)?;
            self.steps += 1;
            sums += self.executor.arrived()?;
            self.check_finite(&sums, step)?;
        }
        sums += self.executor.flush()?;
        self.check_finite(&sums, order.len().div_ceil(update) - 1)?;
        self.epochs += 1;
        Ok(EpochMetrics::of(&sums, self.graph.loss))
    }

    /// Stops at a loss that is not finite: no parameter has moved since.
    fn check_finite(&self, sums: &Metrics, step: usize) -> Result<()> {
        if !sums.not_finite {
            return Ok(());
        }
        Err(Error::NotFinite {
            epoch: self.epochs + 1,
            step: step + 1,
            what: "the loss is not finite".into(),
            hint: "try a smaller learning rate; the parameters are those before that step".into(),
        })
    }
}

/// The samples of these numbers, each of weight 1.
fn gather(x: &[f32], targets: &[f32], numbers: &[u32], graph: &Graph) -> Samples {
    let rows = |values: &[f32], size: usize| -> Vec<f32> {
        numbers.iter().flat_map(|i| &values[*i as usize * size..][..size]).copied().collect()
    };
    Samples {
        x: rows(x, graph.input().elements()),
        targets: rows(targets, graph.output().elements()),
        weights: vec![1.0; numbers.len()],
        samples: numbers.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::graph::CpuExecutor;
    use crate::models::Stack;
    use crate::tensor::fill;
    use crate::train::Saved;

    fn graph() -> Graph {
        Stack::new("tiny", [4, 4, 1]).conv_same(2, 3).relu().flatten().dropout(0.25).dense(3).finish().unwrap()
    }

    fn data(n: usize) -> (Vec<f32>, Vec<u32>) {
        ((0..n as u32 * 16).map(|i| fill(1, i)).collect(), (0..n as u32).map(|i| i % 3).collect())
    }

    /// The calls count steps and epochs as one loop written by hand does, with a last, smaller batch, and across calls of other
    /// batch sizes.
    #[test]
    fn equals_a_loop_over_an_executor() {
        let (x, labels) = data(10);
        let mut network = Network::new(graph(), Device::Cpu, 7).unwrap();
        let first = network.fit(&x, &labels, &Fit { epochs: 2, batch: 4, ..Fit::default() }).unwrap();
        let second = network.fit(&x, &labels, &Fit { batch: 5, ..Fit::default() }).unwrap();

        let graph = Arc::new(graph());
        let mut plain = CpuExecutor::new(Arc::clone(&graph), 5, 7);
        let all = Samples::labelled(x.clone(), &labels, 3);
        let (mut step, mut losses) = (0, Vec::new());
        for (epoch, batch) in [(0, 4), (1, 4), (2, 5)] {
            for part in order(7, epoch, 10).chunks(batch) {
                let at = At { step, epoch: epoch as u32, lr: 1e-3 };
                plain.train(&gather(&all.x, &all.targets, part, &graph).batch(), at).unwrap();
                step += 1;
            }
            losses.push(plain.flush().unwrap().loss / 10.0);
        }
        let ours: Vec<f64> = first.iter().chain(&second).map(|e| e.loss).collect();
        assert_eq!(ours, losses);
        let halves: Vec<f32> = x.chunks(80).flat_map(|part| plain.predict(part, 5).unwrap()).collect();
        assert_eq!(network.predict(&x).unwrap(), halves);
        assert_eq!(network.executor.snapshot().unwrap(), plain.snapshot().unwrap());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let (x, labels) = data(2);
        let mut network = Network::new(graph(), Device::Cpu, 0).unwrap();
        let mut text = |x: &[f32], labels: &[u32], fit: Fit| network.fit(x, labels, &fit).unwrap_err().to_string();
        assert!(text(&x[..17], &labels, Fit::default()).contains("16 pixels each"));
        assert!(text(&[], &[], Fit::default()).contains("at least one"));
        assert!(text(&x, &labels[..1], Fit::default()).contains("1 labels for 2 images"));
        assert!(text(&x, &[0, 3], Fit::default()).contains("label 3 of image 1"));
        assert!(text(&x, &labels, Fit { batch: 0, ..Fit::default() }).contains("at least 1"));
        assert!(text(&x, &labels, Fit { lr: f64::NAN, ..Fit::default() }).contains("not finite"));
        let error = network.fit(&[f32::NAN; 16], &[0], &Fit::default()).unwrap_err();
        assert_eq!(error.exit_code(), 6, "{error}");
        assert!(
            network.fit_targets(&x, &[0.0; 5], &Fit::default()).unwrap_err().to_string().contains("6 are expected")
        );
    }

    #[test]
    fn a_saved_network_predicts_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.safetensors");
        let (x, labels) = data(6);
        let mut network = Network::new(graph(), Device::Cpu, 3).unwrap();
        network.fit(&x, &labels, &Fit::default()).unwrap();
        assert!(network.save(&path, &["a"], Preprocess::default()).is_err());
        network.save(&path, &["a", "b", "c"], Preprocess::default()).unwrap();
        let saved = Saved::read(&path).unwrap();
        assert_eq!(saved.meta().classes, ["a", "b", "c"]);
        let mut loaded = saved.on(&Device::Cpu, 6).unwrap();
        assert_eq!(loaded.executor.predict(&x, 6).unwrap(), network.predict(&x).unwrap());
        let scores = network.evaluate(&x, &labels).unwrap();
        assert!(scores.loss.is_finite() && (0.0..=1.0).contains(&scores.accuracy));
    }
}
