//! The difference of two tensors, element by element (`keras.layers.Subtract`).
//!
//! `y = a - b`; `da = dy`, `db = -dy`.
//!
//! Shapes: any, the same for both inputs and the output. Nothing is saved and backward reads nothing but `dy`. Errors: any other
//! number of inputs than two, inputs of different shapes.

mod reference;

use super::merge;
use super::{
    Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Op, Tolerance,
};
use crate::error::{Error, Result};
use crate::gpu::{GpuTensor, Kernel, Recorder};
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Subtract;

const SHADER: &str = include_str!("../../../shaders/subtract.wgsl");

/// Records `entry` over all of `result`.
fn record(
    rec: &mut Recorder<'_>,
    entry: &'static str,
    factor: f32,
    reads: &[&GpuTensor],
    result: &GpuTensor,
) -> Result<()> {
    merge::record(rec, Kernel::new("subtract", entry, SHADER), factor, reads, result)
}

impl Op for Subtract {
    fn name(&self) -> &'static str {
        "subtract"
    }

    fn keras_name(&self) -> &'static str {
        "Subtract"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        match inputs {
            [_, _] => merge::one_shape("subtract", inputs),
            _ => Err(Error::shape("subtract", format!("takes two inputs, found {}", inputs.len()))),
        }
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        record(rec, "forward", 1.0, &[&io.x[0], &io.x[1]], io.y)
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        for (dx, sign) in io.dx.iter().zip([1.0, -1.0]) {
            dx.as_ref().map_or(Ok(()), |dx| record(rec, "backward", sign, &[io.dy], dx))?;
        }
        Ok(())
    }
}

/// Below, at and above a workgroup of 64 vec4s; counts that 4 does not divide.
pub(super) fn cases() -> Vec<Case> {
    let case = |what, shape: &[usize]| {
        Case::new(what, Subtract, vec![Input::new(shape, 10), Input::new(shape, 11)], Tolerance::sum(2))
    };
    vec![
        case("one", &[1, 1]),
        case("below_group", &[3, 5, 7, 2]),
        case("group", &[1, 8, 8, 4]),
        case("above_group", &[2, 9, 11, 5]),
        case("map", &[8, 28, 28, 128]).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_inputs_of_one_shape() {
        let (a, b) = (Shape::new([4, 5, 3]), Shape::new([1, 1, 3]));
        assert_eq!(Subtract.infer(&[&a, &a]).expect("one shape"), a);
        assert!(Subtract.infer(&[&a, &b]).is_err());
        assert!(Subtract.infer(&[&a, &a, &a]).is_err() && Subtract.infer(&[&a]).is_err());
    }
}
