//! Axes of a sample in another order (`keras.layers.Permute`).
//!
//! Axis `k` of the output is axis `axes[k]` of the input, counted from 0 without the batch:
//! `y[n, i_axes[0], i_axes[1], ..] = x[n, i_0, i_1, ..]`; `dx` is `dy` in the inverse order.
//!
//! Shapes: `x [n, ...]` of one to three further axes. Nothing is saved and backward reads nothing but `dy`. Errors: axes that are no
//! order of the input's.

mod reference;

use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Op};
use super::{Tolerance, single};
use crate::error::{Error, Result};
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder};
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permute {
    /// Which axis of the input each axis of the output is, from 0 (Keras counts from 1).
    pub axes: Vec<usize>,
}

const SHADER: &str = include_str!("../../../shaders/permute.wgsl");

/// `Params` of shaders/permute.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    sizes: [u32; 3],
    count: u32,
    strides: [u32; 3],
    sample: u32,
}

/// The order that undoes one.
fn inverse(axes: &[usize]) -> Vec<usize> {
    (0..axes.len()).map(|axis| axes.iter().position(|a| *a == axis).unwrap_or_default()).collect()
}

/// Elements between neighbours along each axis.
fn strides(dims: &[usize]) -> Vec<usize> {
    (0..dims.len()).map(|axis| dims[axis + 1..].iter().product()).collect()
}

/// Records `result`, whose axis `k` is axis `axes[k]` of `source`.
fn record(
    rec: &mut Recorder<'_>,
    pass: &'static str,
    axes: &[usize],
    source: &GpuTensor,
    result: &GpuTensor,
) -> Result<()> {
    let kernel = Kernel::new("permute", "permute", SHADER).with_lanes(Lanes::One).named(pass);
    let (from, to) = (strides(&source.shape.dims()[1..]), &result.shape.dims()[1..]);
    // Axes of size 1 in front make three of any number.
    let (mut sizes, mut steps) = ([1; 3], [0; 3]);
    for (k, axis) in axes.iter().enumerate() {
        let place = 3 - axes.len() + k;
        (sizes[place], steps[place]) = (to[k] as u32, from[*axis] as u32);
    }
    for s in rec.batch_slices(&[source, result])? {
        let (source, result) = (source.samples(&s), result.samples(&s));
        let count = result.elements();
        let sample = (count / s.len()) as u32;
        let params = Params { sizes, count: count as u32, strides: steps, sample };
        rec.dispatch_items(&kernel, &params, &[&source], &[&result], (count, 64))?;
    }
    Ok(())
}

impl Op for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }

    fn keras_name(&self) -> &'static str {
        "Permute"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let x = single("permute", inputs)?;
        let mut sorted = self.axes.clone();
        sorted.sort_unstable();
        if !(1..=3).contains(&x.dims().len()) || !sorted.iter().copied().eq(0..x.dims().len()) || x.elements() == 0 {
            let dims: Vec<usize> = self.axes.iter().map(|axis| axis.saturating_add(1)).collect();
            return Err(Error::shape(
                "permute",
                format!("dims {dims:?} are no order of the axes of {x}, 1 to {}", x.dims().len()),
            ));
        }
        Ok(self.axes.iter().map(|axis| x.dims()[*axis]).collect::<Vec<_>>().into())
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        HostOutput::only(reference::permuted(io.x[0], &self.axes))
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        HostGradients { dx: vec![reference::permuted(io.dy, &inverse(&self.axes))], dparams: Vec::new() }
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        record(rec, "forward", &self.axes, &io.x[0], io.y)
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        let Some(dx) = &io.dx[0] else { return Ok(()) };
        record(rec, "backward", &inverse(&self.axes), io.dy, dx)
    }
}

/// Every order of two and three axes, among them those that are not their own inverse; sizes of 1; over a workgroup of 64.
pub(super) fn cases() -> Vec<Case> {
    let case = |what, shape: &[usize], axes: &[usize]| {
        Case::new(what, Permute { axes: axes.to_vec() }, vec![Input::new(shape, 1)], Tolerance::EXACT)
    };
    vec![
        case("vector", &[3, 7], &[0]),
        case("2_1", &[2, 5, 3], &[1, 0]),
        case("1_2_3", &[2, 3, 4, 5], &[0, 1, 2]),
        case("1_3_2", &[2, 3, 4, 5], &[0, 2, 1]),
        case("2_1_3", &[3, 1, 7, 2], &[1, 0, 2]),
        case("2_3_1", &[2, 3, 4, 5], &[1, 2, 0]),
        case("3_1_2", &[2, 3, 4, 5], &[2, 0, 1]),
        case("3_2_1", &[2, 9, 7, 5], &[2, 1, 0]),
        case("map", &[8, 28, 28, 64], &[1, 0, 2]).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_checked() {
        let infer = |axes: &[usize]| Permute { axes: axes.to_vec() }.infer(&[&Shape::new([4, 5, 3])]);
        assert_eq!(infer(&[2, 0, 1]).expect("an order"), Shape::new([3, 4, 5]));
        assert_eq!(inverse(&[2, 0, 1]), [1, 2, 0]);
        for axes in [&[0, 1][..], &[0, 1, 1], &[1, 2, 3], &[0, 1, 2, 3], &[]] {
            assert!(infer(axes).is_err(), "{axes:?}");
        }
    }
}
