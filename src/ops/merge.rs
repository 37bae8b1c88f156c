//! What the ops share that join tensors of one shape element by element: [`super::add`], [`super::average`], [`super::maximum`] and
//! [`super::subtract`].

use super::several;
use crate::error::{Error, Result};
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder};
use crate::tensor::Shape;

/// The uniform of their kernels.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    /// Vec4s of the slice.
    count: u32,
    /// What an output or a gradient is multiplied by; not all kernels read it.
    factor: f32,
    padding: [u32; 2],
}

/// Records a kernel over all of `result`, four elements an invocation.
pub(super) fn record(
    rec: &mut Recorder<'_>,
    kernel: Kernel,
    factor: f32,
    reads: &[&GpuTensor],
    result: &GpuTensor,
) -> Result<()> {
    let kernel = kernel.with_lanes(Lanes::Four);
    for s in rec.batch_slices(&[result])? {
        let reads: Vec<GpuTensor> = reads.iter().map(|t| t.samples(&s)).collect();
        let result = result.samples(&s);
        let count = result.elements().div_ceil(4);
        let params = Params { count: count as u32, factor, padding: [0; 2] };
        rec.dispatch_items(&kernel, &params, &reads.iter().collect::<Vec<_>>(), &[&result], (count, 64))?;
    }
    Ok(())
}

/// The shape that all inputs have, two or more.
///
/// # Errors
/// Fewer than two inputs, or inputs of different shapes.
pub(super) fn one_shape(op: &'static str, inputs: &[&Shape]) -> Result<Shape> {
    let inputs = several(op, inputs)?;
    match inputs.iter().find(|x| **x != inputs[0]) {
        None => Ok(inputs[0].clone()),
        Some(x) => Err(Error::shape(op, format!("takes inputs of one shape, found {} and {x}", inputs[0]))),
    }
}
