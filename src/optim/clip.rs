//! Clipping of gradients, before the optimizer sees them.

use super::slices;
use crate::error::Result;
use crate::gpu::{GpuTensor, Kernel, Recorder};

const SHADER: &str = include_str!("../../shaders/gradient_norm.wgsl");
/// vec4s that a workgroup sums up: 64 trips of 64 invocations.
const CHUNK: usize = 4096;

/// What is done to gradients that are too large; Keras's `global_clipnorm` and `clipvalue`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Clip {
    /// Nothing.
    #[default]
    Nothing,
    /// All are scaled by `min(1, limit / norm)`, the norm being that of all gradients together.
    Norm(f64),
    /// Each is kept within plus and minus the limit.
    Value(f64),
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    groups: u32,
    first: u32,
    limit: f32,
}

impl Clip {
    /// `clip` and `limit` of shaders/adam.wgsl.
    pub(super) fn params(self) -> (u32, f32) {
        match self {
            Self::Nothing => (0, 0.0),
            Self::Norm(limit) => (1, limit as f32),
            Self::Value(limit) => (2, limit as f32),
        }
    }

    /// Records what finds the factor of [`Clip::Norm`], and returns it; nothing for the others. A norm that is not finite sets the
    /// flag in `metrics`, which stops the update.
    ///
    /// # Errors
    /// More elements than dispatches can cover.
    pub(super) fn record(
        self,
        rec: &mut Recorder<'_>,
        gradients: &GpuTensor,
        metrics: &GpuTensor,
    ) -> Result<Option<GpuTensor>> {
        let Self::Norm(limit) = self else { return Ok(None) };
        let limit = limit as f32;
        let ranges: Vec<_> = slices(rec.gpu, gradients.elements()).collect();
        let groups_of = |elements: usize| elements.div_ceil(4).div_ceil(CHUNK);
        let all: usize = ranges.iter().map(|r| groups_of(r.len())).sum();
        let (partials, factor) = (rec.scratch(0, [all]), rec.scratch(1, [1]));
        let squares = Kernel::new("gradient_norm", "squares", SHADER);
        let mut first = 0;
        for range in ranges {
            let groups = groups_of(range.len());
            let count = range.len().div_ceil(4) as u32;
            let params = Params { count, groups: groups as u32, first: first as u32, limit };
            rec.dispatch_items(&squares, &params, &[&gradients.flat(range)], &[&partials], (groups, 1))?;
            first += groups;
        }
        let scale = Kernel::new("gradient_norm", "scale", SHADER);
        let params = Params { count: all as u32, groups: 0, first: 0, limit };
        rec.dispatch(&scale, &params, &[&partials], &[&factor, metrics], [1, 1, 1]);
        Ok(Some(factor))
    }

    /// The reference's factor for gradients the sum of whose squares is `squares`.
    pub fn factor(self, squares: f64) -> f64 {
        match self {
            Self::Norm(limit) if squares.sqrt() > limit => limit / squares.sqrt(),
            Self::Norm(_) | Self::Nothing | Self::Value(_) => 1.0,
        }
    }

    /// The reference's gradient, once it is scaled.
    pub fn value(self, g: f64) -> f64 {
        match self {
            Self::Value(limit) => g.clamp(-limit, limit),
            Self::Norm(_) | Self::Nothing => g,
        }
    }
}
