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
//!
//! Every file is replaced atomically. A new run never shares a folder with an old one.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::environment::Environment;
use super::history::{EpochRow, write_results};
use crate::error::{Error, Result};
use crate::eval::plot::curves_svg;
use crate::eval::{Scores, files};
use crate::formats::atomic::{write_json, write_text};
use crate::formats::kind::Kind;

/// Where numbered run folders are made, below the working folder.
pub const DEFAULT_BASE: &str = "runs/train";

const OCCUPIED: &str = "go on with that run by `--resume`, or name a new folder with `--out`";

/// A folder that holds one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
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

    /// Opens the folder of an existing run to resume it.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no such folder; [`Error::Usage`] when it is a file; [`Error::Checkpoint`] when it
    /// holds no `last.safetensors`.
    pub fn open(path: &Path) -> Result<Self> {
        let about = fs::metadata(path).map_err(Error::io("open the run folder", path))?;
        if !about.is_dir() {
            let hint = "name the run's folder, for example `runs/train/1`";
            return Err(Error::usage(format!("{} is not a run folder but a file", path.display()), hint));
        }
        let run = Self { path: path.to_path_buf() };
        if !run.last().is_file() {
            let hint = "the run stopped before its first epoch ended, or it is not a run folder: start a new run";
            return Err(Error::checkpoint(run.last(), "there is no such file to resume from", hint));
        }
        Ok(run)
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
        Self { path: out.to_path_buf() }.claim()
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
                Ok(()) => return Self { path }.claim(),
                // Another run took the number in between.
                Err(e) if e.kind() == ErrorKind::AlreadyExists && number < u64::MAX => number += 1,
                Err(e) => return Err(Error::io("create the run folder", path)(e)),
            }
        }
    }

    /// Shows now, not after the first epoch, whether the folder takes files, and that no other run has it.
    fn claim(self) -> Result<Self> {
        match File::create_new(self.env()) {
            Ok(_) => Ok(self),
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

    /// [`RunFolder::write_history`] and the files of [`files::write_scores`].
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_results(&self, history: &[EpochRow], best: Option<usize>, scores: &Scores) -> Result<()> {
        self.write_history(history, best)?;
        files::write_scores(&self.path, scores, &scores.report(), scores)
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
    let run = RunFolder { path: run_or_file.to_path_buf() };
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
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::eval::metrics::tests::sample;
    use crate::train::history::{read_results, tests::row};

    #[test]
    fn numbers_count_up_and_runs_never_share() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("runs/train");
        let made = |_| RunFolder::create_numbered(&base).unwrap().path().to_path_buf();
        assert_eq!([(); 2].map(made), [base.join("1"), base.join("2")]);
        fs::create_dir(base.join("9")).unwrap();
        fs::write(base.join("12"), "a file").unwrap();
        fs::create_dir(base.join("notes")).unwrap();
        assert_eq!(made(()), base.join("13"));
        let mut paths: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| made(()))).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), 8);
        let shared = folder.path().join("shared");
        let winners: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| RunFolder::create(Some(&shared)).is_ok())).collect();
            threads.into_iter().map(|t| usize::from(t.join().unwrap())).sum()
        });
        assert_eq!(winners, 1);
    }

    #[test]
    fn occupied_and_unwritable_folders_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "precious").unwrap();
        let text = |path: &Path| RunFolder::create(Some(path)).unwrap_err().to_string();
        assert!(text(folder.path()).contains("already holds files") && text(folder.path()).contains("--resume"));
        assert!(text(&file).contains("is a file"));
        assert!(text(&file.join("run")).contains("cannot create the run folder"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        let run = RunFolder::create(Some(&folder.path().join("a/b"))).unwrap();
        fs::write(run.last(), "").unwrap();
        assert!(text(run.path()).contains("already holds a run"));
        let empty = folder.path().join("empty");
        fs::create_dir(&empty).unwrap();
        assert!(RunFolder::create(Some(&empty)).is_ok());
        // Nobody, not even root, creates files there.
        #[cfg(target_os = "linux")]
        {
            let error = RunFolder { path: "/proc/self".into() }.claim().unwrap_err().to_string();
            assert!(error.contains("cannot write in the run folder"), "{error}");
            assert!(text(Path::new("/proc/self/run")).contains("cannot create the run folder"));
        }
    }

    #[test]
    fn opening_needs_a_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(Some(&folder.path().join("run"))).unwrap();
        let text = |path: &Path| RunFolder::open(path).unwrap_err().to_string();
        assert!(text(run.path()).contains("resume from"));
        assert!(text(&run.env()).contains("not a run folder"));
        assert!(text(&folder.path().join("none")).contains("cannot open"));
        assert!(checkpoint_of(run.path()).unwrap_err().to_string().contains("neither"));
        let saved_model = folder.path().join("saved_model");
        fs::create_dir(&saved_model).unwrap();
        fs::write(saved_model.join("saved_model.pb"), "").unwrap();
        assert!(checkpoint_of(&saved_model).unwrap_err().to_string().contains("is a TensorFlow SavedModel"));
        assert!(checkpoint_of(&folder.path().join("none")).is_err());
        fs::write(run.last(), "").unwrap();
        assert_eq!(RunFolder::open(run.path()).unwrap(), run);
        assert_eq!(checkpoint_of(run.path()).unwrap(), run.last());
        fs::write(run.best(), "").unwrap();
        assert_eq!(checkpoint_of(run.path()).unwrap(), run.best());
        assert_eq!(checkpoint_of(&run.env()).unwrap(), run.env());
    }

    #[test]
    fn writes_every_file() {
        #[derive(Serialize)]
        struct Config {
            model: &'static str,
            epochs: usize,
        }
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(Some(&folder.path().join("run"))).unwrap();
        run.write_config(&Config { model: "mini", epochs: 3 }).unwrap();
        run.write_env(&Environment::here("none")).unwrap();
        let history: Vec<_> = (1..=3).map(row).collect();
        run.write_results(&history, Some(3), &Scores::Classes(sample())).unwrap();
        assert_eq!(fs::read_to_string(run.config()).unwrap(), "model = \"mini\"\nepochs = 3\n");
        let env: serde_json::Value = serde_json::from_slice(&fs::read(run.env()).unwrap()).unwrap();
        assert!(env["cpus"].as_u64().unwrap() > 0 && env["started"].as_str().unwrap().ends_with('Z'));
        assert_eq!(read_results(&run.results()).unwrap(), history);
        let metrics: serde_json::Value = serde_json::from_slice(&fs::read(run.metrics()).unwrap()).unwrap();
        assert_eq!(metrics["per_class"]["happy"]["support"], 0);
        for file in [run.report(), run.confusion_csv(), run.confusion_svg(), run.curves()] {
            assert!(fs::metadata(file).unwrap().len() > 0);
        }
        assert_eq!(fs::read_dir(run.path()).unwrap().count(), 11, "no temporary file is left");
    }
}
