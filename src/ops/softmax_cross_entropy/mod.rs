//! Softmax and cross-entropy in one, from logits and class numbers (`keras.losses.CategoricalCrossentropy(from_logits)`),
//! with the metrics of an epoch: the end of every classifier.
//!
//! `p = softmax(logits)`, `loss = -ln p[label]`, `dlogits = (p - onehot) / n` (the gradient of the batch's mean loss),
//! `correct` counts `argmax p == label` (the first of equals), `mse = mean_c (onehot - p)^2` a sample.
//! Shapes: `logits`, `p`, `dlogits` `[n, classes]`, `labels [n]` u32, below `classes`.

mod reference;

pub use reference::{HostLoss, reference};

use super::{Case, Input, Subject, Tolerance};
use crate::error::Result;
use crate::gpu::{GpuTensor, Kernel, Recorder};

/// Elements of the metrics tensor: sums of loss, correct, mse; count of samples; a flag for a loss that is not finite.
pub const METRICS: usize = 8;

const SHADER: &str = include_str!("../../../shaders/softmax_cross_entropy.wgsl");

/// The loss's tensors on the GPU.
#[derive(Debug)]
pub struct GpuLoss<'a> {
    /// `[n, classes]`.
    pub logits: &'a GpuTensor,
    /// `[n]`, u32.
    pub labels: &'a GpuTensor,
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
    padding: [u32; 2],
}

/// Records loss, gradient and metrics of a batch.
///
/// # Errors
/// A batch that does not fit a dispatch.
pub fn record(rec: &mut Recorder<'_>, io: &GpuLoss<'_>) -> Result<()> {
    let [n, classes] = io.logits.shape.dims() else {
        unreachable!("the plan has checked that logits are [n, classes]")
    };
    let params = Params { n: *n as u32, classes: *classes as u32, padding: [0; 2] };
    let samples = rec.scratch(0, [*n, 3]);
    let kernel = Kernel::new("softmax_cross_entropy", "forward", SHADER);
    let writes = [io.probabilities, io.dlogits, &samples];
    rec.dispatch_items(&kernel, &params, &[io.logits, io.labels], &writes, (*n, 64))?;
    record_metrics(rec, "softmax_cross_entropy", &samples, io.metrics);
    Ok(())
}

/// Records the end of the loss `op`: adds its samples' loss, correct and mse, `[n, 3]`, to the metrics.
pub(super) fn record_metrics(rec: &mut Recorder<'_>, op: &'static str, samples: &GpuTensor, metrics: &GpuTensor) {
    let params = Params { n: samples.shape.dims()[0] as u32, classes: 0, padding: [0; 2] };
    rec.dispatch(&Kernel::new(op, "accumulate", SHADER), &params, &[samples], &[metrics], [1, 1, 1]);
}

/// One class and many; batches below, at and above a workgroup; logits so large that a naive exponential overflows.
pub(super) fn cases() -> Vec<Case> {
    let case = |what: &str, n: usize, classes: usize, scale| Case {
        name: format!("softmax_cross_entropy/{what}"),
        subject: Subject::Loss {
            logits: Input::new([n, classes], 1).around(0.0, scale),
            labels: (0..n).map(|i| ((i * 7 + 3) % classes) as u32).collect(),
        },
        tolerance: Tolerance { abs: 2e-6, rel: 1e-5 },
        cotangent: Case::COTANGENT,
        smooth: true,
        bench: false,
    };
    vec![
        case("one_class", 3, 1, 1.0),
        case("n1", 1, 7, 3.0),
        case("n64", 64, 4, 3.0),
        case("large_logits", 5, 3, 300.0),
        case("fer7", 100, 7, 3.0).benched(),
    ]
}
