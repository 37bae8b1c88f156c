//! Normalization by a fixed mean and variance a channel (`keras.layers.Normalization`, axis -1).
//!
//! `y = (x - mean) / max(sqrt(variance), 1e-7)`; `dx = dy / max(sqrt(variance), 1e-7)`.
//!
//! Shapes: `x`, `y` `[n, ..., c]`; `mean variance [c]` and `count []`, statistics that no step moves: they come from a weight file
//! (or start as 0, 1 and 0). Nothing reads `count`, a 64-bit integer scalar in Keras's files: it is here because Keras counts it
//! among the layer's parameters. Nothing is saved; backward reads `variance`.
//! Errors: a sample without a channel.

mod reference;

use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Init, Input, Op};
use super::{ParamSpec, Subject, Tolerance, single};
use crate::error::{Error, Result};
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder};
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization;

const SHADER: &str = include_str!("../../../shaders/normalization.wgsl");

/// `Params` of shaders/normalization.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    groups: u32,
    padding: [u32; 2],
}

/// Forward of `x` or backward of `dy`; `statistics` are bound behind it.
fn record(
    rec: &mut Recorder<'_>,
    entry: &'static str,
    (source, result): (&GpuTensor, &GpuTensor),
    statistics: &[&GpuTensor],
) -> Result<()> {
    let c = statistics[0].elements();
    let lanes = Lanes::of(c);
    let kernel = Kernel::new("normalization", entry, SHADER).with_lanes(lanes);
    for s in rec.batch_slices(&[result])? {
        let (source, result) = (source.samples(&s), result.samples(&s));
        let count = result.elements() / lanes.count();
        let params = Params { count: count as u32, groups: (c / lanes.count()) as u32, padding: [0; 2] };
        let reads = [&[&source], statistics].concat();
        rec.dispatch_items(&kernel, &params, &reads, &[&result], (count, 64))?;
    }
    Ok(())
}

impl Op for Normalization {
    fn name(&self) -> &'static str {
        "normalization"
    }

    fn keras_name(&self) -> &'static str {
        "Normalization"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let x = single("normalization", inputs)?;
        match x.dims() {
            [.., _] if x.elements() > 0 => Ok(x.clone()),
            _ => Err(Error::shape("normalization", format!("takes [..., c], none 0; found {x}"))),
        }
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let c = inputs[0].dims()[inputs[0].dims().len() - 1];
        vec![
            ParamSpec::statistic("mean", [c], Init::Zeros),
            ParamSpec::statistic("variance", [c], Init::Ones),
            ParamSpec::statistic("count", [], Init::Zeros),
        ]
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        record(rec, "forward", (&io.x[0], io.y), &[&io.params[0], &io.params[1]])
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        let Some(dx) = &io.dx[0] else { return Ok(()) };
        record(rec, "backward", (io.dy, dx), &[&io.params[1]])
    }
}

/// Channels 1, 3, 5, 7 and round ones; over a workgroup of 64; inference, which is the same; a variance of 0 (the floor counts);
/// the stem of EfficientNet-B0.
pub(super) fn cases() -> Vec<Case> {
    // A difference, a square root and a quotient: a few roundings.
    let tolerance = Tolerance { abs: 1e-7, rel: 2e-6 };
    let case = |what, shape: &[usize]| Case::new(what, Normalization, vec![Input::new(shape, 1)], tolerance);
    let mut floor = case("no_variance", &[2, 3, 3, 3]).kinked();
    if let Subject::Op { params, .. } = &mut floor.subject {
        params[1] = params[1].clone().around(0.0, 0.0);
    }
    vec![
        case("one", &[1, 1]),
        case("c1", &[3, 4, 5, 1]),
        case("c3", &[2, 7, 3, 3]),
        case("c5", &[4, 3, 3, 5]),
        case("c7", &[5, 7]),
        case("c32", &[4, 5, 5, 32]),
        case("c36", &[33, 36]),
        case("inference", &[3, 4, 5, 12]).inference(),
        floor,
        case("efficientnet_stem", &[32, 224, 224, 3]).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_checked() {
        assert_eq!(Normalization.infer(&[&Shape::new([4, 5, 3])]).expect("an image"), Shape::new([4, 5, 3]));
        for dims in [&[][..], &[4, 5, 0]] {
            assert!(Normalization.infer(&[&Shape::new(dims)]).is_err(), "{dims:?}");
        }
    }
}
