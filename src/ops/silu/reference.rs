//! The f64 reference.

use super::super::elementwise::{reference_backward, reference_forward};
use super::super::sigmoid::logistic;
use super::super::{HostBackward, HostForward, HostGradients, HostOutput};

pub(super) fn forward(io: &HostForward<'_>) -> HostOutput {
    reference_forward(io, |x| x * logistic(x))
}

pub(super) fn backward(io: &HostBackward<'_>) -> HostGradients {
    reference_backward(io, io.x[0], |x| logistic(x) * (1.0 + x * logistic(-x)))
}
