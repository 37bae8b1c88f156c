//! Cases: one list an op, run by `cargo test`, `cargo bench` and `fer-gpu verify` alike.

use super::augment::{self, Augment};
use super::{Op, Pass};
use crate::tensor::{HostTensor, Shape, fill};
use std::sync::Arc;

/// A tensor made by formula: `shift + scale * fill(seed, i)`, floored to multiples of `1 / quantize` if given.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Dimensions, batch first.
    pub shape: Shape,
    /// Seed of the formula.
    pub seed: u32,
    /// Half width of the values' range.
    pub scale: f32,
    /// Middle of the values' range.
    pub shift: f32,
    /// Steps per unit, to make ties.
    pub quantize: Option<f32>,
}

impl Input {
    /// Values on [-1, 1).
    pub fn new(shape: impl Into<Shape>, seed: u32) -> Self {
        Self { shape: shape.into(), seed, scale: 1.0, shift: 0.0, quantize: None }
    }

    /// Values on [shift - scale, shift + scale).
    #[must_use]
    pub fn around(mut self, shift: f32, scale: f32) -> Self {
        (self.shift, self.scale) = (shift, scale);
        self
    }

    /// Values rounded down to multiples of `1 / steps`.
    #[must_use]
    pub fn quantized(mut self, steps: f32) -> Self {
        self.quantize = Some(steps);
        self
    }

    /// The values, in f32 arithmetic.
    pub fn values(&self) -> Vec<f32> {
        (0..self.shape.elements())
            .map(|i| {
                let v = self.shift + self.scale * fill(self.seed, i as u32);
                self.quantize.map_or(v, |q| (v * q).floor() / q)
            })
            .collect()
    }

    /// The values as a tensor of the reference.
    pub fn host(&self) -> HostTensor {
        HostTensor::from_f32(self.shape.clone(), &self.values())
    }
}

/// How far the GPU may be from the reference: `|gpu - ref| <= abs + rel * |ref|`, for every output of the case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Absolute part.
    pub abs: f64,
    /// Relative part.
    pub rel: f64,
}

impl Tolerance {
    /// For sums of `terms` products of values uniform on [-1, 1), added one after another in f32: each addition rounds a
    /// partial sum of about sqrt(k) / 3 by 2^-25, the roundings add up like sqrt(terms), which makes terms / 8 * 2^-24; ten
    /// times that is allowed, never less than 2e-6.
    pub fn sum(terms: usize) -> Self {
        let abs = (10.0 / 8.0 * terms as f64 * 2f64.powi(-24)).max(2e-6);
        Self { abs, rel: 1e-5 }
    }

    /// For results that are exact in f32 or one rounding away.
    pub const EXACT: Self = Self { abs: 1e-7, rel: 3e-7 };
}

/// What a case runs.
#[derive(Clone, Debug)]
pub enum Subject {
    /// An op, forward and backward.
    Op {
        /// The op.
        op: Arc<dyn Op>,
        /// Its inputs.
        inputs: Vec<Input>,
        /// Its parameters, in the op's order.
        params: Vec<Input>,
        /// Mode and counters.
        pass: Pass,
    },
    /// The loss: logits and targets to loss and gradient.
    Loss {
        /// `[n, classes]`.
        logits: Input,
        /// `[n, classes]`.
        targets: Vec<f32>,
        /// `[n]`.
        weights: Vec<f32>,
        /// Label smoothing.
        smoothing: f32,
    },
    /// The loss of numbers: predictions and targets to loss and gradient.
    Regression {
        /// `[n, k]`.
        predictions: Input,
        /// `[n, k]`.
        targets: Input,
        /// `[n]`.
        weights: Vec<f32>,
    },
    /// What is done to images before the network.
    Augment {
        /// The settings that the images share.
        op: Augment,
        /// `[n, h, w, c]`.
        x: Input,
        /// `n` images' own.
        rows: Vec<augment::Row>,
    },
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// `conv2d/3x3_valid_5to7`: the op and what is special.
    pub name: String,
    /// What runs.
    pub subject: Subject,
    /// How near the GPU must be.
    pub tolerance: Tolerance,
    /// Seed of the formula for the cotangent `dy`.
    pub cotangent: u32,
    /// Whether the function is smooth at this input, so that finite differences mean something.
    pub smooth: bool,
    /// Whether `cargo bench` times it: the networks' real shapes.
    pub bench: bool,
}

impl Case {
    /// The usual seed of the formula for the cotangent.
    pub const COTANGENT: u32 = 99;

    /// A case of an op: parameters by formula (seeds 2, 3, ...; variance-like ones are kept positive), training mode.
    pub fn new(what: &str, op: impl Op + 'static, inputs: Vec<Input>, tolerance: Tolerance) -> Self {
        let samples: Vec<Shape> = inputs.iter().map(|i| Shape::new(&i.shape.dims()[1..])).collect();
        let specs = op.params(&samples.iter().collect::<Vec<_>>());
        let params = specs
            .iter()
            .zip(2..)
            .map(|(spec, seed)| {
                let input = Input::new(spec.shape.clone(), seed);
                match spec.name {
                    "gamma" | "moving_variance" | "variance" => input.around(1.0, 0.5),
                    _ => input,
                }
            })
            .collect();
        let pass = Pass { training: true, layer: 3, seed: 0x0123_4567_89ab_cdef, step: 5 };
        Self {
            name: format!("{}/{what}", op.name()),
            subject: Subject::Op { op: Arc::new(op), inputs, params, pass },
            tolerance,
            cotangent: Self::COTANGENT,
            smooth: true,
            bench: false,
        }
    }

    /// Runs the op in inference mode instead.
    #[must_use]
    pub fn inference(mut self) -> Self {
        if let Subject::Op { pass, .. } = &mut self.subject {
            pass.training = false;
        }
        self
    }

    /// Marks an input at which the function has kinks (ties, zeros).
    #[must_use]
    pub fn kinked(mut self) -> Self {
        self.smooth = false;
        self
    }

    /// Marks a real shape of the networks, which `cargo bench` times.
    #[must_use]
    pub fn benched(mut self) -> Self {
        self.bench = true;
        self
    }
}
