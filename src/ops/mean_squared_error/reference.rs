//! The f64 reference.

use crate::tensor::HostTensor;

/// Loss and gradient of a batch.
#[derive(Clone, Debug)]
pub struct HostRegression {
    /// Gradient of the mean loss, `[n, k]`.
    pub dpredictions: HostTensor,
    /// Sum of the samples' losses.
    pub loss: f64,
}

/// The reference of [`record`](super::record), for shapes that [`sizes`](super::sizes) takes.
pub fn reference(predictions: &HostTensor, targets: &HostTensor) -> HostRegression {
    let n = predictions.shape.dims()[0];
    let count = predictions.data.len() as f64;
    let difference = |i: usize| predictions.data[i] - targets.data[i];
    let squares: f64 = (0..predictions.data.len()).map(|i| difference(i) * difference(i)).sum();
    HostRegression {
        dpredictions: HostTensor::from_fn(predictions.shape.clone(), |i| 2.0 * difference(i) / count),
        loss: squares * n as f64 / count,
    }
}
