//! The f64 reference.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use super::{Interpolation, Upsample2d};
use crate::tensor::HostTensor;

/// The pixels of an axis of `size` that output `at` reads, with their weights: two, which may be the same.
fn taps(interpolation: Interpolation, at: usize, factor: usize, size: usize) -> [(usize, f64); 2] {
    match interpolation {
        Interpolation::Nearest => [(at / factor, 1.0), (at / factor, 0.0)],
        Interpolation::Bilinear => {
            let s = (at as f64 + 0.5) / factor as f64 - 0.5;
            let low = s.floor();
            let clamped = |pixel: f64| pixel.clamp(0.0, (size - 1) as f64) as usize;
            [(clamped(low), 1.0 - (s - low)), (clamped(low + 1.0), s - low)]
        }
    }
}

/// Calls `each` with every output, every input that it reads, and the weight.
fn each_pair(op: &Upsample2d, [n, h, w, c]: [usize; 4], mut each: impl FnMut(usize, usize, f64)) {
    let [fh, fw] = op.factor;
    for (sample, row, column) in
        (0..n * h * fh * w * fw).map(|p| (p / (h * fh * w * fw), p / (w * fw) % (h * fh), p % (w * fw)))
    {
        let output = ((sample * h * fh + row) * w * fw + column) * c;
        for (y, wy) in taps(op.interpolation, row, fh, h) {
            for (x, wx) in taps(op.interpolation, column, fw, w) {
                let input = ((sample * h + y) * w + x) * c;
                (0..c).for_each(|k| each(output + k, input + k, wy * wx));
            }
        }
    }
}

fn dims(x: &HostTensor) -> [usize; 4] {
    x.shape.dims().try_into().unwrap_or_else(|_| unreachable!("infer has taken this shape"))
}

pub(super) fn forward(op: &Upsample2d, io: &HostForward<'_>) -> HostOutput {
    let [n, h, w, c] = dims(io.x[0]);
    let mut y = HostTensor::zeros([n, h * op.factor[0], w * op.factor[1], c]);
    each_pair(op, [n, h, w, c], |output, input, weight| y.data[output] += weight * io.x[0].data[input]);
    HostOutput::only(y)
}

pub(super) fn backward(op: &Upsample2d, io: &HostBackward<'_>) -> HostGradients {
    let mut dx = HostTensor::zeros(io.x[0].shape.clone());
    each_pair(op, dims(io.x[0]), |output, input, weight| dx.data[input] += weight * io.dy.data[output]);
    HostGradients { dx: vec![dx], dparams: Vec::new() }
}
