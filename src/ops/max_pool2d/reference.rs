//! The f64 reference.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use super::Geometry;
use crate::tensor::HostTensor;

/// Calls `visit(output, tap, input)` with flat indices for each output and each of its taps on the map, in row-major order.
fn for_each_tap(g: &Geometry, n: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let Geometry { h, w, c } = *g;
    for output in 0..n * h.output * w.output * c {
        let pixel = output / c;
        let (sample, ho, wo) = (pixel / (h.output * w.output), pixel / w.output % h.output, pixel % w.output);
        for i in 0..h.window {
            let Some(row) = h.source(ho, i) else { continue };
            for j in 0..w.window {
                let Some(column) = w.source(wo, j) else { continue };
                visit(output, i * w.window + j, ((sample * h.input + row) * w.input + column) * c + output % c);
            }
        }
    }
}

pub(super) fn forward(g: &Geometry, io: &HostForward<'_>) -> HostOutput {
    let x = io.x[0];
    let n = x.shape.dims()[0];
    let shape = [n, g.h.output, g.w.output, g.c];
    // No tap yet: every window has at least one on the map.
    let mut argmax = HostTensor::from_fn(shape, |_| -1.0);
    let mut y = HostTensor::zeros(shape);
    for_each_tap(g, n, |output, tap, input| {
        let (v, best) = (x.data[input], y.data[output]);
        if argmax.data[output] < 0.0 || (!best.is_nan() && (v.is_nan() || v > best)) {
            (y.data[output], argmax.data[output]) = (v, tap as f64);
        }
    });
    HostOutput { y, saved: vec![argmax], statistics: Vec::new() }
}

pub(super) fn backward(g: &Geometry, io: &HostBackward<'_>) -> HostGradients {
    let mut dx = HostTensor::zeros(io.x[0].shape.clone());
    for_each_tap(g, io.dy.shape.dims()[0], |output, tap, input| {
        if io.saved[0].data[output] == tap as f64 {
            dx.data[input] += io.dy.data[output];
        }
    });
    HostGradients { dx: vec![dx], dparams: Vec::new() }
}
