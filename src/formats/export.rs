//! What the writers of other programs' formats take.

use super::checkpoint::Meta;
use crate::graph::{Graph, NamedTensor};
use std::collections::HashMap;

/// A trained network to be written.
#[derive(Clone, Copy, Debug)]
pub struct Network<'a> {
    /// Its layers.
    pub graph: &'a Graph,
    /// Every parameter.
    pub parameters: &'a [NamedTensor],
    /// Classes and preprocessing.
    pub meta: &'a Meta,
    /// Whether parameters are stored in half precision.
    pub half: bool,
}

impl<'a> Network<'a> {
    /// The parameters by name.
    pub fn by_name(&self) -> HashMap<&'a str, &'a NamedTensor> {
        self.parameters.iter().map(|t| (t.name.as_str(), t)).collect()
    }
}
