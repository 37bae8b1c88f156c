//! The f64 reference.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use super::LeakyRelu;
use crate::tensor::HostTensor;

pub(super) fn forward(op: &LeakyRelu, io: &HostForward<'_>) -> HostOutput {
    let (x, slope) = (io.x[0], f64::from(op.slope));
    let y = x.data.iter().map(|v| if *v > 0.0 { *v } else { slope * v }).collect();
    HostOutput::only(HostTensor { shape: x.shape.clone(), data: y })
}

pub(super) fn backward(op: &LeakyRelu, io: &HostBackward<'_>) -> HostGradients {
    let slope = f64::from(op.slope);
    let dx = io.y.data.iter().zip(&io.dy.data).map(|(y, dy)| if *y > 0.0 { *dy } else { slope * dy }).collect();
    HostGradients { dx: vec![HostTensor { shape: io.dy.shape.clone(), data: dx }], dparams: Vec::new() }
}
