//! Addition of two or more tensors, as a residual connection does (`keras.layers.Add`).
//!
//! `y = x_0 + x_1 + ...`, from the first to the last; `dx_i = dy`.
//!
//! Shapes: any, the same for every input and the output. Nothing is saved and backward reads nothing but `dy`. Errors: fewer
//! than two inputs, inputs of different shapes (Keras would broadcast some of them; [`super::mul`] does for gates).

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
pub struct Add;

const SHADER: &str = include_str!("../../../shaders/add.wgsl");

/// Records `entry` over all of `result`.
fn record(rec: &mut Recorder<'_>, entry: &'static str, reads: &[&GpuTensor], result: &GpuTensor) -> Result<()> {
    merge::record(rec, Kernel::new("add", entry, SHADER), 1.0, reads, result)
}

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn keras_name(&self) -> &'static str {
        "Add"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        merge::one_shape("add", inputs)
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
        io.dx.iter().flatten().try_for_each(|dx| record(rec, "backward", &[io.dy], dx))
    }
}

/// Below, at and above a workgroup of 64 vec4s; counts that 4 does not divide; two, three and five inputs; a network's own
/// shape.
pub(super) fn cases() -> Vec<Case> {
    let case = |what, inputs: u32, shape: &[usize]| {
        Case::new(what, Add, (0..inputs).map(|i| Input::new(shape, 10 + i)).collect(), Tolerance::sum(inputs as usize))
    };
    vec![
        case("one", 2, &[1, 1]),
        case("below_group", 2, &[3, 5, 7, 2]),
        case("group", 2, &[1, 8, 8, 4]),
        case("above_group", 3, &[2, 9, 11, 5]),
        case("vector", 5, &[33, 7]),
        case("residual", 2, &[8, 28, 28, 128]).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_must_agree() {
        let (a, b) = (Shape::new([4, 5, 3]), Shape::new([1, 1, 3]));
        assert_eq!(Add.infer(&[&a, &a, &a]).expect("one shape"), a);
        let error = Add.infer(&[&a, &a, &b]).expect_err("two shapes").to_string();
        assert!(error.contains("[4, 5, 3] and [1, 1, 3]"), "{error}");
        assert!(Add.infer(&[&a]).is_err() && Add.infer(&[]).is_err());
    }
}
