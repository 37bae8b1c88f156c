//! The f64 reference.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use crate::tensor::HostTensor;

/// The first of the largest inputs at an element.
fn winner(x: &[&HostTensor], i: usize) -> usize {
    let mut best = 0;
    for (k, input) in x.iter().enumerate() {
        // A NaN wins over numbers.
        if input.data[i] > x[best].data[i] || (input.data[i].is_nan() && !x[best].data[i].is_nan()) {
            best = k;
        }
    }
    best
}

pub(super) fn forward(io: &HostForward<'_>) -> HostOutput {
    HostOutput::only(HostTensor::from_fn(io.x[0].shape.clone(), |i| io.x[winner(&io.x, i)].data[i]))
}

pub(super) fn backward(io: &HostBackward<'_>) -> HostGradients {
    let won = |k: usize, i: usize| if winner(&io.x, i) == k { io.dy.data[i] } else { 0.0 };
    let dx = (0..io.x.len()).map(|k| HostTensor::from_fn(io.dy.shape.clone(), |i| won(k, i))).collect();
    HostGradients { dx, dparams: Vec::new() }
}
