//! The training loop: epochs of shuffled batches, validation, checkpoints, and a way to stop and go on.

use super::config::Config;
use super::device::Device;
use super::evaluate::{LOADER_THREADS, graph_of};
use super::history::EpochRow;
use super::outcome::{Observer, Outcome, Stopped};
use super::partial::{Recent, metrics_of, partial_of};
use super::phase::{Phase, mask_seed};
use super::resume::continues;
use super::run::RunFolder;
use super::saved;
use super::start::{Kept, Start, kept};
use super::task::{score, validate};
use crate::data::loader::{Loader, read_now};
use crate::data::{Dataset, InputSpec, Preprocess, Split, Task};
use crate::error::{Error, Result};
use crate::eval::Scores;
use crate::formats::checkpoint::{Best, Checkpoint, Meta, Progress};
use crate::graph::{At, Augmentation, CpuExecutor, Executor, Graph, Metrics, Profile, Snapshot};
use crate::philox::Philox;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Stream of random numbers of an epoch's order: streams below it belong to parameters.
const ORDER_STREAM: u64 = 1 << 32;

/// A run in progress.
pub struct Trainer<'a> {
    config: &'a Config,
    dataset: &'a Dataset,
    run: &'a RunFolder,
    graph: Arc<Graph>,
    device: &'a Device,
    executor: Box<dyn Executor>,
    progress: Progress,
    preprocess: Preprocess,
    /// What its checkpoints keep of the network.
    kept: Kept,
    augmentation: Option<Arc<dyn Augmentation>>,
    /// At least one; `progress.phase` is one of them.
    phases: Vec<Phase>,
    /// What came of `weights`.
    note: Option<String>,
    waited: Duration,
}

impl<'a> Trainer<'a> {
    /// A new run, from starting parameters. The dataset must have been opened as [`Start::read`] of the settings asks.
    ///
    /// # Errors
    /// A model, weights, batch or data that do not fit each other or the device.
    pub fn new(config: &'a Config, dataset: &'a Dataset, run: &'a RunFolder, device: &'a Device) -> Result<Self> {
        Self::start(config, Start::read(config)?, dataset, run, device)
    }

    /// [`Trainer::new`] from what was read before.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn start(
        config: &'a Config,
        mut start: Start,
        dataset: &'a Dataset,
        run: &'a RunFolder,
        device: &'a Device,
    ) -> Result<Self> {
        let phases = config.phases()?;
        let graph = Arc::new(phases[0].graph(&start.graph_for(config, dataset)?)?);
        let progress = Progress {
            epoch: 0,
            phase: 0,
            phase_start: 0,
            step: 0,
            seed: config.seed,
            batch: phases[0].batch,
            lr: phases[0].lr,
            best: None,
            stale_epochs: 0,
            partial: None,
            history: Vec::new(),
        };
        let mut trainer = Self::with(config, dataset, run, device, (graph, start.preprocess), progress)?;
        trainer.note = start.fill(&trainer.graph, trainer.executor.as_mut())?;
        Ok(trainer)
    }

    /// Goes on with the last checkpoint of a run.
    ///
    /// # Errors
    /// A damaged checkpoint, or settings that would not continue the same run.
    pub fn resume(config: &'a Config, dataset: &'a Dataset, run: &'a RunFolder, device: &'a Device) -> Result<Self> {
        let path = run.last();
        let checkpoint = Checkpoint::load(&path)?;
        let progress = continues(&checkpoint.meta, &path, config, dataset)?;
        let preprocess = checkpoint.meta.preprocessing;
        let graph = Arc::new(config.for_task(graph_of(&checkpoint.meta, &path)?, dataset.task)?);
        let snapshot = saved::snapshot(checkpoint, &path, &graph)?;
        let mut trainer = Self::with(config, dataset, run, device, (graph, preprocess), progress)?;
        trainer.executor.restore(&snapshot)?;
        Ok(trainer)
    }

    fn with(
        config: &'a Config,
        dataset: &'a Dataset,
        run: &'a RunFolder,
        device: &'a Device,
        (graph, preprocess): (Arc<Graph>, Preprocess),
        progress: Progress,
    ) -> Result<Self> {
        config.check_batch(dataset.train.len())?;
        let phases = config.phases()?;
        // What a later phase needs must be there now: hours may pass before it begins.
        let mut later = Graph::clone(&graph);
        for phase in phases.iter().skip(progress.phase + 1) {
            later = phase.graph(&later)?;
            device.check_room(&later, phase.batch)?;
        }
        let augmentation = config.augmentation(dataset.train.input(), preprocess);
        let executor = device.ready(&graph, dataset, &progress, augmentation.as_ref())?;
        let kept = kept(&graph, phases[progress.phase].freeze.as_ref())?;
        Ok(Self {
            config,
            dataset,
            run,
            graph,
            device,
            executor,
            progress,
            preprocess,
            augmentation,
            phases,
            kept,
            note: None,
            waited: Duration::ZERO,
        })
    }

    /// What to tell about the parameters that the run starts from.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Epochs done before this call.
    pub fn done(&self) -> usize {
        self.progress.epoch
    }

    /// Whether nothing is left to be trained.
    pub fn finished(&self) -> bool {
        self.in_last_phase() && self.phase_done()
    }

    fn phase(&self) -> &Phase {
        &self.phases[self.progress.phase]
    }

    fn in_last_phase(&self) -> bool {
        self.progress.phase + 1 == self.phases.len()
    }

    fn out_of_patience(&self) -> bool {
        self.config.patience > 0 && self.progress.stale_epochs >= self.config.patience
    }

    /// Whether the phase has had its epochs, or, if another follows, patience has run out in it.
    fn phase_done(&self) -> bool {
        let all = self.progress.epoch - self.progress.phase_start >= self.phase().epochs;
        all || (!self.in_last_phase() && self.progress.partial.is_none() && self.out_of_patience())
    }

    /// The next phase: its layers and settings, the parameters as they are, and a new Adam.
    fn next_phase(self) -> Result<Self> {
        let parameters = self.executor.snapshot()?.parameters;
        // Before the next one is made: an adapter may not hold both.
        drop(self.executor);
        let mut progress = self.progress;
        progress.phase += 1;
        progress.phase_start = progress.epoch;
        (progress.step, progress.stale_epochs) = (0, 0);
        let phase = &self.phases[progress.phase];
        (progress.batch, progress.lr) = (phase.batch, phase.lr);
        let graph = Arc::new(phase.graph(&self.graph)?);
        let kept = kept(&graph, phase.freeze.as_ref())?;
        let mut executor = self.device.ready(&graph, self.dataset, &progress, self.augmentation.as_ref())?;
        executor.restore(&Snapshot { parameters, ..Snapshot::default() })?;
        Ok(Self { executor, progress, graph, kept, ..self })
    }

    /// Tells which phase it is in, if there are several.
    fn tell_phase(&self, observer: &mut dyn Observer) {
        if self.phases.len() == 1 {
            return;
        }
        let about = self.phase().about(self.progress.phase_start + 1, &self.graph, self.bytes());
        observer.phase(self.progress.phase + 1, self.phases.len(), &about);
    }

    /// Bytes that the device holds for the run.
    pub fn bytes(&self) -> u64 {
        self.executor.bytes()
    }

    /// Measures where the time of a step goes, on the first batch of the training images; training is as if it had not been.
    ///
    /// # Errors
    /// Data that cannot be read, a device without kernels, or whatever it reports.
    pub fn profile(&mut self) -> Result<Profile> {
        let batch: Vec<u32> = (0..self.progress.batch.min(self.dataset.train.len()) as u32).collect();
        let samples = read_now(self.dataset.train.as_ref(), &batch)?;
        self.executor.profile(&samples.batch())
    }

    /// Trains to the configured number of epochs, or until `stop` is set or patience runs out, then scores the best
    /// checkpoint and writes the run folder's results.
    ///
    /// # Errors
    /// Data, device or disk errors; [`Error::NotFinite`] if the loss diverged. The last checkpoint stays as it was.
    pub fn run(mut self, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<Outcome> {
        let mut stopped = None;
        self.tell_phase(observer);
        while stopped.is_none() && !self.finished() {
            if self.phase_done() {
                self = self.next_phase()?;
                self.tell_phase(observer);
            }
            let Some(row) = self.epoch(observer, stop)? else {
                stopped = Some(Stopped::Interrupted);
                break;
            };
            let best = self.finish_epoch(row.clone())?;
            observer.epoch(&row, best);
            if self.in_last_phase() && self.out_of_patience() {
                stopped = Some(Stopped::Patience);
            }
        }
        let interrupted = stopped == Some(Stopped::Interrupted);
        let (evaluation, evaluated_on) = if interrupted { (None, "") } else { self.score_best()? };
        let best = self.progress.best;
        if let Some(evaluation) = &evaluation {
            self.run.write_results(&self.progress.history, best.map(|b| b.epoch), evaluation)?;
        }
        Ok(Outcome { history: self.progress.history, best, evaluation, evaluated_on, stopped, waited: self.waited })
    }

    /// Where the next step is.
    fn at(&self) -> At {
        let Progress { step, epoch, lr, .. } = self.progress;
        At { step, epoch: epoch as u32, lr }
    }

    /// The order of the training images in an epoch, from 0.
    fn order(&self, epoch: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.dataset.train.len() as u32).collect();
        Philox::new(self.config.seed, ORDER_STREAM + epoch as u64).shuffle(&mut order);
        order
    }

    /// One epoch of training and validation, or nothing if it was interrupted; then its part is saved.
    fn epoch(&mut self, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<Option<EpochRow>> {
        let (epoch, batch) = (self.progress.epoch, self.progress.batch);
        let partial = self.progress.partial.take().unwrap_or_default();
        let mut sums = metrics_of(&partial);
        let order = self.order(epoch);
        let steps = order.len().div_ceil(batch);
        let rest: Vec<u32> = order.iter().skip(partial.steps * batch).copied().collect();
        let start = Instant::now();
        let mut recent = Recent::default();
        let mut loader = Loader::start(Arc::clone(&self.dataset.train), rest, batch, LOADER_THREADS);
        let mut step = partial.steps;
        let mut images = 0;
        for loaded in loader.by_ref() {
            let loaded = loaded?;
            self.executor.train(&loaded.batch(), self.at())?;
            images += loaded.samples.len();
            recent.push(self.at(), loaded.samples);
            self.progress.step += 1;
            step += 1;
            sums += self.executor.arrived()?;
            if sums.not_finite {
                return Err(self.not_finite(&recent, step));
            }
            observer.step(epoch + 1, step, steps, &sums, images as f64 / start.elapsed().as_secs_f64());
            if stop.load(Ordering::Relaxed) {
                sums += self.executor.flush()?;
                if sums.not_finite {
                    return Err(self.not_finite(&recent, step));
                }
                let seconds = partial.seconds + start.elapsed().as_secs_f64();
                self.progress.partial = Some(partial_of(&sums, step, seconds));
                self.save()?;
                return Ok(None);
            }
        }
        self.waited += loader.waited();
        sums += self.executor.flush()?;
        if sums.not_finite {
            return Err(self.not_finite(&recent, step));
        }
        let training = start.elapsed().as_secs_f64();
        observer.validating(epoch + 1);
        let (validation, outputs) = validate(self.executor.as_mut(), self.dataset, batch)?;
        if validation.not_finite {
            // The last steps' batches show the layer; a checkpoint of such parameters would be worth nothing.
            return Err(self.not_finite(&recent, step));
        }
        let mean = |m: &Metrics, sum: f64| sum / m.count.max(1.0);
        Ok(Some(EpochRow {
            epoch: epoch + 1,
            loss: mean(&sums, sums.loss),
            accuracy: self.of_classes(mean(&sums, sums.correct)),
            mse: mean(&sums, sums.mse),
            val_loss: mean(&validation, validation.loss),
            val_accuracy: mean(&validation, validation.correct),
            val_mse: mean(&validation, validation.mse),
            lr: f64::from(self.progress.lr),
            seconds: partial.seconds + start.elapsed().as_secs_f64(),
            images_per_s: images as f64 / training,
            outputs,
        }))
    }

    /// A figure that only classes have.
    fn of_classes(&self, figure: f64) -> f64 {
        if self.dataset.task == Task::Classes { figure } else { f64::NAN }
    }

    /// Records the epoch and saves; whether it is the best so far.
    fn finish_epoch(&mut self, row: EpochRow) -> Result<bool> {
        let value = row.monitored();
        let better = self.progress.best.is_none_or(|b| value > b.value);
        if better {
            self.progress.best = Some(Best { epoch: row.epoch, value });
            self.progress.stale_epochs = 0;
        } else {
            self.progress.stale_epochs += 1;
        }
        self.progress.epoch = row.epoch;
        self.progress.history.push(row);
        let checkpoint = self.save()?;
        if better {
            checkpoint.save(&self.run.best())?;
        }
        self.run.write_history(&self.progress.history, self.progress.best.map(|b| b.epoch))?;
        Ok(better)
    }

    /// Writes `last.safetensors`.
    fn save(&self) -> Result<Checkpoint> {
        let InputSpec { height, width, channels } = self.dataset.train.input();
        let (network, freeze) = self.kept.clone();
        let meta = Meta {
            model: self.graph.name.clone(),
            network,
            task: self.dataset.task,
            classes: self.dataset.classes.clone(),
            input: [height, width, channels],
            freeze,
            preprocessing: self.preprocess,
            progress: Some(self.progress.clone()),
        };
        let checkpoint = saved::checkpoint(meta, self.executor.snapshot()?);
        checkpoint.save(&self.run.last())?;
        Ok(checkpoint)
    }

    /// The best checkpoint's figures.
    fn score_best(&mut self) -> Result<(Option<Scores>, &'static str)> {
        let path = self.run.best();
        let checkpoint = Checkpoint::load(&path)?;
        // It may be of another phase, which trained other parameters.
        let graph = graph_of(&checkpoint.meta, &path)?;
        let Snapshot { parameters, .. } = saved::snapshot(checkpoint, &path, &graph)?;
        self.executor.restore(&Snapshot { parameters, ..Snapshot::default() })?;
        let (split, name): (&Arc<dyn Split>, _) = match &self.dataset.test {
            Some(test) => (test, "test"),
            None => (&self.dataset.validation, "validation"),
        };
        let (executor, Dataset { task, classes, .. }) = (self.executor.as_mut(), self.dataset);
        let scores = score(executor, split, (*task, classes), self.progress.batch)?;
        Ok((Some(scores), name))
    }

    /// Finds the layer at which a loss stopped being finite. No parameter has moved since that step, so the recent batches are
    /// run again on the reference until one shows it.
    fn not_finite(&self, recent: &Recent, step: usize) -> Error {
        let what = self.find_not_finite(recent).unwrap_or_else(|e| format!("the loss is not finite ({e})"));
        let kept = if self.run.last().exists() { "the last good checkpoint is kept" } else { "no epoch was completed" };
        Error::NotFinite {
            epoch: self.progress.epoch + 1,
            step,
            what,
            hint: format!("{kept} in {}; try a smaller --lr", self.run.path().display()),
        }
    }

    fn find_not_finite(&self, recent: &Recent) -> Result<String> {
        let seed = mask_seed(self.progress.seed, self.progress.phase);
        let mut reference = CpuExecutor::new(Arc::clone(&self.graph), self.progress.batch, seed);
        reference.restore(&self.executor.snapshot()?)?;
        self.augmentation.as_ref().map_or(Ok(()), |a| reference.augment(Arc::clone(a)))?;
        let found = recent.first(|at, indices| {
            let samples = read_now(self.dataset.train.as_ref(), indices)?;
            reference.first_not_finite(&samples.batch(), at)
        })?;
        Ok(found.unwrap_or_else(|| format!("the loss on {} is not finite, in f32 only", self.device)))
    }
}
