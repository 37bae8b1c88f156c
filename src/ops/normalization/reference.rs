//! The f64 reference.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use crate::tensor::HostTensor;

/// Keras's floor of the deviation, `keras.config.epsilon()`.
const FLOOR: f64 = 1e-7;

pub(super) fn forward(io: &HostForward<'_>) -> HostOutput {
    let x = io.x[0];
    let [mean, variance, _count] = io.params[..] else { unreachable!("three parameters") };
    let c = mean.data.len();
    HostOutput::only(HostTensor::from_fn(x.shape.clone(), |i| {
        (x.data[i] - mean.data[i % c]) / variance.data[i % c].sqrt().max(FLOOR)
    }))
}

pub(super) fn backward(io: &HostBackward<'_>) -> HostGradients {
    let (dy, variance) = (io.dy, io.params[1]);
    let c = variance.data.len();
    let dx = HostTensor::from_fn(dy.shape.clone(), |i| dy.data[i] / variance.data[i % c].sqrt().max(FLOOR));
    HostGradients { dx: vec![dx], dparams: vec![None; 3] }
}
