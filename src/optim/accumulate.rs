//! Sums of gradients: of a value with several readers, and of several batches.

use super::slices;
use crate::error::Result;
use crate::gpu::{GpuTensor, Kernel, Recorder};

const SHADER: &str = include_str!("../../shaders/accumulate.wgsl");

/// What becomes of what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    /// It is overwritten.
    Fresh,
    /// It is added to.
    Added,
    /// It is overwritten or added to, by a share of the source, as the step says ([`crate::gpu::StepParams`]).
    OfTheStep,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    how: u32,
    padding: [u32; 2],
}

impl Sum {
    /// The kernel.
    pub(crate) fn kernel() -> Kernel {
        Kernel::new("accumulate", "accumulate", SHADER).with_step()
    }

    /// Records the sum of `from` into `sums`, tensors of as many elements.
    ///
    /// # Errors
    /// More elements than dispatches can cover.
    pub fn record(self, rec: &mut Recorder<'_>, from: &GpuTensor, sums: &GpuTensor) -> Result<()> {
        let how = match self {
            Self::Fresh => 0,
            Self::Added => 1,
            Self::OfTheStep => 2,
        };
        for range in slices(rec.gpu, sums.elements()) {
            let (from, into) = (from.flat(range.clone()), sums.flat(range.clone()));
            let count = range.len().div_ceil(4);
            let params = Params { count: count as u32, how, padding: [0; 2] };
            rec.dispatch_items(&Self::kernel(), &params, &[&from], &[&into], (count, 64))?;
            if self != Self::Fresh {
                rec.updates();
            }
        }
        Ok(())
    }
}
