//! Softmax over the last axis, as a layer inside a network (`keras.layers.Softmax`): weights of attention. The softmax that ends a
//! classifier is in the loss ([`super::softmax_cross_entropy`]).
//!
//! `y = exp(x - max x) / sum exp(x - max x)`; `dx = y (dy - sum y dy)`, maximum and sums over a row: the last axis. Any shape; the
//! output has the input's. A row with a NaN or an infinity above all becomes NaN, as in Keras. Nothing is saved: backward reads `y`.
//! Errors: any other number of inputs than one, a row without elements or of more than [`MAX_WIDTH`].

mod reference;

use super::team::Team;
use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Needs, Op};
use super::{Tolerance, single};
use crate::error::{Error, Result};
use crate::gpu::{GpuTensor, Lanes, Recorder};
use crate::tensor::Shape;

/// The longest row: forward walks it three times, 64 elements side by side, within [`MAX_TRIPS`](crate::gpu::grid::MAX_TRIPS).
pub const MAX_WIDTH: usize = 1 << 19;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softmax;

const SHADER: &str = include_str!("../../../shaders/softmax.wgsl");

/// `Params` of shaders/softmax.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    rows: u32,
    width: u32,
    padding: [u32; 2],
}

/// Records `entry` over the rows of `write`, whose shape `reads` have.
fn record(rec: &mut Recorder<'_>, entry: &'static str, reads: &[&GpuTensor], write: &GpuTensor) -> Result<()> {
    let c = write.shape.dims().last().copied().unwrap_or(1);
    let lanes = Lanes::of(c);
    let width = c / lanes.count();
    let team = Team::of(width);
    let kernel = team.kernel("softmax", entry, SHADER, lanes);
    for s in rec.batch_slices(&[write])? {
        let (reads, write): (Vec<_>, _) = (reads.iter().map(|t| t.samples(&s)).collect(), write.samples(&s));
        let rows = write.elements() / c;
        let params = Params { rows: rows as u32, width: width as u32, padding: [0; 2] };
        team.dispatch(rec, &kernel, &params, (&reads.iter().collect::<Vec<_>>(), &[&write]), rows)?;
    }
    Ok(())
}

impl Op for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn keras_name(&self) -> &'static str {
        "Softmax"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let x = single(self.name(), inputs)?;
        match x.dims().last() {
            Some(1..=MAX_WIDTH) if x.elements() > 0 => Ok(x.clone()),
            _ => Err(Error::shape(self.name(), format!("takes a last axis of 1 to {MAX_WIDTH} elements, found {x}"))),
        }
    }

    fn needs(&self) -> Needs {
        Needs { x: false, y: true }
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        record(rec, "forward", &[&io.x[0]], io.y)
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        let Some(dx) = &io.dx[0] else { return Ok(()) };
        record(rec, "backward", &[io.y, io.dy], dx)
    }
}

/// Rows of one element; channels 1, 3, 5, 7 and round ones; vectors, sequences and maps; rows of one, some and all invocations of a
/// workgroup, and of several turns; logits so large that a naive exponential overflows, and far from 0; the attention of a small network.
pub(super) fn cases() -> Vec<Case> {
    // Elements of a long row are small.
    let with = |what, input: Input| {
        let width = input.shape.dims().last().copied().unwrap_or(1);
        Case::new(what, Softmax, vec![input], Tolerance { abs: 4e-6 / (width as f64).max(2.0), rel: 1e-5 })
    };
    let case = |what, shape: &[usize]| with(what, Input::new(shape, 1).around(0.0, 3.0));
    vec![
        case("one", &[1, 1]),
        case("c1", &[3, 4, 5, 1]),
        case("c3", &[2, 7, 3, 3]),
        case("c4", &[65, 4]),
        case("c5", &[130, 5]),
        case("c7", &[1, 7]),
        case("c12", &[3, 5, 12]),
        case("c33", &[5, 2, 2, 33]),
        case("c100", &[9, 100]),
        case("c260", &[2, 3, 260]),
        case("c4099", &[2, 4099]),
        case("c5000", &[3, 5000]),
        with("large_logits", Input::new([5, 7], 1).around(0.0, 300.0)),
        with("far_from_zero", Input::new([6, 8], 1).around(-1e4, 3.0)),
        with("equal", Input::new([3, 10], 1).around(2.0, 0.0)),
        case("attention", &[32, 196, 196]).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_checked() {
        let infer = |dims: &[usize]| Softmax.infer(&[&Shape::new(dims)]);
        assert_eq!(infer(&[4, 5, 6]).expect("fits"), Shape::new([4, 5, 6]));
        assert!(infer(&[MAX_WIDTH]).is_ok() && infer(&[MAX_WIDTH + 1]).is_err());
        let two = Softmax.infer(&[&Shape::new([3]), &Shape::new([3])]);
        assert!(infer(&[4, 0]).is_err() && infer(&[]).is_err() && two.is_err());
    }
}
