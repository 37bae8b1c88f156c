//! Rectified linear unit that stops at 6 (Krizhevsky 2010; `keras.layers.ReLU(max_value=6)`).
//!
//! `y = min(max(x, 0), 6)`, where a NaN stays one; `dx = dy` where `0 < y < 6`, else 0 (0 at the two corners, as TensorFlow). Any
//! shape; the output has the input's. Nothing is saved: backward reads `y`. Errors: any
//! other number of inputs than one.

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
pub struct Relu6;

const KERNELS: Elementwise =
    Elementwise { op: "relu6", text: Cow::Borrowed(include_str!("../../../shaders/relu6.wgsl")) };

impl Op for Relu6 {
    fn name(&self) -> &'static str {
        "relu6"
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

/// Channels 1, 3, 5 and 7; below, at and above a workgroup of 64 vec4s; counts that 4 does not divide; the corners 0 and 6 hit
/// exactly; infinities and NaNs; a map of MobileNet at 224 x 224.
pub(super) fn cases() -> Vec<Case> {
    let with = |what, input| Case::new(what, Relu6, vec![input], Tolerance::EXACT);
    let case = |what, shape: &[usize]| with(what, Input::new(shape, 1).around(0.0, 8.0));
    vec![
        case("one", &[1, 1]),
        case("c1", &[3, 4, 5, 1]),
        case("c3", &[2, 7, 3, 3]),
        case("c5", &[4, 3, 3, 5]),
        case("c7", &[5, 7]),
        case("group", &[1, 8, 8, 4]),
        case("above_group", &[2, 9, 11, 5]),
        with("corners", Input::new([4, 5, 3, 7], 1).around(0.0, 8.0).quantized(1.0)).kinked(),
        // -inf + inf * fill: NaN where the formula is positive, else minus infinity.
        with("not_finite", Input::new([5, 9], 1).around(f32::NEG_INFINITY, f32::INFINITY)).kinked(),
        with("infinite", Input::new([3, 2], 1).around(f32::INFINITY, 1.0)).kinked(),
        with("mobilenet_conv1", Input::new([4, 112, 112, 32], 1).around(0.0, 8.0)).benched(),
    ]
}
