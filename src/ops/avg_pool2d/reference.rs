//! The f64 reference.

use super::super::window::Windows;
use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use crate::tensor::HostTensor;

/// Taps on the map of each window of a sample.
fn counts(g: &Windows) -> Vec<f64> {
    let mut counts = vec![0.0; g.h.output * g.w.output];
    g.for_each_tap(|output, _, _| counts[output] += 1.0);
    counts
}

pub(super) fn forward(g: &Windows, io: &HostForward<'_>) -> HostOutput {
    let (x, c, counts) = (io.x[0], g.c, counts(g));
    let n = x.shape.dims()[0];
    let mut y = HostTensor::zeros([n, g.h.output, g.w.output, c]);
    for (sample, y) in y.data.chunks_exact_mut(g.h.output * g.w.output * c).enumerate() {
        let x = x.sample(sample);
        g.for_each_tap(|output, _, input| {
            for k in 0..c {
                y[output * c + k] += x[input * c + k] / counts[output];
            }
        });
    }
    HostOutput::only(y)
}

pub(super) fn backward(g: &Windows, io: &HostBackward<'_>) -> HostGradients {
    let (c, counts) = (g.c, counts(g));
    let mut dx = HostTensor::zeros(io.x[0].shape.clone());
    for (sample, dx) in dx.data.chunks_exact_mut(g.h.input * g.w.input * c).enumerate() {
        let dy = io.dy.sample(sample);
        g.for_each_tap(|output, _, input| {
            for k in 0..c {
                dx[input * c + k] += dy[output * c + k] / counts[output];
            }
        });
    }
    HostGradients { dx: vec![dx], dparams: Vec::new() }
}
