//! Softmax and cross-entropy in one, from logits and a row of targets a sample (`keras.losses.CategoricalCrossentropy(from_logits)`),
//! with the metrics of an epoch: the end of every classifier.
//!
//! `p = softmax(logits)`; of the targets `t` (one-hot, or shares of votes) the loss sees `s = t (1 - a) + a / classes` (label
//! smoothing `a`): `loss = -w sum_c s_c ln p_c` with the sample's weight `w`, `dlogits = w (p sum_c s_c - s) / n`: the gradient of
//! the batch's loss, whose sum is divided by the number of samples, not by the sum of weights (as Keras 3 does with
//! `class_weight` and `sample_weight`).
//! The metrics are unweighted and see `t` itself: `correct` counts `argmax p == argmax t` (the first of equals),
//! `mse = mean_c (t - p)^2` a sample.
//! Shapes: `logits`, `targets`, `p`, `dlogits` `[n, classes]`, `weights [n]`. Errors: targets or weights of other shapes.

mod reference;

pub use reference::{HostLoss, reference};

use super::{Case, Input, Subject, Tolerance};
use crate::error::{Error, Result};
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder};

/// Elements of the metrics tensor: sums of loss, correct, mse; count of samples; a flag for a loss that is not finite.
pub const METRICS: usize = 8;

const SHADER: &str = include_str!("../../../shaders/softmax_cross_entropy.wgsl");

/// The loss's tensors on the GPU.
#[derive(Debug)]
pub struct GpuLoss<'a> {
    /// `[n, classes]`.
    pub logits: &'a GpuTensor,
    /// `[n, classes]`.
    pub targets: &'a GpuTensor,
    /// `[n]`.
    pub weights: &'a GpuTensor,
    /// Label smoothing, 0 to 1.
    pub smoothing: f32,
    /// Written: `[n, classes]`.
    pub probabilities: &'a GpuTensor,
    /// Written: `[n, classes]`.
    pub dlogits: &'a GpuTensor,
    /// Added to: `[METRICS]`.
    pub metrics: &'a GpuTensor,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    n: u32,
    classes: u32,
    smoothing: f32,
    padding: u32,
}

/// Targets `[n, classes]` of samples of one class each. The class numbers must be below `classes`.
pub fn one_hot(labels: &[u32], classes: usize) -> Vec<f32> {
    let mut targets = vec![0.0; labels.len() * classes];
    for (row, label) in targets.chunks_exact_mut(classes.max(1)).zip(labels) {
        row[*label as usize] = 1.0;
    }
    targets
}

/// Records loss, gradient and metrics of a batch.
///
/// # Errors
/// As the op; a batch that does not fit a dispatch.
pub fn record(rec: &mut Recorder<'_>, io: &GpuLoss<'_>) -> Result<()> {
    let (logits, targets, weights) = (&io.logits.shape, &io.targets.shape, &io.weights.shape);
    let [n, classes] = *logits.dims() else {
        return Err(Error::shape("softmax_cross_entropy", format!("takes [n, classes], found {logits}")));
    };
    if targets != logits || weights.dims() != [n] {
        let what = format!("logits {logits} but targets {targets} and weights {weights}");
        return Err(Error::shape("softmax_cross_entropy", what));
    }
    let params = Params { n: n as u32, classes: classes as u32, smoothing: io.smoothing, padding: 0 };
    let samples = rec.scratch(0, [n, 3]);
    let kernel = Kernel::new("softmax_cross_entropy", "forward", SHADER).with_lanes(Lanes::of(classes));
    let (reads, writes) = ([io.logits, io.targets, io.weights], [io.probabilities, io.dlogits, &samples]);
    rec.dispatch_items(&kernel, &params, &reads, &writes, (n, 64))?;
    record_metrics(rec, "softmax_cross_entropy", &samples, io.metrics);
    Ok(())
}

/// Records the end of the loss `op`: adds its samples' loss, correct and mse, `[n, 3]`, to the metrics.
pub(super) fn record_metrics(rec: &mut Recorder<'_>, op: &'static str, samples: &GpuTensor, metrics: &GpuTensor) {
    let params = Params { n: samples.shape.dims()[0] as u32, classes: 0, smoothing: 0.0, padding: 0 };
    let kernel = Kernel::new(op, "accumulate", SHADER).with_lanes(Lanes::One);
    rec.dispatch(&kernel, &params, &[samples], &[metrics], [1, 1, 1]);
}

/// One class and many, in fours and not; batches below, at and above a workgroup; logits so large that a naive exponential overflows; targets of one
/// class, shares that add up to 1 and not, a tie among them, a row of zeros; weights, one of them 0; smoothing.
pub(super) fn cases() -> Vec<Case> {
    let labelled = |n: usize, classes: usize, scale| {
        let labels: Vec<u32> = (0..n).map(|i| ((i * 7 + 3) % classes) as u32).collect();
        let logits = Input::new([n, classes], 1).around(0.0, scale);
        Subject::Loss { logits, targets: one_hot(&labels, classes), weights: vec![1.0; n], smoothing: 0.0 }
    };
    let soft = |n: usize, classes: usize, smoothing: f32| {
        let votes = Input::new([n, classes], 2).around(0.5, 0.5).quantized(8.0).values();
        let shares = |(i, row): (usize, &[f32])| {
            let sum = if i % 3 == 0 { 1.0 } else { row.iter().sum::<f32>().max(1.0) };
            row.iter().map(|v| if i % 5 == 4 { 0.0 } else { v / sum }).collect::<Vec<_>>()
        };
        let targets = votes.chunks_exact(classes).enumerate().flat_map(shares).collect();
        let weights = (0..n).map(|i| (i % 4) as f32 * 0.7).collect();
        Subject::Loss { logits: Input::new([n, classes], 1).around(0.0, 3.0), targets, weights, smoothing }
    };
    let case = |what: &str, subject| Case {
        name: format!("softmax_cross_entropy/{what}"),
        subject,
        tolerance: Tolerance { abs: 2e-6, rel: 1e-5 },
        cotangent: Case::COTANGENT,
        smooth: true,
        bench: false,
    };
    vec![
        case("one_class", labelled(3, 1, 1.0)),
        case("n1", labelled(1, 7, 3.0)),
        case("n64", labelled(64, 4, 3.0)),
        case("large_logits", labelled(5, 3, 300.0)),
        case("soft", soft(11, 7, 0.0)),
        case("soft_twelve", soft(70, 12, 0.1)),
        case("smoothed", soft(65, 5, 0.1)),
        case("smoothed_one_class", soft(5, 1, 0.3)),
        case("fer7", labelled(100, 7, 3.0)).benched(),
    ]
}
