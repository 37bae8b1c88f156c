//! The plan on a GPU: arenas and buffers made once, a recorded program for each mode and batch size, one submit a step.

use super::augmentation::Augmentation;
use super::budget::Budget;
use super::executor::{Attribution, Executor, Metrics, SlotTensors, Snapshot, Unread};
use super::gpu_memory::Memory;
use super::plan::{Mode, Options, Plan};
use super::{At, Batch, Graph, Parameters, Profile, Samples, Value};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor, Program, Recorder, ScratchPool, StagingRing, StepParams, no_room};
use crate::ops::softmax_cross_entropy::METRICS;
use crate::optim::{Optimizer, StepSize};
use augmented::Augmented;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

mod arenas;
mod augmented;
mod explain;
mod profile;
mod record;
mod room;

/// Steps between two readings of the metrics.
const READ_EVERY: u32 = 16;

/// Steps that the host may be ahead of the device: one running, one waiting, one being encoded.
const IN_FLIGHT: usize = 2;

/// A graph on a GPU.
pub struct GpuExecutor {
    gpu: Arc<Gpu>,
    graph: Arc<Graph>,
    parameters: Parameters,
    optimizer: Optimizer,
    seed: u64,
    plans: HashMap<Mode, Plan>,
    programs: HashMap<(Mode, usize), Program>,
    explainers: HashMap<(Value, usize), explain::Explainer>,
    /// The optimizer's, where it comes after several batches.
    update: Option<Program>,
    memory: Memory,
    scratch: ScratchPool,
    ring: StagingRing,
    since_read: u32,
    flying: VecDeque<wgpu::SubmissionIndex>,
    collected: Vec<Metrics>,
    augmented: Option<Augmented>,
}

impl GpuExecutor {
    /// Puts a graph with starting parameters for `seed` on a GPU, for batches of up to `batch`. Without `train` there are no
    /// gradients and moments, and only `evaluate` and `predict` work.
    ///
    /// # Errors
    /// An adapter without the room, with the largest batch that it has room for.
    pub fn new(gpu: Arc<Gpu>, graph: Arc<Graph>, batch: usize, seed: u64, train: bool) -> Result<Self> {
        Self::with(gpu, graph, batch, seed, (train, Options::default()))
    }

    /// The same with options for its plans; arenas are never larger than the adapter's buffers.
    ///
    /// # Errors
    /// As [`GpuExecutor::new`].
    pub fn with(
        gpu: Arc<Gpu>,
        graph: Arc<Graph>,
        batch: usize,
        seed: u64,
        (train, options): (bool, Options),
    ) -> Result<Self> {
        let parameters = Parameters::new(&graph);
        let (plans, memory) = room::make(&gpu, &graph, batch, (train, options))?;
        let ring = StagingRing::new(&gpu, METRICS as u64 * 4, 3)?;
        let executor = Self {
            gpu,
            graph,
            optimizer: options.optimizer,
            seed,
            plans,
            programs: HashMap::new(),
            explainers: HashMap::new(),
            update: None,
            memory,
            scratch: ScratchPool::default(),
            ring,
            since_read: 0,
            flying: VecDeque::new(),
            collected: Vec::new(),
            augmented: None,
            parameters,
        };
        for i in 0..executor.parameters.slots.len() {
            executor.write_slot(i, &executor.parameters.initial(i, seed));
        }
        Ok(executor)
    }

    /// Refuses what [`GpuExecutor::new`] would, and keeps no buffers.
    ///
    /// # Errors
    /// As [`GpuExecutor::new`].
    pub fn check_room(gpu: &Gpu, graph: &Graph, batch: usize, train: bool) -> Result<()> {
        Self::check_room_with(gpu, graph, batch, (train, Options::default()))
    }

    /// The same for what [`GpuExecutor::with`] would refuse.
    ///
    /// # Errors
    /// As [`GpuExecutor::new`].
    pub fn check_room_with(gpu: &Gpu, graph: &Graph, batch: usize, how: (bool, Options)) -> Result<()> {
        room::make(gpu, graph, batch, how).map(|_| ())
    }

    /// What plans for the adapter are made with, where `options` are asked for: as much of them as it can do.
    pub fn options_on(gpu: &Gpu, options: Options) -> Options {
        room::possible(gpu, options)
    }

    /// What it was predicted to need; [`Executor::bytes`] adds the kernels' uniforms, and scratch that has no room in the arenas.
    pub fn budget(&self) -> Budget {
        let batch = self.plans[&Mode::Evaluate].batch;
        Budget::of(&self.plans, &self.parameters, batch)
    }

    /// The least that any sharing could make of [`Executor::bytes`]: of tensors and scratch, what is alive at once in the programs for
    /// whole batches that are prepared, and everything else.
    pub fn least_bytes(&self) -> u64 {
        let program = |plan: &Plan| self.programs.get(&(plan.mode, plan.batch));
        let bound = |plan: &Plan| program(plan).map_or(plan.lower_bound, |p| plan.lower_bound_with(&p.scratch));
        let alive = self.plans.values().map(bound).max().unwrap_or(0);
        self.bytes() - self.memory.tensor_bytes() - self.scratch.bytes() + alive
    }

    /// The adapter.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The plan of a mode, if it is planned for.
    pub fn plan(&self, mode: Mode) -> Option<&Plan> {
        self.plans.get(&mode)
    }

    /// Programs recorded so far: one for each mode and batch size.
    pub fn programs(&self) -> usize {
        self.programs.len()
    }

    fn arena(&self, trainable: bool) -> &GpuTensor {
        if trainable { &self.memory.weights } else { &self.memory.statistics }
    }

    /// Submits a step, or a part of one, and then the optimizer's own program if `update` and there is one.
    fn submit(
        &mut self,
        mode: Mode,
        batch: &Batch<'_>,
        (step, epoch): (StepParams, u32),
        (read, update): (bool, bool),
    ) -> Result<()> {
        batch.check(&self.graph)?;
        let n = batch.len();
        self.prepare(mode, n)?;
        self.write_images(mode, batch, epoch);
        self.gpu.write(&self.memory.targets, batch.targets);
        self.gpu.write(&self.memory.sample_weights, batch.weights);
        self.gpu.queue.write_buffer(&self.memory.step, 0, bytemuck::bytes_of(&step));
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.programs[&(mode, n)].encode(&mut encoder);
        if let Some(program) = self.update.as_ref().filter(|_| update) {
            program.encode(&mut encoder);
        }
        self.since_read += 1;
        if read && self.since_read >= READ_EVERY {
            self.copy_metrics(&mut encoder)?;
        }
        self.flying.push_back(self.gpu.queue.submit([encoder.finish()]));
        self.ring.submitted();
        if self.flying.len() > IN_FLIGHT {
            let oldest = self.flying.pop_front();
            self.gpu.wait(oldest)?;
        }
        Ok(())
    }

    /// Encodes a copy of the metrics to the host and a reset of its sums; the flag stays.
    fn copy_metrics(&mut self, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        if let Some(values) = self.ring.copy(&self.gpu, encoder, &self.memory.metrics)? {
            self.collected.push(Metrics::from_tensor(&values));
        }
        encoder.clear_buffer(self.memory.metrics.buffer(), 0, Some(16));
        self.since_read = 0;
        Ok(())
    }

    /// Waits for every copy of the metrics that is under way.
    fn wait_for_metrics(&mut self) -> Result<Vec<Metrics>> {
        let copies = self.ring.drain(&self.gpu)?;
        self.collected.extend(copies.iter().map(|values| Metrics::from_tensor(values)));
        self.flying.clear();
        Ok(std::mem::take(&mut self.collected))
    }
}

impl Executor for GpuExecutor {
    fn device(&self) -> String {
        self.gpu.description.to_string()
    }

    fn augment(&mut self, augmentation: Arc<dyn Augmentation>) -> Result<()> {
        self.augment_by(augmentation)
    }

    fn prepare(&mut self, mode: Mode, n: usize) -> Result<()> {
        if self.programs.contains_key(&(mode, n)) {
            return Ok(());
        }
        let accumulate = if mode == Mode::Train { self.optimizer.accumulate } else { 1 };
        let plan = self.plans.get(&mode).filter(|p| n <= p.batch.saturating_mul(accumulate));
        let plan = plan.ok_or_else(|| Error::usage(format!("{n} samples are more than planned for"), ""))?;
        if n > plan.batch {
            let most = plan.batch;
            return [most, n % most].into_iter().filter(|n| *n > 0).try_for_each(|n| self.prepare(mode, n));
        }
        if let (Mode::Train, None, Some(sums)) = (mode, &self.update, &self.memory.sums) {
            let mut rec = Recorder::new(&self.gpu);
            self.record_update(&mut rec, sums)?;
            self.update = Some(rec.finish(&self.memory.step, &mut self.scratch, &no_room)?);
        }
        let resized = plan.resized(&self.graph, n)?;
        let mut scratch = std::mem::take(&mut self.scratch);
        let (memory, rec) = (&self.memory, self.record(&resized, &self.memory));
        let program = rec.and_then(|rec| rec.finish(&memory.step, &mut scratch, &memory.room(&resized)));
        self.scratch = scratch;
        self.programs.insert((mode, n), program?);
        Ok(())
    }

    fn train(&mut self, batch: &Batch<'_>, at: At) -> Result<()> {
        self.prepare(Mode::Train, batch.len())?;
        batch.check(&self.graph)?;
        let split = |v: u64| [v as u32, (v >> 32) as u32];
        let accumulate = self.optimizer.accumulate;
        let StepSize { size, decay } = self.optimizer.step(at.lr, at.step);
        let graph = Arc::clone(&self.graph);
        let parts = batch.parts(self.plans[&Mode::Train].batch, &graph);
        let count = batch.len().div_ceil(self.plans[&Mode::Train].batch);
        for (i, part) in parts.enumerate() {
            // Each part draws masks of its own.
            let step = at.step.wrapping_mul(accumulate as u64).wrapping_add(i as u64);
            let params = StepParams {
                seed: split(self.seed),
                step: split(step),
                step_size: size as f32,
                decay: decay as f32,
                share: part.len() as f32 / batch.len() as f32,
                keep: u32::from(i > 0),
            };
            self.submit(Mode::Train, &part, (params, at.epoch), (true, i + 1 == count))?;
        }
        Ok(())
    }

    fn evaluate(&mut self, batch: &Batch<'_>) -> Result<()> {
        self.submit(Mode::Evaluate, batch, Default::default(), (true, false))
    }

    fn profile(&mut self, batch: &Batch<'_>) -> Result<Profile> {
        self.measure(batch)
    }

    fn predict(&mut self, x: &[f32], n: usize) -> Result<Vec<f32>> {
        let before: Vec<f32> = self.gpu.read(&self.memory.metrics)?;
        let unknown = Samples::unknown(n, self.graph.output().elements());
        self.submit(Mode::Evaluate, &Batch { x, ..unknown.batch() }, Default::default(), (false, false))?;
        self.since_read -= 1;
        let plan = self.plans[&Mode::Evaluate].resized(&self.graph, n)?;
        let [_, probabilities, _] = plan.loss();
        let values = self.gpu.read(&self.memory.tensor(&plan, probabilities))?;
        self.gpu.write(&self.memory.metrics, &before);
        Ok(values)
    }

    fn explain(&mut self, x: &[f32], cotangent: &[f32], value: Value) -> Result<Attribution> {
        self.attribute(x, cotangent, value)
    }

    fn arrived(&mut self) -> Result<Vec<Metrics>> {
        let arrived = self.ring.arrived(&self.gpu)?;
        self.collected.extend(arrived.iter().map(|values| Metrics::from_tensor(values)));
        Ok(std::mem::take(&mut self.collected))
    }

    fn drain(&mut self) -> Result<Vec<Metrics>> {
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.copy_metrics(&mut encoder)?;
        self.gpu.queue.submit([encoder.finish()]);
        self.ring.submitted();
        self.wait_for_metrics()
    }

    fn pause(&mut self) -> Result<(Vec<Metrics>, Option<Unread>)> {
        let mut given = self.wait_for_metrics()?;
        let values: Vec<f32> = self.gpu.read(&self.memory.metrics)?;
        // The flag must not wait for the next reading.
        given.push(Metrics { not_finite: Metrics::from_tensor(&values).not_finite, ..Metrics::default() });
        let sums = std::array::from_fn(|i| values.get(i).copied().unwrap_or(0.0));
        Ok((given, Some(Unread { sums, submitted: self.since_read })))
    }

    fn go_on(&mut self, unread: &Unread) -> Result<()> {
        let mut values = [0.0; METRICS];
        values[..unread.sums.len()].copy_from_slice(&unread.sums);
        self.gpu.write(&self.memory.metrics, &values);
        self.since_read = unread.submitted;
        Ok(())
    }

    fn snapshot(&self) -> Result<Snapshot> {
        let weights = self.read_arena(&self.memory.weights, true)?;
        let statistics = self.read_arena(&self.memory.statistics, false)?;
        let (mut weights, mut statistics) = (weights.into_iter(), statistics.into_iter());
        let slots = self.parameters.slots.iter();
        let parameters =
            slots.filter_map(|s| if s.spec.trainable { weights.next() } else { statistics.next() }).collect();
        let arenas = self.memory.training.iter().flat_map(|training| &training.slots);
        let slots =
            self.optimizer.slots().iter().zip(arenas).map(|(name, arena)| {
                Ok(SlotTensors { name: (*name).to_owned(), tensors: self.read_arena(arena, true)? })
            });
        Ok(Snapshot { parameters, slots: slots.collect::<Result<_>>()? })
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        let slots = self.parameters.check(snapshot, &self.optimizer)?;
        for (i, tensor) in snapshot.parameters.iter().enumerate() {
            self.write_slot(i, &tensor.values);
        }
        let Some(training) = &self.memory.training else { return Ok(()) };
        for (arena, tensors) in training.slots.iter().zip(slots) {
            let trained = self.parameters.slots.iter().filter(|s| s.spec.trainable);
            for (slot, tensor) in trained.zip(tensors) {
                self.gpu.write(&arena.flat(slot.offset..slot.offset + tensor.values.len()), &tensor.values);
            }
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        let uniforms: u64 = self.programs.values().map(|p| p.uniform_bytes).sum();
        let explainers: u64 = self.explainers.values().map(explain::Explainer::bytes).sum();
        let augmented = self.augmented.as_ref().map_or(0, Augmented::bytes);
        self.memory.bytes() + self.scratch.bytes() + uniforms + explainers + augmented
    }
}
