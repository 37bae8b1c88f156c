//! A variable of a golden file, and how what is found of it is compared.

use crate::common::norm;
use serde::Deserialize;
use std::fmt;

/// How far weights may be from Keras's after two steps, relative to their norm, in every network.
const WEIGHTS: f64 = 2e-3;

/// `layer/variable` and shape in Keras; shift and scale of its start; the norm of its gradient and some entries of it over their
/// quadratic mean (statistics have none); what two steps moved the same entries by, over the learning rate.
#[derive(Deserialize)]
pub(crate) struct Variable(
    pub(crate) String,
    pub(crate) Vec<usize>,
    pub(crate) f32,
    pub(crate) f32,
    pub(crate) Option<f64>,
    pub(crate) Vec<f64>,
    pub(crate) Vec<f64>,
);

impl Variable {
    /// Compares the norm of a gradient of `count` elements, and some of its `entries`; whether there is a gradient at all. `kernel` is
    /// the norm of the last kernel's.
    pub(crate) fn gradient(
        &self,
        found: (f64, Vec<f64>),
        count: usize,
        kernel: &mut f64,
        tolerance: f64,
        worst: &mut Worst,
    ) -> bool {
        let Self(name, _, _, _, norm, wanted, _) = self;
        let (size, entries) = found;
        let keras = norm.unwrap_or_else(|| panic!("{name}: no gradient in Keras"));
        if name.ends_with("kernel") {
            *kernel = keras;
        }
        // A bias before a batch norm has no gradient: what is there is rounding.
        if keras < 1e-9 * *kernel {
            worst.hold(size <= tolerance * *kernel, || {
                format!("{name}: gradient {size:e}, Keras 0, its kernel {kernel:e}")
            });
            return false;
        }
        let error = (size - keras).abs() / keras;
        worst.hold(error <= tolerance, || format!("{name}: gradient's norm {size:e}, Keras {keras:e}"));
        worst.norms = worst.norms.max(error);
        let mean = keras / (count as f64).sqrt();
        let entries: Vec<f64> = entries.iter().map(|g| g / mean).collect();
        let error = distance(&entries, wanted) / norm_of(wanted).max((wanted.len() as f64).sqrt());
        worst.hold(error <= tolerance, || {
            format!("{name}: gradient off by {error:.1e}: {entries:?} quadratic means, Keras {wanted:?}")
        });
        worst.entries = worst.entries.max(error);
        true
    }

    /// Compares some elements of a weight after two steps, which `moved` them away from `before` by so many learning rates.
    pub(crate) fn weights(&self, before: &[f64], moved: &[f64], learning_rate: f64, worst: &mut Worst) {
        let Self(name, .., norm, _, wanted) = self;
        if norm.is_some() {
            let after =
                |moved: &[f64]| before.iter().zip(moved).map(|(b, m)| b + m * learning_rate).collect::<Vec<_>>();
            let error = apart(&after(moved), &after(wanted));
            worst.hold(error <= WEIGHTS, || format!("{name}: off by {error:.1e} after two steps"));
            worst.weights = worst.weights.max(error);
        }
    }

    /// Compares what two steps moved some elements by, in learning rates; f32 cannot hold weights closer than `rounding`.
    pub(crate) fn moved(&self, moved: &[f64], rounding: f64, tolerance: f64, worst: &mut Worst) {
        let Self(name, .., norm, entries, wanted) = self;
        if norm.is_none() {
            let error = (distance(moved, wanted) - rounding).max(0.0) / norm_of(wanted).max(1e-9);
            worst.hold(error <= tolerance, || format!("{name}: moved by {moved:?} rates, Keras {wanted:?}"));
            worst.moves = worst.moves.max(error);
            return;
        }
        // Adam divides by the gradient: a small one moves its weight as far as a large one, and may be rounding.
        worst.far(moved, rounding, name);
        let each = moved.iter().zip(wanted).zip(entries);
        let weighed = each.map(|((ours, keras), g)| ((ours - keras).abs() - rounding).max(0.0) * g.abs().min(1.0));
        let error = crate::common::norm(weighed) / norm_of(wanted).max(1e-9);
        worst.hold(error <= tolerance, || {
            format!("{name}: moved by {moved:?} rates, Keras {wanted:?}, gradients {entries:?}")
        });
        worst.moves = worst.moves.max(error);
    }
}

/// What was largest of each kind of difference, and what was too large.
#[derive(Default)]
pub(crate) struct Worst {
    pub(crate) losses: f64,
    pub(crate) probabilities: f64,
    pub(crate) norms: f64,
    pub(crate) entries: f64,
    pub(crate) moves: f64,
    pub(crate) weights: f64,
    pub(crate) failures: Vec<String>,
}

impl Worst {
    /// Notes a failure unless it `holds`.
    pub(crate) fn hold(&mut self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.failures.push(text());
        }
    }

    /// Two steps of Adam move a weight by two rates at most.
    pub(crate) fn far(&mut self, moved: &[f64], rounding: f64, name: &str) {
        let near = moved.iter().all(|m| m.abs() <= 2.1 + rounding);
        self.hold(near, || format!("{name}: moved by {moved:?} rates in two steps"));
    }
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { losses, probabilities, norms, entries, moves, weights, .. } = self;
        write!(f, "losses {losses:.1e}, log probabilities {probabilities:.1e}, ")?;
        write!(f, "gradients: norms {norms:.1e}, entries {entries:.1e}, moves {moves:.1e}, weights {weights:.1e}")
    }
}

/// Euclidean norm.
pub(crate) fn norm_of(values: &[f64]) -> f64 {
    norm(values.iter().copied())
}

/// Norm of the difference.
pub(crate) fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    norm(a.iter().zip(b).map(|(a, b)| a - b))
}

/// Relative to the norm of `keras`.
pub(crate) fn apart(ours: &[f64], keras: &[f64]) -> f64 {
    distance(ours, keras) / norm_of(keras)
}
