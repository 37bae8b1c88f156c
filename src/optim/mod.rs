//! Optimizers on flat arenas, on the GPU and in the reference: a [`Rule`] with its constants, what is done to gradients before it, and
//! schedules of its learning rate. A new rule is a file here, a shader and a row of [`RULES`].

mod accumulate;
mod adam;
mod clip;
mod decay;
mod rule;
mod schedule;
mod settings;
mod sgd;

pub use accumulate::Sum;
pub use clip::Clip;
pub use decay::{Decayed, is_kernel};
pub use rule::{Constant, Constants, MAX_CONSTANTS, RULES, Range, Rule, by_name};
pub use schedule::{Kind, Length, Schedule};
pub use settings::OptimizerSettings;

use crate::error::{Error, Result, nearest};
use crate::gpu::{Gpu, GpuTensor, Recorder};
use std::fmt;

/// How a graph's parameters are moved. What stands here beside the rule is the same for every rule, as in Keras.
#[derive(Clone, Copy)]
pub struct Optimizer {
    /// The rule.
    pub rule: &'static dyn Rule,
    /// Its constants.
    pub constants: Constants,
    /// `p -= lr * weight_decay * p` goes before each update.
    pub weight_decay: f64,
    /// For these parameters.
    pub decayed: Decayed,
    /// What is done to gradients that are too large.
    pub clip: Clip,
    /// Batches whose gradients are averaged for one update, each sample counting the same: at least 1. The batches of an update
    /// behave as one of all their samples, but for batch norm, whose statistics are those of each batch.
    pub accumulate: usize,
}

impl Default for Optimizer {
    /// Keras's Adam, an update a batch.
    fn default() -> Self {
        Self::of(&adam::Adam)
    }
}

impl PartialEq for Optimizer {
    fn eq(&self, other: &Self) -> bool {
        let key = |o: &Self| (o.rule.name(), o.constants, o.weight_decay, o.decayed, o.clip, o.accumulate);
        key(self) == key(other)
    }
}

impl fmt::Debug for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (weight_decay, decayed, clip, accumulate) = (self.weight_decay, self.decayed, self.clip, self.accumulate);
        let constants: Vec<_> = self.rule.constants().iter().zip(self.constants).map(|(c, v)| (c.name, v)).collect();
        write!(f, "{} {constants:?}, decay {weight_decay} of {decayed:?}, {clip:?}, of {accumulate}", self.rule.name())
    }
}

/// The optimizer's tensors on the GPU, all flat and of one length.
#[derive(Debug)]
pub struct Arenas<'a> {
    /// Read: gradients.
    pub gradients: &'a GpuTensor,
    /// Read: the loss's metrics, whose flag stops the update.
    pub metrics: &'a GpuTensor,
    /// Moved.
    pub weights: &'a GpuTensor,
    /// The rule's slots, in its order.
    pub slots: &'a [GpuTensor],
    /// Elements, from the first on, that belong to kernels ([`Decayed::Kernels`]): a multiple of 4.
    pub kernels: usize,
}

/// `Params` of `shaders/common/update.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct UpdateParams {
    constants: [f32; MAX_CONSTANTS],
    count: u32,
    clip: u32,
    limit: f32,
    decayed: u32,
}

/// What changes from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepSize {
    /// [`Rule::step_size`].
    pub size: f64,
    /// The share of itself that a parameter loses.
    pub decay: f64,
}

impl Optimizer {
    /// A rule with Keras's defaults.
    pub fn of(rule: &'static dyn Rule) -> Self {
        let mut constants = [0.0; MAX_CONSTANTS];
        constants.iter_mut().zip(rule.constants()).for_each(|(value, constant)| *value = constant.default);
        Self { rule, constants, weight_decay: 0.0, decayed: Decayed::All, clip: Clip::Nothing, accumulate: 1 }
    }

    /// Adam.
    pub fn adam() -> Self {
        Self::default()
    }

    /// Stochastic gradient descent.
    pub fn sgd(momentum: f64, nesterov: bool) -> Self {
        Self { constants: [momentum, f64::from(u8::from(nesterov)), 0.0, 0.0], ..Self::of(&sgd::Sgd) }
    }

    /// Sets a constant of the rule.
    ///
    /// # Errors
    /// One that the rule does not have, with those that it has, or a value out of its range.
    pub fn with(mut self, name: &str, value: f64) -> Result<Self> {
        let known = self.rule.constants();
        let Some(at) = known.iter().position(|constant| constant.name == name) else {
            return Err(self.unknown(name));
        };
        known[at].check(value)?;
        self.constants[at] = value;
        Ok(self)
    }

    fn unknown(&self, name: &str) -> Error {
        let has = |rule: &dyn Rule| rule.constants().iter().any(|constant| constant.name == name);
        let names: Vec<&str> = self.rule.constants().iter().map(|constant| constant.name).collect();
        let near = nearest(name, names.iter().copied()).map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
        let other = RULES.iter().find(|rule| has(**rule)).map(|rule| format!("; {} has it", rule.name()));
        let what = format!("the optimizer {} has no `{name}`", self.rule.name());
        Error::usage(what, format!("{near}it has {}{}", names.join(", "), other.unwrap_or_default()))
    }

    /// The names of the tensors that it keeps of each parameter.
    pub fn slots(&self) -> &'static [&'static str] {
        self.rule.slots(&self.constants)
    }

    /// Of step `t`, counted from 0, at a learning rate. Decay is of the weight decay in f32, as Keras takes it.
    pub fn step(&self, lr: f64, t: u64) -> StepSize {
        let size = self.rule.step_size(&self.constants, lr, t);
        StepSize { size, decay: lr * f64::from(self.weight_decay as f32) }
    }

    /// Records one update: a dispatch for each slice of the arenas that fits a binding, after those of clipping.
    ///
    /// # Errors
    /// More elements than dispatches can cover.
    pub fn record(&self, rec: &mut Recorder<'_>, a: &Arenas<'_>) -> Result<()> {
        let factor = self.clip.record(rec, a.gradients, a.metrics)?;
        let factor = factor.as_ref().unwrap_or(a.metrics);
        let kernel = self.rule.kernel(&self.constants);
        let kernel = kernel.with_prelude(include_str!("../../shaders/common/update.wgsl")).with_step();
        let constants = self.rule.uniform(&self.constants);
        let (clip, limit) = self.clip.params();
        let decayed = if self.decayed == Decayed::All { a.weights.elements() } else { a.kernels };
        for range in slices(rec.gpu, a.weights.elements()) {
            let at = |t: &GpuTensor| t.flat(range.clone());
            let count = range.len().div_ceil(4);
            let decayed = decayed.saturating_sub(range.start).min(range.len()).div_ceil(4) as u32;
            let params = UpdateParams { constants, count: count as u32, clip, limit, decayed };
            let writes: Vec<GpuTensor> = std::iter::once(a.weights).chain(a.slots).map(at).collect();
            let writes: Vec<&GpuTensor> = writes.iter().collect();
            rec.dispatch_items(&kernel, &params, &[&at(a.gradients), a.metrics, factor], &writes, (count, 64))?;
            rec.updates();
        }
        Ok(())
    }

    /// The reference's update of a tensor `p` of this shape by gradients `g` times `factor` ([`Clip::factor`]).
    pub fn reference(&self, step: StepSize, factor: f64, g: &[f64], p: &mut [f64], slots: &mut [&mut [f64]]) {
        let g: Vec<f64> = g.iter().map(|g| self.clip.value(g * factor)).collect();
        p.iter_mut().for_each(|p| *p -= step.decay * *p);
        self.rule.reference(&self.constants, step.size, &g, p, slots);
    }
}

/// Ranges of a flat arena of `elements`, each within a binding and beginning where one may.
fn slices(gpu: &Gpu, elements: usize) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
    let most = (gpu.max_binding() / gpu.alignment() * gpu.alignment() / 4) as usize;
    (0..elements).step_by(most.max(1)).map(move |start| start..(start + most).min(elements))
}
