//! The f64 reference.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use crate::tensor::HostTensor;

/// Elements of a row: the last axis.
fn width(x: &HostTensor) -> usize {
    x.shape.dims().last().copied().unwrap_or(1).max(1)
}

pub(super) fn forward(io: &HostForward<'_>) -> HostOutput {
    let x = io.x[0];
    let mut y = x.clone();
    for row in y.data.chunks_exact_mut(width(x)) {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.iter_mut().for_each(|v| *v = (*v - largest).exp());
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|v| *v /= sum);
    }
    HostOutput::only(y)
}

pub(super) fn backward(io: &HostBackward<'_>) -> HostGradients {
    let (y, dy) = (io.y, io.dy);
    let mut dx = dy.clone();
    for (row, p) in dx.data.chunks_exact_mut(width(y)).zip(y.data.chunks_exact(width(y))) {
        let mean: f64 = row.iter().zip(p).map(|(d, p)| d * p).sum();
        row.iter_mut().zip(p).for_each(|(d, p)| *d = p * (*d - mean));
    }
    HostGradients { dx: vec![dx], dparams: Vec::new() }
}
