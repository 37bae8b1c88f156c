//! The f64 reference.

use crate::tensor::HostTensor;

/// Loss, gradient and metrics of a batch.
#[derive(Clone, Debug)]
pub struct HostLoss {
    /// `[n, classes]`.
    pub probabilities: HostTensor,
    /// Gradient of the mean loss, `[n, classes]`.
    pub dlogits: HostTensor,
    /// Sum of the samples' losses.
    pub loss: f64,
    /// How many have their label as the largest probability.
    pub correct: f64,
    /// Sum of the samples' mean squared errors.
    pub mse: f64,
}

/// The reference of [`record`](super::record).
pub fn reference(logits: &HostTensor, labels: &[u32]) -> HostLoss {
    let n = labels.len();
    let classes = logits.data.len() / n.max(1);
    let mut probabilities = HostTensor::zeros(logits.shape.clone());
    let mut dlogits = HostTensor::zeros(logits.shape.clone());
    let (mut loss, mut correct, mut mse) = (0.0, 0.0, 0.0);
    for (i, label) in labels.iter().enumerate() {
        let label = *label as usize;
        let row = &logits.data[i * classes..(i + 1) * classes];
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|v| (v - largest).exp()).sum();
        let mut squares = 0.0;
        for (c, logit) in row.iter().enumerate() {
            let p = (logit - largest).exp() / sum;
            let difference = p - if c == label { 1.0 } else { 0.0 };
            probabilities.data[i * classes + c] = p;
            dlogits.data[i * classes + c] = difference / n as f64;
            squares += difference * difference;
        }
        let best = row.iter().position(|v| *v == largest);
        loss += sum.ln() + largest - row[label];
        correct += if best == Some(label) { 1.0 } else { 0.0 };
        mse += squares / classes as f64;
    }
    HostLoss { probabilities, dlogits, loss, correct, mse }
}
