//! The f64 reference.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use super::Crop2d;
use crate::tensor::HostTensor;

/// For each element of `y`, the element of `x` that it is.
fn source<'a>(op: &'a Crop2d, x: &'a [usize], y: &'a [usize]) -> impl Fn(usize) -> usize + 'a {
    move |i| {
        let (pixel, channel) = (i / y[3], i % y[3]);
        let (line, column) = (pixel / y[2], pixel % y[2]);
        let (sample, row) = (line / y[1], line % y[1]);
        (((sample * x[1]) + row + op.rows[0]) * x[2] + column + op.columns[0]) * x[3] + channel
    }
}

/// Shape of the output for a batch of inputs.
fn output(op: &Crop2d, x: &[usize]) -> [usize; 4] {
    let cut = |size: usize, sides: [usize; 2]| size - sides[0] - sides[1];
    [x[0], cut(x[1], op.rows), cut(x[2], op.columns), x[3]]
}

pub(super) fn forward(op: &Crop2d, io: &HostForward<'_>) -> HostOutput {
    let x = io.x[0];
    let shape = output(op, x.shape.dims());
    let source = source(op, x.shape.dims(), &shape);
    HostOutput::only(HostTensor::from_fn(shape, |i| x.data[source(i)]))
}

pub(super) fn backward(op: &Crop2d, io: &HostBackward<'_>) -> HostGradients {
    let mut dx = HostTensor::zeros(io.x[0].shape.clone());
    let source = source(op, io.x[0].shape.dims(), io.dy.shape.dims());
    io.dy.data.iter().enumerate().for_each(|(i, dy)| dx.data[source(i)] = *dy);
    HostGradients { dx: vec![dx], dparams: Vec::new() }
}
