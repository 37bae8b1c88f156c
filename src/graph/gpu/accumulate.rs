//! Gradients of a value with several readers, added up, and what follows when all are there.

use super::GpuExecutor;
use crate::error::Result;
use crate::gpu::{GpuTensor, Kernel, Recorder};
use crate::optim::Arenas;

const ACCUMULATE: &str = include_str!("../../../shaders/accumulate.wgsl");

/// `Params` of shaders/accumulate.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct AccumulateParams {
    count: u32,
    keep: u32,
    padding: [u32; 2],
}

/// Records `into = from` if `fresh`, else `into += from`.
pub(super) fn accumulate(rec: &mut Recorder<'_>, from: &GpuTensor, into: &GpuTensor, fresh: bool) -> Result<()> {
    let kernel = Kernel::new("graph", "accumulate", ACCUMULATE);
    for s in rec.batch_slices(&[into])? {
        let (from, into) = (from.samples(&s), into.samples(&s));
        let count = into.elements().div_ceil(4);
        let params = AccumulateParams { count: count as u32, keep: u32::from(!fresh), padding: [0; 2] };
        rec.dispatch_items(&kernel, &params, &[&from], &[&into], (count, 64))?;
        if !fresh {
            rec.updates();
        }
    }
    Ok(())
}

impl GpuExecutor {
    /// Records the optimizer's update by `gradients`; nothing where nothing is trained.
    pub(super) fn record_update(&self, rec: &mut Recorder<'_>, gradients: &GpuTensor) -> Result<()> {
        let Some([_, m, v]) = &self.memory.training else { return Ok(()) };
        let (metrics, weights) = (&self.memory.metrics, &self.memory.weights);
        self.optimizer.adam.record(rec, &Arenas { gradients, metrics, weights, m, v })
    }
}
