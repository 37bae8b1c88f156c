//! The f64 reference.

use super::super::elementwise::{reference_backward, reference_forward};
use super::super::{HostBackward, HostForward, HostGradients, HostOutput};

/// The logistic function; f64 turns an exponential that overflows into the right limit, 0.
pub(in super::super) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

pub(super) fn forward(io: &HostForward<'_>) -> HostOutput {
    reference_forward(io, logistic)
}

pub(super) fn backward(io: &HostBackward<'_>) -> HostGradients {
    reference_backward(io, io.y, |y| y * (1.0 - y))
}
