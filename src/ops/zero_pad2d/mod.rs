//! Zeros around a map (`keras.layers.ZeroPadding2D`).
//!
//! `y[n, h, w, c] = x[n, h - top, w - left, c]` on the map, else 0; `dx[n, h, w, c] = dy[n, h + top, w + left, c]`.
//!
//! Shapes: `x [n, h, w, c]`, `y [n, top + h + bottom, left + w + right, c]`. Nothing is saved and backward reads nothing but
//! `dy`. Errors: inputs that are not images, an empty input, a padding that no size can hold.

mod reference;

use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Op};
use super::{Tolerance, image_dims, single};
use crate::error::{Error, Result};
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder};
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZeroPad2d {
    /// Lines of zeros at the top and at the bottom.
    pub rows: [usize; 2],
    /// Columns of zeros at the left and at the right.
    pub columns: [usize; 2],
}

const SHADER: &str = include_str!("../../../shaders/zero_pad2d.wgsl");

/// `Params` of shaders/zero_pad2d.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    groups: u32,
    in_size: [u32; 2],
    out_size: [u32; 2],
    before: [u32; 2],
}

impl ZeroPad2d {
    /// The same padding on all four sides.
    pub fn new(pad: usize) -> Self {
        Self { rows: [pad; 2], columns: [pad; 2] }
    }

    /// Records the copy of `map` to its place in the larger `padded`, with zeros around it.
    pub(super) fn record_padding(
        &self,
        rec: &mut Recorder<'_>,
        label: [&'static str; 2],
        map: &GpuTensor,
        padded: &GpuTensor,
    ) -> Result<()> {
        self.record(rec, (label, "forward"), (map, padded), (map, padded))
    }

    /// Records the copy of what lies within the padding of `padded` to `map`.
    pub(super) fn record_cropping(
        &self,
        rec: &mut Recorder<'_>,
        label: [&'static str; 2],
        padded: &GpuTensor,
        map: &GpuTensor,
    ) -> Result<()> {
        self.record(rec, (label, "backward"), (padded, map), (map, padded))
    }

    /// Records `entry` under the label of op and pass; it reads `source` and has an invocation for LANES channels of each pixel of
    /// `result`; `small` is the one of the two without the padding.
    fn record(
        &self,
        rec: &mut Recorder<'_>,
        ([op, pass], entry): ([&'static str; 2], &'static str),
        (source, result): (&GpuTensor, &GpuTensor),
        (small, large): (&GpuTensor, &GpuTensor),
    ) -> Result<()> {
        let size = |t: &GpuTensor| [t.shape.dims()[1] as u32, t.shape.dims()[2] as u32];
        let c = result.shape.dims()[3];
        let lanes = Lanes::of(c);
        let kernel = Kernel::new(op, entry, SHADER).with_lanes(lanes).named(pass);
        for s in rec.batch_slices(&[source, result])? {
            let (source, result) = (source.samples(&s), result.samples(&s));
            let count = result.elements() / lanes.count();
            let params = Params {
                count: count as u32,
                groups: (c / lanes.count()) as u32,
                in_size: size(small),
                out_size: size(large),
                before: [self.rows[0] as u32, self.columns[0] as u32],
            };
            rec.dispatch_items(&kernel, &params, &[&source], &[&result], (count, 64))?;
        }
        Ok(())
    }
}

impl Op for ZeroPad2d {
    fn name(&self) -> &'static str {
        "zero_pad2d"
    }

    fn keras_name(&self) -> &'static str {
        "ZeroPadding2D"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let x = single("zero_pad2d", inputs)?;
        let [h, w, c] = image_dims("zero_pad2d", x)?;
        if x.elements() == 0 {
            return Err(Error::shape("zero_pad2d", format!("takes images with elements, found {x}")));
        }
        // Kernels count pixels in 32 bits.
        let padded = |size: usize, [before, after]: [usize; 2]| {
            size.checked_add(before)?.checked_add(after).filter(|v| u32::try_from(*v).is_ok())
        };
        match (padded(h, self.rows), padded(w, self.columns)) {
            (Some(h), Some(w)) => Ok([h, w, c].into()),
            _ => Err(Error::shape(
                "zero_pad2d",
                format!("padding {:?} and {:?} around {x} makes a map that no size can hold", self.rows, self.columns),
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
        self.record_padding(rec, ["zero_pad2d", "forward"], &io.x[0], io.y)
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        let Some(dx) = &io.dx[0] else { return Ok(()) };
        self.record_cropping(rec, ["zero_pad2d", "backward"], io.dy, dx)
    }
}

/// No padding, one side, unequal sides, more than the map; channels 1, 3, 5, 7 and round ones; over a workgroup of 64; a
/// network's own shape.
pub(super) fn cases() -> Vec<Case> {
    let case = |what, shape: [usize; 4], rows, columns| {
        Case::new(what, ZeroPad2d { rows, columns }, vec![Input::new(shape, 1)], Tolerance::EXACT)
    };
    vec![
        case("one_pixel", [1, 1, 1, 1], [1, 1], [1, 1]),
        case("none", [2, 3, 4, 3], [0, 0], [0, 0]),
        case("0_1_0_1", [2, 6, 5, 4], [0, 1], [0, 1]),
        case("unequal_c3", [3, 5, 7, 3], [2, 1], [0, 3]),
        case("over_map_c5", [2, 2, 3, 5], [4, 0], [5, 7]),
        case("c7", [2, 9, 4, 7], [1, 0], [0, 0]),
        case("above_group", [2, 8, 9, 12], [3, 3], [3, 3]),
        case("resnet_stem", [8, 112, 112, 3], [3, 3], [3, 3]).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked() {
        let infer = |op: ZeroPad2d, dims: &[usize]| op.infer(&[&Shape::new(dims)]);
        let op = ZeroPad2d { rows: [1, 2], columns: [3, 4] };
        assert_eq!(infer(op, &[5, 6, 7]).expect("fits"), Shape::new([8, 13, 7]));
        assert!(infer(op, &[5, 6]).is_err());
        assert!(infer(op, &[5, 6, 0]).is_err());
        assert!(infer(ZeroPad2d::new(usize::MAX), &[5, 6, 7]).is_err());
        assert!(infer(ZeroPad2d::new(1 << 31), &[5, 6, 7]).is_err());
    }
}
