//! From a graph to steps: forward in order, the loss, backward in reverse.

use super::fusion::Fusion;
use super::plan::{Explained, INPUT, Mode, Options, PlannedTensor, Pooled, Stem, Step, TensorId};
use super::{Graph, Loss, Value};
use crate::error::{Error, Result};
use crate::tensor::Shape;
use std::collections::HashMap;

/// The state of planning.
pub(super) struct Planner<'g> {
    graph: &'g Graph,
    batch: usize,
    mode: Mode,
    pub(super) tensors: Vec<PlannedTensor>,
    pub(super) steps: Vec<Step>,
    /// Tensor of each value.
    values: Vec<TensorId>,
    /// Tensors that each node saved.
    saved: Vec<Vec<TensorId>>,
    /// The pools whose backward their producers' kernels do, by the producer.
    pools: HashMap<usize, Pooled>,
    /// The convolutions that batch norms' kernels compute, by the batch norm.
    stems: HashMap<usize, Stem>,
    /// Whether a value's gradient leads to a trained parameter, or to the value that is explained.
    needs_gradient: Vec<bool>,
    fusion: Fusion,
}

impl<'g> Planner<'g> {
    pub(super) fn new(graph: &'g Graph, batch: usize, mode: Mode, options: Options) -> Self {
        let input = PlannedTensor { name: "input".into(), shape: graph.input().with_batch(batch), view_of: None };
        let mut needs_gradient = vec![mode == Mode::Explain(0)];
        for (i, node) in graph.nodes.iter().enumerate() {
            let wanted = match mode {
                Mode::Explain(value) => value == i + 1,
                Mode::Train | Mode::Evaluate => node.params.iter().any(|p| p.trainable),
            };
            needs_gradient.push(wanted || node.inputs.iter().any(|v| needs_gradient[*v]));
        }
        // A value inside a kernel could not be read.
        let fused = options.fused && !matches!(mode, Mode::Explain(_));
        Self {
            graph,
            batch,
            mode,
            tensors: vec![input],
            steps: Vec::new(),
            values: vec![INPUT],
            saved: Vec::new(),
            pools: HashMap::new(),
            stems: HashMap::new(),
            fusion: if fused { Fusion::of(graph, &needs_gradient, options.unrolled) } else { Fusion::none(graph) },
            needs_gradient,
        }
    }

    fn tensor(&mut self, name: String, shape: Shape, view_of: Option<TensorId>) -> TensorId {
        self.tensors.push(PlannedTensor { name, shape, view_of });
        self.tensors.len() - 1
    }

    pub(super) fn forward(&mut self) {
        // Output and saved tensors of the pools whose producers' steps write them.
        let mut pooled = HashMap::new();
        for (i, node) in self.graph.nodes.iter().enumerate() {
            let x: Vec<TensorId> = node.inputs.iter().map(|v| self.values[*v]).collect();
            if self.fusion.is_inside(i) {
                // Its producer's step has written it.
                self.values.push(x[0]);
                self.saved.push(Vec::new());
                continue;
            }
            if let Some((y, saved)) = pooled.remove(&i) {
                self.values.push(y);
                self.saved.push(saved);
                continue;
            }
            let (activation, pool) = (self.fusion.activation[i], self.fusion.pool[i]);
            if let Some((norm, op)) = self.fusion.stem[i].zip(node.op.stem(&self.graph.input_shapes(node))) {
                // Written nowhere either; no step of its own.
                let y = self.output(activation.unwrap_or(i), i, Some(x[0]));
                self.values.push(y);
                self.saved.push(Vec::new());
                self.stems.insert(norm, Stem { node: i, op, x: x[0], y, activation });
                continue;
            }
            // What only a pool in the same kernel reads is written nowhere: it lies where the input does.
            let view_of = (node.op.is_view() || pool.is_some()).then(|| x[0]);
            let y = self.output(activation.unwrap_or(i), i, view_of);
            let saved = self.saved(i, None);
            self.values.push(y);
            self.saved.push(saved.clone());
            if !node.op.is_view() {
                let statistics = self.mode == Mode::Train && self.fusion.statistics[i];
                let (y, pool) = match pool {
                    None => (y, None),
                    Some((node, op, with_backward)) => {
                        let with_backward = with_backward && self.mode == Mode::Train;
                        // In a stem's backward the maxima are found anew, unless its windows share pixels.
                        let stem = self.stems.get(&i).filter(|_| !(op.overlaps() && with_backward));
                        let saved_in = stem.map(|stem| stem.x);
                        let (x, y, saved) = (y, self.output(node, node, None), self.saved(node, saved_in));
                        pooled.insert(node, (y, saved.clone()));
                        let pool = Pooled { node, op, x, saved, with_backward };
                        if with_backward {
                            self.pools.insert(i, pool.clone());
                        }
                        (y, Some(pool))
                    }
                };
                let stem = self.stems.get(&i).cloned();
                self.steps.push(Step::Forward { node: i, x, y, saved, activation, statistics, pool, stem });
            }
        }
    }

    /// The output of `node`, named after `last`.
    fn output(&mut self, last: usize, node: usize, view_of: Option<TensorId>) -> TensorId {
        let name = format!("{}.y", self.graph.nodes[last].name);
        self.tensor(name, self.graph.shapes[node + 1].with_batch(self.batch), view_of)
    }

    /// What a node saves for its backward; without bytes of its own where it lies in another tensor, and only the reference writes it.
    fn saved(&mut self, node: usize, view_of: Option<TensorId>) -> Vec<TensorId> {
        let node = &self.graph.nodes[node];
        let shapes = node.op.saved(&self.graph.input_shapes(node), self.batch);
        shapes.into_iter().map(|shape| self.tensor(format!("{}.saved", node.name), shape, view_of)).collect()
    }

    /// The loss, and in training what follows from it.
    pub(super) fn loss(&mut self) {
        let logits = self.values[self.graph.nodes.len()];
        let shape = self.tensors[logits].shape.clone();
        let probabilities = match self.graph.loss {
            Loss::CrossEntropy { .. } => self.tensor("probabilities".into(), shape.clone(), None),
            // What the network says is what it predicts.
            Loss::MeanSquaredError => logits,
        };
        let dlogits = self.tensor("dlogits".into(), shape, None);
        self.steps.push(Step::Loss { logits, probabilities, dlogits });
        if self.mode == Mode::Train {
            self.backward(dlogits);
        }
    }

    /// The way back to a value from a cotangent of the logits.
    ///
    /// # Errors
    /// A value that does not lead to the output.
    pub(super) fn explain(&mut self, value: Value) -> Result<Explained> {
        let cotangent = self.tensor("cotangent".into(), self.graph.output().with_batch(self.batch), None);
        let gradient = self.backward(cotangent).get(value).copied().flatten();
        let gradient = gradient.ok_or_else(|| {
            let what = format!("value {value} of {} does not lead to its output", self.graph.name);
            Error::usage(what, "only what the class scores depend on can be explained")
        })?;
        Ok(Explained { cotangent, value: self.values[value], gradient })
    }

    /// Walks the nodes backwards; returns each value's gradient. `gradient[v]` owns the sum over the consumers seen so far of
    /// value `v`.
    fn backward(&mut self, dlogits: TensorId) -> Vec<Option<TensorId>> {
        let count = self.graph.nodes.len();
        let mut gradient: Vec<Option<TensorId>> = vec![None; count + 1];
        gradient[count] = Some(dlogits);
        let mut consumers = vec![0usize; count + 1];
        self.graph.nodes.iter().flat_map(|n| &n.inputs).for_each(|v| consumers[*v] += 1);
        let taken_in: HashMap<usize, usize> =
            self.pools.iter().map(|(producer, pool)| (pool.node, *producer)).collect();
        for (i, node) in self.graph.nodes.iter().enumerate().rev() {
            // A value that nothing reads has no gradient, and neither has what only leads there.
            let Some(dy) = gradient[i + 1].filter(|_| self.needs_gradient[i + 1]) else { continue };
            // The producer's kernels begin with the pool's backward; an activation in between has no step.
            if let Some(producer) = taken_in.get(&i) {
                gradient[producer + 1] = Some(dy);
                continue;
            }
            let passes = node.op.is_view() || self.fusion.folded[i];
            let shares: Vec<Option<(Value, TensorId)>> = node
                .inputs
                .iter()
                .map(|v| {
                    // A convolution in the same kernels has no step to read it.
                    let wanted = self.needs_gradient[*v] && !self.stems.contains_key(&i);
                    wanted.then(|| (*v, self.share(&node.name, *v, passes.then_some(dy))))
                })
                .collect();
            // Training: a node without a gradient to hand on has parameters that get one.
            if !passes && (self.mode == Mode::Train || shares.iter().any(Option::is_some)) {
                self.push_backward(i, dy, shares.iter().map(|s| s.map(|(_, t)| t)).collect());
            }
            for (v, share) in shares.into_iter().flatten() {
                self.add_share(&mut gradient[v], share, consumers[v] == 1 || !passes);
            }
        }
        gradient
    }

    /// The tensor in which a node leaves its share of value `v`'s gradient.
    fn share(&mut self, name: &str, v: Value, view_of: Option<TensorId>) -> TensorId {
        let shape = self.graph.shapes[v].with_batch(self.batch);
        self.tensor(format!("{name}.dx"), shape, view_of)
    }

    /// Hands a share to the value's owner: it becomes the owner, or is added to it. A view of another gradient may not become
    /// the owner of a sum, or adding to it would change that gradient too.
    fn add_share(&mut self, owner: &mut Option<TensorId>, share: TensorId, may_own: bool) {
        match *owner {
            None if may_own => *owner = Some(share),
            None => {
                let shape = self.tensors[share].shape.clone();
                let into = self.tensor(format!("{}.sum", self.tensors[share].name), shape, None);
                self.steps.push(Step::Accumulate { into, from: share, fresh: true });
                *owner = Some(into);
            }
            Some(into) => self.steps.push(Step::Accumulate { into, from: share, fresh: false }),
        }
    }

    fn push_backward(&mut self, i: usize, dy: TensorId, dx: Vec<Option<TensorId>>) {
        let node = &self.graph.nodes[i];
        let folded = |v: &Value| self.fusion.folded_before(self.graph, *v).map(|a| (a, self.values[*v]));
        let multiplied = |dx: &Option<TensorId>| dx.is_some() && !self.fusion.hands_on[i];
        let slopes: Vec<_> =
            node.inputs.iter().zip(&dx).map(|(v, dx)| multiplied(dx).then(|| folded(v)).flatten()).collect();
        let needs = node.op.needs_with(slopes.iter().any(Option::is_some));
        // An activation that backward does not read is named by its gradient, which is alive anyway and of the same shape.
        let y = if needs.y { self.values[i + 1] } else { dy };
        let x = node
            .inputs
            .iter()
            .zip(&dx)
            .map(|(v, dx)| if needs.x { self.values[*v] } else { dx.unwrap_or(self.values[*v]) })
            .collect();
        let (saved, pool, stem) = (self.saved[i].clone(), self.pools.get(&i).cloned(), self.stems.get(&i).cloned());
        self.steps.push(Step::Backward { node: i, x, y, saved, dy, dx, slopes, pool, stem });
    }
}
