//! The f64 reference.

use super::super::elementwise::{reference_backward, reference_forward};
use super::super::{HostBackward, HostForward, HostGradients, HostOutput};

pub(super) fn forward(io: &HostForward<'_>) -> HostOutput {
    reference_forward(io, f64::tanh)
}

pub(super) fn backward(io: &HostBackward<'_>) -> HostGradients {
    reference_backward(io, io.y, |y| 1.0 - y * y)
}
