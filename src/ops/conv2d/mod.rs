//! 2-D convolution (cross-correlation, as every framework's; `keras.layers.Conv2D`).
//!
//! `y[n, h, w, o] = b[o] + sum_{i, j, c} x[n, h*sh + i - ph, w*sw + j - pw, c] * w[i, j, c, o]`
//!
//! Shapes: `x [n, h_in, w_in, c_in]`, `w [kh, kw, c_in, filters]`, `b [filters]`, `y [n, h_out, w_out, filters]`; sizes and
//! padding as [`Axis`]. Backward: `dx` gathers over the windows that cover a pixel, `dw` sums over output pixels, `db` sums
//! `dy`. Nothing is saved: backward reads `x`. Errors: inputs that are not images, no filters, windows that do not fit.

mod backward_params;
mod core;
mod geometry;
mod gpu;
mod reduce;
mod reference;
mod slices;
mod transpose;
pub mod variant;
mod winograd;

pub(crate) use geometry::Geometry;
pub(crate) use gpu::{record_backward, record_forward};
pub(crate) use reduce::reduce;
pub(crate) use reference::{backward as reference_backward, forward as reference_forward};

use super::window::{Axis, Padding};
use super::{
    Case, Fuses, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Init, Input, Needs,
};
use super::{Op, ParamSpec, Tolerance, image_dims, single};
use crate::error::{Error, Result};
use crate::gpu::Recorder;
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv2d {
    /// Output channels.
    pub filters: usize,
    /// Window, height and width.
    pub kernel: [usize; 2],
    /// Step, vertical and horizontal.
    pub stride: [usize; 2],
    /// Keras's padding.
    pub padding: Padding,
    /// Whether a bias is added.
    pub bias: bool,
}

impl Conv2d {
    /// A square window, stride 1, with a bias.
    pub fn new(filters: usize, kernel: usize, padding: Padding) -> Self {
        Self { filters, kernel: [kernel; 2], stride: [1; 2], padding, bias: true }
    }

    fn geometry(&self, n: usize, x: &Shape) -> Result<Geometry> {
        let [h, w, c_in] = image_dims("conv2d", x)?;
        if self.filters == 0 || c_in == 0 {
            return Err(Error::shape(
                "conv2d",
                format!("{c_in} input channels to {} filters: both must be at least 1", self.filters),
            ));
        }
        let axis = |i: usize, size| Axis::new("conv2d", size, self.kernel[i], self.stride[i], self.padding);
        Ok(Geometry { n, h: axis(0, h)?, w: axis(1, w)?, c_in, c_out: self.filters })
    }

    /// The geometry of a batch whose shape `infer` has already taken.
    pub(super) fn checked(&self, batch: &Shape) -> Geometry {
        self.geometry(batch.dims()[0], &Shape::new(&batch.dims()[1..])).expect("infer has taken this shape")
    }
}

impl Op for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn keras_name(&self) -> &'static str {
        "Conv2D"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let g = self.geometry(1, single("conv2d", inputs)?)?;
        Ok([g.h.output, g.w.output, g.c_out].into())
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let ([kh, kw], c_in, c_out) = (self.kernel, inputs[0].dims()[2], self.filters);
        let glorot = Init::GlorotUniform { fan_in: kh * kw * c_in, fan_out: kh * kw * c_out };
        let mut specs = vec![ParamSpec::trainable("kernel", [kh, kw, c_in, c_out], glorot)];
        if self.bias {
            specs.push(ParamSpec::trainable("bias", [c_out], Init::Zeros));
        }
        specs
    }

    fn needs(&self) -> Needs {
        Needs { x: true, y: false }
    }

    fn flops(&self, inputs: &[&Shape]) -> u64 {
        self.geometry(1, inputs[0]).map_or(0, |g| g.flops())
    }

    fn fuses(&self) -> Fuses {
        Fuses { activation: true, slope: Some(Needs::default()), leaves_statistics: true, ..Fuses::default() }
    }

    fn stem(&self, inputs: &[&Shape]) -> Option<Conv2d> {
        let channels = inputs[0].dims().last().copied().unwrap_or_default();
        (self.kernel[0] * self.kernel[1] * channels <= variant::SHORT).then_some(*self)
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        HostOutput::only(reference::forward(&self.checked(&io.x[0].shape), io))
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(&self.checked(&io.x[0].shape), io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        gpu::record_forward(rec, "conv2d", &self.checked(&io.x[0].shape), io)
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        gpu::record_backward(rec, "conv2d", &self.checked(&io.x[0].shape), io)
    }
}

/// How many times the rounding of the sums as they are defined is allowed where Winograd's algorithm may compute them: twice by tiles of
/// 4 x 4, eight times where a pass takes tiles of 6 x 6 over many channels. (`tools/winograd.py` measures 3.4 and 8.5 times in the mean, of
/// which [`Tolerance::sum`] allows ten to begin with.)
pub(super) fn rounding(op: &Conv2d, shape: [usize; 4]) -> usize {
    let divides = [shape[3], op.filters].iter().all(|c| c.is_multiple_of(4));
    if !divides || op.stride != [1, 1] || ![[2, 2], [3, 3]].contains(&op.kernel) {
        return 1;
    }
    let g = op.checked(&shape.into());
    let larger = |outputs| {
        let products = |side| winograd::products(side, op.kernel[0], outputs);
        op.kernel == [3, 3] && products(6) < products(4)
    };
    let wins = shape[3].min(op.filters) >= winograd::CHANNELS;
    if wins && (larger([g.h.output, g.w.output]) || larger([g.h.input, g.w.input])) { 8 } else { 2 }
}

/// Channels 1, 3, 5, 7 and round ones; odd and non-square maps; every padding, stride and window kind; windows larger than
/// their stride, their map, or a single pixel; over 65,535 output pixels in a weight gradient; the networks' own shapes.
pub(super) fn cases() -> Vec<Case> {
    use Padding::{Same, Valid};
    let case = |what: &str, shape: [usize; 4], op: Conv2d| {
        let terms = (op.kernel[0] * op.kernel[1] * shape[3].max(op.filters)).max(shape[0] * shape[1] * shape[2]);
        Case::new(what, op, vec![Input::new(shape, 1)], Tolerance::sum(rounding(&op, shape) * terms))
    };
    let conv = |filters, kernel: [usize; 2], stride: [usize; 2], padding| Conv2d {
        filters,
        kernel,
        stride,
        padding,
        bias: true,
    };
    vec![
        case("1x1", [2, 5, 7, 8], Conv2d::new(12, 1, Valid)),
        case("2x2_same", [3, 6, 5, 4], Conv2d::new(8, 2, Same)),
        case("3x3_valid_1to3", [2, 7, 9, 1], Conv2d::new(3, 3, Valid)),
        case("3x3_same_5to7", [2, 9, 7, 5], Conv2d::new(7, 3, Same)),
        // What Winograd's algorithm takes: whole and cut tiles of 4 x 4 and of 6 x 6.
        case("2x2_same_4to16", [2, 9, 6, 4], Conv2d::new(16, 2, Same)),
        case("2x2_valid_8to4_no_bias", [1, 5, 12, 8], Conv2d { bias: false, ..Conv2d::new(4, 2, Valid) }),
        case("3x3_same_8to8", [2, 9, 7, 8], Conv2d::new(8, 3, Same)),
        case("3x3_valid_4to16", [3, 10, 14, 4], Conv2d::new(16, 3, Valid)),
        case("3x3_same_8to12", [2, 11, 6, 8], Conv2d::new(12, 3, Same)),
        case("3x3_valid_8to24_no_bias", [2, 3, 3, 8], Conv2d { bias: false, ..Conv2d::new(24, 3, Valid) }),
        // Tiles of x are more than those of dy, by too much for both gradients to share dy's.
        case("3x3_valid_8to68", [2, 6, 6, 8], Conv2d::new(68, 3, Valid)),
        case("3x3_same_3to33", [2, 9, 6, 3], Conv2d::new(33, 3, Same)),
        case("3x3_same_8to1", [1, 5, 5, 8], Conv2d::new(1, 3, Same)),
        case("5x5_same_stride2", [2, 11, 8, 4], conv(36, [5, 5], [2, 2], Same)),
        case("7x7_same_stride2", [1, 15, 14, 3], conv(8, [7, 7], [2, 2], Same)),
        case("3x3_valid_stride3", [2, 13, 11, 7], conv(5, [3, 3], [3, 3], Valid)),
        case("1x1_stride2", [2, 7, 6, 4], conv(6, [1, 1], [2, 2], Valid)),
        case("1x7_7x1_stride", [2, 9, 12, 4], conv(4, [1, 7], [2, 1], Same)),
        case("window_over_map", [2, 2, 3, 3], Conv2d::new(4, 5, Same)),
        case("no_bias", [2, 6, 6, 4], Conv2d { bias: false, ..Conv2d::new(40, 3, Same) }),
        case("one_pixel", [1, 1, 1, 1], Conv2d::new(1, 1, Valid)),
        // A GPU cuts these many channels of few pixels into slices, forward and backward.
        case("deep", [2, 4, 5, 68], conv(76, [2, 3], [1, 1], Same)),
        case("deep_stride2", [1, 5, 5, 72], conv(66, [3, 3], [2, 2], Same)),
        case("over_65535_pixels", [3, 150, 150, 1], Conv2d::new(2, 3, Same)),
        case("fer7_conv1", [100, 48, 48, 1], Conv2d::new(32, 3, Valid)).benched(),
        case("fer7_conv3", [32, 22, 22, 64], Conv2d::new(64, 3, Same)).benched(),
        case("fer3_conv6", [32, 5, 5, 256], Conv2d::new(256, 3, Valid)).benched(),
    ]
}
