//! Whether a network that is 80 % sure is right 80 % of the time, and the one number that makes it so.
//!
//! Guo, Pleiss, Sun, Weinberger: "On calibration of modern neural networks", ICML 2017: the expected calibration error over
//! 15 bins of equal width, and temperature scaling fitted on validation images.

use super::Judged;
use super::confusion::ratio;
use crate::error::{Error, Result};
use serde::Serialize;

/// Bins of the confidence from 0 to 1.
pub const BINS: usize = 15;
/// The least and the greatest temperature that is looked for.
pub const TEMPERATURES: [f64; 2] = [0.05, 20.0];

/// The samples whose confidence (the largest probability) lies in (low, high].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bin {
    /// Excluded lower end.
    pub low: f64,
    /// Included upper end.
    pub high: f64,
    /// Samples.
    pub n: u64,
    /// Their mean confidence; 0 without samples.
    pub confidence: f64,
    /// The share of them classified rightly; 0 without samples.
    pub accuracy: f64,
}

/// Confidence against accuracy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Expected calibration error: the mean over samples of |accuracy - confidence| of their bin.
    pub ece: f64,
    /// [`BINS`] bins of equal width.
    pub bins: Vec<Bin>,
}

impl Calibration {
    /// Sorts samples into bins.
    pub(super) fn of(samples: &[Judged]) -> Self {
        let mut sums = vec![(0u64, 0.0, 0u64); BINS];
        for sample in samples {
            let confidence = f64::from(sample.confidence);
            let bin = ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
            let (n, sum, hits) = &mut sums[bin];
            *n += 1;
            *sum += confidence;
            *hits += u64::from(sample.right());
        }
        let edge = |i: usize| i as f64 / BINS as f64;
        let bins: Vec<Bin> = sums
            .into_iter()
            .enumerate()
            .map(|(i, (n, sum, hits))| {
                let confidence = if n == 0 { 0.0 } else { sum / n as f64 };
                Bin { low: edge(i), high: edge(i + 1), n, confidence, accuracy: ratio(hits, n) }
            })
            .collect();
        let gaps: f64 = bins.iter().map(|b| b.n as f64 * (b.accuracy - b.confidence).abs()).sum();
        Self { ece: gaps / (samples.len().max(1) as f64), bins }
    }
}

/// Divides the logits behind `probabilities` (rows of `classes`) by a temperature: p^(1/T), made to sum to 1. The order within
/// a row stays. A probability that f32 holds as 0 counts as the least that it can hold.
pub fn apply_temperature(probabilities: &mut [f32], classes: usize, temperature: f64) {
    for row in probabilities.chunks_exact_mut(classes) {
        // What is no number must reach whoever checks for it.
        if row.iter().any(|p| !p.is_finite()) {
            continue;
        }
        let logits: Vec<f64> = row.iter().map(|p| log(*p) / temperature).collect();
        let total = log_sum(&logits);
        for (p, logit) in row.iter_mut().zip(&logits) {
            *p = (logit - total).exp() as f32;
        }
    }
}

/// The temperature under which the labels are most likely: the minimum of the mean negative log-likelihood, which is convex
/// in 1/T, by golden sections of ln T within [`TEMPERATURES`] until they are a millionth wide. It is given to four decimals, as it is
/// printed, so that what a file keeps is what was used.
///
/// # Errors
/// No sample; a label that is no class or a probability that is not a number.
pub fn fit_temperature(labels: &[u32], probabilities: &[f32], classes: usize) -> Result<f64> {
    let fits = !labels.is_empty() && labels.len().checked_mul(classes) == Some(probabilities.len());
    if !fits || labels.iter().any(|l| *l as usize >= classes) || probabilities.iter().any(|p| !p.is_finite()) {
        let what = format!("a temperature for {} labels and {} probabilities", labels.len(), probabilities.len());
        return Err(Error::usage(
            what,
            format!("it takes labels of {classes} classes and a finite probability of each"),
        ));
    }
    let logits: Vec<f64> = probabilities.iter().map(|p| log(*p)).collect();
    let nll = |ln_t: f64| -> f64 {
        let beta = (-ln_t).exp();
        let each = logits.chunks_exact(classes).zip(labels).map(|(row, label)| {
            let scaled: Vec<f64> = row.iter().map(|z| z * beta).collect();
            log_sum(&scaled) - scaled[*label as usize]
        });
        each.sum()
    };
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let [mut low, mut high] = TEMPERATURES.map(f64::ln);
    let inner = |low: f64, high: f64| (high - golden * (high - low), low + golden * (high - low));
    let (mut a, mut b) = inner(low, high);
    let (mut at_a, mut at_b) = (nll(a), nll(b));
    while high - low > 1e-6 {
        if at_a <= at_b {
            (high, b, at_b) = (b, a, at_a);
            a = inner(low, high).0;
            at_a = nll(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = inner(low, high).1;
            at_b = nll(b);
        }
    }
    Ok((f64::midpoint(low, high).exp() * 1e4).round() / 1e4)
}

fn log(p: f32) -> f64 {
    f64::from(p.max(f32::MIN_POSITIVE)).ln()
}

/// ln of the sum of exponentials, safe from overflow.
fn log_sum(logits: &[f64]) -> f64 {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    top + logits.iter().map(|z| (z - top).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::tests::{labelled, near, sample};
    use super::*;

    /// numpy on the same 60 samples: bins by `np.ceil(confidence * 15) - 1`, the sum of `n/60 * abs(accuracy - confidence)`.
    #[test]
    fn ece_is_numpys() {
        let Calibration { ece, bins } = sample().calibration;
        near(ece, 0.151_176_799_833_774_6, 1e-7);
        assert_eq!(bins.iter().map(|b| b.n).sum::<u64>(), 60);
        let edge = |confidence| Judged { label: 0, predicted: 0, confidence, second: true };
        let bins = Calibration::of(&[edge(1.0), edge(0.0), edge(0.4), edge(0.41)]).bins;
        assert_eq!((bins[14].n, bins[0].n, bins[5].n + bins[6].n), (1, 1, 2), "both ends have a bin");
    }

    /// scipy.optimize.minimize_scalar of sklearn.metrics.log_loss(labels, p**(1/T) / sum) over ln T, on the same samples.
    #[test]
    fn temperature_is_scipys() {
        let (labels, mut probabilities) = labelled();
        near(fit_temperature(&labels, &probabilities, 5).unwrap(), 4.177_351_63, 1e-4);
        // A network that is sure of the right answer everywhere could not be too sure.
        let sure: Vec<f32> =
            labels.iter().flat_map(|l| (0..5).map(move |c| if c == *l { 0.9 } else { 0.025 })).collect();
        near(fit_temperature(&labels, &sure, 5).unwrap(), TEMPERATURES[0], 1e-4);
        let before = probabilities.clone();
        apply_temperature(&mut probabilities, 5, 1.0);
        assert!(probabilities.iter().zip(&before).all(|(a, b)| (a - b).abs() < 1e-6));
        apply_temperature(&mut probabilities, 5, 2.0);
        let row = |p: &[f32]| p[..5].to_vec();
        let roots: Vec<f32> = row(&before).iter().map(|p| p.sqrt()).collect();
        let total: f32 = roots.iter().sum();
        assert!(row(&probabilities).iter().zip(&roots).all(|(p, r)| (p - r / total).abs() < 1e-6));
        let mut odd = [f32::NAN, 1.0, 0.0, 1.0];
        apply_temperature(&mut odd, 2, 3.0);
        assert!(odd[0].is_nan() && odd[1].to_bits() == 1f32.to_bits() && odd[2] > 0.0 && odd[3] <= 1.0, "{odd:?}");
        assert!(fit_temperature(&[], &[], 5).is_err() && fit_temperature(&[5], &[0.2; 5], 5).is_err());
    }
}
