//! What makes probabilities of a classifier's scores.

use serde::{Deserialize, Serialize};

/// The end of a classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// Softmax: probabilities that sum to 1.
    #[default]
    Softmax,
    /// A sigmoid of each score: independent probabilities, each of one class against all else.
    Sigmoid,
}

impl Head {
    /// What people are told wherever probabilities of a [`Head::Sigmoid`] are shown.
    pub const INDEPENDENT: &'static str =
        "the classes' probabilities are independent (a sigmoid each) and do not sum to 1";

    /// Whether it is the usual one, which files need not name.
    pub(crate) fn is_softmax(&self) -> bool {
        *self == Self::Softmax
    }

    /// Whether the probabilities of the classes are independent.
    pub fn is_independent(self) -> bool {
        self == Self::Sigmoid
    }

    /// Probabilities of what an executor predicts, which is probabilities already where there is a softmax, else scores.
    pub fn apply(self, predicted: &mut [f32]) {
        if self == Self::Sigmoid {
            predicted.iter_mut().for_each(|v| *v = 1.0 / (1.0 + (-*v).exp()));
        }
    }
}
