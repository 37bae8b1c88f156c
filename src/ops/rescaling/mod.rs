//! A fixed scale and offset (`keras.layers.Rescaling`), for all channels or one of each a channel.
//!
//! `y = x * scale + offset`; `dx = dy * scale`. Any shape; the output has the input's. A list of values has one, or as many as
//! the last axis has channels, up to [`MAX_CHANNELS`]: this is for images at a network's stem (EfficientNet rescales by 1 / 255,
//! then each colour by another factor). Nothing is trained or saved, and backward reads nothing but `dy`.
//! Errors: another number of values, values that are not finite, too many channels for values of their own.

mod reference;

use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Op};
use super::{Tolerance, single};
use crate::error::{Error, Result};
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder};
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Debug, PartialEq)]
pub struct Rescaling {
    /// One factor, or one a channel.
    pub scale: Vec<f32>,
    /// What is added after it: one value, or one a channel.
    pub offset: Vec<f32>,
}

/// The most channels that may have values of their own.
pub const MAX_CHANNELS: usize = 8;

/// Vec4s after which the channels of neighbouring elements repeat, at most: 7 channels take 7.
const PATTERN: usize = 7;

const SHADER: &str = include_str!("../../../shaders/rescaling.wgsl");

/// `Params` of shaders/rescaling.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    period: u32,
    padding: [u32; 2],
    scale: [[f32; 4]; PATTERN],
    offset: [[f32; 4]; PATTERN],
}

impl Rescaling {
    /// The same scale and offset for every channel.
    pub fn new(scale: f32, offset: f32) -> Self {
        Self { scale: vec![scale], offset: vec![offset] }
    }

    /// A factor for each channel, and no offset.
    pub fn per_channel(scale: impl Into<Vec<f32>>) -> Self {
        Self { scale: scale.into(), offset: vec![0.0] }
    }

    /// The uniform, but for the count.
    fn params(&self) -> Params {
        // Elements repeat their values every `channels`, vec4s every lcm(channels, 4) / 4.
        let channels = self.scale.len().max(self.offset.len());
        let period = if channels.is_multiple_of(4) {
            channels / 4
        } else if channels.is_multiple_of(2) {
            channels / 2
        } else {
            channels
        };
        let pattern = |values: &[f32]| {
            std::array::from_fn(|vec| std::array::from_fn(|lane| values[(4 * vec + lane) % values.len()]))
        };
        Params {
            count: 0,
            period: period as u32,
            padding: [0; 2],
            scale: pattern(&self.scale),
            offset: pattern(&self.offset),
        }
    }

    /// Forward from `x` or backward from `dy`.
    fn record(
        &self,
        rec: &mut Recorder<'_>,
        entry: &'static str,
        (source, result): (&GpuTensor, &GpuTensor),
    ) -> Result<()> {
        let kernel = Kernel::new("rescaling", entry, SHADER).with_lanes(Lanes::Four);
        for s in rec.batch_slices(&[result])? {
            // A slice is whole samples, and those are whole groups of channels: the pattern starts anew.
            let (source, result) = (source.samples(&s), result.samples(&s));
            let count = result.elements().div_ceil(4);
            let params = Params { count: count as u32, ..self.params() };
            rec.dispatch_items(&kernel, &params, &[&source], &[&result], (count, 64))?;
        }
        Ok(())
    }
}

impl Op for Rescaling {
    fn name(&self) -> &'static str {
        "rescaling"
    }

    fn keras_name(&self) -> &'static str {
        "Rescaling"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let x = single("rescaling", inputs)?;
        let channels = x.dims().last().copied().unwrap_or(1);
        for (what, values) in [("scale", &self.scale), ("offset", &self.offset)] {
            let count = values.len();
            if count != 1 && (count != channels || count > MAX_CHANNELS) {
                let expected = if (2..=MAX_CHANNELS).contains(&channels) { "1, or one a channel" } else { "1" };
                return Err(Error::shape(
                    "rescaling",
                    format!("{count} values of {what} for {x}, expected {expected}"),
                ));
            }
            if let Some(v) = values.iter().find(|v| !v.is_finite()) {
                return Err(Error::shape("rescaling", format!("{what} of {v}: it must be finite")));
            }
        }
        Ok(x.clone())
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(self, io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(self, io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        self.record(rec, "forward", (&io.x[0], io.y))
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        let Some(dx) = &io.dx[0] else { return Ok(()) };
        self.record(rec, "backward", (io.dy, dx))
    }
}

/// One value for all and values of their own for 2 to 8 channels, of scale, offset and both; counts that 4 does not divide; over
/// a workgroup of 64 vec4s; bytes as pixels; a vector; the stem of EfficientNet-B0.
pub(super) fn cases() -> Vec<Case> {
    let case =
        |what: &str, op: Rescaling, shape: &[usize]| Case::new(what, op, vec![Input::new(shape, 1)], Tolerance::EXACT);
    let list = |n: usize, sign: f32| (1..=n).map(|i| sign / (i as f32 + 1.0)).collect::<Vec<f32>>();
    let both = |n| Rescaling { scale: list(n, 1.0), offset: list(n, -1.0) };
    let bytes = Input::new([3, 5, 7, 1], 1).around(127.5, 127.5).quantized(1.0);
    vec![
        case("one", Rescaling::new(0.5, -0.25), &[1, 1]),
        case("c1", both(1), &[3, 4, 5, 1]),
        case("c2", both(2), &[3, 5, 1, 2]),
        case("c3", both(3), &[2, 7, 3, 3]),
        case("c4", both(4), &[2, 9, 11, 4]),
        case("c5", both(5), &[4, 3, 3, 5]),
        case("c6", both(6), &[3, 3, 1, 6]),
        case("c7", both(7), &[5, 9, 7]),
        case("c8", both(8), &[5, 8]),
        case("c3_offset_only", Rescaling { scale: vec![0.75], offset: list(3, 1.0) }, &[5, 4, 7, 3]),
        case("c36_one_value", Rescaling::new(-0.75, 0.5), &[7, 36]),
        Case {
            // x * scale rounds to 2^-25 before 1 is taken from it.
            tolerance: Tolerance { abs: 2e-7, rel: 3e-7 },
            ..Case::new("bytes", Rescaling::new(1.0 / 127.5, -1.0), vec![bytes], Tolerance::EXACT)
        },
        case("efficientnet_stem", Rescaling::per_channel(list(3, 1.0)), &[32, 224, 224, 3]).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked() {
        let infer = |op: Rescaling, dims: &[usize]| op.infer(&[&Shape::new(dims)]).map_err(|e| e.to_string());
        assert_eq!(infer(Rescaling::per_channel([1.0, 2.0, 3.0]), &[4, 5, 3]), Ok(Shape::new([4, 5, 3])));
        assert!(infer(Rescaling::new(2.0, 0.0), &[4, 5, 300]).is_ok());
        let refused = [
            (Rescaling::per_channel([1.0, 2.0]), &[4, 5, 3][..], "2 values of scale for [4, 5, 3]"),
            (Rescaling::per_channel([]), &[3], "0 values of scale"),
            (Rescaling { scale: vec![1.0], offset: vec![0.0; 2] }, &[4, 5, 3], "2 values of offset"),
            (Rescaling::per_channel([1.0; 9]), &[9], "expected 1"),
            (Rescaling::new(f32::NAN, 0.0), &[3], "scale of NaN"),
            (Rescaling::new(1.0, f32::INFINITY), &[3], "offset of inf"),
        ];
        for (op, dims, text) in refused {
            let error = infer(op, dims).expect_err(text);
            assert!(error.contains(text), "{error}");
        }
    }
}
