//! A plan's steps as dispatches.

use super::super::Loss;
use super::super::gpu_memory::{Memory, Training};
use super::super::plan::{self, INPUT, Mode, Plan, Pooled, Step, TensorId};
use super::GpuExecutor;
use crate::error::Result;
use crate::gpu::{GpuTensor, Recorder};
use crate::ops::mean_squared_error::{self, GpuRegression};
use crate::ops::softmax_cross_entropy::{self, GpuLoss};
use crate::ops::{GpuBackward, GpuForward, Pass, Pool, Stem};
use crate::optim::{Arenas, Sum};

impl GpuExecutor {
    /// Records the dispatches of a plan's steps, and in training the optimizer's update, or the sum that it waits for.
    pub(super) fn record(&self, plan: &Plan, memory: &Memory) -> Result<Recorder<'_>> {
        let mut rec = Recorder::new(&self.gpu);
        let training = plan.mode == Mode::Train;
        let tensor = |t: TensorId| memory.tensor(plan, t);
        let tensors = |list: &[TensorId]| list.iter().map(|t| tensor(*t)).collect::<Vec<_>>();
        let pass = |node: usize| {
            let training = training && self.graph.nodes[node].in_training_mode();
            Pass { training, layer: node as u32, seed: self.seed, step: 0 }
        };
        let all = |node| -> Result<Vec<GpuTensor>> {
            Ok(self.node_params(node, |trainable| Some(self.arena(trainable).clone()))?.into_iter().flatten().collect())
        };
        if let (true, Some(augmented)) = (training, &self.augmented) {
            augmented.record(&mut rec, &tensor(INPUT))?;
        }
        for (i, step) in plan.steps.iter().enumerate() {
            rec.begin_step(i);
            match step {
                Step::Forward { node, x, y, saved, activation, statistics, pool, stem } => {
                    let (x, saved, params) = (tensors(x), tensors(saved), all(*node)?);
                    let activation = activation.and_then(|a| self.graph.nodes[a].op.activation());
                    let of_stem = stem.as_ref().map_or_else(|| Ok(Vec::new()), |s| all(s.node))?;
                    let kept = pool.as_ref().map_or_else(Vec::new, |p| tensors(&p.saved));
                    let io = GpuForward {
                        x: &x,
                        params: &params,
                        y: &tensor(*y),
                        saved: &saved,
                        activation,
                        statistics: *statistics,
                        pool: pool.as_ref().map(|p| taken_in(p, &kept)),
                        stem: stem.as_ref().map(|s| self.stem(s, tensor(s.x), (&of_stem, &[]))),
                        pass: pass(*node),
                    };
                    self.graph.nodes[*node].op.forward(&mut rec, &io)?;
                }
                Step::Loss { logits, probabilities, dlogits } => {
                    self.record_loss(&mut rec, [*logits, *probabilities, *dlogits].map(&tensor))?;
                }
                Step::Backward { node, x, y, saved, dy, dx, slopes, pool, stem } => {
                    let (x, saved, params) = (tensors(x), tensors(saved), all(*node)?);
                    let dx: Vec<Option<GpuTensor>> = dx.iter().map(|t| t.map(&tensor)).collect();
                    let slope_of =
                        |s: &Option<(usize, TensorId)>| s.and_then(|(a, _)| self.graph.nodes[a].op.activation());
                    let slopes: Vec<_> = slopes.iter().map(slope_of).collect();
                    let kept = pool.as_ref().map_or_else(Vec::new, |p| tensors(&p.saved));
                    let gradients = |trainable: bool| {
                        memory.training.as_ref().filter(|_| trainable).map(|training| training.gradients.clone())
                    };
                    let of_stem = stem.as_ref().map_or_else(|| Ok(Vec::new()), |s| all(s.node))?;
                    let gradients_of = |s: &plan::Stem| self.node_params(s.node, gradients);
                    let to_stem = stem.as_ref().map_or_else(|| Ok(Vec::new()), gradients_of)?;
                    let io = GpuBackward {
                        x: &x,
                        params: &params,
                        y: &tensor(*y),
                        saved: &saved,
                        dy: &tensor(*dy),
                        dx: &dx,
                        dparams: &self.node_params(*node, gradients)?,
                        slopes: &slopes,
                        pool: pool.as_ref().map(|p| taken_in(p, &kept)),
                        stem: stem.as_ref().map(|s| self.stem(s, tensor(s.x), (&of_stem, &to_stem))),
                        pass: pass(*node),
                    };
                    self.graph.nodes[*node].op.backward(&mut rec, &io)?;
                }
                Step::Accumulate { into, from, fresh } => {
                    let sum = if *fresh { Sum::Fresh } else { Sum::Added };
                    sum.record(&mut rec, &tensor(*from), &tensor(*into))?;
                }
            }
        }
        rec.begin_step(plan.steps.len());
        if let (true, Some(Training { gradients, .. })) = (training, &memory.training) {
            match &memory.sums {
                Some(sums) => Sum::OfTheStep.record(&mut rec, gradients, sums)?,
                None => self.record_update(&mut rec, gradients)?,
            }
        }
        Ok(rec)
    }

    /// A convolution that another op's kernels take in, with its parameters and where their gradients go.
    fn stem<'a>(
        &self,
        stem: &plan::Stem,
        x: GpuTensor,
        (params, dparams): (&'a [GpuTensor], &'a [Option<GpuTensor>]),
    ) -> Stem<'a> {
        let activation = stem.activation.and_then(|a| self.graph.nodes[a].op.activation());
        Stem { op: stem.op, x, params, dparams, activation }
    }

    /// Records the optimizer's update by `gradients`; nothing where nothing is trained.
    pub(super) fn record_update(&self, rec: &mut Recorder<'_>, gradients: &GpuTensor) -> Result<()> {
        let Some(Training { slots, .. }) = &self.memory.training else { return Ok(()) };
        let (metrics, weights, kernels) = (&self.memory.metrics, &self.memory.weights, self.parameters.kernels);
        self.optimizer.record(rec, &Arenas { gradients, metrics, weights, slots, kernels })
    }

    fn record_loss(&self, rec: &mut Recorder<'_>, [y, probabilities, dy]: [GpuTensor; 3]) -> Result<()> {
        let [n, outputs] = [y.shape.dims()[0], self.graph.output().elements()];
        let targets = self.memory.targets.flat(0..n * outputs).reshaped([n, outputs])?;
        let (weights, metrics) = (self.memory.sample_weights.flat(0..n), &self.memory.metrics);
        match self.graph.loss {
            Loss::CrossEntropy { smoothing } => {
                let (logits, dlogits) = (&y, &dy);
                let (targets, weights, probabilities) = (&targets, &weights, &probabilities);
                let io = GpuLoss { logits, targets, weights, smoothing, probabilities, dlogits, metrics };
                softmax_cross_entropy::record(rec, &io)
            }
            Loss::MeanSquaredError => {
                let (predictions, dpredictions) = (&y, &dy);
                let io = GpuRegression { predictions, targets: &targets, weights: &weights, dpredictions, metrics };
                mean_squared_error::record(rec, &io)
            }
        }
    }
}

/// A pool of a plan as kernels take it.
fn taken_in<'a>(pool: &Pooled, saved: &'a [GpuTensor]) -> Pool<'a> {
    Pool { op: pool.op, saved, with_backward: pool.with_backward }
}
