//! The f64 reference, of every normalization within a sample.

use super::super::{HostBackward, HostForward, HostGradients, HostOutput};
use super::Norm;
use crate::tensor::HostTensor;

/// `(x - mean) rstd`, element by element, and the rstd of each pair.
fn normalized(norm: &Norm, x: &HostTensor) -> (Vec<f64>, Vec<f64>) {
    let pairs = norm.pairs(x.data.len());
    let m = (norm.pixels * norm.width) as f64;
    let mean = norm.sums(x.data.len(), |i| x.data[i] / m);
    let variance = norm.sums(x.data.len(), |i| (x.data[i] - mean[norm.pair(i)]).powi(2) / m);
    let rstd: Vec<f64> = (0..pairs).map(|p| 1.0 / (variance[p] + f64::from(norm.epsilon)).sqrt()).collect();
    let xhat = (0..x.data.len()).map(|i| (x.data[i] - mean[norm.pair(i)]) * rstd[norm.pair(i)]).collect();
    (xhat, rstd)
}

impl Norm {
    /// (row, group) pairs of so many elements.
    fn pairs(&self, elements: usize) -> usize {
        elements / (self.pixels * self.width)
    }

    /// Pair of an element.
    fn pair(&self, i: usize) -> usize {
        i / (self.pixels * self.channels()) * self.groups + i % self.channels() / self.width
    }

    /// Sums of `value(element)`, a pair.
    fn sums(&self, elements: usize, value: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.pairs(elements)];
        (0..elements).for_each(|i| sums[self.pair(i)] += value(i));
        sums
    }
}

pub(in crate::ops) fn forward(norm: &Norm, io: &HostForward<'_>) -> HostOutput {
    let x = io.x[0];
    let (gamma, beta) = norm.split(&io.params);
    let (xhat, _) = normalized(norm, x);
    let y = HostTensor::from_fn(x.shape.clone(), |i| {
        let c = i % norm.channels();
        xhat[i] * gamma.map_or(1.0, |g| g.data[c]) + beta.map_or(0.0, |b| b.data[c])
    });
    // What the kernels save is theirs alone: backward computes it again here.
    let saved = HostTensor::zeros(norm.saved(x.shape.dims()[0]));
    HostOutput { y, saved: vec![saved], statistics: Vec::new() }
}

pub(in crate::ops) fn backward(norm: &Norm, io: &HostBackward<'_>) -> HostGradients {
    let (x, dy) = (io.x[0], io.dy);
    let (gamma, beta) = norm.split(&io.params);
    let (xhat, rstd) = normalized(norm, x);
    let (elements, m) = (x.data.len(), (norm.pixels * norm.width) as f64);
    let scaled = |i: usize| dy.data[i] * gamma.map_or(1.0, |g| g.data[i % norm.channels()]);
    let mean = norm.sums(elements, |i| scaled(i) / m);
    let mean_product = norm.sums(elements, |i| scaled(i) * xhat[i] / m);
    let dx = HostTensor::from_fn(x.shape.clone(), |i| {
        let p = norm.pair(i);
        rstd[p] * (scaled(i) - mean[p] - xhat[i] * mean_product[p])
    });
    let channel_sums = |like: &HostTensor, value: &dyn Fn(usize) -> f64| {
        let mut sums = HostTensor::zeros(like.shape.clone());
        (0..elements).for_each(|i| sums.data[i % norm.channels()] += value(i));
        Some(sums)
    };
    let dgamma = gamma.map(|gamma| channel_sums(gamma, &|i| dy.data[i] * xhat[i]));
    let dbeta = beta.map(|beta| channel_sums(beta, &|i| dy.data[i]));
    HostGradients { dx: vec![dx], dparams: dgamma.into_iter().chain(dbeta).collect() }
}
