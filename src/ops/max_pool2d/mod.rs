//! Max pooling (`keras.layers.MaxPooling2D`).
//!
//! `y[n, h, w, c] = max_{i, j} x[n, h*sh + i - ph, w*sw + j - pw, c]` over the taps (i, j) that lie on the map: padding never
//! wins, whatever the inputs' sign.
//!
//! Shapes: `x [n, h_in, w_in, c]`, `y [n, h_out, w_out, c]`; sizes and padding as [`Windows`]. Saved: `argmax [n, h_out, w_out, c]`,
//! u32 words on the GPU, the number `i * window_w + j` of the winning tap. **Ties** go to the first tap in row-major order, as in
//! TensorFlow. **A NaN** wins over everything, the first over later ones: a network that diverges shows it in its output.
//! Backward gathers: `dx` of a pixel adds, in row-major order, the `dy` of the at most `ceil(window / stride)^2` windows over it
//! whose argmax it is. It reads neither `x` nor `y`. Errors: inputs that are not images, windows that do not fit or have too many
//! taps ([`Windows::new`]).

mod gpu;
mod reference;

pub(super) use gpu::{Forward, Normalized, record_forward};

use super::window::{Padding, Windows};
use super::{
    Case, Fuses, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Needs, Op,
};
use super::{Tolerance, single};
use crate::error::Result;
use crate::gpu::Recorder;
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxPool2d {
    /// Height and width of the window.
    pub window: [usize; 2],
    /// Step, vertical and horizontal; Keras's default is the window.
    pub stride: [usize; 2],
    /// Keras's padding.
    pub padding: Padding,
}

impl MaxPool2d {
    /// A square window that moves by its own size, without padding: Keras's defaults.
    pub fn new(window: usize) -> Self {
        Self { window: [window; 2], stride: [window; 2], padding: Padding::Valid }
    }

    fn windows(&self, x: &Shape) -> Result<Windows> {
        Windows::new("max_pool2d", x, self.window, self.stride, self.padding)
    }

    /// Whether its windows [tile](Windows::tile) a sample `x [h, w, c]`.
    pub fn tiles(&self, x: &Shape) -> bool {
        self.windows(x).is_ok_and(|windows| windows.tile())
    }

    /// Whether its windows lie on a sample `x [h, w, c]` whole and leave no pixel of it out, side by side or each sharing half with the next.
    pub fn covers(&self, x: &Shape) -> bool {
        self.windows(x).is_ok_and(|windows| windows.covers())
    }

    /// Whether its windows share pixels.
    pub fn overlaps(&self) -> bool {
        self.stride[0] < self.window[0] || self.stride[1] < self.window[1]
    }

    /// The windows over a batch whose shape `infer` has already taken.
    pub(super) fn checked(&self, batch: &Shape) -> Windows {
        self.windows(&Shape::new(&batch.dims()[1..])).expect("infer has taken this shape")
    }
}

impl Op for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn keras_name(&self) -> &'static str {
        "MaxPooling2D"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let g = self.windows(single("max_pool2d", inputs)?)?;
        Ok([g.h.output, g.w.output, g.c].into())
    }

    fn saved(&self, inputs: &[&Shape], n: usize) -> Vec<Shape> {
        self.infer(inputs).map(|y| y.with_batch(n)).into_iter().collect()
    }

    fn fuses(&self) -> Fuses {
        Fuses { slope: Some(Needs { x: false, y: true }), selects: true, ..Fuses::default() }
    }

    fn pooling(&self) -> Option<MaxPool2d> {
        Some(*self)
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(&self.checked(&io.x[0].shape), io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(&self.checked(&io.x[0].shape), io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        let (x, y) = (&io.x[0], io.y);
        gpu::record_forward(
            rec,
            &self.checked(&x.shape),
            &Forward { x, normalized: None, y, kept: &io.saved[0], values: false },
        )
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        gpu::record_backward(rec, &self.checked(&io.x[0].shape), io)
    }
}

/// Windows over, at and below their stride and over their map; both paddings; odd and non-square maps; channels 1, 3, 5, 7 and
/// round ones; all-negative inputs, ties, infinities and NaNs; the networks' own shape.
pub(super) fn cases() -> Vec<Case> {
    use Padding::{Same, Valid};
    let pool = |window, stride, padding| MaxPool2d { window, stride, padding };
    let with = |what, input, op| Case::new(what, op, vec![input], Tolerance::EXACT);
    let case = |what, shape: [usize; 4], op| with(what, Input::new(shape, 1), op);
    let fer7 = pool([4, 4], [2, 2], Valid);
    vec![
        case("one_pixel", [1, 1, 1, 1], MaxPool2d::new(1)),
        case("2x2", [2, 6, 6, 3], MaxPool2d::new(2)),
        case("2x2_odd_map", [3, 5, 7, 5], MaxPool2d::new(2)),
        case("2x2_same_odd_map", [2, 7, 5, 7], pool([2, 2], [2, 2], Same)),
        case("group", [1, 16, 8, 8], MaxPool2d::new(2)),
        case("4x4_stride2", [2, 11, 10, 12], fer7),
        case("3x3_stride2_same", [2, 8, 9, 4], pool([3, 3], [2, 2], Same)),
        case("3x3_stride1_same", [2, 6, 5, 1], pool([3, 3], [1, 1], Same)),
        case("3x2_stride2x1_same", [2, 7, 6, 3], pool([3, 2], [2, 1], Same)),
        case("window_below_stride", [2, 9, 8, 4], pool([2, 1], [3, 2], Valid)),
        case("window_over_map", [2, 2, 3, 5], pool([5, 5], [1, 1], Same)),
        with("negative", Input::new([2, 8, 7, 3], 1).around(-3.0, 1.0), pool([3, 3], [2, 2], Same)),
        with("ties", Input::new([2, 9, 8, 4], 1).quantized(4.0), pool([3, 3], [2, 2], Same)).kinked(),
        with("all_equal", Input::new([2, 6, 5, 3], 1).around(0.0, 0.0), pool([3, 3], [1, 1], Same)).kinked(),
        // -inf + inf * fill: NaN where the formula is positive, else minus infinity.
        with("not_finite", Input::new([2, 9, 8, 4], 1).around(f32::NEG_INFINITY, f32::INFINITY), MaxPool2d::new(2))
            .kinked(),
        case("fer7_pool1", [100, 46, 46, 32], fer7).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Pass;
    use crate::tensor::HostTensor;

    #[test]
    fn windows_are_checked() {
        let infer = |dims: &[usize], op: MaxPool2d| op.infer(&[&Shape::new(dims)]);
        assert_eq!(infer(&[5, 7, 3], MaxPool2d::new(2)).expect("fits"), Shape::new([2, 3, 3]));
        assert!(infer(&[5, 7], MaxPool2d::new(2)).is_err());
        assert!(infer(&[5, 7, 0], MaxPool2d::new(2)).is_err());
        assert!(infer(&[5, 7, 3], MaxPool2d::new(6)).is_err());
        assert!(infer(&[5, 7, 3], MaxPool2d::new(0)).is_err());
        let huge = MaxPool2d { window: [usize::MAX; 2], stride: [1; 2], padding: Padding::Same };
        assert!(infer(&[5, 7, 3], huge).is_err());
    }

    #[test]
    fn the_first_maximum_and_the_first_nan_win() {
        let argmax = |x: [f64; 4]| {
            let x = HostTensor { shape: [1, 2, 2, 1].into(), data: x.to_vec() };
            let io = HostForward { x: vec![&x], params: Vec::new(), pass: Pass::default() };
            let out = MaxPool2d::new(2).forward_reference(&io);
            (out.y.data[0], out.saved[0].data[0])
        };
        assert_eq!(argmax([1.0, 2.0, 2.0, 0.0]), (2.0, 1.0));
        assert_eq!(argmax([f64::NEG_INFINITY; 4]), (f64::NEG_INFINITY, 0.0));
        let (y, tap) = argmax([9.0, 1.0, f64::NAN, f64::NAN]);
        assert!(y.is_nan() && tap == 2.0);
    }
}
