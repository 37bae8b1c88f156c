//! The f64 reference.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use crate::tensor::HostTensor;

pub(super) fn forward(io: &HostForward<'_>) -> HostOutput {
    HostOutput::only(HostTensor::from_fn(io.x[0].shape.clone(), |i| io.x[0].data[i] - io.x[1].data[i]))
}

pub(super) fn backward(io: &HostBackward<'_>) -> HostGradients {
    let negative = HostTensor::from_fn(io.dy.shape.clone(), |i| -io.dy.data[i]);
    HostGradients { dx: vec![io.dy.clone(), negative], dparams: Vec::new() }
}
