//! The f64 reference.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use crate::tensor::HostTensor;

pub(super) fn forward(io: &HostForward<'_>) -> HostOutput {
    let shape = io.x[0].shape.clone();
    HostOutput::only(HostTensor::from_fn(shape, |i| io.x.iter().map(|x| x.data[i]).sum()))
}

pub(super) fn backward(io: &HostBackward<'_>) -> HostGradients {
    HostGradients { dx: vec![io.dy.clone(); io.x.len()], dparams: Vec::new() }
}
