//! The buffers of a graph on a GPU, all made before the first step.

use super::Parameters;
use super::budget::{STEP_BYTES, arenas, sums, target_elements};
use super::memory::Place;
use super::plan::{Mode, Plan, TensorId};
use crate::error::Result;
use crate::gpu::{Gpu, GpuTensor, Lifetime, Spot};
use crate::ops::softmax_cross_entropy::METRICS;
use std::collections::HashMap;

/// What only training needs, each as long as the weights.
#[derive(Clone)]
pub(super) struct Training {
    pub(super) gradients: GpuTensor,
    /// The optimizer's, in the order of its names.
    pub(super) slots: Vec<GpuTensor>,
}

/// Every buffer but scratch and staging. A clone is the same buffers.
#[derive(Clone)]
pub(super) struct Memory {
    arenas: Vec<wgpu::Buffer>,
    pub(super) weights: GpuTensor,
    pub(super) statistics: GpuTensor,
    /// None where nothing is trained.
    pub(super) training: Option<Training>,
    /// Gradients of several batches, added up.
    pub(super) sums: Option<GpuTensor>,
    /// Of a batch: what each output should be.
    pub(super) targets: GpuTensor,
    pub(super) sample_weights: GpuTensor,
    pub(super) metrics: GpuTensor,
    pub(super) step: wgpu::Buffer,
}

impl Memory {
    /// Buffers for the plans.
    pub(super) fn new(gpu: &Gpu, plans: &HashMap<Mode, Plan>, parameters: &Parameters, batch: usize) -> Result<Self> {
        let arenas = arenas(plans)
            .iter()
            .enumerate()
            .map(|(i, s)| gpu.buffer(&format!("tensors {i}"), *s))
            .collect::<Result<_>>()?;
        let flat = |label: &str, elements: usize| -> Result<GpuTensor> {
            Ok(GpuTensor::new(&gpu.buffer(label, elements as u64 * 4)?, 0, [elements]))
        };
        let arena = |label: &str| flat(label, parameters.weights);
        let training = plans.get(&Mode::Train).map(|plan| -> Result<Training> {
            let slots = plan.options.optimizer.slots().iter().map(|name| arena(name)).collect::<Result<_>>()?;
            Ok(Training { gradients: arena("gradients")?, slots })
        });
        Ok(Self {
            arenas,
            weights: flat("weights", parameters.weights)?,
            statistics: flat("statistics", parameters.statistics)?,
            training: training.transpose()?,
            sums: sums(plans).then(|| flat("sums of gradients", parameters.weights)).transpose()?,
            targets: flat("targets", target_elements(plans))?,
            sample_weights: flat("sample weights", batch)?,
            metrics: flat("metrics", METRICS)?,
            step: gpu.buffer_with("step", STEP_BYTES, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST)?,
        })
    }

    /// Buffers for one more plan, without gradients of parameters; parameters are the same ones.
    pub(super) fn beside(&self, gpu: &Gpu, plan: &Plan) -> Result<Self> {
        let sizes = plan.arenas.iter().enumerate();
        let arenas = sizes.map(|(i, s)| gpu.buffer(&format!("explained {i}"), *s)).collect::<Result<_>>()?;
        Ok(Self { arenas, training: None, ..self.clone() })
    }

    /// Bytes of the tensors alone.
    pub(super) fn tensor_bytes(&self) -> u64 {
        self.arenas.iter().map(wgpu::Buffer::size).sum()
    }

    /// A planned tensor.
    pub(super) fn tensor(&self, plan: &Plan, t: TensorId) -> GpuTensor {
        let place = plan.places[t];
        GpuTensor::new(&self.arenas[place.arena], place.offset, plan.tensors[t].shape.clone())
    }

    /// Room for kernels' scratch, where a plan's tensors leave bytes of the arenas free.
    pub(super) fn room<'a>(&'a self, plan: &'a Plan) -> impl Fn(&[Lifetime]) -> Vec<Option<Spot>> + 'a {
        let spot = |place: Place| (self.arenas[place.arena].clone(), place.offset);
        move |asked| plan.between(asked).into_iter().map(|place| place.map(spot)).collect()
    }

    pub(super) fn bytes(&self) -> u64 {
        let arenas = [&self.weights, &self.statistics, &self.targets, &self.sample_weights, &self.metrics];
        let training = self.training.iter().flat_map(|t| std::iter::once(&t.gradients).chain(&t.slots));
        let arenas: u64 = arenas.into_iter().chain(training).chain(&self.sums).map(|t| t.buffer().size()).sum();
        self.tensor_bytes() + arenas + self.step.size()
    }
}
