//! The f64 reference.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use super::Rescaling;
use crate::tensor::HostTensor;

/// The value of element `i` of a tensor whose last axis is the channels.
fn at(values: &[f32], i: usize) -> f64 {
    f64::from(values[i % values.len()])
}

pub(super) fn forward(op: &Rescaling, io: &HostForward<'_>) -> HostOutput {
    let x = io.x[0];
    HostOutput::only(HostTensor::from_fn(x.shape.clone(), |i| x.data[i] * at(&op.scale, i) + at(&op.offset, i)))
}

pub(super) fn backward(op: &Rescaling, io: &HostBackward<'_>) -> HostGradients {
    let dx = HostTensor::from_fn(io.dy.shape.clone(), |i| io.dy.data[i] * at(&op.scale, i));
    HostGradients { dx: vec![dx], dparams: Vec::new() }
}
