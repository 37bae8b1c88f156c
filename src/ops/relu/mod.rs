//! Rectified linear unit (Nair and Hinton 2010; `keras.layers.ReLU`).
//!
//! `y = max(x, 0)`, where a NaN stays one, so that a diverging network is noticed; `dx = dy` where `y > 0`, else 0 (0 at `x = 0`, as TensorFlow). Any shape; the output has the input's.
//! Nothing is saved: backward reads `y`.

mod reference;

use super::elementwise::Elementwise;
use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Needs, Op};
use super::{Tolerance, single};
use crate::error::Result;
use crate::gpu::Recorder;
use crate::tensor::Shape;
use std::borrow::Cow;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Relu;

const KERNELS: Elementwise =
    Elementwise { op: "relu", text: Cow::Borrowed(include_str!("../../../shaders/relu.wgsl")) };

impl Op for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn keras_name(&self) -> &'static str {
        "ReLU"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        single(self.name(), inputs).cloned()
    }

    fn needs(&self) -> Needs {
        Needs { x: false, y: true }
    }

    fn activation(&self) -> Option<Elementwise> {
        Some(KERNELS)
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        KERNELS.forward(rec, io)
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        KERNELS.backward(rec, io, io.y)
    }
}

/// Below, at and above a workgroup of 64 vec4s; counts that 4 does not divide; a network's own shape.
pub(super) fn cases() -> Vec<Case> {
    let case = |what, shape: &[usize]| Case::new(what, Relu, vec![Input::new(shape, 1)], Tolerance::EXACT);
    vec![
        case("one", &[1, 1]),
        case("below_group", &[3, 5, 7, 2]),
        case("group", &[1, 8, 8, 4]),
        case("above_group", &[2, 9, 11, 5]),
        // -inf + inf * fill: NaN where the formula is positive, else minus infinity.
        Case::new(
            "not_finite",
            Relu,
            vec![Input::new([5, 9], 1).around(f32::NEG_INFINITY, f32::INFINITY)],
            Tolerance::EXACT,
        )
        .kinked(),
        case("fer7_conv1", &[100, 46, 46, 32]).benched(),
    ]
}
