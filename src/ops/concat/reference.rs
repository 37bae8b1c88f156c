//! The f64 reference.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use super::{channels, offsets};
use crate::tensor::HostTensor;

pub(super) fn forward(io: &HostForward<'_>) -> HostOutput {
    let mut dims = io.x[0].shape.dims().to_vec();
    let pixels = dims[..dims.len() - 1].iter().product();
    let total: usize = io.x.iter().map(|x| channels(&x.shape)).sum();
    let mut data = Vec::with_capacity(pixels * total);
    for pixel in 0..pixels {
        for x in &io.x {
            let c = channels(&x.shape);
            data.extend_from_slice(&x.data[pixel * c..(pixel + 1) * c]);
        }
    }
    if let Some(c) = dims.last_mut() {
        *c = total;
    }
    HostOutput::only(HostTensor { shape: dims.into(), data })
}

pub(super) fn backward(io: &HostBackward<'_>) -> HostGradients {
    let total = channels(&io.dy.shape);
    let firsts = offsets(io.x.iter().map(|x| &x.shape));
    let part = |x: &HostTensor, first: usize| {
        let c = channels(&x.shape);
        HostTensor::from_fn(x.shape.clone(), |i| io.dy.data[i / c * total + first + i % c])
    };
    let dx = io.x.iter().zip(firsts).map(|(x, first)| part(x, first)).collect();
    HostGradients { dx, dparams: Vec::new() }
}
