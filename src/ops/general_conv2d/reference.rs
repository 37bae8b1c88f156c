//! The f64 reference: plain loops, parallel over the batch. Weights of `[kh, kw, c, m]`, a depthwise convolution's, lie as those of as many
//! groups as channels do.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use super::Geometry;
use crate::tensor::HostTensor;
use rayon::prelude::*;

/// Calls `visit(input channel, filter, element of the weights)` for every product of a tap.
fn for_each_product(g: &Geometry, tap: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let (c_in, c_out) = (g.c_in_group(), g.c_out_group());
    for group in 0..g.groups {
        for c in 0..c_in {
            let row = (tap * c_in + c) * g.c_out;
            for o in group * c_out..(group + 1) * c_out {
                visit(group * c_in + c, o, row + o);
            }
        }
    }
}

pub(crate) fn forward(g: &Geometry, io: &HostForward<'_>) -> HostOutput {
    let (x, w) = (io.x[0], io.params[0]);
    let mut y = HostTensor::zeros([g.n, g.h.output, g.w.output, g.c_out]);
    y.data.par_chunks_mut(g.h.output * g.w.output * g.c_out).enumerate().for_each(|(n, y)| {
        if let Some(b) = io.params.get(1) {
            y.chunks_exact_mut(g.c_out).for_each(|pixel| pixel.copy_from_slice(&b.data));
        }
        let x = x.sample(n);
        g.for_each_tap(|output, tap, input| {
            let (x, y) = (&x[input * g.c_in..][..g.c_in], &mut y[output * g.c_out..][..g.c_out]);
            for_each_product(g, tap, |c, o, i| y[o] += x[c] * w.data[i]);
        });
    });
    HostOutput::only(y)
}

pub(crate) fn backward(g: &Geometry, io: &HostBackward<'_>) -> HostGradients {
    let (x, w, dy) = (io.x[0], io.params[0], io.dy);
    let mut dx = HostTensor::zeros(x.shape.clone());
    // Each sample's share of dw, added up in sample order afterwards.
    let shares: Vec<Vec<f64>> = dx
        .data
        .par_chunks_mut(g.h.input * g.w.input * g.c_in)
        .enumerate()
        .map(|(n, dx)| {
            let (x, dy) = (x.sample(n), dy.sample(n));
            let mut dw = vec![0.0; w.data.len()];
            g.for_each_tap(|output, tap, input| {
                let (x, dx) = (&x[input * g.c_in..][..g.c_in], &mut dx[input * g.c_in..][..g.c_in]);
                let dy = &dy[output * g.c_out..][..g.c_out];
                for_each_product(g, tap, |c, o, i| {
                    dw[i] += x[c] * dy[o];
                    dx[c] += w.data[i] * dy[o];
                });
            });
            dw
        })
        .collect();
    let mut dw = HostTensor::zeros(w.shape.clone());
    for share in shares {
        dw.data.iter_mut().zip(share).for_each(|(dw, share)| *dw += share);
    }
    let mut dparams = vec![Some(dw)];
    if io.params.len() > 1 {
        let mut db = HostTensor::zeros([g.c_out]);
        for pixel in dy.data.chunks_exact(g.c_out) {
            db.data.iter_mut().zip(pixel).for_each(|(db, dy)| *db += dy);
        }
        dparams.push(Some(db));
    }
    HostGradients { dx: vec![dx], dparams }
}
