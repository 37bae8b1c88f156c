//! The training loop: epochs of shuffled batches, validation, checkpoints, and a way to stop and go on.

use super::config::Config;
use super::device::Device;
use super::evaluate::{LOADER_THREADS, graph_of};
use super::history::EpochRow;
use super::order::order;
use super::outcome::{Observer, Outcome, Stopped};
use super::partial::{Recent, metrics_of, partial_of, unread_of};
use super::phase::Phase;
use super::resume::continues;
use super::run::RunFolder;
use super::saved;
use super::start::{Kept, Start, kept};
use super::task::validate;
use crate::data::loader::{Loader, read_now};
use crate::data::{Dataset, Preprocess, Task};
use crate::error::Result;
use crate::formats::checkpoint::{Checkpoint, Progress};
use crate::formats::tensorboard::EventFile;
use crate::graph::{At, Augmentation, Executor, Graph, Metrics, Profile, Snapshot};
use crate::optim::Length;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

mod diagnose;
mod epoch_end;
#[cfg(test)]
mod tests;

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
    /// When the time of `--time` is over.
    deadline: Option<Instant>,
    /// Where TensorBoard reads the history from here on.
    events: Option<EventFile>,
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
            stopping: None,
            plateau: None,
            partial: None,
            history: Vec::new(),
        };
        let mut trainer = Self::with(config, dataset, run, device, (graph, start.preprocess), progress)?;
        trainer.note = start.fill(&trainer.graph, trainer.executor.as_mut())?;
        Ok(trainer)
    }

    /// Goes on with the last checkpoint of a run, whose folder [`RunFolder::resume`] has opened.
    ///
    /// # Errors
    /// A damaged checkpoint, or settings that would not continue the same run.
    pub fn resume(config: &'a Config, dataset: &'a Dataset, run: &'a RunFolder, device: &'a Device) -> Result<Self> {
        let path = run.last();
        let checkpoint = Checkpoint::load(&path)?;
        let progress = continues(&checkpoint.meta, &path, config, dataset)?;
        device.hold(&checkpoint.meta.kernels);
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
            device.check_room(&later, phase.batch, config.optimizer()?)?;
        }
        let augmentation = config.augmentation(dataset.train.input(), preprocess);
        let executor = device.ready(&graph, dataset, &progress, config.optimizer()?, augmentation.as_ref())?;
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
            deadline: None,
            events: None,
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
        self.in_last_phase() && (self.phase_done() || self.patience_is_out())
    }

    /// Whether early stopping has ended the run, in this process or one before.
    pub fn patience_is_out(&self) -> bool {
        // An epoch that was begun, with more patience than now, is trained to its end.
        self.in_last_phase() && self.progress.partial.is_none() && self.out_of_patience()
    }

    fn phase(&self) -> &Phase {
        &self.phases[self.progress.phase]
    }

    fn in_last_phase(&self) -> bool {
        self.progress.phase + 1 == self.phases.len()
    }

    fn out_of_patience(&self) -> bool {
        let Progress { stale_epochs, stopping: best, epoch, .. } = self.progress;
        self.config.stopping().is_some_and(|stopping| stopping.stops(stale_epochs, best, epoch))
    }

    /// Whether the phase has had its epochs, or, if another follows, patience has run out in it.
    fn phase_done(&self) -> bool {
        let all = self.progress.epoch - self.progress.phase_start >= self.phase().epochs;
        all || (!self.in_last_phase() && self.progress.partial.is_none() && self.out_of_patience())
    }

    /// The next phase: its layers and settings, the parameters as they are, or those of the best epoch if early stopping restores
    /// them, and a new Adam.
    fn next_phase(self) -> Result<Self> {
        let restores = self.config.stopping().is_some_and(|stopping| stopping.restore_best_weights);
        let parameters = match self.progress.best {
            Some(_) if restores => self.best_parameters()?,
            _ => self.executor.snapshot()?.parameters,
        };
        // Before the next one is made: an adapter may not hold both.
        drop(self.executor);
        let mut progress = self.progress;
        progress.phase += 1;
        progress.phase_start = progress.epoch;
        (progress.step, progress.stale_epochs) = (0, 0);
        (progress.stopping, progress.plateau) = (None, None);
        let phase = &self.phases[progress.phase];
        (progress.batch, progress.lr) = (phase.batch, phase.lr);
        let graph = Arc::new(phase.graph(&self.graph)?);
        let kept = kept(&graph, phase.freeze.as_ref())?;
        let (optimizer, augmentation) = (self.config.optimizer()?, self.augmentation.as_ref());
        let mut executor = self.device.ready(&graph, self.dataset, &progress, optimizer, augmentation)?;
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

    /// Trains to the configured number of epochs, or until `stop` is set, time or patience runs out, then scores the best
    /// checkpoint and writes the run folder's results.
    ///
    /// # Errors
    /// Data, device or disk errors; [`crate::Error::NotFinite`] if the loss diverged. The last checkpoint stays as it was.
    pub fn run(mut self, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<Outcome> {
        self.write_history()?;
        // A run that is gone on with may have stopped before.
        let mut stopped = self.patience_is_out().then_some(Stopped::Patience);
        // A time that no clock can reach is none.
        self.deadline = self.config.time()?.and_then(|time| Instant::now().checked_add(time));
        self.tell_phase(observer);
        while stopped.is_none() && !self.finished() {
            if self.phase_done() {
                self = self.next_phase()?;
                self.tell_phase(observer);
            }
            let trained = self.epoch(observer, stop);
            let Some(row) = trained.map_err(|e| self.explained(e))? else {
                stopped = Some(if self.out_of_time() { Stopped::Time } else { Stopped::Interrupted });
                break;
            };
            let finished = self.finish_epoch(row.clone());
            let best = finished.map_err(|e| self.explained(e))?;
            observer.epoch(&row, best);
            if self.patience_is_out() {
                stopped = Some(Stopped::Patience);
            } else if self.out_of_time() && !self.finished() {
                stopped = Some(Stopped::Time);
            } else if stop.load(Ordering::Relaxed) && !self.finished() {
                // Between two epochs: all is saved.
                stopped = Some(Stopped::Interrupted);
            }
        }
        let best = self.progress.best;
        let unscored = stopped == Some(Stopped::Interrupted) || best.is_none();
        let (evaluation, evaluated_on) = if unscored { (None, "") } else { self.score_best()? };
        if let Some(evaluation) = &evaluation {
            self.run.write_results(&self.progress.history, best.map(|b| b.epoch), evaluation)?;
        }
        Ok(Outcome { history: self.progress.history, best, evaluation, evaluated_on, stopped, waited: self.waited })
    }

    /// Where the next step is.
    fn at(&self) -> At {
        let Progress { step, epoch, .. } = self.progress;
        At { step, epoch: epoch as u32, lr: self.rate(step) }
    }

    fn out_of_time(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Images of an update of the parameters.
    fn images_a_step(&self) -> usize {
        self.progress.batch.saturating_mul(self.config.accumulate)
    }

    /// The learning rate of a step of the phase.
    fn rate(&self, step: u64) -> f64 {
        let base = self.progress.plateau.map_or(self.progress.lr, |plateau| plateau.lr);
        let epoch = self.dataset.train.len().div_ceil(self.images_a_step()) as u64;
        let phase = epoch.saturating_mul(self.phase().epochs as u64);
        self.config.schedule.rate(base, step, Length { epoch, phase })
    }

    /// One epoch of training and validation, or nothing if it was interrupted; then its part is saved.
    fn epoch(&mut self, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<Option<EpochRow>> {
        let (epoch, batch) = (self.progress.epoch, self.images_a_step());
        let partial = self.progress.partial.take().unwrap_or_default();
        let mut sums = metrics_of(&partial);
        if let Some(unread) = unread_of(&partial) {
            self.executor.go_on(&unread)?;
        }
        let order = order(self.config.seed, epoch, self.dataset.train.len());
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
            if stop.load(Ordering::Relaxed) || (self.out_of_time() && step < steps) {
                let (given, unread) = self.executor.pause()?;
                sums += given;
                if sums.not_finite {
                    return Err(self.not_finite(&recent, step));
                }
                let seconds = partial.seconds + start.elapsed().as_secs_f64();
                self.progress.partial = Some(partial_of(&sums, unread, step, seconds));
                self.checkpoint()?.save(&self.run.last())?;
                return Ok(None);
            }
        }
        self.waited += loader.waited();
        sums += self.executor.drain()?;
        if sums.not_finite {
            return Err(self.not_finite(&recent, step));
        }
        let training = start.elapsed().as_secs_f64();
        observer.validating(epoch + 1);
        let (validation, outputs) = validate(self.executor.as_mut(), self.dataset, self.progress.batch)?;
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
            lr: self.rate(self.progress.step.saturating_sub(1)),
            seconds: partial.seconds + start.elapsed().as_secs_f64(),
            images_per_s: images as f64 / training,
            outputs,
        }))
    }

    /// A figure that only classes have.
    fn of_classes(&self, figure: f64) -> f64 {
        if self.dataset.task == Task::Classes { figure } else { f64::NAN }
    }
}
