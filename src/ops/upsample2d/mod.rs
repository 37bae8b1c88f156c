//! Enlargement of a map by whole factors (`keras.layers.UpSampling2D`), by repetition or bilinear.
//!
//! Nearest: `y[n, h, w, c] = x[n, h / fh, w / fw, c]`; `dx` is the sum of `dy` over the `fh x fw` outputs of each pixel.
//! Bilinear, with half-pixel centres and without antialiasing as in `tf.image.resize`: output `h` lies at `s = (h + 1/2) / fh - 1/2` of
//! the input; `y` is the mean of the pixels `floor(s)` and `floor(s) + 1` (both clamped to the map) weighted by nearness, in both
//! axes. `dx` sums `dy` by the same weights: each pixel gathers from the outputs that read it, in a fixed order.
//!
//! Shapes: `x [n, h, w, c]`, `y [n, fh h, fw w, c]`. Nothing is saved and backward reads nothing but `dy`. Errors: inputs that are not
//! images, factors below 1 or over 64, a map that no size can hold.

mod reference;

use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Op};
use super::{Tolerance, image_dims, single};
use crate::error::{Error, Result};
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder};
use crate::tensor::Shape;

/// The largest factor: backward's loops run over three times as many outputs, in both axes.
const MAX_FACTOR: usize = 64;

/// What lies between pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// Each pixel repeated.
    Nearest,
    /// Means of neighbours.
    Bilinear,
}

/// The op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upsample2d {
    /// Factors of height and width.
    pub factor: [usize; 2],
    /// How.
    pub interpolation: Interpolation,
}

const SHADER: &str = include_str!("../../../shaders/upsample2d.wgsl");

/// `Params` of shaders/upsample2d.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    size: [u32; 2],
    factor: [u32; 2],
    count: u32,
    groups: u32,
    padding: [u32; 2],
}

impl Upsample2d {
    /// Records `entry`, which has an invocation for LANES channels of each pixel of `result`; `map` is the smaller of the two.
    fn record(
        &self,
        rec: &mut Recorder<'_>,
        [pass, entry]: [&'static str; 2],
        (source, result): (&GpuTensor, &GpuTensor),
        map: &Shape,
    ) -> Result<()> {
        let [_, h, w, c] = map.nhwc("upsample2d")?;
        let lanes = Lanes::of(c);
        let kernel = Kernel::new("upsample2d", entry, SHADER).with_lanes(lanes).named(pass);
        for s in rec.batch_slices(&[source, result])? {
            let (source, result) = (source.samples(&s), result.samples(&s));
            let count = result.elements() / lanes.count();
            let params = Params {
                size: [h as u32, w as u32],
                factor: self.factor.map(|f| f as u32),
                count: count as u32,
                groups: (c / lanes.count()) as u32,
                padding: [0; 2],
            };
            rec.dispatch_items(&kernel, &params, &[&source], &[&result], (count, 64))?;
        }
        Ok(())
    }
}

impl Op for Upsample2d {
    fn name(&self) -> &'static str {
        "upsample2d"
    }

    fn keras_name(&self) -> &'static str {
        "UpSampling2D"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let x = single("upsample2d", inputs)?;
        let [h, w, c] = image_dims("upsample2d", x)?;
        if self.factor.iter().any(|f| !(1..=MAX_FACTOR).contains(f)) {
            return Err(Error::shape(
                "upsample2d",
                format!("factors {:?}; each must be from 1 to {MAX_FACTOR}", self.factor),
            ));
        }
        // Kernels count twice the pixels of an axis in signed 32 bits.
        let larger = |size: usize, factor: usize| size.checked_mul(factor).filter(|v| *v < 1 << 30);
        match (larger(h, self.factor[0]), larger(w, self.factor[1])) {
            (Some(h), Some(w)) if x.elements() > 0 => Ok([h, w, c].into()),
            _ => Err(Error::shape("upsample2d", format!("{x} by {:?} makes a map that no size can hold", self.factor))),
        }
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(self, io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(self, io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        let entry = match self.interpolation {
            Interpolation::Nearest => "forward",
            Interpolation::Bilinear => "forward_bilinear",
        };
        self.record(rec, [entry, entry], (&io.x[0], io.y), &io.x[0].shape)
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        let Some(dx) = &io.dx[0] else { return Ok(()) };
        let entry = match self.interpolation {
            Interpolation::Nearest => "backward",
            Interpolation::Bilinear => "backward_bilinear",
        };
        self.record(rec, [entry, entry], (io.dy, dx), &dx.shape)
    }
}

/// Factors 1, 2, odd, unequal and above the map; one pixel, one line; channels 1, 3, 5, 7 and round ones; over a workgroup of 64.
pub(super) fn cases() -> Vec<Case> {
    use Interpolation::{Bilinear, Nearest};
    let case = |what, shape: [usize; 4], factor: [usize; 2], interpolation| {
        // A pixel's gradient is a sum over at most nine times its own outputs.
        let tolerance = Tolerance::sum(9 * factor[0] * factor[1]);
        Case::new(what, Upsample2d { factor, interpolation }, vec![Input::new(shape, 1)], tolerance)
    };
    vec![
        case("one_pixel", [2, 1, 1, 3], [3, 2], Nearest),
        case("by_1", [2, 3, 4, 5], [1, 1], Nearest),
        case("by_2", [2, 5, 6, 4], [2, 2], Nearest),
        case("by_3_1_c7", [1, 4, 5, 7], [3, 1], Nearest),
        case("above_group", [2, 9, 7, 12], [2, 2], Nearest),
        case("bilinear_one_pixel", [2, 1, 1, 3], [3, 2], Bilinear),
        case("bilinear_by_1", [2, 3, 4, 5], [1, 1], Bilinear),
        case("bilinear_by_2", [2, 5, 6, 4], [2, 2], Bilinear),
        case("bilinear_by_3_5_c7", [1, 4, 3, 7], [3, 5], Bilinear),
        case("bilinear_line", [2, 1, 6, 1], [4, 3], Bilinear),
        case("bilinear_above_group", [2, 9, 7, 12], [2, 2], Bilinear),
        case("decoder", [8, 14, 14, 128], [2, 2], Nearest).benched(),
        case("bilinear_decoder", [8, 14, 14, 128], [2, 2], Bilinear).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked() {
        let infer = |factor, dims: &[usize]| {
            Upsample2d { factor, interpolation: Interpolation::Nearest }.infer(&[&Shape::new(dims)])
        };
        assert_eq!(infer([2, 3], &[4, 5, 6]).expect("fits"), Shape::new([8, 15, 6]));
        assert!(infer([0, 1], &[4, 5, 6]).is_err() && infer([65, 1], &[4, 5, 6]).is_err());
        assert!(infer([2, 2], &[4, 5]).is_err() && infer([2, 2], &[1 << 30, 1, 1]).is_err());
    }
}
