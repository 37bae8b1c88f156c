//! 2-D convolution with dilation, and with groups (`keras.layers.Conv2D` with a `dilation_rate` or `groups` over 1; JAX's
//! `conv_general_dilated`). What has neither is a [`Conv2d`](super::conv2d::Conv2d), whose kernels are tuned for it.
//!
//! `y[n, h, w, o] = b[o] + sum_{i, j, c} x[n, h*sh + i*dh - ph, w*sw + j*dw - pw, g*k + c] * w[i, j, c, o]`, with `k = c_in / groups`
//! channels c in a group, and the group `g = o / (filters / groups)` of filter o.
//!
//! Shapes: `x [n, h_in, w_in, c_in]`, `w [kh, kw, c_in / groups, filters]`, `b [filters]`, `y [n, h_out, w_out, filters]`; sizes and
//! padding as [`Axis`](super::window::Axis) of a window of `(kh - 1)*dh + 1` by `(kw - 1)*dw + 1`. Backward: `dx` gathers over the windows
//! that cover a pixel, `dw` sums over output pixels, `db` sums `dy`, both in two ordered passes. Nothing is saved: backward reads `x`.
//! Errors: inputs that are not images, windows that do not fit, channels or filters that the groups do not divide, a stride and a dilation
//! that are both over 1 (Keras refuses them too), more taps times channels than an invocation can visit.

mod cases;
mod geometry;
mod gpu;
mod phases;
mod reference;

pub(super) use cases::cases;
pub(crate) use geometry::{Geometry, Sliding};
pub(crate) use gpu::{record_backward, record_forward};
pub(crate) use reference::{backward as reference_backward, forward as reference_forward};

use super::window::Padding;
use super::{GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Init, Needs};
use super::{Op, ParamSpec, single};
use crate::error::Result;
use crate::gpu::Recorder;
use crate::tensor::Shape;

const NAME: &str = "general_conv2d";

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeneralConv2d {
    /// Output channels.
    pub filters: usize,
    /// Window, height and width.
    pub kernel: [usize; 2],
    /// Step between windows, vertical and horizontal.
    pub stride: [usize; 2],
    /// Step between the taps of a window, vertical and horizontal.
    pub dilation: [usize; 2],
    /// Groups of channels, each with as many of the filters.
    pub groups: usize,
    /// Keras's padding.
    pub padding: Padding,
    /// Whether a bias is added.
    pub bias: bool,
}

impl GeneralConv2d {
    /// A square window, stride 1, one group, with a bias.
    pub fn dilated(filters: usize, kernel: usize, dilation: usize, padding: Padding) -> Self {
        Self { dilation: [dilation; 2], ..Self::grouped(filters, kernel, 1, padding) }
    }

    /// A square window, stride 1, no dilation, with a bias.
    pub fn grouped(filters: usize, kernel: usize, groups: usize, padding: Padding) -> Self {
        Self { filters, kernel: [kernel; 2], stride: [1; 2], dilation: [1; 2], groups, padding, bias: true }
    }

    fn geometry(&self, n: usize, x: &Shape) -> Result<Geometry> {
        let Self { kernel, stride, dilation, padding, .. } = *self;
        Geometry::new(NAME, (n, x), Sliding { kernel, stride, dilation, padding }, (self.groups, self.filters))
    }

    /// The geometry of a batch whose shape `infer` has already taken.
    fn checked(&self, batch: &Shape) -> Geometry {
        self.geometry(batch.dims()[0], &Shape::new(&batch.dims()[1..])).expect("infer has taken this shape")
    }
}

impl Op for GeneralConv2d {
    fn name(&self) -> &'static str {
        NAME
    }

    fn keras_name(&self) -> &'static str {
        "Conv2D"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let g = self.geometry(1, single(NAME, inputs)?)?;
        Ok([g.h.output, g.w.output, g.c_out].into())
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let ([kh, kw], c_in, c_out) = (self.kernel, inputs[0].dims()[2] / self.groups, self.filters);
        // Keras counts fans by the kernel's last two dimensions: all filters, although a channel meets those of its group.
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

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(&self.checked(&io.x[0].shape), io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(&self.checked(&io.x[0].shape), io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        gpu::record_forward(&self.checked(&io.x[0].shape), rec, io)
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        gpu::record_backward(&self.checked(&io.x[0].shape), rec, io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infer(dims: &[usize], op: GeneralConv2d) -> Result<Shape> {
        op.infer(&[&Shape::new(dims)])
    }

    #[test]
    fn sizes_are_keras_s() {
        let op = GeneralConv2d::dilated(6, 3, 2, Padding::Valid);
        assert_eq!(infer(&[9, 7, 4], op).expect("fits"), Shape::new([5, 3, 6]));
        let same = GeneralConv2d { padding: Padding::Same, dilation: [4, 9], ..op };
        assert_eq!(infer(&[9, 7, 4], same).expect("fits"), Shape::new([9, 7, 6]));
        let grouped = GeneralConv2d { stride: [2, 1], ..GeneralConv2d::grouped(6, 3, 2, Padding::Same) };
        assert_eq!(infer(&[9, 7, 4], grouped).expect("fits"), Shape::new([5, 7, 6]));
        let shapes: Vec<Shape> = grouped.params(&[&Shape::new([9, 7, 4])]).into_iter().map(|p| p.shape).collect();
        assert_eq!(shapes, [Shape::new([3, 3, 2, 6]), Shape::new([6])]);
        assert_eq!(grouped.flops(&[&Shape::new([9, 7, 4])]), 2 * 5 * 7 * 6 * 9 * 2);
    }

    #[test]
    fn settings_that_do_not_fit_are_errors() {
        let op = GeneralConv2d::grouped(6, 3, 2, Padding::Same);
        let dilated = GeneralConv2d::dilated(6, 3, 4, Padding::Valid);
        for (dims, op, words) in [
            (&[9, 7, 5][..], op, "5 input channels to 6 filters in 2 groups: both must be multiples of 2"),
            (&[9, 7, 4], GeneralConv2d { groups: 4, ..op }, "to 6 filters in 4 groups"),
            (&[9, 7, 4], GeneralConv2d { groups: 0, ..op }, "at least 1"),
            (&[9, 7, 4], GeneralConv2d { filters: 0, ..op }, "at least 1"),
            (&[9, 7], op, "takes images"),
            (&[9, 7, 4], GeneralConv2d { kernel: [0, 3], ..op }, "window 0"),
            (
                &[9, 7, 4],
                dilated,
                "a window of 3 with a dilation rate of 4 covers 9 pixels and does not fit a size of 7",
            ),
            (&[9, 7, 4], GeneralConv2d { dilation: [1, 0], ..dilated }, "a dilation rate of 1 x 0"),
            (&[9, 7, 4], GeneralConv2d { dilation: [1, usize::MAX], ..dilated }, "over the limit"),
            (&[9, 7, 4], GeneralConv2d { stride: [2, 1], dilation: [1, 2], ..dilated }, "only one of the two"),
            (&[9, 7, 4], GeneralConv2d { kernel: [300, 300], ..op }, "steps a pixel; the limit is 32768"),
            (&[9, 7, 4], GeneralConv2d { kernel: [usize::MAX; 2], ..op }, "over the limit"),
        ] {
            let text = infer(dims, op).expect_err(words).to_string();
            assert!(text.contains(words), "{text}");
        }
    }
}
