//! The buffers of a graph on a GPU, all made before the first step.

use super::Parameters;
use super::plan::{Mode, Plan};
use crate::error::Result;
use crate::gpu::{Gpu, GpuTensor};
use crate::ops::softmax_cross_entropy::METRICS;
use std::collections::HashMap;

/// Every buffer but scratch and staging.
pub(super) struct Memory {
    pub(super) buffers: Vec<wgpu::Buffer>,
    pub(super) weights: GpuTensor,
    pub(super) statistics: GpuTensor,
    /// Gradients and Adam's moments; none where nothing is trained.
    pub(super) training: Option<[GpuTensor; 3]>,
    pub(super) labels: GpuTensor,
    pub(super) metrics: GpuTensor,
    pub(super) step: wgpu::Buffer,
}

impl Memory {
    /// Buffers for the plans: as many as the larger has, each as large as the larger asks, by rank of size.
    pub(super) fn new(
        gpu: &Gpu,
        plans: &mut HashMap<Mode, Plan>,
        parameters: &Parameters,
        batch: usize,
    ) -> Result<Self> {
        let mut sizes: Vec<u64> = Vec::new();
        for plan in plans.values_mut() {
            let mut order: Vec<usize> = (0..plan.buffers.len()).collect();
            order.sort_by_key(|b| std::cmp::Reverse(plan.buffers[*b]));
            let mut rank = vec![0; order.len()];
            for (r, b) in order.iter().enumerate() {
                rank[*b] = r;
                if r == sizes.len() {
                    sizes.push(0);
                }
                sizes[r] = sizes[r].max(plan.buffers[*b]);
            }
            plan.buffer_of.iter_mut().for_each(|b| *b = rank[*b]);
        }
        let buffers =
            sizes.iter().enumerate().map(|(i, s)| gpu.buffer(&format!("tensors {i}"), *s)).collect::<Result<_>>()?;
        let flat = |label: &str, elements: usize| -> Result<GpuTensor> {
            Ok(GpuTensor::new(&gpu.buffer(label, elements as u64 * 4)?, 0, [elements]))
        };
        let training = if plans.contains_key(&Mode::Train) {
            let arena = |label| flat(label, parameters.weights);
            Some([arena("gradients")?, arena("m")?, arena("v")?])
        } else {
            None
        };
        Ok(Self {
            buffers,
            weights: flat("weights", parameters.weights)?,
            statistics: flat("statistics", parameters.statistics)?,
            training,
            labels: flat("labels", batch)?,
            metrics: flat("metrics", METRICS)?,
            step: gpu.buffer_with("step", 32, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST)?,
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        let tensors: u64 = self.buffers.iter().map(wgpu::Buffer::size).sum();
        let arenas = [&self.weights, &self.statistics, &self.labels, &self.metrics];
        let arenas: u64 = arenas.into_iter().chain(self.training.iter().flatten()).map(|t| t.buffer().size()).sum();
        tensors + arenas + self.step.size()
    }
}
