//! The f64 reference.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use super::Pairing;
use crate::tensor::HostTensor;

/// For each element of the output, the element of input `which` that it meets.
fn met(x: &[&HostTensor], which: usize) -> impl Fn(usize) -> usize {
    let gate = Pairing::checked(&x[0].shape, &x[1].shape) == Pairing::Gate(which);
    let (n, c) = (x[0].shape.dims()[0], x[which].shape.dims()[x[which].shape.dims().len() - 1]);
    let sample = x[1 - which].data.len() / n;
    move |i| if gate { i / sample * c + i % c } else { i }
}

pub(super) fn forward(io: &HostForward<'_>) -> HostOutput {
    let [a, b] = io.x[..] else { unreachable!("two inputs") };
    let (in_a, in_b) = (met(&io.x, 0), met(&io.x, 1));
    let larger = if a.data.len() >= b.data.len() && a.shape.dims().len() >= b.shape.dims().len() { a } else { b };
    HostOutput::only(HostTensor::from_fn(larger.shape.clone(), |i| a.data[in_a(i)] * b.data[in_b(i)]))
}

pub(super) fn backward(io: &HostBackward<'_>) -> HostGradients {
    let gradient = |which: usize| {
        let (own, other) = (met(&io.x, which), met(&io.x, 1 - which));
        let mut dx = HostTensor::zeros(io.x[which].shape.clone());
        for (i, dy) in io.dy.data.iter().enumerate() {
            dx.data[own(i)] += dy * io.x[1 - which].data[other(i)];
        }
        dx
    };
    HostGradients { dx: vec![gradient(0), gradient(1)], dparams: Vec::new() }
}
