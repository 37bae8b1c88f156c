//! Logistic function (`keras.layers.Activation("sigmoid")`).
//!
//! `y = 1 / (1 + exp(-x))`; `dx = dy y (1 - y)`. Any shape; the output has the input's. A NaN stays one, infinities become 0 and 1;
//! no finite input overflows. Nothing is saved: backward reads `y`. Errors: any
//! other number of inputs than one.

mod reference;

pub(super) use reference::logistic;

use super::elementwise::{EXPONENTIAL, Elementwise};
use super::single;
use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Needs, Op};
use crate::error::Result;
use crate::gpu::Recorder;
use crate::tensor::Shape;
use std::borrow::Cow;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sigmoid;

const KERNELS: Elementwise = Elementwise {
    op: "sigmoid",
    text: Cow::Borrowed(concat!(
        include_str!("../../../shaders/common/sigmoid.wgsl"),
        include_str!("../../../shaders/sigmoid.wgsl")
    )),
};

impl Op for Sigmoid {
    fn name(&self) -> &'static str {
        "sigmoid"
    }

    fn keras_name(&self) -> &'static str {
        "Activation"
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

/// Channels 1, 3, 5 and 7; below, at and above a workgroup of 64 vec4s; counts that 4 does not divide; values so large that a
/// naive exponential overflows; infinities and NaNs; the gates of EfficientNet-B0's widest squeeze.
pub(super) fn cases() -> Vec<Case> {
    let with = |what, input| Case::new(what, Sigmoid, vec![input], EXPONENTIAL);
    let case = |what, shape: &[usize]| with(what, Input::new(shape, 1).around(0.0, 8.0));
    vec![
        case("one", &[1, 1]),
        case("c1", &[3, 4, 5, 1]),
        case("c3", &[2, 7, 3, 3]),
        case("c5", &[4, 3, 3, 5]),
        case("c7", &[5, 7]),
        case("group", &[1, 8, 8, 4]),
        case("above_group", &[2, 9, 11, 5]),
        with("large", Input::new([9, 7], 1).around(0.0, 1e4)),
        // -inf + inf * fill: NaN where the formula is positive, else minus infinity.
        with("not_finite", Input::new([5, 9], 1).around(f32::NEG_INFINITY, f32::INFINITY)).kinked(),
        with("infinite", Input::new([3, 2], 1).around(f32::INFINITY, 1.0)).kinked(),
        with("block6_gate", Input::new([32, 1, 1, 1152], 1).around(0.0, 4.0)).benched(),
    ]
}
