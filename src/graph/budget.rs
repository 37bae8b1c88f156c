//! What a network needs on a device, before there is one.

use super::plan::{Mode, Options, Plan};
use super::{Graph, Parameters};
use crate::error::Result;
use crate::ops::softmax_cross_entropy::METRICS;
use serde::Serialize;
use std::collections::HashMap;

/// Bytes of the step's uniform (`StepParams`).
pub(super) const STEP_BYTES: u64 = 32;

/// Bytes that the buffers of a graph have on a device. Kernels that add partial sums up take some scratch on top, which depends on
/// the adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// Samples.
    pub batch: usize,
    /// Activations, what backward needs of them, and their gradients: the arenas.
    pub tensors: u64,
    /// The least that any sharing of bytes could make of `tensors`.
    pub tensors_lower_bound: u64,
    /// Trained parameters.
    pub weights: u64,
    /// Running statistics, and parameters of frozen layers.
    pub statistics: u64,
    /// Gradients of the trained parameters, and their sums where those of several batches are averaged; 0 in inference, as the
    /// optimizer's.
    pub gradients: u64,
    /// What the optimizer keeps of the trained parameters.
    pub optimizer: u64,
    /// Targets, weights of samples, metrics, the step's uniform.
    pub other: u64,
    /// All of these but the bound.
    pub total: u64,
}

impl Budget {
    /// Of training with evaluation between, or of inference alone.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn new(graph: &Graph, batch: usize, train: bool, options: Options) -> Result<Self> {
        Ok(Self::of(&plans(graph, batch, train, options)?, &Parameters::new(graph), batch))
    }

    pub(super) fn of(plans: &HashMap<Mode, Plan>, parameters: &Parameters, batch: usize) -> Self {
        let buffer = |elements: usize| (elements as u64 * 4).next_multiple_of(16).max(16);
        let tensors = arenas(plans).into_iter().map(|bytes| bytes.next_multiple_of(16).max(16)).sum();
        let tensors_lower_bound = plans.values().map(|p| p.lower_bound).max().unwrap_or(0);
        let (weights, statistics) = (buffer(parameters.weights), buffer(parameters.statistics));
        let gradients = if plans.contains_key(&Mode::Train) { weights } else { 0 };
        let other = buffer(target_elements(plans)) + buffer(batch) + buffer(METRICS) + STEP_BYTES;
        let slots = plans.get(&Mode::Train).map_or(0, |plan| plan.options.optimizer.slots().len());
        let optimizer = slots as u64 * gradients;
        let gradients = if sums(plans) { 2 * gradients } else { gradients };
        let total = tensors + weights + statistics + gradients + optimizer + other;
        Self { batch, tensors, tensors_lower_bound, weights, statistics, gradients, optimizer, other, total }
    }
}

/// The plans of an executor: evaluation, and training if it trains.
pub(super) fn plans(graph: &Graph, batch: usize, train: bool, options: Options) -> Result<HashMap<Mode, Plan>> {
    let modes = [Mode::Evaluate, Mode::Train].into_iter().take(1 + usize::from(train));
    modes.map(|mode| Ok((mode, Plan::with(graph, batch, mode, options)?))).collect()
}

/// Elements of a batch's targets: as many as the network's outputs.
pub(super) fn target_elements(plans: &HashMap<Mode, Plan>) -> usize {
    let outputs = |plan: &Plan| plan.tensors[plan.loss()[0]].shape.elements();
    plans.values().map(outputs).max().unwrap_or(0)
}

/// Whether gradients of several batches are added up.
pub(super) fn sums(plans: &HashMap<Mode, Plan>) -> bool {
    plans.get(&Mode::Train).is_some_and(|plan| plan.options.optimizer.accumulate > 1)
}

/// Bytes of the arenas that serve all of the plans: as many as the one with most has, each as large as any asks.
pub(super) fn arenas(plans: &HashMap<Mode, Plan>) -> Vec<u64> {
    let mut sizes: Vec<u64> = Vec::new();
    for asked in plans.values().map(|plan| &plan.arenas) {
        sizes.resize(sizes.len().max(asked.len()), 0);
        sizes.iter_mut().zip(asked).for_each(|(size, asked)| *size = (*size).max(*asked));
    }
    sizes
}
