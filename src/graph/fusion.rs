//! What needs no steps or passes of its own, because the kernels before and behind it take it in: activations and statistics.
//!
//! Forward, an activation ends the kernel of the op that produces its input, if nothing else reads that. Backward, its slope is a
//! factor of the gradient that its consumers write, so each of them multiplies its share by it; what they need for that, the
//! activation's output, they mostly read anyway. Both follow from what the ops say of themselves ([`Op::fuses`],
//! [`Op::activation`]); one may hold without the other. Views (flatten) are looked through.
//!
//! In training, the statistics that a batch norm needs are gathered by the kernel that produces its input, which has each value at
//! hand when it stores it. A max pool behind a batch norm normalizes what it reads, and remembers which tap won: nobody needs the batch
//! norm's output then, and it has no bytes. Where the pool's windows lie side by side, the batch norm's backward finds the gradient of
//! a pixel in the pool's: the gradient of what is not there has no bytes either. What stands between the two is an activation whose
//! slope the ops behind the pool have multiplied by, at the pool's output, which is the activation's where the gradient goes.
//!
//! If a convolution of few channels stands in front of the two, as in the stem of many a network, its output is the largest tensor by far,
//! and costs a few multiply-adds an element: the batch norm's kernels compute it wherever they need it, the convolution has no steps,
//! and neither its output nor the gradient of that have any bytes. There the pool's windows may also share half with the next
//! (fer7-cnn3-bn's): forward keeps the taps of the maxima then. Considered: to take only the backward of the batch norm into the weight
//! gradient (half of the gain: the output is still written once and read twice), and to fold the batch norm into the weights (which
//! training mode's statistics forbid).
//!
//! [`Op::fuses`]: crate::ops::Op::fuses
//! [`Op::activation`]: crate::ops::Op::activation

use super::{Graph, Value};
use crate::ops::max_pool2d::MaxPool2d;

/// What a plan fuses.
pub(super) struct Fusion {
    /// The activation that ends each node's forward.
    pub(super) activation: Vec<Option<usize>>,
    /// Whether a node is an activation whose backward its consumers do.
    pub(super) folded: Vec<bool>,
    /// Whether a node leaves the slope of an activation in front to its own consumers.
    pub(super) hands_on: Vec<bool>,
    /// The pool that ends each node's forward, behind its activation: its node, what it is, and whether the node's backward begins
    /// with it.
    pub(super) pool: Vec<Option<(usize, MaxPool2d, bool)>>,
    /// Whether in training a node leaves its output's statistics for the batch norm that reads it.
    pub(super) statistics: Vec<bool>,
    /// The batch norm whose kernels compute what each node would, with the node's activation.
    pub(super) stem: Vec<Option<usize>>,
}

impl Fusion {
    /// Nothing.
    pub(super) fn none(graph: &Graph) -> Self {
        let count = graph.nodes.len();
        let [activation, stem] = [(); 2].map(|()| vec![None; count]);
        let [folded, hands_on, statistics] = [(); 3].map(|()| vec![false; count]);
        Self { activation, folded, hands_on, pool: vec![None; count], statistics, stem }
    }

    /// All that the ops allow; `needs_gradient` tells of each value whether its gradient is asked for, `unrolled` how many products kernels
    /// may unroll.
    pub(super) fn of(graph: &Graph, needs_gradient: &[bool], unrolled: usize) -> Self {
        let mut fusion = Self::none(graph);
        let mut consumers: Vec<Vec<usize>> = vec![Vec::new(); graph.shapes.len()];
        for (i, node) in graph.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|v| consumers[*v].push(i));
        }
        for i in (0..graph.nodes.len()).filter(|i| graph.nodes[*i].op.fuses().selects) {
            fusion.hands_on[i] = consumers_fold(graph, &consumers, i + 1);
        }
        for (i, node) in graph.nodes.iter().enumerate().filter(|(_, n)| n.op.activation().is_some()) {
            if let Some(producer) = node.inputs[0].checked_sub(1) {
                let op = &graph.nodes[producer].op;
                if consumers[producer + 1].len() == 1 && op.fuses().activation && !op.needs().y {
                    fusion.activation[producer] = Some(i);
                }
            }
            fusion.folded[i] = consumers_fold(graph, &consumers, i + 1);
        }
        let takes = |i: &&usize| graph.nodes[**i].op.fuses().takes_statistics && graph.nodes[**i].in_training_mode();
        for i in (0..graph.nodes.len()).filter(|i| graph.nodes[*i].op.fuses().leaves_statistics) {
            let output = fusion.activation[i].unwrap_or(i) + 1;
            // Who takes them leaves none for others.
            fusion.statistics[i] = consumers[output].iter().filter(takes).count() == 1;
        }
        for i in (0..graph.nodes.len()).filter(|i| graph.nodes[*i].op.fuses().pool) {
            let output = fusion.activation[i].unwrap_or(i) + 1;
            if let [only] = consumers[output][..] {
                let with_backward =
                    |pool: &MaxPool2d| pool.tiles(&graph.shapes[output]) && fusion.reaches(graph, i, only);
                let pool = graph.nodes[only].op.pooling();
                fusion.pool[i] = pool.map(|pool| (only, pool, with_backward(&pool)));
            }
        }
        for (i, node) in graph.nodes.iter().enumerate().filter(|(_, n)| !needs_gradient[n.inputs[0]]) {
            if let Some(conv) = node.op.stem(&graph.input_shapes(node)) {
                let weights = node.params[0].shape.elements() / conv.filters;
                fusion.stem[i] = fusion.stem_of(graph, &consumers, i, unrolled / weights);
            }
        }
        // A stem's backward takes in that of windows that share pixels too.
        for norm in fusion.stem.iter().flatten() {
            if let Some((_, _, with_backward)) = &mut fusion.pool[*norm] {
                *with_backward = true;
            }
        }
        fusion
    }

    /// Whether a batch norm's backward may begin with the gradient of the pool behind it: nobody has to multiply by a slope in between.
    fn reaches(&self, graph: &Graph, norm: usize, pool: usize) -> bool {
        let free = self.activation[norm].is_none_or(|a| self.folded[a] && self.hands_on[pool]);
        free && graph.nodes[norm].in_training_mode()
    }

    /// The batch norm whose kernels can compute a convolution, with a pool whose blocks have at most so many pixels.
    fn stem_of(&self, graph: &Graph, consumers: &[Vec<usize>], conv: usize, taps: usize) -> Option<usize> {
        let activation = self.activation[conv];
        let output = activation.unwrap_or(conv) + 1;
        let trained = graph.nodes[conv].params.iter().all(|p| p.trainable);
        if !trained || activation.is_some_and(|a| !self.folded[a]) {
            return None;
        }
        let fits = |pool: &MaxPool2d| pool.covers(&graph.shapes[output]) && pool.window[0] * pool.stride[1] <= taps;
        let takes = |norm: &usize| {
            let pool = self.pool[*norm].filter(|(node, pool, _)| self.reaches(graph, *norm, *node) && fits(pool));
            graph.nodes[*norm].op.fuses().stem && pool.is_some()
        };
        match consumers[output][..] {
            [only] => Some(only).filter(takes),
            _ => None,
        }
    }

    /// Whether a node is an activation that its producer's kernel takes in.
    pub(super) fn is_inside(&self, node: usize) -> bool {
        self.activation.contains(&Some(node))
    }

    /// The activation whose output `v` is, perhaps under another shape, and whose backward its consumers do.
    pub(super) fn folded_before(&self, graph: &Graph, v: Value) -> Option<usize> {
        let node = v.checked_sub(1)?;
        if graph.nodes[node].op.is_view() || self.hands_on[node] {
            return self.folded_before(graph, graph.nodes[node].inputs[0]);
        }
        self.folded[node].then_some(node)
    }
}

/// Whether all that reads a value, at least one node, can multiply its share of the gradient. The network's output is also read
/// by the loss, which cannot.
fn consumers_fold(graph: &Graph, consumers: &[Vec<usize>], value: Value) -> bool {
    let folds = |i: &usize| {
        let op = &graph.nodes[*i].op;
        let hands_on = op.is_view() || op.fuses().selects;
        op.fuses().slope.is_some() || (hands_on && consumers_fold(graph, consumers, i + 1))
    };
    value < graph.nodes.len() && !consumers[value].is_empty() && consumers[value].iter().all(folds)
}
