//! The f64 reference: plain loops, parallel over the batch.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use super::Geometry;
use crate::tensor::HostTensor;
use rayon::prelude::*;

pub(super) fn forward(g: &Geometry, io: &HostForward<'_>) -> HostOutput {
    let (x, w) = (io.x[0], io.params[0]);
    let (windows, m, c_out) = (&g.windows, g.multiplier, g.c_out());
    let mut y = HostTensor::zeros([x.shape.dims()[0], windows.h.output, windows.w.output, c_out]);
    y.data.par_chunks_mut(windows.h.output * windows.w.output * c_out).enumerate().for_each(|(n, y)| {
        if let Some(b) = io.params.get(1) {
            y.chunks_exact_mut(c_out).for_each(|pixel| pixel.copy_from_slice(&b.data));
        }
        let x = x.sample(n);
        windows.for_each_tap(|output, tap, input| {
            for o in 0..c_out {
                y[output * c_out + o] += x[input * windows.c + o / m] * w.data[tap * c_out + o];
            }
        });
    });
    HostOutput::only(y)
}

pub(super) fn backward(g: &Geometry, io: &HostBackward<'_>) -> HostGradients {
    let (x, w, dy) = (io.x[0], io.params[0], io.dy);
    let (windows, m, c_out) = (&g.windows, g.multiplier, g.c_out());
    let mut dx = HostTensor::zeros(x.shape.clone());
    // Each sample's share of dw, added up in sample order afterwards.
    let shares: Vec<Vec<f64>> = dx
        .data
        .par_chunks_mut(windows.h.input * windows.w.input * windows.c)
        .enumerate()
        .map(|(n, dx)| {
            let (x, dy) = (x.sample(n), dy.sample(n));
            let mut dw = vec![0.0; w.data.len()];
            windows.for_each_tap(|output, tap, input| {
                for o in 0..c_out {
                    let (at, gradient) = (input * windows.c + o / m, dy[output * c_out + o]);
                    dw[tap * c_out + o] += x[at] * gradient;
                    dx[at] += w.data[tap * c_out + o] * gradient;
                }
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
        let mut db = HostTensor::zeros([c_out]);
        for pixel in dy.data.chunks_exact(c_out) {
            db.data.iter_mut().zip(pixel).for_each(|(db, dy)| *db += dy);
        }
        dparams.push(Some(db));
    }
    HostGradients { dx: vec![dx], dparams }
}
