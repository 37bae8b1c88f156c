//! The f64 reference.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use super::ZeroPad2d;
use crate::tensor::HostTensor;

/// For every line of every sample of `x`: the index of its first element in `x` and in the padded map.
fn lines(op: &ZeroPad2d, [n, h, w, c]: [usize; 4]) -> impl Iterator<Item = (usize, usize)> {
    let [top, bottom] = op.rows;
    let [left, right] = op.columns;
    let padded = move |line: usize| (line / h * (top + h + bottom) + top + line % h) * (left + w + right) + left;
    (0..n * h).map(move |line| (line * w * c, padded(line) * c))
}

pub(super) fn forward(op: &ZeroPad2d, io: &HostForward<'_>) -> HostOutput {
    let x = io.x[0];
    let [n, h, w, c] = *x.shape.dims() else { unreachable!("infer has taken this shape") };
    let mut y = HostTensor::zeros([n, h + op.rows[0] + op.rows[1], w + op.columns[0] + op.columns[1], c]);
    for (from, to) in lines(op, [n, h, w, c]) {
        y.data[to..to + w * c].copy_from_slice(&x.data[from..from + w * c]);
    }
    HostOutput::only(y)
}

pub(super) fn backward(op: &ZeroPad2d, io: &HostBackward<'_>) -> HostGradients {
    let [n, h, w, c] = *io.x[0].shape.dims() else { unreachable!("infer has taken this shape") };
    let mut dx = HostTensor::zeros([n, h, w, c]);
    for (to, from) in lines(op, [n, h, w, c]) {
        dx.data[to..to + w * c].copy_from_slice(&io.dy.data[from..from + w * c]);
    }
    HostGradients { dx: vec![dx], dparams: Vec::new() }
}
