//! Gradients of several batches, averaged in an arena of their own.

use super::slices;
use crate::error::Result;
use crate::gpu::{GpuTensor, Kernel, Recorder};

const SHADER: &str = include_str!("../../shaders/gradient_sum.wgsl");

/// The tensors of a sum, flat and of one length.
#[derive(Debug)]
pub struct Sums<'a> {
    /// Read: a batch's gradients.
    pub gradients: &'a GpuTensor,
    /// Moved: their sum, each batch times its share.
    pub sums: &'a GpuTensor,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    padding: [u32; 3],
}

impl Sums<'_> {
    /// Records `sums = share * gradients`, plus the sums that there are; share and whether to add are the step's
    /// ([`crate::gpu::StepParams`]).
    ///
    /// # Errors
    /// More elements than dispatches can cover.
    pub fn record(&self, rec: &mut Recorder<'_>) -> Result<()> {
        let kernel = Kernel::new("gradient_sum", "add", SHADER).with_step();
        for range in slices(rec.gpu, self.sums.elements()) {
            let (from, into) = (self.gradients.flat(range.clone()), self.sums.flat(range.clone()));
            let count = range.len().div_ceil(4);
            let params = Params { count: count as u32, padding: [0; 3] };
            rec.dispatch_items(&kernel, &params, &[&from], &[&into], (count, 64))?;
            rec.updates();
        }
        Ok(())
    }
}
