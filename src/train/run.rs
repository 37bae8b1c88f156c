//! The run folder: where a training run keeps everything it makes.
//!
//! | file | what |
//! |---|---|
//! | `config.toml` | every setting of the run, defaults included |
//! | `env.json` | program version, adapter, system, command line, start time |
//! | `results.csv` | one row an epoch |
//! | `last.safetensors`, `best.safetensors` | the newest and the best checkpoint |
//! | `epoch-0010.safetensors` | a checkpoint every so many epochs, if asked for |
//! | `events.out.tfevents.*` | the history for TensorBoard, a file a process |
//! | `metrics.json`, `report.txt` | the evaluation of the best checkpoint |
//! | `confusion.csv`, `.svg`, `confusion_normalised.csv`, `.svg` | its errors, as counts and as shares of the true class |
//! | `reliability.svg`, `curves.svg` | whether it is as sure as it is right, and the course of training |
//! | `lock` | locked by the process that trains; the system unlocks it when the process ends, however it ends |
//!
//! Every file is replaced atomically, and what a file names is there before it: at an epoch's end `epoch-N`, then `best`, then
//! `last`, which says which epoch is the best, then the history; at the end of a run everything else, then `metrics.json`, by
//! which others know that the run is done. `metrics.json` and its companions are of the present `best`: they go before it is
//! replaced. The other order, `last` first, was weighed: then a resumed run could not tell a lost best epoch from one that is
//! about to be written, and whoever reads the folder meanwhile finds figures of another network. With this order a process
//! that ends between two files leaves `best` an epoch ahead, and it is all that `last` would have been (see `repair`).
//!
//! A new run never shares a folder with an old one, and one process at a time trains in a folder.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::environment::Environment;
use super::history::{EpochRow, write_results};
use super::repair::repair;
use crate::error::{Error, Result};
use crate::eval::plot::curves_svg;
use crate::eval::{Scores, files};
use crate::formats::atomic::{remove_leftovers, write_json, write_text};
use crate::formats::kind::Kind;
use crate::formats::lock;

/// Where numbered run folders are made, below the working folder.
pub const DEFAULT_BASE: &str = "runs/train";

const OCCUPIED: &str = "go on with that run by `--resume`, or name a new folder with `--out`";

/// What is locked.
const LOCK: &str = "lock";

/// A folder that holds one run.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// The right to train in it, if this process has it.
    lock: Option<File>,
    notes: Vec<String>,
}

impl RunFolder {
    /// Makes the folder of a new run: `out`, or `runs/train/N` with N one above the highest number there, from 1.
    ///
    /// The folder is claimed by creating `env.json` in it, so two runs started together never share one.
    ///
    /// # Errors
    /// [`Error::Usage`] when `out` is a file or already holds something; [`Error::Io`] when it cannot be created or
    /// written.
    pub fn create(out: Option<&Path>) -> Result<Self> {
        match out {
            Some(out) => Self::create_at(out),
            None => Self::create_numbered(Path::new(DEFAULT_BASE)),
        }
    }

    /// Opens the folder of an existing run to read it.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no such folder; [`Error::Usage`] when it is a file; [`Error::Checkpoint`] when it
    /// holds no checkpoint.
    pub fn open(path: &Path) -> Result<Self> {
        let about = fs::metadata(path).map_err(Error::io("open the run folder", path))?;
        if !about.is_dir() {
            let hint = "name the run's folder, for example `runs/train/1`";
            return Err(Error::usage(format!("{} is not a run folder but a file", path.display()), hint));
        }
        let run = Self::at(path);
        if !Self::has_checkpoint(path) {
            let hint = "the run stopped before its first epoch ended, or it is not a run folder: start a new run";
            return Err(Error::checkpoint(run.last(), "there is no such file to resume from", hint));
        }
        Ok(run)
    }

    /// Opens the folder of an existing run to go on with it: takes the right to, removes what a killed process left, and brings
    /// its checkpoints into agreement. [`RunFolder::notes`] says what had to be done.
    ///
    /// # Errors
    /// As [`RunFolder::open`]; [`Error::Usage`] when another process trains in it; a checkpoint that is damaged.
    pub fn resume(path: &Path) -> Result<Self> {
        let mut run = Self::open(path)?;
        run.take()?;
        let left = remove_leftovers(path)?;
        if left > 0 {
            run.notes.push(format!("{left} unfinished files of a process that ended while it saved are removed"));
        }
        let repaired = repair(&run)?;
        run.notes.extend(repaired);
        Ok(run)
    }

    /// Whether there is a checkpoint to go on with in a folder.
    pub fn has_checkpoint(path: &Path) -> bool {
        let run = Self::at(path);
        // The best alone is the first epoch's, whose process ended before it wrote the last.
        run.last().is_file() || run.best().is_file()
    }

    /// What had to be done before training could go on, to be told.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    fn at(path: &Path) -> Self {
        Self { path: path.to_path_buf(), lock: None, notes: Vec::new() }
    }

    /// Takes the right to train in the folder.
    fn take(&mut self) -> Result<()> {
        let path = self.path.join(LOCK);
        match lock::try_lock(&path) {
            Ok(Some(file)) => {
                lock::sign(&file);
                self.lock = Some(file);
            }
            Ok(None) => return Err(busy(&self.path)),
            Err(e) if path.exists() => {
                self.notes.push(format!("{e}: start no second process on {}", self.path.display()));
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }

    fn create_at(out: &Path) -> Result<Self> {
        match fs::metadata(out) {
            Ok(about) if !about.is_dir() => {
                return Err(Error::usage(format!("{} is a file, not a folder", out.display()), OCCUPIED));
            }
            Ok(_) => {
                let mut entries = fs::read_dir(out).map_err(Error::io("read the folder", out))?;
                if entries.next().is_some() {
                    let holds = if out.join("last.safetensors").exists() { "a run" } else { "files" };
                    return Err(Error::usage(format!("{} already holds {holds}", out.display()), OCCUPIED));
                }
            }
            Err(_) => fs::create_dir_all(out).map_err(Error::io("create the run folder", out))?,
        }
        Self::at(out).claim()
    }

    fn create_numbered(base: &Path) -> Result<Self> {
        fs::create_dir_all(base).map_err(Error::io("create the folder", base))?;
        let mut number = 1;
        for entry in fs::read_dir(base).map_err(Error::io("read the folder", base))? {
            let name = entry.map_err(Error::io("read the folder", base))?.file_name();
            if let Some(used) = name.to_str().and_then(|n| n.parse::<u64>().ok()) {
                number = number.max(used.saturating_add(1));
            }
        }
        loop {
            let path = base.join(number.to_string());
            match fs::create_dir(&path) {
                Ok(()) => return Self::at(&path).claim(),
                // Another run took the number in between.
                Err(e) if e.kind() == ErrorKind::AlreadyExists && number < u64::MAX => number += 1,
                Err(e) => return Err(Error::io("create the run folder", path)(e)),
            }
        }
    }

    /// Shows now, not after the first epoch, whether the folder takes files, and that no other run has it.
    fn claim(mut self) -> Result<Self> {
        match File::create_new(self.env()) {
            Ok(_) => self.take().map(|()| self),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                Err(Error::usage(format!("{} already holds a run", self.path.display()), OCCUPIED))
            }
            Err(e) => Err(Error::io("write in the run folder", self.path)(e)),
        }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `config.toml`.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// `env.json`.
    pub fn env(&self) -> PathBuf {
        self.path.join("env.json")
    }

    /// `results.csv`.
    pub fn results(&self) -> PathBuf {
        self.path.join("results.csv")
    }

    /// `last.safetensors`, the checkpoint to resume from.
    pub fn last(&self) -> PathBuf {
        self.path.join("last.safetensors")
    }

    /// `best.safetensors`, the checkpoint to use.
    pub fn best(&self) -> PathBuf {
        self.path.join("best.safetensors")
    }

    /// `epoch-0010.safetensors`, a checkpoint that `--save-every` keeps.
    pub fn of_epoch(&self, epoch: usize) -> PathBuf {
        self.path.join(format!("epoch-{epoch:04}.safetensors"))
    }

    /// `metrics.json`.
    pub fn metrics(&self) -> PathBuf {
        self.path.join(files::METRICS)
    }

    /// `report.txt`.
    pub fn report(&self) -> PathBuf {
        self.path.join(files::REPORT)
    }

    /// `confusion.csv`.
    pub fn confusion_csv(&self) -> PathBuf {
        self.path.join(files::CONFUSION_CSV)
    }

    /// `confusion.svg`.
    pub fn confusion_svg(&self) -> PathBuf {
        self.path.join(files::CONFUSION_SVG)
    }

    /// `curves.svg`.
    pub fn curves(&self) -> PathBuf {
        self.path.join("curves.svg")
    }

    /// Every file of the folder, and what it is: empty for one that no run writes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn contents(&self) -> Result<Vec<(String, &'static str)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(Error::io("read the folder", &self.path))? {
            let name = entry.map_err(Error::io("read the folder", &self.path))?.file_name();
            let name = name.to_string_lossy().into_owned();
            let own = |known: &str| name == known || known.ends_with(['-', '.']) && name.starts_with(known);
            let place = FILES.iter().position(|(known, _)| own(known)).unwrap_or(FILES.len());
            found.push((place, name));
        }
        found.sort_unstable();
        let what = |place: usize| FILES.get(place).map_or("", |(_, what)| what);
        Ok(found.into_iter().map(|(place, name)| (name, what(place))).collect())
    }

    /// Writes `config.toml`.
    ///
    /// # Errors
    /// [`Error::Usage`] for settings that TOML cannot hold; [`Error::Io`].
    pub fn write_config(&self, config: &impl Serialize) -> Result<()> {
        let text = toml::to_string_pretty(config)
            .map_err(|e| Error::usage(format!("the settings cannot be written as TOML: {e}"), ""))?;
        write_text(&self.config(), &text)
    }

    /// Writes `env.json`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_env(&self, environment: &Environment) -> Result<()> {
        write_json(&self.env(), environment)
    }

    /// Writes `results.csv` and `curves.svg`; `best` is the epoch of `best.safetensors`. Cheap enough for every epoch.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_history(&self, history: &[EpochRow], best: Option<usize>) -> Result<()> {
        write_results(&self.results(), history)?;
        write_text(&self.curves(), &curves_svg(history, best))
    }

    /// Removes the figures of a best checkpoint that is about to be replaced.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove_scores(&self) -> Result<()> {
        files::remove_scores(&self.path)
    }

    /// [`RunFolder::write_history`] and the files of [`files::write_scores`].
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_results(&self, history: &[EpochRow], best: Option<usize>, scores: &Scores) -> Result<()> {
        self.write_history(history, best)?;
        files::write_scores(&self.path, scores, &scores.report(), scores)
    }
}

/// Files of a run by their names, or what these begin with, in the order in which they are shown.
const FILES: [(&str, &str); 16] = [
    ("best.safetensors", "the best epoch's network"),
    ("last.safetensors", "the last epoch's, to resume from"),
    ("epoch-", "a checkpoint that --save-every keeps"),
    (files::METRICS, "the figures above, for programs"),
    (files::REPORT, "the figures above"),
    ("results.csv", "one row an epoch"),
    ("curves.svg", "the course of training"),
    (files::CONFUSION_CSV, "confusion matrix: counts"),
    (files::CONFUSION_SVG, "the same as a picture"),
    (files::CONFUSION_SHARES_CSV, "confusion matrix: shares of each true class"),
    (files::CONFUSION_SHARES_SVG, "the same as a picture"),
    (files::RELIABILITY, "whether it is as sure as it is right"),
    ("events.out.tfevents.", "the course of training for TensorBoard"),
    ("config.toml", "every setting"),
    ("env.json", "machine, driver, command line"),
    (LOCK, "locked by the process that trains here"),
];

fn busy(folder: &Path) -> Error {
    let (run, who) = (folder.display(), lock::holder(&folder.join(LOCK)));
    Error::usage(
        format!("{who} is training in {run}"),
        "wait until it ends, or stop it (Ctrl-C there, or a termination signal: it saves), then run this again",
    )
}

/// The right to replace a checkpoint: that of the run whose folder it is in, if it is in one.
///
/// # Errors
/// [`Error::Usage`] while another process trains there.
pub(super) fn right_to_replace(checkpoint: &Path) -> Result<Option<File>> {
    let folder = checkpoint.parent().unwrap_or(Path::new(""));
    let path = folder.join(LOCK);
    if !path.is_file() {
        return Ok(None);
    }
    match lock::try_lock(&path) {
        Ok(None) => Err(busy(folder)),
        Ok(held) => Ok(held),
        // A file system without locks.
        Err(_) => Ok(None),
    }
}

/// The checkpoint that a user means by a path: the file itself, or a run folder's best, or its last when there is no
/// best.
///
/// # Errors
/// [`Error::Io`] when the path does not exist; [`Error::Checkpoint`] for a folder without either.
pub fn checkpoint_of(run_or_file: &Path) -> Result<PathBuf> {
    let about = fs::metadata(run_or_file).map_err(Error::io("open", run_or_file))?;
    if !about.is_dir() {
        return Ok(run_or_file.to_path_buf());
    }
    let run = RunFolder::at(run_or_file);
    [run.best(), run.last()].into_iter().find(|file| file.is_file()).ok_or_else(|| {
        if run_or_file.join("saved_model.pb").is_file() {
            let what = "the folder is a TensorFlow SavedModel, not a run";
            return Error::checkpoint(run_or_file, what, Kind::TensorFlow.way_on(run_or_file));
        }
        let what = "the folder holds neither `best.safetensors` nor `last.safetensors`";
        Error::checkpoint(run_or_file, what, "name a run folder such as `runs/train/1`, or a `.safetensors` file")
    })
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
