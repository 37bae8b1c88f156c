//! Finite differences against the reference's backward, in f64.
//!
//! For a random direction `t` of all inputs and trainable parameters and a random cotangent `dy`, the two sides of
//! `<dy, (f(p + e t) - f(p - e t)) / 2e> = <backward(dy), t>` are compared (the check of `jax.test_util.check_vjp`). The cotangent
//! is never constant: a sum of outputs has no gradient through softmax or batch norm, and hides their errors.

use super::host::{output_shape, sample_shapes};
use crate::ops::{Case, HostBackward, HostForward, Input, Subject, mean_squared_error, softmax_cross_entropy};
use crate::tensor::{HostTensor, fill};
use crate::{Error, Result};

/// The two sides of the check.
#[derive(Clone, Copy, Debug)]
pub struct Slope {
    /// By differences of forward.
    pub numeric: f64,
    /// By backward.
    pub analytic: f64,
}

impl Slope {
    /// `|numeric - analytic|` relative to the larger of the two and 1.
    pub fn error(&self) -> f64 {
        (self.numeric - self.analytic).abs() / self.numeric.abs().max(self.analytic.abs()).max(1.0)
    }
}

/// Step of the differences: errors of e^2 (truncation) and 2^-52 / e (rounding) meet near here.
const EPSILON: f64 = 1e-5;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A direction like `tensor`; `seed` keeps directions apart.
fn direction(tensor: &HostTensor, seed: u32) -> HostTensor {
    HostTensor::from_fn(tensor.shape.clone(), |i| f64::from(fill(seed, i as u32)))
}

fn moved(tensor: &HostTensor, direction: &HostTensor, by: f64) -> HostTensor {
    HostTensor::from_fn(tensor.shape.clone(), |i| tensor.data[i] + by * direction.data[i])
}

/// Checks the reference's backward of a case along one random direction.
///
/// # Errors
/// Shapes that the op refuses.
pub fn slope(case: &Case) -> Result<Slope> {
    match &case.subject {
        Subject::Loss { logits, targets, weights, smoothing } => {
            let logits = logits.host();
            let (t, targets) = (direction(&logits, 500), HostTensor::from_f32(logits.shape.clone(), targets));
            let loss = |by| softmax_cross_entropy::reference(&moved(&logits, &t, by), &targets, weights, *smoothing);
            let mean_loss = |by| loss(by).loss / weights.len() as f64;
            let analytic = dot(&loss(0.0).dlogits.data, &t.data);
            Ok(Slope { numeric: (mean_loss(EPSILON) - mean_loss(-EPSILON)) / (2.0 * EPSILON), analytic })
        }
        Subject::Regression { predictions, targets, weights } => {
            let (predictions, targets) = (predictions.host(), targets.host());
            let t = direction(&predictions, 500);
            let loss = |by| mean_squared_error::reference(&moved(&predictions, &t, by), &targets, weights);
            let mean_loss = |by| loss(by).loss / weights.len() as f64;
            let analytic = dot(&loss(0.0).dpredictions.data, &t.data);
            Ok(Slope { numeric: (mean_loss(EPSILON) - mean_loss(-EPSILON)) / (2.0 * EPSILON), analytic })
        }
        Subject::Augment { .. } => Err(Error::shape("augment", "no gradient passes through it")),
        Subject::Op { op, inputs, params, pass } => {
            let dy = Input::new(output_shape(op.as_ref(), inputs)?, case.cotangent).host();
            let specs = op.params(&sample_shapes(inputs).iter().collect::<Vec<_>>());
            let at: Vec<HostTensor> = inputs.iter().chain(params).map(Input::host).collect();
            let t: Vec<HostTensor> = at
                .iter()
                .zip(500..)
                .enumerate()
                .map(|(i, (tensor, seed))| match i.checked_sub(inputs.len()) {
                    // Running statistics have no gradient: they stay where they are.
                    Some(p) if !specs[p].trainable => HostTensor::zeros(tensor.shape.clone()),
                    _ => direction(tensor, seed),
                })
                .collect();
            let forward = |by: f64| {
                let moved: Vec<HostTensor> = at.iter().zip(&t).map(|(a, t)| moved(a, t, by)).collect();
                let (x, p) = moved.split_at(inputs.len());
                op.forward_reference(&HostForward { x: x.iter().collect(), params: p.iter().collect(), pass: *pass })
            };
            let numeric =
                (dot(&forward(EPSILON).y.data, &dy.data) - dot(&forward(-EPSILON).y.data, &dy.data)) / (2.0 * EPSILON);
            let out = forward(0.0);
            let (x, p) = at.split_at(inputs.len());
            let grads = op.backward_reference(&HostBackward {
                x: x.iter().collect(),
                params: p.iter().collect(),
                y: &out.y,
                saved: &out.saved,
                dy: &dy,
                pass: *pass,
            });
            let gradients = grads.dx.iter().map(Some).chain(grads.dparams.iter().map(Option::as_ref));
            let analytic = gradients.zip(&t).map(|(g, t)| g.map_or(0.0, |g| dot(&g.data, &t.data))).sum();
            Ok(Slope { numeric, analytic })
        }
    }
}
