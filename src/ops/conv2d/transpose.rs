//! Weights with their channels exchanged (shaders/common/conv2d_transpose.wgsl), for the direct backward_input.

use crate::error::Result;
use crate::gpu::{GpuTensor, Kernel, Recorder};

pub(super) const SHADER: &str = include_str!("../../../shaders/common/conv2d_transpose.wgsl");

/// `Params` of the shader.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    c_in: u32,
    c_out: u32,
    padding: u32,
}

/// Records the weights `[taps, c_in, c_out]` transposed to `[taps, c_out, c_in]`, into scratch slot 0.
pub(super) fn transpose(
    rec: &mut Recorder<'_>,
    op: &'static str,
    w: &GpuTensor,
    [c_in, c_out]: [usize; 2],
) -> Result<GpuTensor> {
    let transposed = rec.scratch(0, [w.elements()]);
    let params = Params { count: w.elements() as u32, c_in: c_in as u32, c_out: c_out as u32, padding: 0 };
    let quads = c_in.is_multiple_of(4) && c_out.is_multiple_of(4);
    let (entry, items) =
        if quads { ("transpose_quads", w.elements() / 16) } else { ("transpose_scalars", w.elements()) };
    let kernel = Kernel::new(op, entry, SHADER).named("transpose");
    rec.dispatch_items(&kernel, &params, &[w], &[&transposed], (items, 64))?;
    Ok(transposed)
}
