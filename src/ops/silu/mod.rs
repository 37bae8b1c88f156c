//! Sigmoid-weighted linear unit, also called swish (Elfwing, Uchibe and Doya 2017; Ramachandran, Zoph and Le 2017;
//! `keras.layers.Activation("silu")`).
//!
//! `y = x s`, `s = 1 / (1 + exp(-x))`; `dx = dy s (1 + x (1 - s))`. Any shape; the output has the input's. A NaN stays one, and
//! minus infinity becomes one (`-inf * 0`, as in TensorFlow); no finite input overflows. Nothing is saved: backward reads `x`,
//! because the function is not monotonic and `y` alone does not tell the slope. Errors: any
//! other number of inputs than one.

mod reference;

use super::elementwise::{EXPONENTIAL, Elementwise};
use super::single;
use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Needs, Op};
use crate::error::Result;
use crate::gpu::Recorder;
use crate::tensor::Shape;
use std::borrow::Cow;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Silu;

const KERNELS: Elementwise = Elementwise {
    op: "silu",
    text: Cow::Borrowed(concat!(
        include_str!("../../../shaders/common/sigmoid.wgsl"),
        include_str!("../../../shaders/silu.wgsl")
    )),
};

impl Op for Silu {
    fn name(&self) -> &'static str {
        "silu"
    }

    fn keras_name(&self) -> &'static str {
        "Activation"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        single(self.name(), inputs).cloned()
    }

    fn needs(&self) -> Needs {
        Needs { x: true, y: false }
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
        KERNELS.backward(rec, io, &io.x[0])
    }
}

/// Channels 1, 3, 5 and 7; below, at and above a workgroup of 64 vec4s; counts that 4 does not divide; values so large that a
/// naive exponential overflows; NaNs; real shapes of EfficientNet-B0 at 224 x 224.
pub(super) fn cases() -> Vec<Case> {
    let with = |what, input| Case::new(what, Silu, vec![input], EXPONENTIAL);
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
        // -inf + inf * fill: NaN where the formula is positive, else minus infinity, which is a NaN afterwards.
        with("not_finite", Input::new([5, 9], 1).around(f32::NEG_INFINITY, f32::INFINITY)).kinked(),
        with("block1_expand", Input::new([4, 112, 112, 96], 1).around(0.0, 4.0)).benched(),
        with("block6_expand", Input::new([32, 7, 7, 1152], 1).around(0.0, 4.0)).benched(),
    ]
}
