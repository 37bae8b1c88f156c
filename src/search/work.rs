//! What a process does for a search: take, train, record, until nothing is left.

use super::folder::Folder;
use super::halving::{Halving, best, next};
use super::results::{Row, Status};
use super::trial::{Bench, Reached};
use crate::data::Task;
use crate::error::{Error, Result};
use crate::eval::plot::{Course, search_svg};
use crate::formats::atomic::write_text;
use crate::train::{Config, Device, Monitor, Observer, config_of};
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Told what happens.
pub trait Watch {
    /// A trial begins or goes on, up to so many epochs; its settings in words. `None` is the best trial, trained anew.
    fn begins(&mut self, trial: Option<usize>, epochs: usize, settings: &str);
    /// Makes who is told of its training.
    fn observer(&mut self, config: &Config, task: Task) -> Box<dyn Observer>;
    /// A trial's row is recorded.
    fn ended(&mut self, row: &Row);
    /// Something worth knowing.
    fn note(&mut self, note: &str);
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    /// All rows of the search.
    pub rows: Vec<Row>,
    /// The best trial.
    pub best: Option<Row>,
    /// The run folder of the best trial trained anew, where that is done.
    pub retrained: Option<PathBuf>,
    /// Trials that other processes are still working on.
    pub busy: usize,
    /// Whether the user stopped it.
    pub interrupted: bool,
}

/// Works on a search until nothing is left to take, or `stop` is set; then, if nobody else is at work either and `retrain` says so,
/// trains the best trial anew: from its beginning, for all its epochs, with the next seed, because the figure of the best of many is
/// too good to be true of others.
///
/// # Errors
/// Data, disk or device errors, a damaged folder. What was recorded stays; trials that were being trained can be taken by others.
pub fn work(
    folder: &Folder,
    device: &Device,
    retrain: bool,
    watch: &mut dyn Watch,
    stop: &AtomicBool,
) -> Result<Ended> {
    let mut worker = Worker { folder, monitor: folder.search().monitor()?, bench: Bench::new(device, stop) };
    {
        let _lock = folder.lock()?;
        folder.clean()?;
    }
    let mut interrupted = false;
    while !interrupted && !stop.load(Ordering::Relaxed) {
        let Some(job) = worker.take()? else { break };
        interrupted = !worker.train(&job, watch)?;
    }
    interrupted |= stop.load(Ordering::Relaxed);
    let (rows, busy) = {
        let _lock = folder.lock()?;
        let rows = folder.rows()?;
        // A process may have ended between the results and their picture.
        worker.draw(&rows)?;
        (rows, folder.busy()?)
    };
    let best = best(&rows, worker.monitor).cloned();
    let mut retrained = None;
    if let Some(best) = best.as_ref().filter(|_| retrain && !interrupted && busy == 0) {
        let done = worker.retrain(best, watch)?;
        interrupted = stop.load(Ordering::Relaxed) && !done;
        retrained = done.then(|| folder.best());
    }
    Ok(Ended { rows, best, retrained, busy, interrupted })
}

/// A trial that this process has.
struct Job {
    trial: usize,
    rung: usize,
    _claim: File,
}

struct Worker<'a> {
    folder: &'a Folder,
    monitor: Monitor,
    bench: Bench<'a>,
}

impl Worker<'_> {
    /// Takes the next trial that nobody else works on.
    fn take(&self) -> Result<Option<Job>> {
        let search = self.folder.search();
        let _lock = self.folder.lock()?;
        let rows = self.folder.rows()?;
        for (trial, rung) in next(&rows, search.trials, search.halving, self.monitor) {
            if let Some(claim) = self.folder.claim(trial)? {
                return Ok(Some(Job { trial, rung, _claim: claim }));
            }
        }
        Ok(None)
    }

    /// Trains a trial to its rung and records it; false if the user stopped it.
    fn train(&mut self, job: &Job, watch: &mut dyn Watch) -> Result<bool> {
        let search = self.folder.search();
        let point: Vec<(&str, String)> = search.point(job.trial).map(|(key, value)| (key, value.to_string())).collect();
        let mut row = Row { trial: job.trial, rung: job.rung, value: f64::NAN, ..Row::default() };
        row.settings = point.iter().map(|(_, value)| value.clone()).collect();
        let reached = match search.config(job.trial) {
            Err(e) => Reached::Not(Status::Failed, e.to_string()),
            Ok(config) => {
                let rungs = Halving::rungs(search.halving, config.epochs);
                let until = rungs.get(job.rung).copied().unwrap_or(config.epochs);
                let words: Vec<String> = point.iter().map(|(key, value)| format!("{key} {value}")).collect();
                watch.begins(Some(job.trial), until, &words.join(", "));
                let config = Config { model: self.folder.model(&config.model), ..config };
                self.bench.train(config, &self.folder.trial(job.trial), until, watch)?
            }
        };
        match reached {
            Reached::Interrupted => return Ok(false),
            Reached::Not(status, error) => (row.status, row.error) = (status, error),
            Reached::Figures { status, best, epochs, seconds } => {
                (row.status, row.epochs, row.seconds) = (status, epochs, seconds);
                if let Some(best) = best {
                    (row.value, row.best_epoch) = (best.value, Some(best.epoch));
                }
            }
        }
        self.record(&row)?;
        watch.ended(&row);
        Ok(true)
    }

    fn record(&self, row: &Row) -> Result<()> {
        let _lock = self.folder.lock()?;
        let mut rows = self.folder.rows()?;
        rows.push(row.clone());
        self.folder.write_rows(&rows)?;
        self.draw(&rows)
    }

    fn draw(&self, rows: &[Row]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        write_text(&self.folder.picture(), &self.picture(rows))
    }

    fn picture(&self, rows: &[Row]) -> String {
        let winner = best(rows, self.monitor).map(|row| row.trial);
        let mut courses: Vec<Course> = Vec::new();
        let mut without = 0;
        for row in rows {
            let point = (row.epochs as f64, row.value);
            match courses.iter_mut().find(|c| c.trial == row.trial) {
                Some(course) if !row.value.is_nan() => course.points.push(point),
                None if !row.value.is_nan() => {
                    let best = winner == Some(row.trial);
                    courses.push(Course { trial: row.trial, points: vec![point], best });
                }
                _ => without += 1,
            }
        }
        search_svg(&courses, without, self.monitor.name(Task::Classes))
    }

    /// Trains the best trial anew, or goes on with it; whether it is done.
    fn retrain(&mut self, best: &Row, watch: &mut dyn Watch) -> Result<bool> {
        let Some(_claim) = self.folder.claim_best()? else { return Ok(false) };
        let mut config = self.folder.search().config(best.trial)?;
        config.model = self.folder.model(&config.model);
        config.seed = config.seed.wrapping_add(1);
        let path = self.folder.best();
        if let Ok(before) = config_of(&path) {
            let same = Config { batch: before.batch, model: before.model.clone(), ..config.clone() } == before;
            if !same {
                let what = format!("{} is of another trial than {}, which is now the best", path.display(), best.trial);
                return Err(Error::usage(what, "move it away, and run the same command again"));
            }
            if path.join("metrics.json").is_file() {
                return Ok(true);
            }
        }
        watch.begins(None, config.epochs, &format!("settings of trial {}, seed {}", best.trial, config.seed));
        let until = config.epochs;
        match self.bench.train(config, &path, until, watch)? {
            Reached::Figures { .. } => Ok(true),
            Reached::Interrupted => Ok(false),
            Reached::Not(_, why) => {
                watch.note(&format!("the best trial cannot be trained anew: {why}"));
                Ok(false)
            }
        }
    }
}
