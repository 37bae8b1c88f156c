//! Training a trial to a rung, in its run folder.

use super::results::Status;
use super::work::Watch;
use crate::data::{self, Dataset};
use crate::error::{Error, Result};
use crate::formats::checkpoint::{Best, Checkpoint};
use crate::graph::Metrics;
use crate::train::environment::Environment;
use crate::train::history::EpochRow;
use crate::train::run::RunFolder;
use crate::train::{AUTO, Config, Device, Observer, Outcome, Start, Stopped, Trainer, config_of};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What came of training to a rung.
pub(super) enum Reached {
    /// So far it got.
    Figures { status: Status, best: Option<Best>, epochs: usize, seconds: f64 },
    /// It cannot be trained, or no further, for this reason.
    Not(Status, String),
    /// The user wants to stop.
    Interrupted,
}

/// What trials of one process share: the device, and the data that was last opened.
pub(super) struct Bench<'a> {
    device: &'a Device,
    dataset: Option<(String, Arc<Dataset>)>,
    stop: &'a AtomicBool,
}

impl<'a> Bench<'a> {
    pub(super) fn new(device: &'a Device, stop: &'a AtomicBool) -> Self {
        Self { device, dataset: None, stop }
    }

    /// Trains in the run folder `path` up to `until` epochs, going on with what is there.
    ///
    /// # Errors
    /// Whatever is not the trial's own fault: data, disk, a lost device.
    pub(super) fn train(
        &mut self,
        mut config: Config,
        path: &Path,
        until: usize,
        watch: &mut dyn Watch,
    ) -> Result<Reached> {
        let start = match Start::read(&config) {
            Ok(start) => start,
            Err(e) => return own_fault(e),
        };
        if config.model.is_empty() {
            config.model.clone_from(&start.name);
        }
        let dataset = self.dataset(&config, &start, watch)?;
        if let Err(e) = self.fit(&mut config, &start, &dataset, path, watch) {
            return own_fault(e);
        }
        let run = open(path, watch)?;
        let resumes = RunFolder::has_checkpoint(path);
        let made = if resumes {
            Trainer::resume(&config, &dataset, &run, self.device)
        } else {
            Trainer::start(&config, start, &dataset, &run, self.device)
        };
        let trainer = match made {
            Ok(trainer) => trainer,
            Err(e) if resumes => return Err(e),
            Err(e) => {
                drop(run);
                fs::remove_dir_all(path).map_err(Error::io("remove the run folder", path))?;
                return own_fault(e);
            }
        };
        run.write_config(&config)?;
        if !resumes {
            run.write_env(&Environment::here(self.device.to_string()))?;
        }
        if trainer.done() >= until && !trainer.finished() {
            // Saved, but the process ended before it was recorded, or even before the history was.
            trainer.write_history()?;
            return reached(&run);
        }
        let halt = AtomicBool::new(false);
        let inner = watch.observer(&config, dataset.task);
        let mut capped = Capped { inner, until, halt: &halt, stop: self.stop };
        match trainer.run(&mut capped, &halt) {
            Ok(outcome) => Ok(figures(&outcome, until)),
            Err(Error::NotFinite { epoch, step, what, .. }) => {
                Ok(Reached::Not(Status::Diverged, format!("epoch {epoch}, step {step}: {what}")))
            }
            Err(e) => Err(e),
        }
    }

    /// Builds what needs no device, so that every error of shapes surfaces before a folder exists, and settles the batch.
    fn fit(
        &self,
        config: &mut Config,
        start: &Start,
        data: &Dataset,
        path: &Path,
        watch: &mut dyn Watch,
    ) -> Result<()> {
        config.check_graph(&start.graph_for(config, data)?)?;
        config.check_batch(data.train.len())?;
        if config.batch == AUTO {
            config.batch = match config_of(path) {
                Ok(before) => before.batch,
                Err(_) => self.device.largest_batch(config, start, data, &mut |note| watch.note(&note))?,
            };
        }
        Ok(())
    }

    /// The data, opened anew only where a trial needs other than the one before.
    fn dataset(&mut self, config: &Config, start: &Start, watch: &mut dyn Watch) -> Result<Arc<Dataset>> {
        let options = config.data_options(start.preprocess);
        let key = format!("{:?} {:?} {options:?}", config.data, start.input);
        if let Some((_, dataset)) = self.dataset.as_ref().filter(|(of, _)| *of == key) {
            return Ok(Arc::clone(dataset));
        }
        // Before the next one is read: a machine may not hold both.
        self.dataset = None;
        let dataset = Arc::new(data::open(&config.data, start.input, &options)?);
        dataset.notes.iter().for_each(|note| watch.note(note));
        self.dataset = Some((key, Arc::clone(&dataset)));
        Ok(dataset)
    }
}

/// An error that only this trial has: its settings do not go together, or not with the data, the network or the device.
fn own_fault(e: Error) -> Result<Reached> {
    match e {
        Error::Usage { .. } | Error::Shape { .. } | Error::Data { .. } | Error::Gpu { .. } => {
            Ok(Reached::Not(Status::Failed, e.to_string()))
        }
        other => Err(other),
    }
}

/// The trial's run folder, to go on in, or a new one. A damaged checkpoint costs this trial's time and not the search.
fn open(path: &Path, watch: &mut dyn Watch) -> Result<RunFolder> {
    if !RunFolder::has_checkpoint(path) {
        return fresh(path);
    }
    match RunFolder::resume(path) {
        Ok(run) => {
            run.notes().iter().for_each(|note| watch.note(note));
            Ok(run)
        }
        Err(e @ Error::Checkpoint { .. }) => {
            watch.note(&format!("{e}\n  the trial in {} begins anew", path.display()));
            fresh(path)
        }
        Err(e) => Err(e),
    }
}

/// An empty run folder, also where a process ended before the first epoch of an earlier one.
fn fresh(path: &Path) -> Result<RunFolder> {
    if path.exists() {
        fs::remove_dir_all(path).map_err(Error::io("remove the run folder", path))?;
    }
    RunFolder::create(Some(path))
}

/// What a run's last checkpoint says of it.
fn reached(run: &RunFolder) -> Result<Reached> {
    let path = run.last();
    let Some(progress) = Checkpoint::load(&path)?.meta.progress else {
        return Err(Error::checkpoint(path, "holds no training state", "it is no trial's"));
    };
    Ok(so_far(&progress.history, progress.best, Status::Rung))
}

fn figures(outcome: &Outcome, until: usize) -> Reached {
    let epochs = outcome.history.last().map_or(0, |row| row.epoch);
    match outcome.stopped {
        Some(Stopped::Interrupted) if epochs < until => Reached::Interrupted,
        Some(Stopped::Interrupted) => so_far(&outcome.history, outcome.best, Status::Rung),
        _ => so_far(&outcome.history, outcome.best, Status::Complete),
    }
}

fn so_far(history: &[EpochRow], best: Option<Best>, status: Status) -> Reached {
    let epochs = history.last().map_or(0, |row| row.epoch);
    Reached::Figures { status, best, epochs, seconds: history.iter().map(|row| row.seconds).sum() }
}

/// Tells another observer, and stops the run at the end of an epoch, or when the user wants to.
struct Capped<'a> {
    inner: Box<dyn Observer>,
    until: usize,
    halt: &'a AtomicBool,
    stop: &'a AtomicBool,
}

impl Capped<'_> {
    fn look(&self, reached: bool) {
        if reached || self.stop.load(Ordering::Relaxed) {
            self.halt.store(true, Ordering::Relaxed);
        }
    }
}

impl Observer for Capped<'_> {
    fn step(&mut self, epoch: usize, step: usize, steps: usize, so_far: &Metrics, images_per_s: f64) {
        self.inner.step(epoch, step, steps, so_far, images_per_s);
        self.look(false);
    }

    fn phase(&mut self, number: usize, of: usize, about: &str) {
        self.inner.phase(number, of, about);
    }

    fn validating(&mut self, epoch: usize) {
        self.inner.validating(epoch);
    }

    fn epoch(&mut self, row: &EpochRow, best: bool) {
        self.inner.epoch(row, best);
        self.look(row.epoch >= self.until);
    }
}
