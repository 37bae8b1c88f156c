//! Which parameters a weight decay is for.

use crate::tensor::Shape;
use serde::{Deserialize, Serialize};

/// Which parameters decay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decayed {
    /// All, biases and those of batch norm included, as Keras does unless told otherwise.
    #[default]
    All,
    /// The kernels of convolutions and dense layers, but no biases and nothing of a normalization: what Keras's
    /// `exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])` leaves, and what is usual in PyTorch.
    Kernels,
}

/// Whether a parameter is a kernel: what is a number a channel is not, nor what scales and shifts a normalized sample.
pub fn is_kernel(name: &str, shape: &Shape) -> bool {
    shape.dims().len() > 1 && !["gamma", "beta"].contains(&name)
}

impl Decayed {
    /// Whether a parameter of this name and shape decays.
    pub fn has(self, name: &str, shape: &Shape) -> bool {
        self == Self::All || is_kernel(name, shape)
    }
}
