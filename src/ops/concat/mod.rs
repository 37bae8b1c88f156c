//! Concatenation along the channels (`keras.layers.Concatenate`, axis -1).
//!
//! `y[.., o_i + c] = x_i[.., c]`, `o_i` being the channels of the inputs before `x_i`; `dx_i[.., c] = dy[.., o_i + c]`.
//!
//! Shapes: `x_i [n, h, w, c_i]` (or any other rank), `y [n, h, w, sum c_i]`. Nothing is saved and backward reads nothing but
//! `dy`. Errors: fewer than two inputs, inputs that differ in more than their channels, an empty one.

mod reference;

use super::several;
use super::{
    Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Op, Tolerance,
};
use crate::error::{Error, Result};
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder};
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Concat;

const SHADER: &str = include_str!("../../../shaders/concat.wgsl");

/// `Params` of shaders/concat.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    groups: u32,
    total: u32,
    first: u32,
}

/// The innermost size.
fn channels(shape: &Shape) -> usize {
    shape.dims().last().copied().unwrap_or(0)
}

/// First channel of every input in the output.
fn offsets<'a>(inputs: impl Iterator<Item = &'a Shape>) -> Vec<usize> {
    inputs
        .scan(0, |next, x| {
            let first = *next;
            *next += channels(x);
            Some(first)
        })
        .collect()
}

/// Records the copy of one input's channels between `part` and those from `first` on of `whole`.
fn record(
    rec: &mut Recorder<'_>,
    entry: &'static str,
    (part, whole, first): (&GpuTensor, &GpuTensor, usize),
) -> Result<()> {
    let (c, total) = (channels(&part.shape), channels(&whole.shape));
    let four = [c, total, first].iter().all(|v| v.is_multiple_of(4));
    let lanes = if four { Lanes::Four } else { Lanes::One };
    let kernel = Kernel::new("concat", entry, SHADER).with_lanes(lanes);
    for s in rec.batch_slices(&[part, whole])? {
        let (part, whole) = (part.samples(&s), whole.samples(&s));
        let count = part.elements() / lanes.count();
        let [count32, groups, total, first] =
            [count, c / lanes.count(), total / lanes.count(), first / lanes.count()].map(|v| v as u32);
        let params = Params { count: count32, groups, total, first };
        let (reads, writes) = if entry == "forward" { ([&part], [&whole]) } else { ([&whole], [&part]) };
        rec.dispatch_items(&kernel, &params, &reads, &writes, (count, 64))?;
    }
    Ok(())
}

impl Op for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn keras_name(&self) -> &'static str {
        "Concatenate"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let inputs = several("concat", inputs)?;
        let map = |x: &Shape| x.dims().split_last().map(|(_, map)| map.to_vec());
        if let Some(x) = inputs.iter().find(|x| map(x) != map(inputs[0])) {
            let what = format!("takes inputs that differ in their channels only, found {} and {x}", inputs[0]);
            return Err(Error::shape("concat", what));
        }
        if let Some(x) = inputs.iter().find(|x| x.dims().is_empty() || x.elements() == 0) {
            return Err(Error::shape("concat", format!("takes inputs with elements, found {x}")));
        }
        let mut dims = inputs[0].dims().to_vec();
        if let Some(c) = dims.last_mut() {
            *c = inputs.iter().fold(0, |sum, x| sum.saturating_add(channels(x)));
        }
        Ok(dims.into())
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        let offsets = offsets(io.x.iter().map(|x| &x.shape));
        io.x.iter().zip(offsets).try_for_each(|(x, first)| record(rec, "forward", (x, io.y, first)))
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        let offsets = offsets(io.x.iter().map(|x| &x.shape));
        let wanted = io.dx.iter().zip(offsets).filter_map(|(dx, first)| Some((dx.as_ref()?, first)));
        wanted.into_iter().try_for_each(|(dx, first)| record(rec, "backward", (dx, io.dy, first)))
    }
}

/// Channels 1, 3, 5, 7 and round ones, whole vec4s after a part that is none; vectors; two, three and four inputs; over a
/// workgroup of 64; a network's own shape.
pub(super) fn cases() -> Vec<Case> {
    let case = |what, map: &[usize], channels: &[usize]| {
        let input = |(c, seed): (&usize, u32)| Input::new([map, &[*c]].concat(), seed);
        Case::new(what, Concat, channels.iter().zip(10..).map(input).collect(), Tolerance::EXACT)
    };
    vec![
        case("one_each", &[1, 1, 1], &[1, 1]),
        case("c3_c5", &[2, 5, 7], &[3, 5]),
        case("c7_c4_c1", &[3, 3, 4], &[7, 4, 1]),
        case("c4_c8_c12", &[2, 5, 3], &[4, 8, 12]),
        case("vec4s_after_c3", &[2, 3, 3], &[3, 4, 8, 1]),
        case("vectors", &[33], &[7, 20]),
        case("above_group", &[2, 9, 11], &[16, 4]),
        case("fire_module", &[8, 27, 27], &[64, 64]).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_add_up() {
        let shape = |dims: &[usize]| Shape::new(dims);
        let (a, b) = (shape(&[4, 5, 3]), shape(&[4, 5, 7]));
        assert_eq!(Concat.infer(&[&a, &b, &a]).expect("one map"), shape(&[4, 5, 13]));
        for other in [&[4, 4, 3][..], &[5, 3], &[4, 5, 0], &[]] {
            assert!(Concat.infer(&[&a, &shape(other)]).is_err(), "{other:?}");
        }
        assert!(Concat.infer(&[&a]).is_err());
    }
}
