//! Where a graph's parameters and statistics live in the flat arenas, and how they start.

use super::Graph;
use super::executor::{NamedTensor, SlotTensors, Snapshot};
use crate::error::{Error, Result};
use crate::ops::ParamSpec;
use crate::optim::{Optimizer, is_kernel};
use crate::philox::Philox;

/// Elements to which every tensor's start in an arena is rounded up: 256 bytes, any adapter's binding alignment.
const ALIGN: usize = 64;

/// A parameter's place.
#[derive(Clone, Debug)]
pub struct Slot {
    /// `conv2d/kernel`.
    pub name: String,
    /// What it is.
    pub spec: ParamSpec,
    /// First element in its arena: the weights' if it is trained, the statistics' if not.
    pub offset: usize,
    /// The node that owns it.
    pub node: usize,
}

/// All parameters of a graph, in the order of its nodes.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// The places, node by node.
    pub slots: Vec<Slot>,
    /// Index of each node's first slot.
    first: Vec<usize>,
    /// Elements of the arena of trained parameters.
    pub weights: usize,
    /// Of these, from the first on, those of kernels.
    pub kernels: usize,
    /// Elements of the arena of statistics.
    pub statistics: usize,
}

impl Parameters {
    /// Lays the parameters of a graph out.
    pub fn new(graph: &Graph) -> Self {
        let mut layout = Self { slots: Vec::new(), first: Vec::new(), weights: 0, kernels: 0, statistics: 0 };
        // Kernels lie before the other trained parameters: an optimizer that treats them differently needs one boundary.
        let trained = graph.nodes.iter().flat_map(|layer| &layer.params).filter(|spec| spec.trainable);
        let kernels = trained.filter(|spec| is_kernel(spec.name, &spec.shape));
        layout.kernels = kernels.map(|spec| spec.shape.elements().next_multiple_of(ALIGN)).sum();
        let mut next_kernel = 0;
        layout.weights = layout.kernels;
        for (node, layer) in graph.nodes.iter().enumerate() {
            layout.first.push(layout.slots.len());
            for spec in &layer.params {
                let end = match (spec.trainable, is_kernel(spec.name, &spec.shape)) {
                    (true, true) => &mut next_kernel,
                    (true, false) => &mut layout.weights,
                    (false, _) => &mut layout.statistics,
                };
                let offset = *end;
                *end = (offset + spec.shape.elements()).next_multiple_of(ALIGN);
                let name = format!("{}/{}", layer.name, spec.name);
                layout.slots.push(Slot { name, spec: spec.clone(), offset, node });
            }
        }
        layout
    }

    /// The slots of a node, in the order of its op's parameters.
    pub fn of_node(&self, node: usize) -> &[Slot] {
        let end = self.first.get(node + 1).copied().unwrap_or(self.slots.len());
        &self.slots[self.first[node]..end]
    }

    /// The starting value of slot `index` for a seed: each slot has its own stream of random numbers.
    pub fn initial(&self, index: usize, seed: u64) -> Vec<f32> {
        let spec = &self.slots[index].spec;
        spec.init.draw(spec.shape.elements(), Philox::new(seed, index as u64))
    }
}

impl Parameters {
    /// Checks that a snapshot is of this graph: every parameter in order, and all slots of the optimizer or none. Returns the slots'
    /// tensors in the optimizer's order.
    ///
    /// # Errors
    /// Names the first tensor that differs, or the slots of another optimizer.
    pub(super) fn check<'a>(&self, snapshot: &'a Snapshot, optimizer: &Optimizer) -> Result<Vec<&'a [NamedTensor]>> {
        let trained: Vec<&Slot> = self.slots.iter().filter(|s| s.spec.trainable).collect();
        let same = |tensors: &[NamedTensor], slots: &[&Slot], what: &str| {
            if tensors.len() != slots.len() {
                let counts = format!("{} {what}, the network has {}", tensors.len(), slots.len());
                return Err(Error::usage(counts, ""));
            }
            match tensors.iter().zip(slots).find(|(t, s)| t.name != s.name || t.shape != s.spec.shape) {
                None => Ok(()),
                Some((t, s)) => Err(Error::usage(
                    format!("{what}: `{}` {} where the network has `{}` {}", t.name, t.shape, s.name, s.spec.shape),
                    "",
                )),
            }
        };
        same(&snapshot.parameters, &self.slots.iter().collect::<Vec<_>>(), "parameters")?;
        for slot in &snapshot.slots {
            same(&slot.tensors, &trained, &slot.name)?;
        }
        let names = optimizer.slots();
        let of = |name: &str| snapshot.slots.iter().find(|slot| slot.name == name);
        let found: Vec<&SlotTensors> = names.iter().filter_map(|name| of(name)).collect();
        if !snapshot.slots.is_empty() && (found.len() != names.len() || found.len() != snapshot.slots.len()) {
            let held: Vec<&str> = snapshot.slots.iter().map(|slot| slot.name.as_str()).collect();
            let (held, rule) = (held.join(", "), optimizer.rule.name());
            let what = format!("the optimizer's state is {held}, and {rule} keeps {}", names.join(", "));
            return Err(Error::usage(what, "go on with the optimizer that the run began with"));
        }
        Ok(found.into_iter().map(|slot| slot.tensors.as_slice()).collect())
    }
}
