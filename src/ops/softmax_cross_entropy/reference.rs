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
