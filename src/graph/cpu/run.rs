//! One pass over the steps of a plan, each on the reference.

use super::super::executor::{Executor, Metrics};
use super::super::plan::{Explained, INPUT, Mode, Plan, Pooled, Stem, Step};
use super::super::{At, Batch, Loss};
use super::{CpuExecutor, round};
use crate::error::Result;
use crate::ops::augment::{self, Row};
use crate::ops::{HostBackward, HostForward, HostOutput, Pass, mean_squared_error, softmax_cross_entropy};
use crate::tensor::HostTensor;
use std::collections::HashMap;

/// The tensors of a pass, and the gradients of parameters by slot.
#[derive(Default)]
pub(super) struct Run {
    pub(super) tensors: HashMap<usize, HostTensor>,
    pub(super) gradients: HashMap<usize, HostTensor>,
    pub(super) metrics: Metrics,
}

impl Run {
    /// Adds a part of a batch, which has `share` of its samples.
    pub(super) fn add(&mut self, part: Self, share: f64) {
        self.metrics += part.metrics;
        for (slot, mut g) in part.gradients {
            g.data.iter_mut().for_each(|v| *v *= share);
            match self.gradients.get_mut(&slot) {
                Some(sum) => sum.data.iter_mut().zip(&g.data).for_each(|(a, b)| *a += b),
                None => drop(self.gradients.insert(slot, g)),
            }
        }
    }

    /// The sum of the squares of all gradients, in the order of the slots.
    pub(super) fn squares(&self) -> f64 {
        let mut slots: Vec<_> = self.gradients.iter().collect();
        slots.sort_by_key(|(slot, _)| **slot);
        slots.iter().flat_map(|(_, g)| &g.data).map(|g| g * g).sum()
    }
}

impl CpuExecutor {
    /// Runs the steps of a plan; statistics are moved, parameters are not. `seen` is shown every output of a forward step.
    pub(super) fn run(
        &mut self,
        mode: Mode,
        batch: &Batch<'_>,
        at: At,
        mut seen: impl FnMut(&str, &HostTensor),
    ) -> Result<Run> {
        batch.check(&self.graph)?;
        let n = batch.len();
        self.prepare(mode, n)?;
        let plan = self.plans[&(mode, n)].clone();
        let mut run = Run::default();
        let mut x = HostTensor::from_f32(plan.tensors[INPUT].shape.clone(), batch.x);
        if let (Mode::Train, Some(a)) = (mode, &self.augmentation) {
            let rows: Vec<Row> = batch.samples.iter().map(|sample| a.row(at.epoch, *sample)).collect();
            x = augment::reference(a.op(), &x, &rows);
        }
        run.tensors.insert(INPUT, x);
        if let Some(Explained { cotangent, .. }) = plan.explained {
            let shape = plan.tensors[cotangent].shape.clone();
            run.tensors.insert(cotangent, HostTensor::from_f32(shape, batch.targets));
        }
        let pass = |node: usize| {
            let training = mode == Mode::Train && self.graph.nodes[node].in_training_mode();
            Pass { training, layer: node as u32, seed: self.seed, step: at.step }
        };
        for planned in &plan.steps {
            match planned {
                Step::Forward { node, x, y, saved, activation, pool, stem, .. } => {
                    if let Some(stem) = stem {
                        let x = [view(&plan, &run.tensors, stem.x)];
                        let out = self.forward_of(stem.node, stem.activation, &x, &pass);
                        seen(&self.graph.nodes[stem.node].name, &out.y);
                        run.tensors.insert(stem.y, out.y);
                    }
                    let x = x.iter().map(|t| view(&plan, &run.tensors, *t)).collect::<Vec<_>>();
                    let mut out = self.forward_of(*node, *activation, &x, &pass);
                    seen(&self.graph.nodes[*node].name, &out.y);
                    if let Some(pool) = pool {
                        let io = HostForward { x: vec![&out.y], params: Vec::new(), pass: pass(pool.node) };
                        let pooled = self.graph.nodes[pool.node].op.forward_reference(&io);
                        run.tensors.extend(pool.saved.iter().copied().zip(pooled.saved));
                        let x = std::mem::replace(&mut out.y, pooled.y);
                        // Kernels take the activation's slope at the pool's output, where the maximum was.
                        run.tensors.insert(pool.x, x);
                    }
                    run.tensors.insert(plan.owner(*y), out.y);
                    run.tensors.extend(saved.iter().copied().zip(out.saved));
                    let first = self.first_slot(*node);
                    for (i, mut value) in out.statistics {
                        round(self.exact, &mut value);
                        self.values[first + i] = value;
                    }
                }
                Step::Loss { logits, probabilities, dlogits } => {
                    let y = view(&plan, &run.tensors, *logits);
                    let (metrics, p, gradient) = loss_of(self.graph.loss, y, batch);
                    run.metrics = metrics;
                    run.tensors.insert(plan.owner(*probabilities), p);
                    run.tensors.insert(*dlogits, gradient);
                }
                Step::Backward { node, x, y, saved, dy, dx, slopes, pool, stem, .. } => {
                    let at = |t: &usize| view(&plan, &run.tensors, *t);
                    let needs = self.graph.nodes[*node].op.needs_with(slopes.iter().any(Option::is_some));
                    // What backward does not ask for has its shape only: NaN shows an op that reads it all the same.
                    let absent = |t: &usize| HostTensor::from_fn(plan.tensors[*t].shape.clone(), |_| f64::NAN);
                    let x: Vec<HostTensor> = x.iter().map(|t| if needs.x { at(t) } else { absent(t) }).collect();
                    let saved: Vec<HostTensor> = saved.iter().map(at).collect();
                    let through = |pool: &Pooled| {
                        let saved: Vec<HostTensor> = pool.saved.iter().map(at).collect();
                        let (x, y) = (&absent(&pool.x), &absent(dy));
                        let (saved, dy, pass) = (&saved[..], &at(dy), pass(pool.node));
                        let io = HostBackward { x: vec![x], params: Vec::new(), y, saved, dy, pass };
                        self.graph.nodes[pool.node].op.backward_reference(&io).dx.swap_remove(0)
                    };
                    let io = HostBackward {
                        x: x.iter().collect(),
                        params: self.node_values(*node),
                        y: &if needs.y { at(y) } else { absent(y) },
                        saved: &saved,
                        dy: &pool.as_ref().map_or_else(|| at(dy), through),
                        pass: pass(*node),
                    };
                    let mut out = self.graph.nodes[*node].op.backward_reference(&io);
                    if let Some(Stem { node, x: input, activation, .. }) = stem {
                        let dy = out.dx.swap_remove(0);
                        let dy = activation.map_or(dy.clone(), |a| self.multiplied(a, &x[0], &dy, pass(a)));
                        let (input, params, pass) = (&at(input), self.node_values(*node), pass(*node));
                        let io = HostBackward { x: vec![input], params, y: &x[0], saved: &[], dy: &dy, pass };
                        let dparams = self.graph.nodes[*node].op.backward_reference(&io).dparams;
                        run.gradients.extend(self.trained(*node, dparams));
                    }
                    run.gradients.extend(self.trained(*node, out.dparams));
                    for ((t, value), slope) in dx.iter().zip(out.dx).zip(slopes) {
                        let Some(t) = t else { continue };
                        let value = slope.map_or(value.clone(), |(a, y)| {
                            self.multiplied(a, &view(&plan, &run.tensors, y), &value, pass(a))
                        });
                        run.tensors.insert(plan.owner(*t), value);
                    }
                }
                Step::Accumulate { into, from, fresh } => {
                    let from = view(&plan, &run.tensors, *from);
                    let sum = match run.tensors.remove(into) {
                        Some(mut sum) if !fresh => {
                            sum.data.iter_mut().zip(&from.data).for_each(|(a, b)| *a += b);
                            sum
                        }
                        _ => from,
                    };
                    run.tensors.insert(*into, sum);
                }
            }
        }
        Ok(run)
    }

    /// Forward of a node and of the activation that ends it.
    fn forward_of(
        &self,
        node: usize,
        activation: Option<usize>,
        x: &[HostTensor],
        pass: &impl Fn(usize) -> Pass,
    ) -> HostOutput {
        let io = HostForward { x: x.iter().collect(), params: self.node_values(node), pass: pass(node) };
        let mut out = self.graph.nodes[node].op.forward_reference(&io);
        if let Some(a) = activation {
            let io = HostForward { x: vec![&out.y], params: Vec::new(), pass: pass(a) };
            out.y = self.graph.nodes[a].op.forward_reference(&io).y;
        }
        out
    }

    /// A gradient times the slope of an activation whose output is `y`.
    fn multiplied(&self, activation: usize, y: &HostTensor, dy: &HostTensor, pass: Pass) -> HostTensor {
        let io = HostBackward { x: vec![y], params: Vec::new(), y, saved: &[], dy, pass };
        self.graph.nodes[activation].op.backward_reference(&io).dx.swap_remove(0)
    }

    /// The gradients of a node's trained parameters, by slot.
    fn trained(&self, node: usize, dparams: Vec<Option<HostTensor>>) -> impl Iterator<Item = (usize, HostTensor)> + '_ {
        let first = self.first_slot(node);
        let owned = dparams.into_iter().enumerate().map(move |(i, g)| (first + i, g));
        owned.filter_map(|(slot, g)| Some((slot, g?))).filter(|(slot, _)| self.parameters.slots[*slot].spec.trainable)
    }
}

/// Metrics of a loss, what the network predicts, and the gradient of its output.
fn loss_of(loss: Loss, y: HostTensor, batch: &Batch<'_>) -> (Metrics, HostTensor, HostTensor) {
    let (targets, weights) = (HostTensor::from_f32(y.shape.clone(), batch.targets), batch.weights);
    let metrics = |loss: f64, correct: f64, mse: f64| {
        let not_finite = !(loss as f32).is_finite();
        Metrics { loss, correct, mse, count: weights.len() as f64, not_finite }
    };
    match loss {
        Loss::CrossEntropy { smoothing } => {
            let r = softmax_cross_entropy::reference(&y, &targets, weights, smoothing);
            (metrics(r.loss, r.correct, r.mse), r.probabilities, r.dlogits)
        }
        Loss::MeanSquaredError => {
            let r = mean_squared_error::reference(&y, &targets, weights);
            (metrics(r.loss, 0.0, r.mse), y, r.dpredictions)
        }
    }
}

/// A tensor under its own shape, wherever its bytes are.
pub(super) fn view(plan: &Plan, tensors: &HashMap<usize, HostTensor>, t: usize) -> HostTensor {
    let data = tensors.get(&t).unwrap_or_else(|| &tensors[&plan.owner(t)]).data.clone();
    HostTensor { shape: plan.tensors[t].shape.clone(), data }
}
