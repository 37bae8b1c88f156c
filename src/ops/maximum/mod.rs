//! The largest of two or more tensors, element by element (`keras.layers.Maximum`).
//!
//! `y = max(x_0, x_1, ...)`; `dx_i = dy` where `x_i` is the first input that equals `y`, else 0 (TensorFlow's gradient).
//!
//! Shapes: any, the same for every input and the output. Nothing is saved; backward reads the inputs and the output. A NaN in
//! any input is a NaN of the output. Errors: fewer than two inputs, inputs of different shapes.

mod reference;

use super::merge;
use super::{
    Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Needs, Op, Tolerance,
};
use crate::error::Result;
use crate::gpu::{GpuTensor, Kernel, Recorder};
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Maximum;

const SHADER: &str = include_str!("../../../shaders/maximum.wgsl");

/// Records `entry` over all of `result`.
fn record(rec: &mut Recorder<'_>, entry: &'static str, reads: &[&GpuTensor], result: &GpuTensor) -> Result<()> {
    merge::record(rec, Kernel::new("maximum", entry, SHADER), 1.0, reads, result)
}

impl Op for Maximum {
    fn name(&self) -> &'static str {
        "maximum"
    }

    fn keras_name(&self) -> &'static str {
        "Maximum"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        merge::one_shape("maximum", inputs)
    }

    fn needs(&self) -> Needs {
        Needs { x: true, y: true }
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        let [first, second, rest @ ..] = io.x else { unreachable!("infer has taken these inputs") };
        record(rec, "forward", &[first, second], io.y)?;
        rest.iter().try_for_each(|x| record(rec, "forward_more", &[x], io.y))
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        for (i, dx) in io.dx.iter().enumerate() {
            let Some(dx) = dx else { continue };
            record(rec, "backward", &[&io.x[i], io.y, io.dy], dx)?;
            // Where an earlier input is as large, that one has the gradient.
            io.x[..i].iter().try_for_each(|earlier| record(rec, "backward_tie", &[earlier, io.y], dx))?;
        }
        Ok(())
    }
}

/// Below, at and above a workgroup of 64 vec4s; counts that 4 does not divide; two, three and five inputs; ties.
pub(super) fn cases() -> Vec<Case> {
    let case = |what, inputs: u32, shape: &[usize]| {
        Case::new(what, Maximum, (0..inputs).map(|i| Input::new(shape, 10 + i)).collect(), Tolerance::EXACT)
    };
    let ties = (0..3).map(|i| Input::new([2, 9, 11, 5], 10 + i).quantized(1.0)).collect();
    vec![
        case("one", 2, &[1, 1]),
        case("below_group", 3, &[3, 5, 7, 2]),
        case("group", 2, &[1, 8, 8, 4]),
        Case::new("ties", Maximum, ties, Tolerance::EXACT).kinked(),
        case("vector", 5, &[33, 7]),
        case("map", 2, &[8, 28, 28, 128]).benched(),
    ]
}
