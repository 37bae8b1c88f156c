//! Depthwise 2-D convolution: every channel has filters of its own (Sifre 2014; `keras.layers.DepthwiseConv2D`).
//!
//! `y[n, h, w, c*m + k] = b[c*m + k] + sum_{i, j} x[n, h*sh + i*dh - ph, w*sw + j*dw - pw, c] * w[i, j, c, k]`, `m` being the depth
//! multiplier, k < m and `dh, dw` the dilation.
//!
//! Shapes: `x [n, h_in, w_in, c]`, `w [kh, kw, c, m]`, `b [c*m]`, `y [n, h_out, w_out, c*m]`; sizes and padding as
//! [`super::window::Axis`]. With a dilation over 1 it is a [`super::general_conv2d`] of as many groups as channels, and runs on its
//! reference and kernels. Backward: `dx` gathers over the windows that cover a pixel, `dw` sums over output pixels, `db` sums
//! `dy`, both in two ordered passes. Nothing is saved: backward reads `x`. Errors: inputs that are not images, a multiplier of 0,
//! windows that do not fit ([`Windows::new`]) or have, times the multiplier, too many taps.

mod gpu;
mod reference;

use super::general_conv2d::{self, Sliding};
use super::window::{Padding, Windows};
use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Init, Input, Needs};
use super::{Op, ParamSpec, Tolerance, image_dims, single};
use crate::error::{Error, Result};
use crate::gpu::Recorder;
use crate::gpu::grid::MAX_TRIPS;
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DepthwiseConv2d {
    /// Window, height and width.
    pub kernel: [usize; 2],
    /// Step, vertical and horizontal.
    pub stride: [usize; 2],
    /// Step between the taps of a window, vertical and horizontal.
    pub dilation: [usize; 2],
    /// Keras's padding.
    pub padding: Padding,
    /// Filters of a channel.
    pub multiplier: usize,
    /// Whether a bias is added.
    pub bias: bool,
}

/// The geometry of a sample.
#[derive(Clone, Copy, Debug)]
struct Geometry {
    windows: Windows,
    multiplier: usize,
}

/// Which kernels the sizes of a batch are for.
enum Sizes {
    Plain(Geometry),
    Dilated(general_conv2d::Geometry),
}

impl Geometry {
    fn c_out(&self) -> usize {
        self.windows.c * self.multiplier
    }
}

impl DepthwiseConv2d {
    /// A square window, stride 1, one filter a channel, with a bias: Keras's defaults but for the padding.
    pub fn new(kernel: usize, padding: Padding) -> Self {
        Self { kernel: [kernel; 2], stride: [1; 2], dilation: [1; 2], padding, multiplier: 1, bias: true }
    }

    fn geometry(&self, x: &Shape) -> Result<Geometry> {
        let windows = Windows::new("depthwise_conv2d", x, self.kernel, self.stride, self.padding)?;
        let refuse = |what| Err(Error::shape("depthwise_conv2d", what));
        if self.multiplier == 0 {
            return refuse("a depth multiplier of 0: it must be at least 1".to_owned());
        }
        // The gradient of an input loops over lines of windows, windows and filters.
        let ([h, w], m) = (self.kernel, self.multiplier);
        if windows.taps().saturating_mul(m.saturating_add(2)) > MAX_TRIPS || windows.c.checked_mul(m).is_none() {
            let most = MAX_TRIPS / windows.taps() - 2;
            return refuse(format!("a depth multiplier of {m} is over the limit of {most} for a window of {h} x {w}"));
        }
        Ok(Geometry { windows, multiplier: self.multiplier })
    }

    /// The geometry of `n` samples with a dilation over 1.
    fn dilated(&self, n: usize, x: &Shape) -> Result<general_conv2d::Geometry> {
        let Self { kernel, stride, dilation, padding, multiplier, .. } = *self;
        let [_, _, c] = image_dims("depthwise_conv2d", x)?;
        let sliding = Sliding { kernel, stride, dilation, padding };
        general_conv2d::Geometry::new("depthwise_conv2d", (n, x), sliding, (c, c.saturating_mul(multiplier)))
    }

    /// The geometry of a batch whose shape `infer` has already taken.
    fn checked(&self, batch: &Shape) -> Sizes {
        let (n, x) = (batch.dims()[0], Shape::new(&batch.dims()[1..]));
        let sizes = if self.dilation == [1; 2] {
            self.geometry(&x).map(Sizes::Plain)
        } else {
            self.dilated(n, &x).map(Sizes::Dilated)
        };
        sizes.expect("infer has taken this shape")
    }
}

impl Op for DepthwiseConv2d {
    fn name(&self) -> &'static str {
        "depthwise_conv2d"
    }

    fn keras_name(&self) -> &'static str {
        "DepthwiseConv2D"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let x = single("depthwise_conv2d", inputs)?;
        if self.dilation != [1; 2] {
            let g = self.dilated(1, x)?;
            return Ok([g.h.output, g.w.output, g.c_out].into());
        }
        let g = self.geometry(x)?;
        Ok([g.windows.h.output, g.windows.w.output, g.c_out()].into())
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let ([kh, kw], c, m) = (self.kernel, inputs[0].dims()[2], self.multiplier);
        // Keras counts fans by the kernel's last two dimensions, as if the channels were mixed.
        let glorot = Init::GlorotUniform { fan_in: kh * kw * c, fan_out: kh * kw * m };
        let mut specs = vec![ParamSpec::trainable("kernel", [kh, kw, c, m], glorot)];
        if self.bias {
            specs.push(ParamSpec::trainable("bias", [c * m], Init::Zeros));
        }
        specs
    }

    fn needs(&self) -> Needs {
        Needs { x: true, y: false }
    }

    fn flops(&self, inputs: &[&Shape]) -> u64 {
        let outputs = self.infer(inputs).map_or(0, |y| y.elements());
        2 * (outputs * self.kernel[0] * self.kernel[1]) as u64
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        match self.checked(&io.x[0].shape) {
            Sizes::Plain(g) => reference::forward(&g, io),
            Sizes::Dilated(g) => general_conv2d::reference_forward(&g, io),
        }
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        match self.checked(&io.x[0].shape) {
            Sizes::Plain(g) => reference::backward(&g, io),
            Sizes::Dilated(g) => general_conv2d::reference_backward(&g, io),
        }
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        match self.checked(&io.x[0].shape) {
            Sizes::Plain(g) => gpu::record_forward(&g, rec, io),
            Sizes::Dilated(g) => general_conv2d::record_forward(&g, rec, io),
        }
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        match self.checked(&io.x[0].shape) {
            Sizes::Plain(g) => {
                gpu::record_backward_params(&g, rec, io)?;
                gpu::record_backward_input(&g, rec, io)
            }
            Sizes::Dilated(g) => general_conv2d::record_backward(&g, rec, io),
        }
    }
}

/// Channels 1, 3, 5, 7 and round ones; multipliers 1 to 4; odd and non-square maps; every padding, stride and window kind, windows
/// wider than the four taps of an invocation, over their map, below their stride; over 65,535 output pixels in a weight
/// gradient; dilation; networks' own shapes.
pub(super) fn cases() -> Vec<Case> {
    use Padding::{Same, Valid};
    let case = |what: &str, shape: [usize; 4], op: DepthwiseConv2d| {
        let terms = (op.kernel[0] * op.kernel[1] * op.multiplier).max(shape[0] * shape[1] * shape[2]);
        Case::new(what, op, vec![Input::new(shape, 1)], Tolerance::sum(terms))
    };
    let of = |kernel: [usize; 2], stride: [usize; 2], padding, multiplier| DepthwiseConv2d {
        kernel,
        stride,
        dilation: [1; 2],
        padding,
        multiplier,
        bias: true,
    };
    let dilated =
        |dilation, padding, multiplier| DepthwiseConv2d { dilation, ..of([3, 3], [1, 1], padding, multiplier) };
    let square = DepthwiseConv2d::new;
    vec![
        case("one_pixel", [1, 1, 1, 1], square(1, Valid)),
        case("1x1", [2, 5, 7, 8], square(1, Valid)),
        case("2x2_same", [3, 6, 5, 4], square(2, Same)),
        case("3x3_valid_c1", [2, 7, 9, 1], square(3, Valid)),
        case("3x3_same_c3", [2, 9, 6, 3], square(3, Same)),
        case("3x3_same_c5_x2", [2, 9, 7, 5], of([3, 3], [1, 1], Same, 2)),
        case("3x3_same_c7_x3", [1, 5, 6, 7], of([3, 3], [1, 1], Same, 3)),
        case("3x3_same_c4_x4", [2, 5, 4, 4], of([3, 3], [1, 1], Same, 4)),
        case("3x3_stride2_same_even", [2, 8, 10, 12], of([3, 3], [2, 2], Same, 1)),
        case("3x3_stride2_same_odd_x2", [2, 9, 7, 3], of([3, 3], [2, 2], Same, 2)),
        case("5x5_same_stride2", [2, 11, 8, 4], of([5, 5], [2, 2], Same, 1)),
        case("7x7_same", [1, 10, 9, 8], square(7, Same)),
        case("3x3_valid_stride3", [2, 13, 11, 7], of([3, 3], [3, 3], Valid, 1)),
        case("2x1_below_stride", [2, 9, 8, 4], of([2, 1], [3, 2], Valid, 1)),
        case("1x9_stride2x1", [2, 9, 12, 4], of([1, 9], [2, 1], Same, 1)),
        case("window_over_map", [2, 2, 3, 3], square(5, Same)),
        case("no_bias", [2, 6, 6, 36], DepthwiseConv2d { bias: false, ..square(3, Same) }),
        case("no_bias_x2", [2, 6, 6, 4], DepthwiseConv2d { bias: false, ..of([3, 3], [2, 2], Same, 2) }),
        case("over_65535_pixels", [3, 150, 150, 1], square(3, Same)),
        case("rate2_same_c8", [2, 9, 7, 8], dilated([2, 2], Same, 1)),
        case("rate2x3_valid_c5", [2, 9, 8, 5], dilated([2, 3], Valid, 1)),
        case("rate3_same_c3_x2", [1, 7, 9, 3], dilated([3, 3], Same, 2)),
        case("rate2_valid_c2_x4_no_bias", [2, 6, 7, 2], DepthwiseConv2d { bias: false, ..dilated([2, 2], Valid, 4) }),
        case("rate_over_map_c4", [2, 3, 4, 4], dilated([7, 5], Same, 1)),
        case("mobile_56", [8, 56, 56, 144], square(3, Same)).benched(),
        case("mobile_56_stride2", [8, 56, 56, 144], of([3, 3], [2, 2], Same, 1)).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked() {
        let infer = |dims: &[usize], op: DepthwiseConv2d| op.infer(&[&Shape::new(dims)]);
        let op = DepthwiseConv2d { multiplier: 4, ..DepthwiseConv2d::new(3, Padding::Valid) };
        assert_eq!(infer(&[5, 7, 3], op).expect("fits"), Shape::new([3, 5, 12]));
        assert!(infer(&[5, 7], op).is_err());
        assert!(infer(&[2, 7, 3], op).is_err());
        let dilated = DepthwiseConv2d { dilation: [2, 3], ..op };
        assert_eq!(infer(&[5, 7, 3], dilated).expect("fits"), Shape::new([1, 1, 12]));
        assert_eq!(dilated.flops(&[&Shape::new([5, 7, 3])]), 2 * 12 * 9);
        for (dims, op, words) in [
            (&[5, 6, 3], dilated, "a dilation rate of 3 covers 7 pixels and does not fit a size of 6"),
            (&[5, 7, 3], DepthwiseConv2d { stride: [2, 2], ..dilated }, "only one of the two may be over 1"),
            (&[5, 7, 3], DepthwiseConv2d { dilation: [0, 1], ..dilated }, "a dilation rate of 0 x 1"),
            (&[5, 7, 3], DepthwiseConv2d { multiplier: 0, ..dilated }, "at least 1"),
            (&[5, 7, 3], DepthwiseConv2d { multiplier: usize::MAX, ..dilated }, "steps a pixel; the limit is"),
        ] {
            let text = infer(dims, op).expect_err(words).to_string();
            assert!(text.contains("depthwise_conv2d") && text.contains(words), "{text}");
        }
        for multiplier in [0, 1 << 20, usize::MAX] {
            assert!(infer(&[5, 7, 3], DepthwiseConv2d { multiplier, ..op }).is_err(), "{multiplier}");
        }
        let shapes: Vec<Shape> = op.params(&[&Shape::new([5, 7, 3])]).into_iter().map(|p| p.shape).collect();
        assert_eq!(shapes, [Shape::new([3, 3, 3, 4]), Shape::new([12])]);
    }
}
