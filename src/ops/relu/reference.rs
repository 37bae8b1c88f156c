//! The f64 reference.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use crate::tensor::HostTensor;

pub(super) fn forward(io: &HostForward<'_>) -> HostOutput {
    let x = io.x[0];
    HostOutput::only(HostTensor {
        shape: x.shape.clone(),
        data: x.data.iter().map(|v| if *v < 0.0 { 0.0 } else { *v }).collect(),
    })
}

pub(super) fn backward(io: &HostBackward<'_>) -> HostGradients {
    let dx = io.y.data.iter().zip(&io.dy.data).map(|(y, dy)| if *y > 0.0 { *dy } else { 0.0 }).collect();
    HostGradients { dx: vec![HostTensor { shape: io.dy.shape.clone(), data: dx }], dparams: Vec::new() }
}
