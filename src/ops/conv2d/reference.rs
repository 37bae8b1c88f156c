//! The f64 reference: plain loops, parallel over the batch.

use super::super::{HostBackward, HostForward, HostGradients};
use super::geometry::Geometry;
use crate::tensor::HostTensor;
use rayon::prelude::*;

/// Calls `visit(output pixel, tap, input pixel)` for every tap of every output pixel of a sample that is not padding.
fn taps(g: &Geometry, mut visit: impl FnMut(usize, usize, usize)) {
    for h_out in 0..g.h.output {
        for w_out in 0..g.w.output {
            for i in 0..g.h.window {
                for j in 0..g.w.window {
                    if let (Some(h), Some(w)) = (g.h.source(h_out, i), g.w.source(w_out, j)) {
                        visit(h_out * g.w.output + w_out, i * g.w.window + j, h * g.w.input + w);
                    }
                }
            }
        }
    }
}

/// Eight sums side by side: one sum would wait for each addition, and this is where the reference spends its time.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (eights_a, rest_a) = a.as_chunks::<8>();
    let (eights_b, rest_b) = b.as_chunks::<8>();
    for (a, b) in eights_a.iter().zip(eights_b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f64>()
}

pub(crate) fn forward(g: &Geometry, io: &HostForward<'_>) -> HostTensor {
    let (x, w) = (io.x[0], io.params[0]);
    let (c_in, c_out) = (g.c_in, g.c_out);
    let mut y = HostTensor::zeros([g.n, g.h.output, g.w.output, c_out]);
    let sample = g.h.output * g.w.output * c_out;
    y.data.par_chunks_mut(sample).enumerate().for_each(|(n, y)| {
        if let Some(b) = io.params.get(1) {
            y.chunks_exact_mut(c_out).for_each(|pixel| pixel.copy_from_slice(&b.data));
        }
        let x = &x.data[n * g.h.input * g.w.input * c_in..];
        taps(g, |out, tap, source| {
            let y = &mut y[out * c_out..][..c_out];
            for c in 0..c_in {
                let (value, w) = (x[source * c_in + c], &w.data[(tap * c_in + c) * c_out..][..c_out]);
                y.iter_mut().zip(w).for_each(|(y, w)| *y += value * w);
            }
        });
    });
    y
}

pub(crate) fn backward(g: &Geometry, io: &HostBackward<'_>) -> HostGradients {
    let (x, w, dy) = (io.x[0], io.params[0], io.dy);
    let (c_in, c_out) = (g.c_in, g.c_out);
    let mut dx = HostTensor::zeros([g.n, g.h.input, g.w.input, c_in]);
    let sample = g.h.input * g.w.input * c_in;
    // Each sample's share of dw, added up in sample order afterwards.
    let shares: Vec<Vec<f64>> = dx
        .data
        .par_chunks_mut(sample)
        .enumerate()
        .map(|(n, dx)| {
            let x = &x.data[n * sample..];
            let dy = &dy.data[n * g.h.output * g.w.output * c_out..];
            let mut dw = vec![0.0; w.data.len()];
            taps(g, |out, tap, source| {
                let dy = &dy[out * c_out..][..c_out];
                for c in 0..c_in {
                    let row = (tap * c_in + c) * c_out;
                    let value = x[source * c_in + c];
                    dw[row..row + c_out].iter_mut().zip(dy).for_each(|(dw, dy)| *dw += value * dy);
                    dx[source * c_in + c] += dot(&w.data[row..row + c_out], dy);
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
