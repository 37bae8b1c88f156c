//! Average pooling (`keras.layers.AveragePooling2D`).
//!
//! `y[n, h, w, c] = mean_{i, j} x[n, h*sh + i - ph, w*sw + j - pw, c]` over the taps (i, j) that lie on the map: padding is not
//! counted, as in TensorFlow.
//!
//! Shapes: `x [n, h_in, w_in, c]`, `y [n, h_out, w_out, c]`; sizes and padding as [`super::window::Axis`]. Nothing is saved and
//! backward reads nothing but `dy`: `dx` of a pixel adds, in row-major order, `dy / taps on the map` of the windows over it.
//! Errors: inputs that are not images, windows that do not fit or have too many taps ([`Windows::new`]).

mod reference;

use super::window::{Padding, Sizes, Windows};
use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Op};
use super::{Tolerance, single};
use crate::error::Result;
use crate::gpu::{Kernel, Lanes, Recorder};
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AvgPool2d {
    /// Height and width of the window.
    pub window: [usize; 2],
    /// Step, vertical and horizontal; Keras's default is the window.
    pub stride: [usize; 2],
    /// Keras's padding.
    pub padding: Padding,
}

const SHADER: &str = include_str!("../../../shaders/avg_pool2d.wgsl");

/// `Params` of shaders/avg_pool2d.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    groups: u32,
    sizes: Sizes,
    padding: [u32; 2],
}

impl Params {
    fn new(g: &Windows, count: usize) -> Self {
        let groups = (g.c / Lanes::of(g.c).count()) as u32;
        Self { count: count as u32, groups, sizes: g.sizes(), padding: [0; 2] }
    }
}

impl AvgPool2d {
    /// A square window that moves by its own size, without padding: Keras's defaults.
    pub fn new(window: usize) -> Self {
        Self { window: [window; 2], stride: [window; 2], padding: Padding::Valid }
    }

    fn windows(&self, x: &Shape) -> Result<Windows> {
        Windows::new("avg_pool2d", x, self.window, self.stride, self.padding)
    }

    /// The windows over a batch whose shape `infer` has already taken.
    fn checked(&self, batch: &Shape) -> Windows {
        self.windows(&Shape::new(&batch.dims()[1..])).expect("infer has taken this shape")
    }
}

impl Op for AvgPool2d {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn keras_name(&self) -> &'static str {
        "AveragePooling2D"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let g = self.windows(single("avg_pool2d", inputs)?)?;
        Ok([g.h.output, g.w.output, g.c].into())
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(&self.checked(&io.x[0].shape), io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(&self.checked(&io.x[0].shape), io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        let g = self.checked(&io.x[0].shape);
        let lanes = Lanes::of(g.c);
        let kernel = Kernel::new("avg_pool2d", "forward", SHADER).with_prelude(&g.text()).with_lanes(lanes);
        for s in rec.batch_slices(&[&io.x[0], io.y])? {
            let (x, y) = (io.x[0].samples(&s), io.y.samples(&s));
            let count = y.elements() / lanes.count();
            let params = Params::new(&g, count);
            rec.dispatch_items(&kernel, &params, &[&x], &[&y], (count, 64))?;
        }
        Ok(())
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        let Some(dx) = &io.dx[0] else { return Ok(()) };
        let g = self.checked(&dx.shape);
        let lanes = Lanes::of(g.c);
        let kernel = Kernel::new("avg_pool2d", "backward", SHADER).with_prelude(&g.text()).with_lanes(lanes);
        for s in rec.batch_slices(&[dx, io.dy])? {
            let (dy, dx) = (io.dy.samples(&s), dx.samples(&s));
            let count = dx.elements() / lanes.count();
            let params = Params::new(&g, count);
            rec.dispatch_items(&kernel, &params, &[&dy], &[&dx], (count, 64))?;
        }
        Ok(())
    }
}

/// Windows over, at and below their stride and over their map; both paddings; odd and non-square maps; channels 1, 3, 5, 7 and
/// round ones; over a workgroup of 64; a network's own shape.
pub(super) fn cases() -> Vec<Case> {
    use Padding::{Same, Valid};
    let case = |what, shape: [usize; 4], window, stride, padding| {
        let op = AvgPool2d { window, stride, padding };
        Case::new(what, op, vec![Input::new(shape, 1)], Tolerance { abs: 1e-6, rel: 1e-6 })
    };
    vec![
        case("one_pixel", [1, 1, 1, 1], [1, 1], [1, 1], Valid),
        case("2x2", [2, 6, 6, 3], [2, 2], [2, 2], Valid),
        case("2x2_odd_map", [3, 5, 7, 5], [2, 2], [2, 2], Valid),
        case("2x2_same_odd_map", [2, 7, 5, 7], [2, 2], [2, 2], Same),
        case("group", [1, 16, 8, 8], [2, 2], [2, 2], Valid),
        case("4x4_stride2", [2, 11, 10, 12], [4, 4], [2, 2], Valid),
        case("3x3_stride2_same", [2, 8, 9, 4], [3, 3], [2, 2], Same),
        case("3x3_stride1_same", [2, 6, 5, 1], [3, 3], [1, 1], Same),
        case("3x2_stride2x1_same", [2, 7, 6, 3], [3, 2], [2, 1], Same),
        case("window_below_stride", [2, 9, 8, 4], [2, 1], [3, 2], Valid),
        case("window_over_map", [2, 2, 3, 5], [5, 5], [1, 1], Same),
        case("whole_map", [3, 7, 5, 6], [7, 5], [7, 5], Valid),
        case("transition", [8, 56, 56, 64], [2, 2], [2, 2], Valid).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_checked() {
        let infer = |dims: &[usize], op: AvgPool2d| op.infer(&[&Shape::new(dims)]);
        assert_eq!(infer(&[5, 7, 3], AvgPool2d::new(2)).expect("fits"), Shape::new([2, 3, 3]));
        assert!(infer(&[5, 7], AvgPool2d::new(2)).is_err());
        assert!(infer(&[5, 7, 3], AvgPool2d::new(6)).is_err());
        assert!(infer(&[5, 7, 3], AvgPool2d::new(0)).is_err());
    }
}
