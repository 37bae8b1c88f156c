//! The f64 reference.

use crate::tensor::HostTensor;

/// Loss, gradient and metrics of a batch.
#[derive(Clone, Debug)]
pub struct HostLoss {
    /// `[n, classes]`.
    pub probabilities: HostTensor,
    /// Gradient of the mean loss, `[n, classes]`.
    pub dlogits: HostTensor,
    /// Sum of the samples' losses, each times its weight.
    pub loss: f64,
    /// How many have their target's largest share as the largest probability.
    pub correct: f64,
    /// Sum of the samples' mean squared errors.
    pub mse: f64,
}

/// Place of the first largest value; 0 of none.
fn argmax(row: &[f64]) -> usize {
    (1..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best })
}

/// The reference of [`record`](super::record).
pub fn reference(logits: &HostTensor, targets: &HostTensor, weights: &[f32], smoothing: f32) -> HostLoss {
    let n = weights.len();
    let classes = logits.data.len() / n.max(1);
    let smoothing = f64::from(smoothing);
    let mut probabilities = HostTensor::zeros(logits.shape.clone());
    let mut dlogits = HostTensor::zeros(logits.shape.clone());
    let (mut loss, mut correct, mut mse) = (0.0, 0.0, 0.0);
    for (i, weight) in weights.iter().enumerate() {
        let (weight, at) = (f64::from(*weight), i * classes..(i + 1) * classes);
        let (row, target) = (&logits.data[at.clone()], &targets.data[at]);
        let seen: Vec<f64> = target.iter().map(|t| t * (1.0 - smoothing) + smoothing / classes as f64).collect();
        let total: f64 = seen.iter().sum();
        let largest = row[argmax(row)];
        let sum: f64 = row.iter().map(|v| (v - largest).exp()).sum();
        let (mut entropy, mut squares) = (total * sum.ln(), 0.0);
        for (c, logit) in row.iter().enumerate() {
            let p = (logit - largest).exp() / sum;
            probabilities.data[i * classes + c] = p;
            dlogits.data[i * classes + c] = weight * (p * total - seen[c]) / n as f64;
            squares += (p - target[c]) * (p - target[c]);
            if seen[c] != 0.0 {
                entropy -= seen[c] * (logit - largest);
            }
        }
        loss += weight * entropy;
        correct += if argmax(row) == argmax(target) { 1.0 } else { 0.0 };
        mse += squares / classes as f64;
    }
    HostLoss { probabilities, dlogits, loss, correct, mse }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f64; 12] = [1.0, -0.5, 0.25, 0.0, 2.0, -1.0, -0.75, 0.5, 1.5, 0.3, 0.2, 0.1];
    const ONE_HOT: [f64; 12] = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0];
    const SHARES: [f64; 12] = [0.75, 0.25, 0.0, 0.0, 0.5, 0.5, 0.125, 0.125, 0.75, 0.2, 0.6, 0.2];

    /// Keras 3.15 on TensorFlow 2.21 in float64: a model whose only layer is the identity, `fit` on one batch of these four rows with
    /// `class_weight={0: 0.5, 1: 2.0, 2: 1.5}` (a row's class is its target's largest, the first of equals) and
    /// `CategoricalCrossentropy(from_logits=True, label_smoothing=a)`; the loss and the accuracy are the epoch's, the gradients
    /// (first and last row here) those of the loss with the same sample weights, which `fit` has moved the layer by. The mse is numpy's.
    #[test]
    fn class_weights_and_smoothing_as_keras() {
        let cases = [
            (ONE_HOT, 0.0, 1.950_969_512_690_343, 2.0, [-0.051_275_292_043, 0.150_304_802_678]),
            (ONE_HOT, 0.1, 1.950_969_512_690_343, 2.0, [-0.042_941_958_71, 0.133_638_136_011]),
            (SHARES, 0.0, 1.796_419_015_134_878, 3.0, [-0.020_025_292_043, 0.050_304_802_678]),
            (SHARES, 0.1, 1.834_830_473_468_212, 3.0, [-0.014_816_958_71, 0.043_638_136_011]),
        ];
        for (targets, smoothing, loss, correct, ends) in cases {
            let weights = if targets == ONE_HOT { [0.5, 1.5, 1.5, 2.0] } else { [0.5, 2.0, 1.5, 2.0] };
            let tensor = |values: [f64; 12]| HostTensor { shape: [4, 3].into(), data: values.to_vec() };
            let r = reference(&tensor(LOGITS), &tensor(targets), &weights, smoothing);
            // The smoothing is f32.
            assert!((r.loss / 4.0 - loss).abs() < 1e-8, "{} against {loss}", r.loss / 4.0);
            assert!((r.dlogits.data[0] - ends[0]).abs() < 1e-8 && (r.dlogits.data[11] - ends[1]).abs() < 1e-8);
            assert_eq!(r.correct, correct);
            let mse = if targets == ONE_HOT { 0.228_978_596_360_815 } else { 0.049_295_429_256_345 };
            assert!((r.mse / 4.0 - mse).abs() < 1e-12, "unweighted, and of the targets themselves: {}", r.mse / 4.0);
        }
    }
}
