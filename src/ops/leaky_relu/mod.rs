//! Leaky rectified linear unit (Maas, Hannun and Ng 2013; `keras.layers.LeakyReLU`).
//!
//! `y = x` where `x > 0`, else `slope * x`; `dx = dy` where `y > 0`, else `slope * dy` (so `slope * dy` at `x = 0`, as
//! TensorFlow). Any shape; the output has the input's. A NaN stays one. Nothing is saved: backward reads `y`, which is positive
//! exactly where `x` is because the slope is not negative. Errors: a slope that is negative or not finite.

mod reference;

use super::elementwise::Elementwise;
use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Needs, Op};
use super::{Tolerance, single};
use crate::error::{Error, Result};
use crate::gpu::Recorder;
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakyRelu {
    /// Factor of negative inputs, 0 or more.
    pub slope: f32,
}

impl Default for LeakyRelu {
    /// Keras's slope of 0.3.
    fn default() -> Self {
        Self { slope: 0.3 }
    }
}

const SHADER: &str = include_str!("../../../shaders/leaky_relu.wgsl");

impl LeakyRelu {
    fn kernels(&self) -> Elementwise {
        Elementwise {
            op: "leaky_relu",
            text: format!(
                "const SLOPE = {:?};
{SHADER}",
                self.slope
            )
            .into(),
        }
    }
}

impl Op for LeakyRelu {
    fn name(&self) -> &'static str {
        "leaky_relu"
    }

    fn keras_name(&self) -> &'static str {
        "LeakyReLU"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        if !self.slope.is_finite() || self.slope < 0.0 {
            return Err(Error::shape(
                "leaky_relu",
                format!("a slope of {}: it must be finite and at least 0", self.slope),
            ));
        }
        single(self.name(), inputs).cloned()
    }

    fn needs(&self) -> Needs {
        Needs { x: false, y: true }
    }

    fn activation(&self) -> Option<Elementwise> {
        Some(self.kernels())
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(self, io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(self, io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        self.kernels().forward(rec, io)
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        self.kernels().backward(rec, io, io.y)
    }
}

/// Below, at and above a workgroup of 64 vec4s; counts that 4 does not divide; zeros; infinities and NaNs; another slope; a
/// network's own shape.
pub(super) fn cases() -> Vec<Case> {
    let with = |what, slope, input| Case::new(what, LeakyRelu { slope }, vec![input], Tolerance::EXACT);
    let case = |what, shape: &[usize]| with(what, 0.3, Input::new(shape, 1));
    vec![
        case("one", &[1, 1]),
        case("below_group", &[3, 5, 7, 2]),
        case("group", &[1, 8, 8, 4]),
        case("above_group", &[2, 9, 11, 5]),
        with("slope_0.2", 0.2, Input::new([3, 7], 1)),
        with("slope_0", 0.0, Input::new([3, 7], 1)),
        with("zeros", 0.3, Input::new([4, 5, 3, 7], 1).quantized(2.0)).kinked(),
        // -inf + inf * fill: NaN where the formula is positive, else minus infinity.
        with("not_finite", 0.3, Input::new([5, 9], 1).around(f32::NEG_INFINITY, f32::INFINITY)).kinked(),
        case("fer7_tuned_conv2", &[64, 24, 24, 128]).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_checked() {
        let infer = |slope| LeakyRelu { slope }.infer(&[&Shape::new([3, 4, 5])]);
        assert_eq!(infer(0.3).expect("Keras's default"), Shape::new([3, 4, 5]));
        assert!(infer(0.0).is_ok());
        for slope in [-0.1, f32::NAN, f32::INFINITY] {
            assert!(infer(slope).is_err(), "{slope}");
        }
    }
}
