//! Layers as Keras counts them: which nodes make one, in which order they stand, and which of them are frozen.
//!
//! A layer is a node and the parts that [`super::Builder::extend`] added to it. Keras lists a network's layers from the deepest
//! to the output, so the branches of a block are interleaved; everything that is counted or named by a user (`--freeze 20`)
//! is in that order.

use super::{Graph, Loss, Node, Value};
use crate::error::{Error, Result, nearest};
use crate::ops::tanh::Tanh;
use crate::ops::{Op, mean_squared_error};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

/// Which layers the optimizer leaves alone. Layers are counted as Keras counts `model.layers`: the input is the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Freeze {
    /// None.
    Nothing,
    /// The whole body, and what is before it.
    Body,
    /// The first ones of the network, this many.
    First(usize),
    /// All from the first to the one of this name.
    Through(String),
    /// The body but for its last ones, this many.
    BodyBut(usize),
}

impl FromStr for Freeze {
    type Err = Error;

    /// `none`, `body`, a number of layers or a layer's name.
    fn from_str(text: &str) -> Result<Self> {
        match (text, text.parse()) {
            ("", _) => {
                Err(Error::setting("", "freeze", "with no value", "none, body, a number of layers, or a layer's name"))
            }
            ("none", _) => Ok(Self::Nothing),
            ("body", _) => Ok(Self::Body),
            (_, Ok(count)) => Ok(Self::First(count)),
            _ => Ok(Self::Through(text.to_owned())),
        }
    }
}

impl fmt::Display for Freeze {
    /// As it is written on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => write!(f, "--freeze none"),
            Self::Body => write!(f, "--freeze body"),
            Self::First(count) => write!(f, "--freeze {count}"),
            Self::Through(name) => write!(f, "--freeze {name}"),
            Self::BodyBut(count) => write!(f, "--unfreeze-last {count}"),
        }
    }
}

impl Node {
    /// Whether it runs in training mode in a training step: a frozen layer's statistics are used as they are, as Keras's frozen
    /// batch norm uses them. What has no parameters (dropout) does not care about freezing.
    pub(super) fn in_training_mode(&self) -> bool {
        !self.frozen || self.params.is_empty()
    }

    /// Freezes a node of a graph that is being built from a file.
    pub(crate) fn set_frozen(&mut self, frozen: bool) {
        self.frozen = frozen;
        self.params.iter_mut().for_each(|p| p.trainable &= !frozen);
    }
}

impl Graph {
    /// The nodes of each layer, in order; the input has none and is left out.
    pub fn layers(&self) -> Vec<Range<usize>> {
        let starts: Vec<usize> = (0..self.nodes.len()).filter(|i| !self.nodes[*i].part).collect();
        let ends = starts.iter().skip(1).copied().chain([self.nodes.len()]);
        starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
    }

    /// The same network with its layers in the order of Keras's `model.layers`: by their distance from the output, and where
    /// that is the same, as a walk back from the output meets them. What does not lead to the output is left out.
    #[must_use]
    pub fn in_keras_order(self) -> Self {
        let layers = self.layers();
        let met = self.walk_back();
        let depths = self.depths(&layers);
        let mut order: Vec<usize> = (0..layers.len()).filter(|l| met[layers[*l].end - 1].is_some()).collect();
        order.sort_by_key(|l| (std::cmp::Reverse(depths[*l]), met[layers[*l].end - 1]));
        let nodes: Vec<usize> = order.into_iter().flat_map(|l| layers[l].clone()).collect();
        let mut value_of = vec![0; self.shapes.len()];
        for (new, old) in nodes.iter().enumerate() {
            value_of[old + 1] = new + 1;
        }
        let moved = |node: &Node| Node { inputs: node.inputs.iter().map(|v| value_of[*v]).collect(), ..node.clone() };
        let shapes = std::iter::once(0).chain(nodes.iter().map(|n| n + 1)).map(|v| self.shapes[v].clone()).collect();
        Self { name: self.name, nodes: nodes.iter().map(|n| moved(&self.nodes[*n])).collect(), shapes, loss: self.loss }
    }

    /// When a depth-first walk from the output, inputs in order, first meets each node; never for some.
    fn walk_back(&self) -> Vec<Option<usize>> {
        let mut met = vec![None; self.nodes.len()];
        let mut count = 0;
        let mut waiting: Vec<Value> = vec![self.nodes.len()];
        while let Some(value) = waiting.pop() {
            let Some(node) = value.checked_sub(1).filter(|n| met[*n].is_none()) else { continue };
            met[node] = Some(count);
            count += 1;
            waiting.extend(self.nodes[node].inputs.iter().rev());
        }
        met
    }

    /// Layers between each layer and the output, on the longest way.
    fn depths(&self, layers: &[Range<usize>]) -> Vec<usize> {
        let mut layer_of = vec![0; self.nodes.len()];
        for (l, nodes) in layers.iter().enumerate() {
            layer_of[nodes.clone()].fill(l);
        }
        let mut depths = vec![0; layers.len()];
        for (l, nodes) in layers.iter().enumerate().rev() {
            let inputs = self.nodes[nodes.clone()].iter().flat_map(|n| &n.inputs);
            for producer in inputs.filter_map(|v| v.checked_sub(1)).map(|n| layer_of[n]).filter(|p| *p != l) {
                depths[producer] = depths[producer].max(depths[l] + 1);
            }
        }
        depths
    }

    /// The same network for values: its outputs are what it says, and its loss is their mean squared error.
    ///
    /// # Errors
    /// More outputs than the loss takes.
    pub fn for_values(self) -> Result<Self> {
        let shape = self.output().with_batch(1);
        mean_squared_error::sizes(&shape, &shape, &[1].into())?;
        Ok(Self { loss: Loss::MeanSquaredError, ..self })
    }

    /// The same network without a node of one input, which is read in its place.
    #[must_use]
    pub fn without(mut self, node: usize) -> Self {
        let source = self.nodes[node].inputs[0];
        self.nodes.remove(node);
        self.shapes.remove(node + 1);
        for input in self.nodes.iter_mut().flat_map(|n| &mut n.inputs) {
            *input = match *input {
                value if value == node + 1 => source,
                value if value > node + 1 => value - 1,
                value => value,
            };
        }
        self
    }

    /// The same network with outputs from -1 to 1: the last layer ends in tanh, unless it does already.
    #[must_use]
    pub fn ending_in_tanh(mut self) -> Self {
        let last = self.nodes.len();
        if self.nodes.last().is_some_and(|n| n.op.name() == Tanh.name()) {
            return self;
        }
        let taken = |name: &str| self.nodes.iter().any(|n| n.name == name);
        let mut name = "output".to_owned();
        while taken(&name) {
            name.push('_');
        }
        let (op, class, part) = (Arc::new(Tanh), "Activation", false);
        let (params, inputs) = (Vec::new(), vec![last]);
        self.nodes.push(Node { name, class, op, inputs, params, part, body: false, frozen: false });
        self.shapes.push(self.shapes[last].clone());
        self
    }

    /// Freezes layers, and thaws all others: a frozen layer's parameters count as not trainable, get no gradients and no
    /// optimizer state, and its batch norm uses its running statistics.
    ///
    /// # Errors
    /// An unknown layer, more layers than there are, a network without a body, or nothing left to train.
    pub fn freeze(&mut self, what: &Freeze) -> Result<()> {
        let end = self.frozen_end(what)?;
        for i in 0..self.nodes.len() {
            // What the op itself says: running statistics stay as they are.
            let specs = self.nodes[i].op.params(&self.input_shapes(&self.nodes[i]));
            let node = &mut self.nodes[i];
            node.frozen = i < end;
            for (param, spec) in node.params.iter_mut().zip(specs) {
                param.trainable = spec.trainable && !node.frozen;
            }
        }
        if end > 0 && !self.nodes.iter().flat_map(|n| &n.params).any(|p| p.trainable) {
            let what = format!("freezing {end} of {} leaves nothing to train in {}", self.nodes.len(), self.name);
            return Err(Error::usage(what, "freeze fewer layers"));
        }
        Ok(())
    }

    /// The first node that is not frozen.
    fn frozen_end(&self, what: &Freeze) -> Result<usize> {
        let layers = self.layers();
        let body = layers.iter().filter(|l| self.nodes[l.start].body).count();
        let body_end = layers.iter().rposition(|l| self.nodes[l.start].body).map_or(0, |last| last + 1);
        // The input is a layer too, the first.
        let end_of = |count: usize| count.checked_sub(2).map_or(0, |l| layers[l].end);
        match what {
            Freeze::Nothing => Ok(0),
            Freeze::Body | Freeze::BodyBut(_) if body == 0 => Err(Error::usage(
                format!("{} has no pretrained body that could be frozen", self.name),
                "--freeze takes a number of layers or a layer's name as well",
            )),
            Freeze::Body => Ok(end_of(body_end + 1)),
            Freeze::First(count) if *count <= layers.len() + 1 => Ok(end_of(*count)),
            Freeze::First(count) => Err(Error::setting(
                "",
                "freeze",
                format!("{count}: {} has {} layers", self.name, layers.len() + 1),
                "`fer-gpu summary` lists them",
            )),
            Freeze::BodyBut(count) if *count <= body + 1 => Ok(end_of(body_end + 1 - count)),
            Freeze::BodyBut(count) => Err(Error::setting(
                "",
                "unfreeze-last",
                format!("{count}: the body of {} has {} layers", self.name, body + 1),
                "`fer-gpu summary` lists them",
            )),
            Freeze::Through(name) => {
                let names = layers.iter().map(|l| self.nodes[l.start].name.as_str());
                let found = names.clone().position(|n| n == name);
                found.map(|l| layers[l].end).ok_or_else(|| {
                    let near = nearest(name, names).map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
                    let hint = format!("{near}`fer-gpu summary` lists them; `body`, `none` and a number work too");
                    Error::setting("", "freeze", format!("{name}: {} has no such layer", self.name), hint)
                })
            }
        }
    }
}
