//! A map without its edges (`keras.layers.Cropping2D`).
//!
//! `y[n, h, w, c] = x[n, h + top, w + left, c]`; `dx[n, h, w, c] = dy[n, h - top, w - left, c]` within, else 0. It is the inverse of
//! [`super::zero_pad2d`], whose kernels it runs: forward is that op's backward.
//!
//! Shapes: `x [n, h, w, c]`, `y [n, h - top - bottom, w - left - right, c]`. Nothing is saved and backward reads nothing but `dy`.
//! Errors: inputs that are not images, a cropping that leaves nothing.

mod reference;

use super::zero_pad2d::ZeroPad2d;
use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Op};
use super::{Tolerance, image_dims, single};
use crate::error::{Error, Result};
use crate::gpu::Recorder;
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop2d {
    /// Lines that go at the top and at the bottom.
    pub rows: [usize; 2],
    /// Columns that go at the left and at the right.
    pub columns: [usize; 2],
}

impl Crop2d {
    /// The padding that this undoes.
    fn padding(&self) -> ZeroPad2d {
        ZeroPad2d { rows: self.rows, columns: self.columns }
    }
}

impl Op for Crop2d {
    fn name(&self) -> &'static str {
        "crop2d"
    }

    fn keras_name(&self) -> &'static str {
        "Cropping2D"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let x = single("crop2d", inputs)?;
        let [h, w, c] = image_dims("crop2d", x)?;
        let left = |size: usize, [before, after]: [usize; 2]| {
            size.checked_sub(before)?.checked_sub(after).filter(|left| *left > 0)
        };
        match (left(h, self.rows), left(w, self.columns)) {
            (Some(h), Some(w)) if c > 0 => Ok([h, w, c].into()),
            _ => Err(Error::shape(
                "crop2d",
                format!("{:?} rows and {:?} columns of {x} leave nothing", self.rows, self.columns),
            )),
        }
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(self, io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(self, io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        self.padding().record_cropping(rec, ["crop2d", "forward"], &io.x[0], io.y)
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        let Some(dx) = &io.dx[0] else { return Ok(()) };
        self.padding().record_padding(rec, ["crop2d", "backward"], io.dy, dx)
    }
}

/// No cropping, one side, unequal sides, down to one pixel; channels 1, 3, 5, 7 and round ones; over a workgroup of 64.
pub(super) fn cases() -> Vec<Case> {
    let case = |what, shape: [usize; 4], rows, columns| {
        Case::new(what, Crop2d { rows, columns }, vec![Input::new(shape, 1)], Tolerance::EXACT)
    };
    vec![
        case("to_one_pixel", [1, 3, 3, 1], [1, 1], [1, 1]),
        case("none", [2, 3, 4, 3], [0, 0], [0, 0]),
        case("0_1_0_1", [2, 6, 5, 4], [0, 1], [0, 1]),
        case("unequal_c3", [3, 5, 7, 3], [2, 1], [0, 3]),
        case("c5", [2, 8, 9, 5], [4, 0], [5, 1]),
        case("c7", [2, 9, 4, 7], [1, 0], [0, 0]),
        case("above_group", [2, 14, 15, 12], [3, 3], [3, 3]),
        case("map", [8, 30, 30, 64], [1, 1], [1, 1]).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked() {
        let infer = |rows, dims: &[usize]| Crop2d { rows, columns: [1, 2] }.infer(&[&Shape::new(dims)]);
        assert_eq!(infer([1, 2], &[5, 6, 7]).expect("fits"), Shape::new([2, 3, 7]));
        assert!(infer([2, 3], &[5, 6, 7]).is_err() && infer([1, 2], &[5, 3, 7]).is_err());
        assert!(infer([usize::MAX, 1], &[5, 6, 7]).is_err() && infer([0, 0], &[5, 6]).is_err());
    }
}
