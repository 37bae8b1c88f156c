//! The plan on the f64 reference: `--device cpu`, and the yardstick of the GPU executor.
//!
//! What training moves is rounded to f32 after every step, so that a checkpoint holds it exactly and a resumed run goes on
//! with the same bits. [`CpuExecutor::exact`] turns that off.

use super::augmentation::{Augmentation, check};
use super::executor::{Attribution, Executor, Metrics, NamedTensor, SlotTensors, Snapshot, Unread};
use super::plan::{Mode, Options, Plan};
use super::{At, Batch, Graph, Parameters, Samples, Value};
use crate::error::{Error, Result};
use crate::optim::{Clip, Optimizer, StepSize};
use crate::tensor::HostTensor;
use std::collections::HashMap;
use std::sync::Arc;

mod explain;
mod room;
mod run;

use run::{Run, view};

/// A graph on the CPU.
pub struct CpuExecutor {
    graph: Arc<Graph>,
    parameters: Parameters,
    optimizer: Optimizer,
    seed: u64,
    batch: usize,
    plans: HashMap<(Mode, usize), Plan>,
    values: Vec<HostTensor>,
    /// The optimizer's tensors of each parameter, in the order of its slots.
    kept: Vec<Vec<HostTensor>>,
    /// Whether what training moves stays f64.
    exact: bool,
    fused: bool,
    collected: Vec<Metrics>,
    augmentation: Option<Arc<dyn Augmentation>>,
}

impl CpuExecutor {
    /// A graph with starting parameters for `seed`, for batches of up to `batch`.
    pub fn new(graph: Arc<Graph>, batch: usize, seed: u64) -> Self {
        let parameters = Parameters::new(&graph);
        let slots = || parameters.slots.iter().enumerate();
        let values =
            slots().map(|(i, s)| HostTensor::from_f32(s.spec.shape.clone(), &parameters.initial(i, seed))).collect();
        let mut executor = Self {
            graph,
            optimizer: Optimizer::default(),
            seed,
            batch,
            plans: HashMap::new(),
            values,
            kept: Vec::new(),
            exact: false,
            fused: true,
            collected: Vec::new(),
            augmentation: None,
            parameters,
        };
        executor.begin_slots();
        executor
    }

    fn begin_slots(&mut self) {
        let zeros =
            self.optimizer.slots().iter().map(|_| {
                self.parameters.slots.iter().map(|s| HostTensor::zeros(s.spec.shape.clone())).collect::<Vec<_>>()
            });
        self.kept = zeros.collect();
    }

    /// Keeps what training moves in f64, and the step size too: for comparisons with other f64 engines, and for finite
    /// differences. Snapshots hold f32 all the same.
    #[must_use]
    pub fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// Moves parameters otherwise than by Keras's Adam, from the beginning.
    #[must_use]
    pub fn optimizer(mut self, optimizer: Optimizer) -> Self {
        self.optimizer = optimizer;
        self.begin_slots();
        self
    }

    /// Plans as fused as on a GPU, or a node at a time. The default is fused: what is planned is what is checked.
    #[must_use]
    pub fn fused(mut self, fused: bool) -> Self {
        self.fused = fused;
        self
    }

    /// Parameters and statistics in the order of [`Parameters::slots`], in f64, to be read or set.
    pub fn values_mut(&mut self) -> &mut [HostTensor] {
        &mut self.values
    }

    /// Metrics and gradients of a training step that moves nothing. Gradients are those of the batch's mean loss, in the order
    /// of [`Parameters::slots`]; none for statistics and for what does not reach the loss.
    ///
    /// # Errors
    /// As [`Executor::train`].
    pub fn gradients(&mut self, batch: &Batch<'_>, at: At) -> Result<(Metrics, Vec<Option<HostTensor>>)> {
        let before = self.values.clone();
        let run = self.run(Mode::Train, batch, at, |_, _| {});
        self.values = before;
        let mut run = run?;
        let gradients = (0..self.values.len()).map(|slot| run.gradients.remove(&slot)).collect();
        Ok((run.metrics, gradients))
    }

    /// Index of a node's first slot.
    fn first_slot(&self, node: usize) -> usize {
        self.parameters.slots.iter().position(|s| s.node == node).unwrap_or(0)
    }

    fn node_values(&self, node: usize) -> Vec<&HostTensor> {
        let first = self.first_slot(node);
        self.values[first..first + self.parameters.of_node(node).len()].iter().collect()
    }

    fn update(&mut self, gradients: &HashMap<usize, HostTensor>, at: At, factor: f64) {
        let rounded = |v: f64| if self.exact { v } else { f64::from(v as f32) };
        let StepSize { size, decay } = self.optimizer.step(at.lr, at.step);
        for (slot, g) in gradients {
            let spec = &self.parameters.slots[*slot].spec;
            let decays = self.optimizer.decayed.has(spec.name, &spec.shape);
            let step = StepSize { size: rounded(size), decay: if decays { rounded(decay) } else { 0.0 } };
            let mut kept: Vec<&mut HostTensor> = self.kept.iter_mut().map(|tensors| &mut tensors[*slot]).collect();
            let mut slots: Vec<&mut [f64]> = kept.iter_mut().map(|t| t.data.as_mut_slice()).collect();
            let p = &mut self.values[*slot];
            self.optimizer.reference(step, factor, &g.data, &mut p.data, &mut slots);
            kept.into_iter().chain([p]).for_each(|t| round(self.exact, t));
        }
    }

    /// The first layer of a training pass whose output is not finite in f32, or whose parameters are not; for messages.
    ///
    /// # Errors
    /// As [`Executor::train`].
    pub fn first_not_finite(&mut self, batch: &Batch<'_>, at: At) -> Result<Option<String>> {
        let bad = |t: &HostTensor| t.data.iter().any(|v| !(*v as f32).is_finite());
        if let Some(i) = self.values.iter().position(bad) {
            return Ok(Some(format!("the parameters `{}` are not finite", self.parameters.slots[i].name)));
        }
        let mut found = None;
        let before = self.values.clone();
        let run = self.run(Mode::Train, batch, at, |name, y| {
            if found.is_none() && bad(y) {
                found = Some(format!("the output of layer `{name}` is not finite"));
            }
        });
        self.values = before;
        let run = run?;
        let loss = run.metrics.not_finite.then(|| "the loss is not finite".to_owned());
        Ok(found.or(loss))
    }

    fn named(&self, tensors: &[HostTensor], trained_only: bool) -> Vec<NamedTensor> {
        let slots = self.parameters.slots.iter().zip(tensors);
        slots
            .filter(|(s, _)| s.spec.trainable || !trained_only)
            .map(|(s, t)| NamedTensor { name: s.name.clone(), shape: t.shape.clone(), values: t.to_f32() })
            .collect()
    }
}

/// Rounds what training has moved to f32, unless it is to stay exact.
fn round(exact: bool, t: &mut HostTensor) {
    if !exact {
        t.data.iter_mut().for_each(|v| *v = f64::from(*v as f32));
    }
}

impl Executor for CpuExecutor {
    fn device(&self) -> String {
        "the CPU reference (f64, no driver)".into()
    }

    fn augment(&mut self, augmentation: Arc<dyn Augmentation>) -> Result<()> {
        check(&self.graph)?;
        self.augmentation = Some(augmentation);
        Ok(())
    }

    fn prepare(&mut self, mode: Mode, n: usize) -> Result<()> {
        let accumulate = if mode == Mode::Train { self.optimizer.accumulate } else { 1 };
        if n > self.batch.saturating_mul(accumulate) {
            return Err(Error::usage(format!("{n} samples are more than planned for"), ""));
        }
        if n > self.batch {
            let most = self.batch;
            return [most, n % most].into_iter().filter(|n| *n > 0).try_for_each(|n| self.prepare(mode, n));
        }
        if !self.plans.contains_key(&(mode, n)) {
            self.plans.insert(
                (mode, n),
                Plan::with(&self.graph, n, mode, Options { fused: self.fused, ..Options::default() })?,
            );
        }
        Ok(())
    }

    fn train(&mut self, batch: &Batch<'_>, at: At) -> Result<()> {
        if self.collected.iter().any(|m| m.not_finite) {
            return Ok(());
        }
        self.prepare(Mode::Train, batch.len())?;
        batch.check(&self.graph)?;
        let before = self.values.clone();
        let mut sum = Run::default();
        let graph = Arc::clone(&self.graph);
        for (i, part) in batch.parts(self.batch, &graph).enumerate() {
            // Each part draws masks of its own.
            let step = at.step.wrapping_mul(self.optimizer.accumulate as u64).wrapping_add(i as u64);
            let run = self.run(Mode::Train, &part, At { step, ..at }, |_, _| {})?;
            sum.add(run, part.len() as f64 / batch.len() as f64);
        }
        let squares = sum.squares();
        sum.metrics.not_finite |= !(squares as f32).is_finite() && matches!(self.optimizer.clip, Clip::Norm(_));
        self.collected.push(sum.metrics);
        if sum.metrics.not_finite {
            self.values = before;
        } else {
            self.update(&sum.gradients, at, self.optimizer.clip.factor(squares));
        }
        Ok(())
    }

    fn evaluate(&mut self, batch: &Batch<'_>) -> Result<()> {
        let run = self.run(Mode::Evaluate, batch, At::default(), |_, _| {})?;
        self.collected.push(run.metrics);
        Ok(())
    }

    fn predict(&mut self, x: &[f32], n: usize) -> Result<Vec<f32>> {
        let unknown = Samples::unknown(n, self.graph.output().elements());
        let run = self.run(Mode::Evaluate, &Batch { x, ..unknown.batch() }, At::default(), |_, _| {})?;
        let plan = &self.plans[&(Mode::Evaluate, n)];
        let [_, probabilities, _] = plan.loss();
        Ok(view(plan, &run.tensors, probabilities).to_f32())
    }

    fn explain(&mut self, x: &[f32], cotangent: &[f32], value: Value) -> Result<Attribution> {
        let [value, gradient] = self.explain_exact(x, cotangent, value)?;
        Ok(Attribution { value: value.to_f32(), gradient: gradient.to_f32() })
    }

    fn arrived(&mut self) -> Result<Vec<Metrics>> {
        Ok(std::mem::take(&mut self.collected))
    }

    fn drain(&mut self) -> Result<Vec<Metrics>> {
        self.arrived()
    }

    fn pause(&mut self) -> Result<(Vec<Metrics>, Option<Unread>)> {
        // Every step has given its own sums.
        Ok((self.arrived()?, None))
    }

    fn go_on(&mut self, unread: &Unread) -> Result<()> {
        // Of a run that was interrupted on a device that keeps some.
        let [loss, correct, mse, count] = unread.sums.map(f64::from);
        self.collected.push(Metrics { loss, correct, mse, count, not_finite: false });
        Ok(())
    }

    fn snapshot(&self) -> Result<Snapshot> {
        let slots = self.optimizer.slots().iter().zip(&self.kept);
        let slots = slots.map(|(name, kept)| SlotTensors { name: (*name).to_owned(), tensors: self.named(kept, true) });
        Ok(Snapshot { parameters: self.named(&self.values, false), slots: slots.collect() })
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        let slots = self.parameters.check(snapshot, &self.optimizer)?;
        for (value, tensor) in self.values.iter_mut().zip(&snapshot.parameters) {
            *value = HostTensor::from_f32(tensor.shape.clone(), &tensor.values);
        }
        let trained: Vec<usize> =
            (0..self.parameters.slots.len()).filter(|i| self.parameters.slots[*i].spec.trainable).collect();
        for (kept, tensors) in self.kept.iter_mut().zip(slots) {
            for (slot, tensor) in trained.iter().zip(tensors) {
                kept[*slot] = HostTensor::from_f32(tensor.shape.clone(), &tensor.values);
            }
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.values.iter().chain(self.kept.iter().flatten()).map(|t| t.data.len() as u64 * 8).sum()
    }
}
