//! The networks, by name. One file a family; a new one is a function and a row in [`MODELS`].

mod bodies;
mod list;
mod scratch;
mod stack;
mod summary;
mod transfer;

pub use list::MODELS;
pub use stack::Stack;
pub use summary::Summary;

use crate::error::{Error, Result, nearest};
use crate::graph::{Freeze, Graph};

/// A network that can be built by name.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// `fer<classes>-<body>`.
    pub name: &'static str,
    /// Where it comes from, in a line.
    pub about: &'static str,
    /// Height, width and channels of its input in the report.
    pub input: [usize; 3],
    /// Classes of the report; the data's count is used where it differs.
    pub classes: usize,
    /// Whether its report begins with the body frozen.
    pub frozen: bool,
    build: fn(Stack, usize) -> Stack,
}

/// Where a network differs from its report's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// Height and width of the input.
    pub size: Option<[usize; 2]>,
    /// Which layers are frozen.
    pub freeze: Option<Freeze>,
}

/// The network of plain `fer-gpu train`.
pub const DEFAULT: &str = "fer7-small";

impl Model {
    /// Builds the report's network for `classes` classes.
    ///
    /// # Errors
    /// No class at all.
    pub fn graph(&self, classes: usize) -> Result<Graph> {
        self.variant(classes, &Variant::default())
    }

    /// Builds the network for `classes` classes, other than in the report where `variant` says so.
    ///
    /// # Errors
    /// No class at all; an input that is too small for the network; layers to freeze that it does not have.
    pub fn variant(&self, classes: usize, variant: &Variant) -> Result<Graph> {
        if classes == 0 {
            return Err(Error::usage(format!("{} needs at least one class", self.name), ""));
        }
        let mut graph = (self.build)(Stack::new(self.name, self.input_of(variant)), classes).finish()?;
        let own = if self.frozen { Freeze::Body } else { Freeze::Nothing };
        graph.freeze(variant.freeze.as_ref().unwrap_or(&own))?;
        Ok(graph)
    }

    /// Height, width and channels of a variant's input.
    pub fn input_of(&self, variant: &Variant) -> [usize; 3] {
        let [height, width, channels] = self.input;
        let [height, width] = variant.size.unwrap_or([height, width]);
        [height, width, channels]
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
