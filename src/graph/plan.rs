//! The plan: which op runs when, which tensors it reads and writes, and which buffers these share.

use super::memory::{Assignment, Lifetime, assign, lower_bound};
use super::{Graph, Value};
use crate::error::{Error, Result};
use crate::tensor::Shape;

/// Index of a planned tensor.
pub type TensorId = usize;

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Forward in training mode, loss, backward.
    Train,
    /// Forward in inference mode, loss.
    Evaluate,
}

/// One step of a plan. Tensors are indices into [`Plan::tensors`].
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A node's forward.
    Forward {
        /// The node.
        node: usize,
        /// Inputs.
        x: Vec<TensorId>,
        /// Output.
        y: TensorId,
        /// Saved for backward.
        saved: Vec<TensorId>,
    },
    /// Loss, metrics and the gradient of the logits.
    Loss {
        /// The network's output.
        logits: TensorId,
        /// Softmax of it.
        probabilities: TensorId,
        /// Gradient of it.
        dlogits: TensorId,
    },
    /// A node's backward; parameter gradients go to their arena.
    Backward {
        /// The node.
        node: usize,
        /// Inputs.
        x: Vec<TensorId>,
        /// Output.
        y: TensorId,
        /// Saved by forward.
        saved: Vec<TensorId>,
        /// Gradient of the output.
        dy: TensorId,
        /// Gradient of each input that needs one.
        dx: Vec<Option<TensorId>>,
    },
    /// `into = from` (fresh) or `into += from`.
    Accumulate {
        /// The gradient that several consumers share.
        into: TensorId,
        /// One consumer's share.
        from: TensorId,
        /// Whether `into` holds nothing yet.
        fresh: bool,
    },
}

/// A tensor of a plan.
#[derive(Clone, Debug)]
pub struct PlannedTensor {
    /// `conv2d.y`, `conv2d.dy`: for messages.
    pub name: String,
    /// Batch first.
    pub shape: Shape,
    /// The tensor whose bytes it shares under another shape, if it is a view.
    view_of: Option<TensorId>,
}

/// Order, tensors and buffers of a graph at one batch size.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it is for.
    pub mode: Mode,
    /// Samples.
    pub batch: usize,
    /// All tensors; 0 is the input.
    pub tensors: Vec<PlannedTensor>,
    /// In order.
    pub steps: Vec<Step>,
    /// Buffer of each tensor. The input and what is read after the program (probabilities) have buffers of their own.
    pub buffer_of: Vec<usize>,
    /// Bytes of each buffer.
    pub buffers: Vec<u64>,
    /// The least bytes that any sharing of buffers could need.
    pub lower_bound: u64,
}

/// The plan's tensor of the network's input.
pub(super) const INPUT: TensorId = 0;

impl Plan {
    /// Plans a graph for batches of `batch` samples.
    ///
    /// # Errors
    /// A batch of 0, or tensors whose size overflows.
    pub fn new(graph: &Graph, batch: usize, mode: Mode) -> Result<Self> {
        if batch == 0 {
            return Err(Error::usage("a batch needs at least one image", "use --batch 1 or more"));
        }
        let mut planner = Planner::new(graph, batch, mode);
        planner.forward();
        let (logits, dlogits) = planner.loss();
        if mode == Mode::Train {
            planner.backward(dlogits);
        }
        let (tensors, steps) = (planner.tensors, planner.steps);
        if let Some(t) = tensors.iter().find(|t| t.shape.elements() > u32::MAX as usize / 4) {
            return Err(Error::usage(
                format!("{} of shape {} has more elements than a GPU can count", t.name, t.shape),
                "use a smaller --batch",
            ));
        }
        let lifetimes = lifetimes(&tensors, &steps);
        let owners: Vec<TensorId> = (0..tensors.len()).filter(|t| tensors[*t].view_of.is_none()).collect();
        let asked: Vec<Lifetime> = owners.iter().map(|t| lifetimes[*t].clone()).collect();
        let Assignment { buffer_of: given, sizes } = assign(&asked);
        let mut buffer_of = vec![0; tensors.len()];
        for (owner, buffer) in owners.iter().zip(given) {
            buffer_of[*owner] = buffer;
        }
        for t in 0..tensors.len() {
            buffer_of[t] = buffer_of[owner(&tensors, t)];
        }
        debug_assert_eq!(tensors[logits].shape.dims().len(), 2);
        Ok(Self { mode, batch, tensors, steps, buffer_of, buffers: sizes, lower_bound: lower_bound(&asked) })
    }

    /// The same plan for fewer samples, in the same buffers: for the last, smaller batch of an epoch.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn resized(&self, graph: &Graph, batch: usize) -> Result<Self> {
        debug_assert!(batch <= self.batch);
        let plan = Self::new(graph, batch, self.mode)?;
        Ok(Self { buffer_of: self.buffer_of.clone(), buffers: self.buffers.clone(), ..plan })
    }

    /// The tensor that owns the bytes of `t`: itself, unless it is a view.
    pub fn owner(&self, t: TensorId) -> TensorId {
        owner(&self.tensors, t)
    }

    /// The loss step's tensors: logits, probabilities, gradient.
    pub fn loss(&self) -> [TensorId; 3] {
        let found = self.steps.iter().find_map(|s| match s {
            Step::Loss { logits, probabilities, dlogits } => Some([*logits, *probabilities, *dlogits]),
            _ => None,
        });
        found.expect("every plan has a loss step")
    }
}

/// The tensor that owns the bytes of `t`.
fn owner(tensors: &[PlannedTensor], mut t: TensorId) -> TensorId {
    while let Some(of) = tensors[t].view_of {
        t = of;
    }
    t
}

/// First and last step that touches each owner's bytes; the input and the probabilities live throughout.
fn lifetimes(tensors: &[PlannedTensor], steps: &[Step]) -> Vec<Lifetime> {
    let end = steps.len();
    let mut touched: Vec<Option<(usize, usize)>> = vec![None; tensors.len()];
    let mut touch = |t: TensorId, step: usize| {
        let slot = &mut touched[owner(tensors, t)];
        *slot = Some(slot.map_or((step, step), |(first, _)| (first, step)));
    };
    touch(INPUT, 0);
    for (i, step) in steps.iter().enumerate() {
        step.tensors().for_each(|t| touch(t, i));
        if let Step::Loss { probabilities, .. } = step {
            touch(*probabilities, end);
        }
    }
    touch(INPUT, end);
    tensors
        .iter()
        .zip(touched)
        .map(|(t, touched)| {
            let (first, last) = touched.unwrap_or((0, 0));
            Lifetime { bytes: (t.shape.elements() as u64 * 4).next_multiple_of(256), steps: first..=last }
        })
        .collect()
}

impl Step {
    /// Every tensor that the step touches.
    fn tensors(&self) -> Box<dyn Iterator<Item = TensorId> + '_> {
        match self {
            Self::Forward { x, y, saved, .. } => Box::new(x.iter().chain(saved).chain([y]).copied()),
            Self::Loss { logits, probabilities, dlogits } => Box::new([*logits, *probabilities, *dlogits].into_iter()),
            Self::Backward { x, y, saved, dy, dx, .. } => {
                Box::new(x.iter().chain(saved).chain([y, dy]).chain(dx.iter().flatten()).copied())
            }
            Self::Accumulate { into, from, .. } => Box::new([*into, *from].into_iter()),
        }
    }
}

/// The state of planning.
struct Planner<'g> {
    graph: &'g Graph,
    batch: usize,
    mode: Mode,
    tensors: Vec<PlannedTensor>,
    steps: Vec<Step>,
    /// Tensor of each value.
    values: Vec<TensorId>,
    /// Tensors that each node saved.
    saved: Vec<Vec<TensorId>>,
    /// Whether a value's gradient leads to a trained parameter.
    needs_gradient: Vec<bool>,
}

impl<'g> Planner<'g> {
    fn new(graph: &'g Graph, batch: usize, mode: Mode) -> Self {
        let input = PlannedTensor { name: "input".into(), shape: graph.input().with_batch(batch), view_of: None };
        let mut needs_gradient = vec![false];
        for node in &graph.nodes {
            let trained = node.params.iter().any(|p| p.trainable);
            needs_gradient.push(trained || node.inputs.iter().any(|v| needs_gradient[*v]));
        }
        Self {
            graph,
            batch,
            mode,
            tensors: vec![input],
            steps: Vec::new(),
            values: vec![INPUT],
            saved: Vec::new(),
            needs_gradient,
        }
    }

    fn tensor(&mut self, name: String, shape: Shape, view_of: Option<TensorId>) -> TensorId {
        self.tensors.push(PlannedTensor { name, shape, view_of });
        self.tensors.len() - 1
    }

    fn forward(&mut self) {
        for (i, node) in self.graph.nodes.iter().enumerate() {
            let x: Vec<TensorId> = node.inputs.iter().map(|v| self.values[*v]).collect();
            let view_of = node.op.is_view().then(|| x[0]);
            let y = self.tensor(format!("{}.y", node.name), self.graph.shapes[i + 1].with_batch(self.batch), view_of);
            let shapes = node.op.saved(&self.graph.input_shapes(node), self.batch);
            let saved: Vec<TensorId> =
                shapes.into_iter().map(|shape| self.tensor(format!("{}.saved", node.name), shape, None)).collect();
            self.values.push(y);
            self.saved.push(saved.clone());
            if view_of.is_none() {
                self.steps.push(Step::Forward { node: i, x, y, saved });
            }
        }
    }

    fn loss(&mut self) -> (TensorId, TensorId) {
        let logits = self.values[self.graph.nodes.len()];
        let shape = self.tensors[logits].shape.clone();
        let probabilities = self.tensor("probabilities".into(), shape.clone(), None);
        let dlogits = self.tensor("dlogits".into(), shape, None);
        self.steps.push(Step::Loss { logits, probabilities, dlogits });
        (logits, dlogits)
    }

    /// Walks the nodes backwards. `gradient[v]` owns the sum over the consumers seen so far of value `v`.
    fn backward(&mut self, dlogits: TensorId) {
        debug_assert_eq!(self.mode, Mode::Train);
        let count = self.graph.nodes.len();
        let mut gradient: Vec<Option<TensorId>> = vec![None; count + 1];
        gradient[count] = Some(dlogits);
        let mut consumers = vec![0usize; count + 1];
        self.graph.nodes.iter().flat_map(|n| &n.inputs).for_each(|v| consumers[*v] += 1);
        for (i, node) in self.graph.nodes.iter().enumerate().rev() {
            // A value that nothing reads has no gradient, and neither has what only leads there.
            let Some(dy) = gradient[i + 1].filter(|_| self.needs_gradient[i + 1]) else { continue };
            let shares: Vec<Option<(Value, TensorId)>> = node
                .inputs
                .iter()
                .map(|v| {
                    let wanted = self.needs_gradient[*v];
                    wanted.then(|| (*v, self.share(&node.name, *v, node.op.is_view().then_some(dy))))
                })
                .collect();
            if !node.op.is_view() {
                self.push_backward(i, dy, shares.iter().map(|s| s.map(|(_, t)| t)).collect());
            }
            for (v, share) in shares.into_iter().flatten() {
                self.add_share(&mut gradient[v], share, consumers[v] == 1 || !node.op.is_view());
            }
        }
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
        let needs = node.op.needs();
        // An activation that backward does not read is named by its gradient, which is alive anyway and of the same shape.
        let y = if needs.y { self.values[i + 1] } else { dy };
        let x = node
            .inputs
            .iter()
            .zip(&dx)
            .map(|(v, dx)| if needs.x { self.values[*v] } else { dx.unwrap_or(self.values[*v]) })
            .collect();
        self.steps.push(Step::Backward { node: i, x, y, saved: self.saved[i].clone(), dy, dx });
    }
}
