//! Fully connected layer (`keras.layers.Dense`): `y = x w + b`.
//!
//! Shapes: `x [n, in]`, `w [in, units]`, `b [units]`, `y [n, units]`. Backward: `dx = dy w^T`, `dw = x^T dy`, `db = sum dy`.
//! It is a 1 x 1 convolution over a line of `n` pixels, and runs on conv2d's reference and kernels. Backward reads `x`.
//! Errors: an input that is not a vector a sample (put a flatten before it), no units.

use super::conv2d::{self, Geometry};
use super::{
    Case, Fuses, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Init, Input, Needs,
};
use super::{Op, ParamSpec, Tolerance, single};
use crate::error::{Error, Result};
use crate::gpu::Recorder;
use crate::tensor::{HostTensor, Shape};

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dense {
    /// Output features.
    pub units: usize,
    /// Whether a bias is added.
    pub bias: bool,
}

impl Dense {
    /// With a bias.
    pub fn new(units: usize) -> Self {
        Self { units, bias: true }
    }

    fn geometry(&self, x: &Shape) -> Geometry {
        Geometry::dense(x.dims()[0], x.dims()[1], self.units)
    }
}

impl Op for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn keras_name(&self) -> &'static str {
        "Dense"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        match *single("dense", inputs)?.dims() {
            [features] if features > 0 && self.units > 0 => Ok([self.units].into()),
            [features] => Err(Error::shape(
                "dense",
                format!("{features} features to {} units: both must be at least 1", self.units),
            )),
            _ => Err(Error::shape("dense", format!("takes [features], found {}; put a flatten before it", inputs[0]))),
        }
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let (fan_in, fan_out) = (inputs[0].dims()[0], self.units);
        let mut specs =
            vec![ParamSpec::trainable("kernel", [fan_in, fan_out], Init::GlorotUniform { fan_in, fan_out })];
        if self.bias {
            specs.push(ParamSpec::trainable("bias", [fan_out], Init::Zeros));
        }
        specs
    }

    fn needs(&self) -> Needs {
        Needs { x: true, y: false }
    }

    fn flops(&self, inputs: &[&Shape]) -> u64 {
        2 * (inputs[0].elements() * self.units) as u64
    }

    fn fuses(&self) -> Fuses {
        Fuses { activation: true, slope: Some(Needs::default()), leaves_statistics: true, ..Fuses::default() }
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        let y = conv2d::reference_forward(&self.geometry(&io.x[0].shape), io);
        HostOutput::only(HostTensor { shape: [io.x[0].shape.dims()[0], self.units].into(), data: y.data })
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        let mut gradients = conv2d::reference_backward(&self.geometry(&io.x[0].shape), io);
        gradients.dx[0].shape = io.x[0].shape.clone();
        gradients
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        conv2d::record_forward(rec, "dense", &self.geometry(&io.x[0].shape), io)
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        conv2d::record_backward(rec, "dense", &self.geometry(&io.x[0].shape), io)
    }
}

/// Below, at and above a tile; features and units that 4 does not divide; the networks' own shapes.
pub(super) fn cases() -> Vec<Case> {
    let case = |what, n: usize, features: usize, units| {
        Case::new(what, Dense::new(units), vec![Input::new([n, features], 1)], Tolerance::sum(features.max(n)))
    };
    vec![
        case("one", 1, 1, 1),
        case("3x5_7", 3, 5, 7),
        case("32x32_32", 32, 32, 32),
        case("33x36_40", 33, 36, 40),
        case("100x128_7", 100, 128, 7),
        // A GPU cuts so many features into slices.
        case("9x700_33", 9, 700, 33),
        case("fer7_head", 100, 7744, 128).benched(),
    ]
}
