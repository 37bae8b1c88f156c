//! What both executors can do.

use super::plan::Mode;
use super::{At, Augmentation, Batch, Graph, Profile, Value};
use crate::error::{Error, Result};
use crate::tensor::Shape;
use std::sync::Arc;

/// Sums over the samples of some steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Of the losses, each times its sample's weight.
    pub loss: f64,
    /// Samples whose target's largest share got the highest probability. 0 where values are predicted.
    pub correct: f64,
    /// Of the mean squared errors, unweighted.
    pub mse: f64,
    /// Samples.
    pub count: f64,
    /// Whether a loss was not finite. No parameter has moved since.
    pub not_finite: bool,
}

impl std::ops::AddAssign for Metrics {
    fn add_assign(&mut self, other: Self) {
        self.loss += other.loss;
        self.correct += other.correct;
        self.mse += other.mse;
        self.count += other.count;
        self.not_finite |= other.not_finite;
    }
}

/// Adds sums one after the other, so that the total has the same bits however they were grouped as they arrived.
impl std::ops::AddAssign<Vec<Metrics>> for Metrics {
    fn add_assign(&mut self, others: Vec<Metrics>) {
        others.into_iter().for_each(|other| *self += other);
    }
}

/// Sums that a device has begun and not given yet: see [`Executor::pause`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Unread {
    /// Loss, correct, mean squared error and count, in the device's own precision.
    pub sums: [f32; 4],
    /// Submissions since it last gave its sums.
    pub submitted: u32,
}

impl Metrics {
    /// From the metrics tensor of the loss.
    pub(super) fn from_tensor(values: &[f32]) -> Self {
        let at = |i: usize| f64::from(values.get(i).copied().unwrap_or(0.0));
        Self { loss: at(0), correct: at(1), mse: at(2), count: at(3), not_finite: at(4) != 0.0 }
    }
}

/// A tensor with its name, as checkpoints hold it.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// `conv2d/kernel`.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// Row-major.
    pub values: Vec<f32>,
}

/// Everything that training moves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Parameters and statistics.
    pub parameters: Vec<NamedTensor>,
    /// The optimizer's tensors, slot by slot; none if it keeps none, or begins anew.
    pub slots: Vec<SlotTensors>,
}

/// What an optimizer keeps of all trained parameters under one name.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotTensors {
    /// `m`: see [`Rule::slots`](crate::optim::Rule::slots).
    pub name: String,
    /// A tensor for each trained parameter, named after it.
    pub tensors: Vec<NamedTensor>,
}

/// A value of a graph at some inputs, and how class scores depend on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution {
    /// The value, batch first.
    pub value: Vec<f32>,
    /// The gradient of the scalar product of logits and cotangent to it.
    pub gradient: Vec<f32>,
}

/// Number of samples in `x` and `cotangent`, of an executor for batches of up to `batch`.
///
/// # Errors
/// None, more than planned for, or lengths that are no whole samples or do not belong together.
pub(super) fn samples_to_explain(graph: &Graph, x: &[f32], cotangent: &[f32], batch: usize) -> Result<usize> {
    let (inputs, outputs) = (graph.input().elements(), graph.output().elements());
    let n = x.len() / inputs;
    if n == 0 || n > batch || x.len() != n * inputs || cotangent.len() != n * outputs {
        let what = format!("{} inputs and {} cotangents of scores to explain", x.len(), cotangent.len());
        let hint = format!("{} takes {inputs} and {outputs} a sample, and is planned for {batch}", graph.name);
        return Err(Error::usage(what, hint));
    }
    Ok(n)
}

/// A graph with parameters on some device, planned for batches of up to some size.
pub trait Executor {
    /// The device, in a line.
    fn device(&self) -> String;

    /// Changes the images of all training steps from now on. Evaluation and predictions see them as they are.
    ///
    /// # Errors
    /// A network of other things than images, or a device without the room.
    fn augment(&mut self, augmentation: Arc<dyn Augmentation>) -> Result<()>;

    /// Builds what steps of `n` samples need, so that no step builds anything.
    ///
    /// # Errors
    /// More samples than planned for, or a device that cannot hold them.
    fn prepare(&mut self, mode: Mode, n: usize) -> Result<()>;

    /// Queues a training step.
    ///
    /// # Errors
    /// A batch that does not fit the graph, or whatever the device reports.
    fn train(&mut self, batch: &Batch<'_>, at: At) -> Result<()>;

    /// Queues an evaluation step, whose results only count in the metrics.
    ///
    /// # Errors
    /// A batch that does not fit the graph, or whatever the device reports.
    fn evaluate(&mut self, batch: &Batch<'_>) -> Result<()>;

    /// Class probabilities, or values, `[n, outputs]` of `n` samples, waiting for them. The metrics are left as they are.
    ///
    /// # Errors
    /// Whatever the device reports.
    fn predict(&mut self, x: &[f32], n: usize) -> Result<Vec<f32>>;

    /// A value of the graph (0 is the input) at `n` samples and the gradient of class scores to it, in inference mode, waiting
    /// for both. `cotangent` is `[n, classes]`: 1 at a class gives the gradient of that class's score before softmax. Buffers
    /// and programs are kept for the next call with the same value and `n`.
    ///
    /// # Errors
    /// A value that does not lead to the output, a device without the room, or whatever it reports.
    fn explain(&mut self, x: &[f32], cotangent: &[f32], value: Value) -> Result<Attribution>;

    /// Metrics that have arrived since the last call, in order, without waiting.
    ///
    /// # Errors
    /// Whatever the device reports.
    fn arrived(&mut self) -> Result<Vec<Metrics>>;

    /// Metrics of all steps since the last call, in order, waiting for them.
    ///
    /// # Errors
    /// Whatever the device reports.
    fn drain(&mut self) -> Result<Vec<Metrics>>;

    /// The sum of [`Executor::drain`].
    ///
    /// # Errors
    /// Whatever the device reports.
    fn flush(&mut self) -> Result<Metrics> {
        let mut sum = Metrics::default();
        sum += self.drain()?;
        Ok(sum)
    }

    /// Waits for all steps, and gives what [`Executor::arrived`] would have given by now and the sums that the device has begun
    /// since. An executor that is given these by [`Executor::go_on`] adds the next steps to them as this one would have, so that an
    /// interruption leaves the last bits as they are.
    ///
    /// # Errors
    /// Whatever the device reports.
    fn pause(&mut self) -> Result<(Vec<Metrics>, Option<Unread>)>;

    /// Takes over the sums of [`Executor::pause`].
    ///
    /// # Errors
    /// Whatever the device reports.
    fn go_on(&mut self, unread: &Unread) -> Result<()>;

    /// Measures where the time of a training step goes. Takes some twenty steps, and leaves parameters, moments and metrics as they
    /// were.
    ///
    /// # Errors
    /// A device without kernels, or whatever it reports.
    fn profile(&mut self, _batch: &Batch<'_>) -> Result<Profile> {
        Err(Error::usage(format!("{} runs no kernels to profile", self.device()), "choose an adapter by --device"))
    }

    /// Reads parameters and moments back.
    ///
    /// # Errors
    /// Whatever the device reports.
    fn snapshot(&self) -> Result<Snapshot>;

    /// Sets parameters, and moments where the snapshot has them. Names and shapes must be the graph's, in its order.
    ///
    /// # Errors
    /// A snapshot of another graph.
    fn restore(&mut self, snapshot: &Snapshot) -> Result<()>;

    /// Bytes that the device holds for this graph.
    fn bytes(&self) -> u64;
}
