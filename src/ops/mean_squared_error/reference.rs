//! The f64 reference.

use crate::tensor::HostTensor;

/// Loss and gradient of a batch.
#[derive(Clone, Debug)]
pub struct HostRegression {
    /// Gradient of the mean loss, `[n, k]`.
    pub dpredictions: HostTensor,
    /// Sum of the samples' losses, each times its weight.
    pub loss: f64,
    /// Sum of the samples' mean squared errors, unweighted.
    pub mse: f64,
}

/// The reference of [`record`](super::record), for shapes that [`sizes`](super::sizes) takes.
pub fn reference(predictions: &HostTensor, targets: &HostTensor, weights: &[f32]) -> HostRegression {
    let count = predictions.data.len() as f64;
    let k = predictions.data.len() / weights.len().max(1);
    let difference = |i: usize| predictions.data[i] - targets.data[i];
    let weight = |sample: usize| f64::from(weights[sample]);
    let mse =
        |sample: usize| (sample * k..(sample + 1) * k).map(|i| difference(i) * difference(i)).sum::<f64>() / k as f64;
    HostRegression {
        dpredictions: HostTensor::from_fn(predictions.shape.clone(), |i| 2.0 * weight(i / k) * difference(i) / count),
        loss: (0..weights.len()).map(|sample| weight(sample) * mse(sample)).sum(),
        mse: (0..weights.len()).map(mse).sum(),
    }
}
