//! The f64 reference.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use crate::tensor::HostTensor;

/// Whether `v` is the maximum `top` of its map; all NaNs are equal here.
fn is_top(v: f64, top: f64) -> bool {
    v == top || v.is_nan()
}

pub(super) fn forward(io: &HostForward<'_>) -> HostOutput {
    let x = io.x[0];
    let [n, h, w, c] = *x.shape.dims() else { unreachable!("infer has taken this shape") };
    let sample = h * w * c;
    let pixels = |i: usize| x.data[i / c * sample..][..sample].iter().skip(i % c).step_by(c).copied();
    let higher = |top: f64, v: f64| if top.is_nan() || v <= top { top } else { v };
    let y = HostTensor::from_fn([n, c], |i| pixels(i).fold(f64::NEG_INFINITY, higher));
    let ties = HostTensor::from_fn([n, c], |i| pixels(i).filter(|v| is_top(*v, y.data[i])).count() as f64);
    HostOutput { y, saved: vec![ties], statistics: Vec::new() }
}

pub(super) fn backward(io: &HostBackward<'_>) -> HostGradients {
    let x = io.x[0];
    let [_, h, w, c] = *x.shape.dims() else { unreachable!("infer has taken this shape") };
    let dx = HostTensor::from_fn(x.shape.clone(), |i| {
        let slot = i / (h * w * c) * c + i % c;
        if is_top(x.data[i], io.y.data[slot]) { io.dy.data[slot] / io.saved[0].data[slot] } else { 0.0 }
    });
    HostGradients { dx: vec![dx], dparams: Vec::new() }
}
