//! The networks, by name. One file a family; a new one is a function and a row in [`MODELS`].

mod scratch;
mod stack;
mod summary;

pub use stack::Stack;
pub use summary::Summary;

use crate::error::{Error, Result, nearest};
use crate::graph::Graph;

/// A network that can be built by name.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// `fer<classes>-<body>`.
    pub name: &'static str,
    /// Where it comes from, in a line.
    pub about: &'static str,
    /// Height, width and channels of its input.
    pub input: [usize; 3],
    /// Classes of the report; the data's count is used where it differs.
    pub classes: usize,
    build: fn(Stack, usize) -> Stack,
}

/// The network of plain `fer-gpu train`.
pub const DEFAULT: &str = "fer7-small";

/// Every network.
pub const MODELS: &[Model] = &[
    Model {
        name: "fer4-cnn3",
        about: "R0's first: three 2x2 convolutions",
        input: [48, 48, 1],
        classes: 4,
        build: scratch::fer4_cnn3,
    },
    Model {
        name: "fer4-cnn4-bn",
        about: "R0's second: four convolutions with batch norm",
        input: [48, 48, 1],
        classes: 4,
        build: scratch::fer4_cnn4_bn,
    },
    Model {
        name: "fer4-cnn5-bn",
        about: "R0's sixth: five convolutions, batch norm also in the head",
        input: [48, 48, 1],
        classes: 4,
        build: scratch::fer4_cnn5_bn,
    },
    Model {
        name: "fer7-cnn3-bn",
        about: "R1's, for FER2013: three 3x3 convolutions",
        input: [48, 48, 1],
        classes: 7,
        build: scratch::fer7_cnn3_bn,
    },
    Model {
        name: "fer7-cnn4-bn",
        about: "R3's: four 3x3 convolutions",
        input: [48, 48, 1],
        classes: 7,
        build: scratch::fer7_cnn4_bn,
    },
    Model {
        name: "fer3-cnn6",
        about: "R4's first: three pairs of 3x3 convolutions",
        input: [48, 48, 3],
        classes: 3,
        build: scratch::fer3_cnn6,
    },
    Model {
        name: "fer3-cnn6-bn",
        about: "R4's second: the same with batch norm",
        input: [48, 48, 3],
        classes: 3,
        build: scratch::fer3_cnn6_bn,
    },
    Model {
        name: "fer3-cnn6-tuned",
        about: "R4's third: widths found by random search",
        input: [48, 48, 3],
        classes: 3,
        build: scratch::fer3_cnn6_tuned,
    },
    Model {
        name: "fer8-cnn5",
        about: "R2's: five convolutions at 224x224",
        input: [224, 224, 3],
        classes: 8,
        build: scratch::fer8_cnn5,
    },
    Model {
        name: DEFAULT,
        about: "ours: small, for a first try",
        input: [48, 48, 1],
        classes: 7,
        build: scratch::fer7_small,
    },
];

impl Model {
    /// Builds the graph for `classes` classes.
    ///
    /// # Errors
    /// No class at all.
    pub fn graph(&self, classes: usize) -> Result<Graph> {
        if classes == 0 {
            return Err(Error::usage(format!("{} needs at least one class", self.name), ""));
        }
        (self.build)(Stack::new(self.name, self.input), classes).finish()
    }
}

/// The network of a name.
///
/// # Errors
/// An unknown name, with the nearest known one.
pub fn find(name: &str) -> Result<&'static Model> {
    MODELS.iter().find(|m| m.name == name).ok_or_else(|| {
        let near = nearest(name, MODELS.iter().map(|m| m.name));
        let hint = near.map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
        Error::usage(format!("unknown model `{name}`"), format!("{hint}`fer-gpu models` lists them"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Total, trained and fixed parameters: checked in Keras 3.15 by building each network (NETWORKS in tools/keras_networks.py).
    #[test]
    fn parameter_counts_are_keras() {
        let counts = [
            ("fer4-cnn3", 605_060, 605_060),
            ("fer4-cnn4-bn", 389_604, 388_644),
            ("fer4-cnn5-bn", 1_782_340, 1_778_116),
            ("fer7-cnn3-bn", 1_049_159, 1_048_583),
            ("fer7-cnn4-bn", 526_983, 524_999),
            ("fer3-cnn6", 1_182_531, 1_182_531),
            ("fer3-cnn6-bn", 1_184_323, 1_183_427),
            ("fer3-cnn6-tuned", 1_938_979, 1_937_891),
            ("fer8-cnn5", 1_999_400, 1_999_400),
        ];
        for (name, total, trainable) in counts {
            let model = find(name).expect("listed");
            let summary = Summary::new(&model.graph(model.classes).expect("builds"));
            assert_eq!(
                (summary.total, summary.trainable, summary.non_trainable),
                (total, trainable, total - trainable),
                "{name}"
            );
        }
    }

    #[test]
    fn mistyped_names_get_the_nearest() {
        let error = find("fer7-cnn3bn").expect_err("mistyped").to_string();
        assert!(error.contains("`fer7-cnn3-bn`"), "{error}");
    }
}
