//! The mean of two or more tensors, element by element (`keras.layers.Average`).
//!
//! `y = (x_0 + x_1 + ... + x_(k-1)) / k`, added from the first to the last; `dx_i = dy / k`.
//!
//! Shapes: any, the same for every input and the output. Nothing is saved and backward reads nothing but `dy`. Errors: fewer
//! than two inputs, inputs of different shapes.

mod reference;

use super::merge;
use super::{
    Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Op, Tolerance,
};
use crate::error::Result;
use crate::gpu::{GpuTensor, Kernel, Recorder};
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Average;

const SHADER: &str = include_str!("../../../shaders/average.wgsl");

/// Records `entry` over all of `result`.
fn record(
    rec: &mut Recorder<'_>,
    entry: &'static str,
    factor: f32,
    reads: &[&GpuTensor],
    result: &GpuTensor,
) -> Result<()> {
    merge::record(rec, Kernel::new("average", entry, SHADER), factor, reads, result)
}

impl Op for Average {
    fn name(&self) -> &'static str {
        "average"
    }

    fn keras_name(&self) -> &'static str {
        "Average"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        merge::one_shape("average", inputs)
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        let [first, second, rest @ ..] = io.x else { unreachable!("infer has taken these inputs") };
        // Only the last pass divides: those before it leave a sum.
        let factor = |left: usize| if left == 0 { 1.0 / io.x.len() as f32 } else { 1.0 };
        record(rec, "forward", factor(rest.len()), &[first, second], io.y)?;
        let last = rest.len().saturating_sub(1);
        rest.iter().enumerate().try_for_each(|(i, x)| record(rec, "forward_more", factor(last - i), &[x], io.y))
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        let factor = 1.0 / io.x.len() as f32;
        io.dx.iter().flatten().try_for_each(|dx| record(rec, "backward", factor, &[io.dy], dx))
    }
}

/// Below, at and above a workgroup of 64 vec4s; counts that 4 does not divide; two, three and five inputs; a map of a network.
pub(super) fn cases() -> Vec<Case> {
    let case = |what, inputs: u32, shape: &[usize]| {
        let tolerance = Tolerance::sum(inputs as usize);
        Case::new(what, Average, (0..inputs).map(|i| Input::new(shape, 10 + i)).collect(), tolerance)
    };
    vec![
        case("one", 2, &[1, 1]),
        case("below_group", 3, &[3, 5, 7, 2]),
        case("group", 2, &[1, 8, 8, 4]),
        case("above_group", 3, &[2, 9, 11, 5]),
        case("vector", 5, &[33, 7]),
        case("map", 2, &[8, 28, 28, 128]).benched(),
    ]
}
