//! Mean squared error (`keras.losses.MeanSquaredError`), for networks that predict numbers instead of classes: valence and arousal.
//!
//! A sample's loss is `w mean_k (prediction - target)^2` with its weight `w`, the batch's the sum over its `n` samples by `n`;
//! `dpredictions = 2 w (predictions - targets) / (n k)`. The metrics are those of [`softmax_cross_entropy`], so that one loop reads
//! both: sums over the samples of loss, 0 (nothing is correct or wrong here), mse (the loss without weights), and the count of samples.
//! Shapes: `predictions`, `targets`, `dpredictions` `[n, k]`, `weights [n]`.
//! Errors: predictions that are not `[n, k]`, targets or weights of another shape, no or too many numbers a sample.

mod reference;

pub use reference::{HostRegression, reference};

use super::{Case, Input, Subject, Tolerance, softmax_cross_entropy};
use crate::error::{Error, Result};
use crate::gpu::grid::MAX_TRIPS;
use crate::gpu::{GpuTensor, Kernel, Recorder};
use crate::tensor::Shape;

const SHADER: &str = include_str!("../../../shaders/mean_squared_error.wgsl");

/// The loss's tensors on the GPU.
#[derive(Debug)]
pub struct GpuRegression<'a> {
    /// `[n, k]`.
    pub predictions: &'a GpuTensor,
    /// `[n, k]`.
    pub targets: &'a GpuTensor,
    /// `[n]`.
    pub weights: &'a GpuTensor,
    /// Written: `[n, k]`.
    pub dpredictions: &'a GpuTensor,
    /// Added to: `[softmax_cross_entropy::METRICS]`.
    pub metrics: &'a GpuTensor,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    n: u32,
    k: u32,
    /// Of the gradient: 2 / (n k).
    scale: f32,
    padding: u32,
}

/// `[n, k]` of predictions with their targets and weights.
///
/// # Errors
/// As the op.
pub fn sizes(predictions: &Shape, targets: &Shape, weights: &Shape) -> Result<[usize; 2]> {
    let refuse = |what: String| Err(Error::shape("mean_squared_error", what));
    match *predictions.dims() {
        _ if predictions != targets => refuse(format!("predictions {predictions} but targets {targets}")),
        [_, k] if k == 0 || k > MAX_TRIPS => refuse(format!("{k} numbers a sample, expected 1 to {MAX_TRIPS}")),
        [n, _] if weights.dims() != [n] => refuse(format!("predictions {predictions} but weights {weights}")),
        [n, k] => Ok([n, k]),
        _ => refuse(format!("takes [n, k], found {predictions}")),
    }
}

/// Records loss, gradient and metrics of a batch.
///
/// # Errors
/// Shapes that [`sizes`] refuses, or a batch that does not fit a dispatch.
pub fn record(rec: &mut Recorder<'_>, io: &GpuRegression<'_>) -> Result<()> {
    let [n, k] = sizes(&io.predictions.shape, &io.targets.shape, &io.weights.shape)?;
    let params = Params { n: n as u32, k: k as u32, scale: (2.0 / (n * k) as f64) as f32, padding: 0 };
    let samples = rec.scratch(0, [n, 3]);
    let kernel = Kernel::new("mean_squared_error", "forward", SHADER);
    let reads = [io.predictions, io.targets, io.weights];
    rec.dispatch_items(&kernel, &params, &reads, &[io.dpredictions, &samples], (n, 64))?;
    softmax_cross_entropy::record_metrics(rec, "mean_squared_error", &samples, io.metrics);
    Ok(())
}

/// One number a sample, the two of valence and arousal, and odd counts; batches below, at and above a workgroup; far and exact
/// predictions; weights, one of them 0.
pub(super) fn cases() -> Vec<Case> {
    let case = |what: &str, n: usize, k: usize, scale| Case {
        name: format!("mean_squared_error/{what}"),
        subject: Subject::Regression {
            predictions: Input::new([n, k], 1).around(0.0, scale),
            targets: Input::new([n, k], 2),
            weights: vec![1.0; n],
        },
        tolerance: Tolerance { abs: 2e-6, rel: 1e-5 },
        cotangent: Case::COTANGENT,
        smooth: true,
        bench: false,
    };
    let exact = Subject::Regression {
        predictions: Input::new([5, 2], 1),
        targets: Input::new([5, 2], 1),
        weights: vec![1.0; 5],
    };
    let weighted = Subject::Regression {
        predictions: Input::new([67, 3], 1),
        targets: Input::new([67, 3], 2),
        weights: (0..67).map(|i| (i % 4) as f32 * 0.7).collect(),
    };
    vec![
        case("n1", 1, 1, 1.0),
        case("k1", 3, 1, 1.0),
        case("k3", 7, 3, 2.0),
        case("n64", 64, 2, 1.0),
        case("k7", 65, 7, 2.0),
        case("far", 5, 5, 1e3),
        Case { subject: exact, ..case("exact", 5, 2, 1.0) },
        Case { subject: weighted, ..case("weighted", 67, 3, 1.0) },
        case("valence_arousal", 128, 2, 1.0).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_checked() {
        let sizes = |p: &[usize], t: &[usize], w: usize| {
            sizes(&Shape::new(p), &Shape::new(t), &Shape::from([w])).map_err(|e| e.to_string())
        };
        assert_eq!(sizes(&[3, 2], &[3, 2], 3), Ok([3, 2]));
        for (p, t, w, text) in [
            (&[3, 2][..], &[2, 3][..], 3, "predictions [3, 2] but targets [2, 3]"),
            (&[3, 2], &[3, 2], 2, "predictions [3, 2] but weights [2]"),
            (&[3], &[3], 3, "takes [n, k]"),
            (&[3, 0], &[3, 0], 3, "0 numbers"),
            (&[1, MAX_TRIPS + 1], &[1, MAX_TRIPS + 1], 1, "expected 1 to"),
        ] {
            let error = sizes(p, t, w).expect_err(text);
            assert!(error.contains(text), "{error}");
        }
    }
}
