//! The plan: which op runs when, which tensors it reads and writes, and where these lie.

use super::memory::{Assignment, Place, assign, assign_between, lower_bound};
use super::planner::Planner;
use super::{Graph, Value};
use crate::error::{Error, Result};
use crate::gpu::Lifetime;
use crate::ops::conv2d::Conv2d;
use crate::ops::max_pool2d::MaxPool2d;
use crate::optim::Optimizer;
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
    /// Forward and backward in inference mode, a node a step, from a cotangent of the logits that the host gives down to this
    /// value; no loss, no gradients of parameters.
    Explain(Value),
}

/// The tensors by which the host and a plan of [`Mode::Explain`] meet; they share their bytes with nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Written by the host: the cotangent of the logits, `[n, classes]`.
    pub cotangent: TensorId,
    /// The value that is explained.
    pub value: TensorId,
    /// Its gradient: of the scalar product of logits and cotangent.
    pub gradient: TensorId,
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
        /// The activation that the output passes through in the same kernel: `y` is that node's output.
        activation: Option<usize>,
        /// Whether the kernel leaves the output's statistics for the batch norm that reads it.
        statistics: bool,
        /// The pool that the output passes through in the same kernel, behind the activation: `y` is the pool's output.
        pool: Option<Pooled>,
        /// The convolution that the same kernels compute first: `x` is its output.
        stem: Option<Stem>,
    },
    /// Loss, metrics and the gradient of the logits.
    Loss {
        /// The network's output.
        logits: TensorId,
        /// What the network predicts: softmax of it, or itself where the loss is of values.
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
        /// The activation by whose slope each of them is multiplied in the same kernel, and its output.
        slopes: Vec<Option<(usize, TensorId)>>,
        /// The pool behind the node whose backward the same kernels do: `dy` is the gradient of its output.
        pool: Option<Pooled>,
        /// The convolution in front of the node whose backward the same kernels do.
        stem: Option<Stem>,
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

/// A pool that its producer's kernel takes in.
#[derive(Clone, Debug, PartialEq)]
pub struct Pooled {
    /// The pool.
    pub node: usize,
    /// Its windows.
    pub op: MaxPool2d,
    /// Its input, which only the reference writes: on a GPU it has no bytes of its own.
    pub x: TensorId,
    /// Kept for its backward.
    pub saved: Vec<TensorId>,
    /// Whether the producer's kernels take in its backward too.
    pub with_backward: bool,
}

/// A convolution that a batch norm's kernels take in: they compute its output wherever they need it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stem {
    /// The convolution.
    pub node: usize,
    /// Its windows.
    pub op: Conv2d,
    /// Its input, which has no gradient.
    pub x: TensorId,
    /// Its output behind the activation, which only the reference writes: on a GPU it has no bytes of its own.
    pub y: TensorId,
    /// The activation that its output passes through.
    pub activation: Option<usize>,
}

/// A tensor of a plan.
#[derive(Clone, Debug)]
pub struct PlannedTensor {
    /// `conv2d.y`, `conv2d.dy`: for messages.
    pub name: String,
    /// Batch first.
    pub shape: Shape,
    /// The tensor whose bytes it shares under another shape, if it is a view.
    pub(super) view_of: Option<TensorId>,
}

/// How to plan and to train.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Whether kernels take in the activations around them; without, a step a node: the yardstick.
    pub fused: bool,
    /// Bytes that an arena may have; a single tensor may have more.
    pub largest_arena: u64,
    /// Products that a kernel may unroll: a convolution's weights times the taps of the pool behind it, where a batch norm's kernels compute
    /// both. More than a driver's compiler is good at cost minutes.
    pub unrolled: usize,
    /// How training moves parameters.
    pub optimizer: Optimizer,
}

impl Default for Options {
    /// Fused, arenas of 1 GiB (what nearly every adapter's buffers may have), 3 x 3 windows over three channels unrolled for pools of 2 x 2,
    /// Adam.
    fn default() -> Self {
        Self { fused: true, largest_arena: 1 << 30, unrolled: 128, optimizer: Optimizer::default() }
    }
}

/// Order, tensors and memory of a graph at one batch size.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it is for.
    pub mode: Mode,
    /// How it was planned.
    pub options: Options,
    /// Samples.
    pub batch: usize,
    /// All tensors; 0 is the input.
    pub tensors: Vec<PlannedTensor>,
    /// In order.
    pub steps: Vec<Step>,
    /// Place of each tensor. The input and what is read after the program (probabilities) share theirs with nothing.
    pub places: Vec<Place>,
    /// Bytes of each arena.
    pub arenas: Vec<u64>,
    /// The least bytes that any sharing could need.
    pub lower_bound: u64,
    /// Of a plan of [`Mode::Explain`].
    pub explained: Option<Explained>,
}

/// Bytes that every tensor's place is a multiple of: what WebGPU asks at most of the start of a binding.
const ALIGNMENT: u64 = 256;

/// The plan's tensor of the network's input.
pub(super) const INPUT: TensorId = 0;

impl Plan {
    /// Plans a graph for batches of `batch` samples.
    ///
    /// # Errors
    /// A batch of 0, tensors whose size overflows, or a value to be explained that does not lead to the output.
    pub fn new(graph: &Graph, batch: usize, mode: Mode) -> Result<Self> {
        Self::with(graph, batch, mode, Options::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn with(graph: &Graph, batch: usize, mode: Mode, options: Options) -> Result<Self> {
        if batch == 0 {
            return Err(Error::usage("a batch needs at least one image", "use --batch 1 or more"));
        }
        let mut planner = Planner::new(graph, batch, mode, options);
        planner.forward();
        let explained = match mode {
            Mode::Explain(value) => Some(planner.explain(value)?),
            Mode::Train | Mode::Evaluate => {
                planner.loss();
                None
            }
        };
        let (tensors, steps) = (planner.tensors, planner.steps);
        if let Some(t) = tensors.iter().find(|t| t.shape.elements() > u32::MAX as usize / 4) {
            return Err(Error::usage(
                format!("{} of shape {} has more elements than a GPU can count", t.name, t.shape),
                "use a smaller --batch",
            ));
        }
        let lifetimes = lifetimes(&tensors, &steps, explained);
        let owners: Vec<TensorId> = (0..tensors.len()).filter(|t| tensors[*t].view_of.is_none()).collect();
        let asked: Vec<Lifetime> = owners.iter().map(|t| lifetimes[*t].clone()).collect();
        let Assignment { places: given, sizes } = assign(&asked, options.largest_arena);
        let mut places = vec![Place::default(); tensors.len()];
        for (owner, place) in owners.iter().zip(given) {
            places[*owner] = place;
        }
        for t in 0..tensors.len() {
            places[t] = places[owner(&tensors, t)];
        }
        let lower_bound = lower_bound(&asked);
        Ok(Self { mode, options, batch, tensors, steps, places, arenas: sizes, lower_bound, explained })
    }

    /// The same plan for fewer samples, in the same places: for the last, smaller batch of an epoch.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn resized(&self, graph: &Graph, batch: usize) -> Result<Self> {
        debug_assert!(batch <= self.batch);
        let plan = Self::with(graph, batch, self.mode, self.options)?;
        Ok(Self { places: self.places.clone(), arenas: self.arenas.clone(), ..plan })
    }

    /// The tensor that owns the bytes of `t`: itself, unless it is a view.
    pub fn owner(&self, t: TensorId) -> TensorId {
        owner(&self.tensors, t)
    }

    /// Places for what kernels need besides, in bytes of the arenas that no tensor uses then; none where no gap is wide enough. What
    /// comes before the first step belongs to it, what comes behind the last has its number plus 1.
    pub(super) fn between(&self, asked: &[Lifetime]) -> Vec<Option<Place>> {
        let lifetimes = lifetimes(&self.tensors, &self.steps, self.explained);
        let fixed: Vec<(Lifetime, Place)> = self.owners().map(|t| (lifetimes[t].clone(), self.places[t])).collect();
        let whole = |l: &Lifetime| Lifetime { bytes: l.bytes.next_multiple_of(ALIGNMENT), ..l.clone() };
        assign_between(&fixed, &self.arenas, &asked.iter().map(whole).collect::<Vec<_>>())
    }

    /// [`Plan::lower_bound`] with what kernels need besides.
    pub(super) fn lower_bound_with(&self, besides: &[Lifetime]) -> u64 {
        let lifetimes = lifetimes(&self.tensors, &self.steps, self.explained);
        let alive: Vec<Lifetime> = self.owners().map(|t| lifetimes[t].clone()).chain(besides.iter().cloned()).collect();
        lower_bound(&alive)
    }

    fn owners(&self) -> impl Iterator<Item = TensorId> + '_ {
        (0..self.tensors.len()).filter(|t| self.tensors[*t].view_of.is_none())
    }

    /// The loss step's tensors: logits, probabilities, gradient; not of a plan of [`Mode::Explain`], which has none.
    pub fn loss(&self) -> [TensorId; 3] {
        let found = self.steps.iter().find_map(|s| match s {
            Step::Loss { logits, probabilities, dlogits } => Some([*logits, *probabilities, *dlogits]),
            _ => None,
        });
        found.expect("every plan that is asked has a loss step")
    }
}

/// The tensor that owns the bytes of `t`.
fn owner(tensors: &[PlannedTensor], mut t: TensorId) -> TensorId {
    while let Some(of) = tensors[t].view_of {
        t = of;
    }
    t
}

/// First and last step that touches each owner's bytes; the input, the probabilities and what is explained live throughout.
fn lifetimes(tensors: &[PlannedTensor], steps: &[Step], explained: Option<Explained>) -> Vec<Lifetime> {
    let end = steps.len();
    let mut touched: Vec<Option<(usize, usize)>> = vec![None; tensors.len()];
    let mut touch = |t: TensorId, step: usize| {
        let slot = &mut touched[owner(tensors, t)];
        *slot = Some(slot.map_or((step, step), |(first, _)| (first, step)));
    };
    touch(INPUT, 0);
    explained.iter().for_each(|e| touch(e.cotangent, 0));
    for (i, step) in steps.iter().enumerate() {
        step.tensors().for_each(|t| touch(t, i));
        if let Step::Loss { probabilities, .. } = step {
            touch(*probabilities, end);
        }
    }
    touch(INPUT, end);
    if let Some(Explained { value, gradient, .. }) = explained {
        [value, gradient].into_iter().for_each(|t| touch(t, end));
    }
    tensors
        .iter()
        .zip(touched)
        .map(|(t, touched)| {
            let (first, last) = touched.unwrap_or((0, 0));
            Lifetime { bytes: (t.shape.elements() as u64 * 4).next_multiple_of(ALIGNMENT), steps: first..=last }
        })
        .collect()
}

impl Step {
    /// Every tensor that the step touches.
    fn tensors(&self) -> Box<dyn Iterator<Item = TensorId> + '_> {
        match self {
            Self::Forward { x, y, saved, pool, .. } => {
                let pooled = pool.iter().flat_map(|pool| &pool.saved);
                Box::new(x.iter().chain(saved).chain(pooled).chain([y]).copied())
            }
            Self::Loss { logits, probabilities, dlogits } => Box::new([*logits, *probabilities, *dlogits].into_iter()),
            Self::Backward { x, y, saved, dy, dx, pool, .. } => {
                let pooled = pool.iter().flat_map(|pool| &pool.saved);
                Box::new(x.iter().chain(saved).chain(pooled).chain([y, dy]).chain(dx.iter().flatten()).copied())
            }
            Self::Accumulate { into, from, .. } => Box::new([*into, *from].into_iter()),
        }
    }
}
