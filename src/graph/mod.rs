//! Networks as graphs: built with checked shapes, planned once, run many times by one of two executors.
//!
//! ```text
//! Builder -> Graph -> Plan (order, gradients, liveness, buffers) -> GpuExecutor   one submit a step
//!                                                                -> CpuExecutor   the f64 reference
//! ```
//!
//! **Why this buffer model.** Four were compared on the cases to come (a sliced 411 MB activation, residual blocks, frozen bodies,
//! an f16 twin, the browser): a buffer a tensor, buffers that tensors share whole, one arena, and arenas as large as a buffer may
//! be. A buffer a tensor holds every gradient of the network at once. Buffers shared whole need 1.1 to 1.6 times the bytes that are
//! alive at once (measured on the nine networks): one of the largest activation is half empty under a tensor of half the size.
//! Places in arenas need 1.00 to 1.08 times, slice any tensor by its offset, and drop a frozen body's tensors by not planning them. The price
//! is that an API which tracks whole buffers wants a tensor that is read bound read-write if the same kernel writes another of its
//! arena; the recorder sees to that ([`crate::gpu::Recorder::dispatch`]). Parameters, gradients and moments are different: they live
//! all the time and the optimizer walks them in one go, so each is a flat arena of its own.

mod augmentation;
mod batch;
mod budget;
mod builder;
mod cpu;
mod description;
mod executor;
mod fusion;
mod gpu;
mod gpu_memory;
mod layers;
mod memory;
mod parameters;
mod plan;
mod planner;
mod profile;

pub use augmentation::Augmentation;
pub use batch::{At, Batch, Samples};
pub use budget::Budget;
pub use builder::{Builder, Numbered};
pub use cpu::CpuExecutor;
pub(crate) use description::MAX_LAYERS;
pub use description::{Description, Layer};
pub use executor::{Attribution, Executor, Metrics, NamedTensor, SlotTensors, Snapshot, Unread};
pub use gpu::GpuExecutor;
pub use layers::Freeze;
pub use memory::Place;
pub use parameters::{Parameters, Slot};
pub use plan::{Explained, Mode, Options, Plan, Pooled, Stem, Step, TensorId};
pub use profile::{KernelTotal, Profile};

use crate::ops::dropout::Dropout;
use crate::ops::stochastic_depth::StochasticDepth;
use crate::ops::{Op, ParamSpec};
use crate::tensor::Shape;
use std::sync::Arc;

/// A tensor of a graph: 0 is the input, `i + 1` the output of node `i`.
pub type Value = usize;

/// What a network is trained by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Cross-entropy of the softmax of the outputs: classes.
    CrossEntropy {
        /// Label smoothing `a`: the loss, not its metrics, sees targets `t (1 - a) + a / classes`.
        smoothing: f32,
    },
    /// Mean squared error of the outputs as they are: values.
    MeanSquaredError,
}

impl Default for Loss {
    fn default() -> Self {
        Self::CrossEntropy { smoothing: 0.0 }
    }
}

/// One layer.
#[derive(Clone, Debug)]
pub struct Node {
    /// Unique in its graph, named as Keras would: `conv2d_1`.
    pub name: String,
    /// Keras's class of its layer, for `summary`: the op's own, or what Keras wraps it in (`Activation`).
    pub class: &'static str,
    /// What it computes.
    pub op: Arc<dyn Op>,
    /// What it reads: the input or earlier nodes.
    pub inputs: Vec<Value>,
    /// Its parameters and statistics.
    pub params: Vec<ParamSpec>,
    /// Whether it belongs to the layer of the node before it, as the activation of Keras's `Conv2D(activation="relu")` does.
    pub part: bool,
    /// Whether it belongs to the network's pretrained body.
    pub body: bool,
    /// Whether its layer is frozen ([`Graph::freeze`]).
    pub frozen: bool,
}

/// A network: nodes in an order in which each reads only earlier ones, and the shape a sample of every value.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The network's name.
    pub name: String,
    /// The layers, in order.
    pub nodes: Vec<Node>,
    /// Shape of a sample of each value.
    pub shapes: Vec<Shape>,
    /// What it is trained by.
    pub loss: Loss,
}

impl Graph {
    /// Shape of an input sample.
    pub fn input(&self) -> &Shape {
        &self.shapes[0]
    }

    /// Shape of an output sample.
    pub fn output(&self) -> &Shape {
        &self.shapes[self.nodes.len()]
    }

    /// Shapes a sample of a node's inputs.
    pub fn input_shapes(&self, node: &Node) -> Vec<&Shape> {
        node.inputs.iter().map(|v| &self.shapes[*v]).collect()
    }

    /// The same network with every dropout rate 0, stochastic depth included: for comparisons with engines that draw other masks.
    #[must_use]
    pub fn without_dropout(&self) -> Self {
        let mut graph = self.clone();
        for node in &mut graph.nodes {
            match node.op.name() {
                "dropout" => node.op = Arc::new(Dropout { rate: 0.0 }),
                "stochastic_depth" => node.op = Arc::new(StochasticDepth { rate: 0.0 }),
                _ => {}
            }
        }
        graph
    }
}
