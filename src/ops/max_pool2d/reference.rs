//! The f64 reference.

use super::super::window::Windows;
use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use crate::tensor::HostTensor;

pub(super) fn forward(g: &Windows, io: &HostForward<'_>) -> HostOutput {
    let (x, c) = (io.x[0], g.c);
    let shape = [x.shape.dims()[0], g.h.output, g.w.output, c];
    // No tap yet: every window has at least one on the map.
    let mut argmax = HostTensor::from_fn(shape, |_| -1.0);
    let mut y = HostTensor::zeros(shape);
    let outputs = g.h.output * g.w.output * c;
    let samples = y.data.chunks_exact_mut(outputs).zip(argmax.data.chunks_exact_mut(outputs));
    for (sample, (y, argmax)) in samples.enumerate() {
        let x = x.sample(sample);
        g.for_each_tap(|output, tap, input| {
            for k in 0..c {
                let (v, o) = (x[input * c + k], output * c + k);
                if argmax[o] < 0.0 || (!y[o].is_nan() && (v.is_nan() || v > y[o])) {
                    (y[o], argmax[o]) = (v, tap as f64);
                }
            }
        });
    }
    HostOutput { y, saved: vec![argmax], statistics: Vec::new() }
}

pub(super) fn backward(g: &Windows, io: &HostBackward<'_>) -> HostGradients {
    let c = g.c;
    let mut dx = HostTensor::zeros(io.x[0].shape.clone());
    for (sample, dx) in dx.data.chunks_exact_mut(g.h.input * g.w.input * c).enumerate() {
        let (dy, argmax) = (io.dy.sample(sample), io.saved[0].sample(sample));
        g.for_each_tap(|output, tap, input| {
            for k in 0..c {
                if argmax[output * c + k] == tap as f64 {
                    dx[input * c + k] += dy[output * c + k];
                }
            }
        });
    }
    HostGradients { dx: vec![dx], dparams: Vec::new() }
}
