//! The f64 reference.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use super::{BatchNorm, split};
use crate::tensor::HostTensor;

/// Sums `value(row, channel)` over all rows, a channel.
fn channel_sums(c: usize, rows: usize, value: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; c];
    for row in 0..rows {
        for (channel, sum) in sums.iter_mut().enumerate() {
            *sum += value(row, channel);
        }
    }
    sums
}

pub(super) fn forward(op: &BatchNorm, io: &HostForward<'_>) -> HostOutput {
    let x = io.x[0];
    let (gamma, [beta, moving_mean, moving_variance]) = split(&io.params);
    let c = beta.data.len();
    let rows = x.data.len() / c;
    let (mean, variance) = if io.pass.training {
        let m = rows as f64;
        let mean: Vec<f64> = channel_sums(c, rows, |r, k| x.data[r * c + k] / m);
        let variance = channel_sums(c, rows, |r, k| (x.data[r * c + k] - mean[k]).powi(2) / m);
        (mean, variance)
    } else {
        (moving_mean.data.clone(), moving_variance.data.clone())
    };
    let rstd: Vec<f64> = variance.iter().map(|v| 1.0 / (v + f64::from(op.epsilon)).sqrt()).collect();
    let y = HostTensor::from_fn(x.shape.clone(), |i| {
        let k = i % c;
        (x.data[i] - mean[k]) * rstd[k] * gamma.map_or(1.0, |g| g.data[k]) + beta.data[k]
    });
    let momentum = f64::from(op.momentum);
    let moved = |old: &HostTensor, batch: &[f64]| {
        HostTensor::from_fn([c], |k| old.data[k] * momentum + batch[k] * (1.0 - momentum))
    };
    let statistics = if io.pass.training {
        let first = io.params.len() - 2;
        vec![(first, moved(moving_mean, &mean)), (first + 1, moved(moving_variance, &variance))]
    } else {
        Vec::new()
    };
    // shift, delta, rstd: the reference has no need to split the mean.
    let gamma = gamma.map_or_else(|| vec![1.0; c], |g| g.data.clone());
    let saved = [mean, vec![0.0; c], rstd, gamma, beta.data.clone()].concat();
    HostOutput { y, saved: vec![HostTensor { shape: [5, c].into(), data: saved }], statistics }
}

pub(super) fn backward(op: &BatchNorm, io: &HostBackward<'_>) -> HostGradients {
    let (x, dy) = (io.x[0], io.dy);
    let c = io.saved[0].shape.dims()[1];
    let rows = x.data.len() / c;
    let row = |i: usize| &io.saved[0].data[i * c..(i + 1) * c];
    let [shift, delta, rstd, gamma] = [0, 1, 2, 3].map(row);
    let xhat = |i: usize| (x.data[i] - shift[i % c] - delta[i % c]) * rstd[i % c];
    let dbeta = channel_sums(c, rows, |r, k| dy.data[r * c + k]);
    let dgamma = channel_sums(c, rows, |r, k| dy.data[r * c + k] * xhat(r * c + k));
    let m = rows as f64;
    let dx = HostTensor::from_fn(x.shape.clone(), |i| {
        let k = i % c;
        let scale = gamma[k] * rstd[k];
        if io.pass.training { scale * (dy.data[i] - (dbeta[k] + xhat(i) * dgamma[k]) / m) } else { scale * dy.data[i] }
    });
    let vector = |data| Some(HostTensor { shape: [c].into(), data });
    let dgamma = op.scale.then(|| vector(dgamma));
    HostGradients { dx: vec![dx], dparams: dgamma.into_iter().chain([vector(dbeta), None, None]).collect() }
}
