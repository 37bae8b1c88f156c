//! What every normalization within a sample computes, whatever its axes are called.

use super::super::{Init, ParamSpec};
use crate::tensor::Shape;

/// A sample as `[rows, pixels, groups, width]`: statistics over the pixels and the width of each (row, group) pair, a gamma and a
/// beta for each of the `groups * width` channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::ops) struct Norm {
    /// The op's name, for labels.
    pub op: &'static str,
    pub rows: usize,
    pub pixels: usize,
    pub groups: usize,
    pub width: usize,
    pub epsilon: f32,
    /// Whether there is a gamma.
    pub scale: bool,
    /// Whether there is a beta.
    pub center: bool,
}

impl Norm {
    /// Channels of a pixel.
    pub(in crate::ops) fn channels(&self) -> usize {
        self.groups * self.width
    }

    /// Shape of what forward saves of `n` samples: shift, delta and rstd of each pair, where `mean = shift + delta` (two floats, so
    /// that a mean of 1e4 costs `x - mean` no precision).
    pub(in crate::ops) fn saved(&self, n: usize) -> Shape {
        [n, self.rows * self.groups, 3].into()
    }

    /// Gamma and beta of a shape, where they are.
    pub(in crate::ops) fn params(&self, shape: &[usize]) -> Vec<ParamSpec> {
        let gamma = self.scale.then(|| ParamSpec::trainable("gamma", shape, Init::Ones));
        let beta = self.center.then(|| ParamSpec::trainable("beta", shape, Init::Zeros));
        gamma.into_iter().chain(beta).collect()
    }

    /// Gamma and beta, where they are.
    pub(in crate::ops) fn split<'a, T>(&self, params: &'a [T]) -> (Option<&'a T>, Option<&'a T>) {
        (params.first().filter(|_| self.scale), params.get(usize::from(self.scale)).filter(|_| self.center))
    }
}
