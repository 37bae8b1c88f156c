//! Batch normalization (Ioffe and Szegedy 2015; `keras.layers.BatchNormalization`).
//!
//! `y = (x - mean) * rstd * gamma + beta`, `rstd = 1 / sqrt(variance + epsilon)`, a channel at a time over all other axes.
//! Training takes mean and (biased) variance from the batch and moves the running ones: `moving = moving * momentum + batch *
//! (1 - momentum)`; inference takes the running ones. Without `scale` there is no gamma: it counts as 1 everywhere.
//!
//! Shapes: `x`, `y` `[n, h, w, c]` or `[n, c]`; `gamma beta moving_mean moving_variance [c]`. Saved: `[5, c]` of shift,
//! delta, rstd, gamma and beta, where `mean = shift + delta` (two floats, so that a mean of 1e4 costs `x - mean` no precision).
//! Backward, training, over m = n*h*w rows: `dbeta = sum dy`, `dgamma = sum dy xhat`,
//! `dx = gamma rstd (dy - (dbeta + xhat dgamma) / m)`; inference: `dx = gamma rstd dy`. It reads `x`.
//!
//! With a max pool behind it taken in, forward keeps `x` where the maxima are, and backward is handed the pool's gradient: that of a
//! pixel is its window's, where `x` is what was kept and is so first. Where nothing is the maximum `dy` is 0, so the sums are over
//! the windows alone. With a convolution of few channels in front taken in too, there is no `x`: `stem`'s kernels compute it.

mod cut;
mod gpu;
mod reference;
mod stem;

use super::{
    Case, Fuses, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Init, Input, Needs,
};
use super::{Op, ParamSpec, Tolerance, single};
use crate::error::{Error, Result};
use crate::gpu::Recorder;
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    /// Share of the old running statistics that a step keeps.
    pub momentum: f32,
    /// Added to the variance.
    pub epsilon: f32,
    /// Whether there is a gamma.
    pub scale: bool,
}

impl Default for BatchNorm {
    /// Keras's momentum 0.99 and epsilon 1e-3, with a gamma.
    fn default() -> Self {
        Self { momentum: 0.99, epsilon: 1e-3, scale: true }
    }
}

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn keras_name(&self) -> &'static str {
        "BatchNormalization"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let x = single("batch_norm", inputs)?;
        match x.dims() {
            [_] | [_, _, _] if x.elements() > 0 => Ok(x.clone()),
            _ => Err(Error::shape("batch_norm", format!("takes [h, w, c] or [features], none 0; found {x}"))),
        }
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let c = inputs[0].dims()[inputs[0].dims().len() - 1];
        let gamma = self.scale.then(|| ParamSpec::trainable("gamma", [c], Init::Ones));
        gamma
            .into_iter()
            .chain([
                ParamSpec::trainable("beta", [c], Init::Zeros),
                ParamSpec::statistic("moving_mean", [c], Init::Zeros),
                ParamSpec::statistic("moving_variance", [c], Init::Ones),
            ])
            .collect()
    }

    fn saved(&self, inputs: &[&Shape], _n: usize) -> Vec<Shape> {
        let c = inputs[0].dims()[inputs[0].dims().len() - 1];
        vec![[5, c].into()]
    }

    fn needs(&self) -> Needs {
        Needs { x: true, y: false }
    }

    fn fuses(&self) -> Fuses {
        Fuses {
            activation: true,
            slope: Some(Needs::default()),
            pool: true,
            takes_statistics: true,
            stem: true,
            ..Fuses::default()
        }
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(self, io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(self, io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        gpu::record_forward(self, rec, io)
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        gpu::record_backward(self, rec, io)
    }
}

/// Gamma, where there is one, and beta, moving mean and moving variance.
fn split<T>(params: &[T]) -> (Option<&T>, [&T; 3]) {
    match params {
        [gamma, beta, mean, variance] => (Some(gamma), [beta, mean, variance]),
        [beta, mean, variance] => (None, [beta, mean, variance]),
        _ => unreachable!("three or four parameters"),
    }
}

/// Channels 1, 3, 5, 7 and round ones, over a workgroup's 8 groups and not; one row; a large mean beside a small spread; more
/// than 65,535 rows; inference mode; no gamma; the networks' own shape.
pub(super) fn cases() -> Vec<Case> {
    let case = |what, shape: &[usize]| {
        Case::new(what, BatchNorm::default(), vec![Input::new(shape, 1)], Tolerance { abs: 2e-5, rel: 2e-5 })
    };
    let unscaled = |what, shape: &[usize]| {
        let op = BatchNorm { scale: false, ..BatchNorm::default() };
        Case::new(what, op, vec![Input::new(shape, 1)], Tolerance { abs: 2e-5, rel: 2e-5 })
    };
    let wide = |what, shape: &[usize]| {
        // Sums over many rows: rounding grows with the square root of their count.
        let rows: usize = shape[..shape.len() - 1].iter().product();
        Case { tolerance: Tolerance::sum(rows * 4), ..case(what, shape) }
    };
    let large_mean = Input::new([8, 6, 6, 4], 1).around(1e4, 0.2);
    vec![
        case("one_row", &[1, 3]),
        case("c1", &[3, 4, 5, 1]),
        case("c3", &[2, 7, 3, 3]),
        case("c5", &[4, 3, 3, 5]),
        case("c7", &[5, 7]),
        case("c32", &[4, 5, 5, 32]),
        case("c36", &[33, 36]),
        case("c260", &[9, 2, 2, 260]),
        case("three_strips", &[130, 8]),
        case("inference", &[3, 4, 5, 12]).inference(),
        case("inference_c3", &[6, 3]).inference(),
        unscaled("unscaled_c3", &[2, 7, 3, 3]),
        unscaled("unscaled_c32", &[4, 5, 5, 32]),
        unscaled("unscaled_inference", &[3, 4, 5, 12]).inference(),
        Case {
            // x itself is only known to 1e4 * 2^-24 = 6e-4 of a spread of 0.1; the sums see that error in dy * xhat.
            tolerance: Tolerance { abs: 2e-3, rel: 2e-4 },
            ..Case::new("large_mean", BatchNorm::default(), vec![large_mean], Tolerance::EXACT)
        },
        wide("over_65535_rows", &[70_001, 3]),
        wide("fer7_conv2", &[100, 22, 22, 64]).benched(),
    ]
}
