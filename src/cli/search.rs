//! `fer-gpu search`.

use super::args::{TuneArgs, open_device};
use super::out::{print, say, table};
use super::progress::Progress;
use super::signals::stop_on_signal;
use crate::data::Task;
use crate::error::{Error, Result};
use crate::input::read_text;
use crate::search::{Ended, Folder, Row, Status, Watch, order, work};
use crate::train::{Config, Monitor, Observer};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Rows of the table at the end.
const SHOWN: usize = 10;

/// Flags of `search`.
#[derive(Debug, Args)]
#[command(after_help = "A search file:
  trials = 30
  [settings]                  # as --config of `train`
  data = \"fer2013.csv.gz\"
  model = \"network.toml\"      # \"${filters}\" in it is the value of `filters` in its table [variables]
  epochs = 27
  [space]
  lr = { range = [0.0001, 0.01], log = true }
  batch = { choice = [32, 64, 128] }
  network.filters = { range = [16, 64], step = 16 }
  [halving]                   # a third goes on after 3 epochs, a third of these after 9
  eta = 3
  min-epochs = 3

Examples:
  fer-gpu search --config search.toml
  fer-gpu search --config search.toml --out runs/search/first --device 1
  fer-gpu search --out runs/search/first     (go on after a kill, or help: any number of processes at once)")]
pub(super) struct SearchArgs {
    /// The search: trials, seed, [settings], [space], [halving]
    #[arg(long, value_name = "FILE.toml", required_unless_present = "out")]
    config: Option<PathBuf>,
    /// Search folder; one that holds the same search is joined [default: runs/search/ and the file's name]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Leave the best trial as it is, instead of training it anew with another seed
    #[arg(long)]
    no_retrain: bool,
    /// Where this process computes [default: as in the file]
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    #[command(flatten)]
    tune: TuneArgs,
}

pub(super) fn run(args: &SearchArgs) -> Result<ExitCode> {
    let folder = match (&args.config, &args.out) {
        (Some(file), Some(out)) => Folder::create(out, file)?,
        (Some(file), None) => {
            let name = file.file_stem().unwrap_or(file.as_os_str());
            Folder::create(&PathBuf::from("runs/search").join(name), file)?
        }
        (None, Some(out)) => Folder::open(out)?,
        (None, None) => return Err(Error::usage("no search", "name one with --config FILE.toml or --out DIR")),
    };
    let settings = folder.search().settings()?;
    let device = args.device.as_deref().unwrap_or(&settings.device);
    let opened = open_device(device, settings.backend.as_deref(), &args.tune.tuning())?;
    let stop = stop_on_signal()?;
    let mut watch = Shown { trials: folder.search().trials };
    let ended = work(&folder, &opened.device, !args.no_retrain, &mut watch, &stop)?;
    if let Some(note) = opened.keep_timings() {
        say!("{note}");
    }
    finish(args, &folder, &settings, &ended)
}

fn finish(args: &SearchArgs, folder: &Folder, settings: &Config, ended: &Ended) -> Result<ExitCode> {
    let path = folder.path().display();
    print(&ranking(folder, settings.monitor(), ended))?;
    if ended.interrupted {
        say!("interrupted and saved; go on with: fer-gpu search --out {path}");
        return Ok(ExitCode::from(130));
    }
    let Some(best) = &ended.best else {
        let why = ended.rows.iter().find(|row| !row.error.is_empty());
        let why = why.map_or(String::new(), |row| format!("; trial {}: {}", row.trial, row.error));
        return Err(Error::usage(format!("no trial of {path} could be trained{why}"), "see its results.csv"));
    };
    let figure = settings.monitor().name(Task::Classes);
    say!("best: trial {}, {figure} {:.4} after {} epochs", best.trial, best.value, best.epochs);
    match &ended.retrained {
        Some(run) => {
            say!("trained anew from the beginning, with another seed: {}", run.display());
            print(&read_text(&run.join("report.txt"), "a report").unwrap_or_default())?;
        }
        None if ended.busy > 0 => {
            say!("nothing left to take; others work on {} trials, and the last trains the best anew", ended.busy);
        }
        None if args.no_retrain => say!("its network: {}", folder.trial(best.trial).display()),
        None => {}
    }
    if settings.data.starts_with("synth") {
        say!("These are drawn faces: their accuracy means nothing about people.");
    }
    say!(
        "written to {path}: results.csv and search.svg (the trials), trials/N (their runs), best (the best one, trained anew), \
         search.toml and models/ (the search), and locks"
    );
    Ok(ExitCode::SUCCESS)
}

/// The best trials so far, and how many could not be trained.
fn ranking(folder: &Folder, monitor: Monitor, ended: &Ended) -> String {
    let latest = |row: &&Row| !ended.rows.iter().any(|r| r.trial == row.trial && r.rung > row.rung);
    let mut rows: Vec<&Row> = ended.rows.iter().filter(latest).filter(|row| !row.value.is_nan()).collect();
    // Those that went furthest first, as the halving compares them, and the better first among these.
    rows.sort_by(|a, b| b.epochs.cmp(&a.epochs).then_with(|| order(a, b, monitor)));
    let keys: Vec<&str> = folder.search().space.domains.keys().map(String::as_str).collect();
    let head: Vec<&str> = ["trial", "epochs", "value"].into_iter().chain(keys).collect();
    let cells = |row: &&Row| {
        let first = [row.trial.to_string(), row.epochs.to_string(), format!("{:.4}", row.value)];
        first.into_iter().chain(row.settings.iter().cloned()).collect()
    };
    let shown: Vec<Vec<String>> = rows.iter().take(SHOWN).map(cells).collect();
    let right: Vec<usize> = (0..head.len()).collect();
    let count = |status| ended.rows.iter().filter(|row| row.status == status).count();
    let (failed, diverged) = (count(Status::Failed), count(Status::Diverged));
    let last = format!("{} trials trained, {failed} cannot be built, {diverged} diverged\n", rows.len());
    table(&head, &shown, &right) + &last
}

/// Shows a search on stderr.
struct Shown {
    trials: usize,
}

impl Watch for Shown {
    fn begins(&mut self, trial: Option<usize>, epochs: usize, settings: &str) {
        match trial {
            Some(trial) => say!("trial {trial} of {}, to epoch {epochs}: {settings}", self.trials),
            None => say!("the best trained anew, to epoch {epochs}: {settings}"),
        }
    }

    fn observer(&mut self, config: &Config, task: Task) -> Box<dyn Observer> {
        Box::new(Progress::new(config.epochs, task == Task::Values))
    }

    fn ended(&mut self, row: &Row) {
        match row.status {
            Status::Failed => say!("trial {} cannot be built: {}", row.trial, row.error),
            Status::Diverged => say!("trial {} diverged: {}", row.trial, row.error),
            Status::Rung | Status::Complete => {}
        }
    }

    fn note(&mut self, note: &str) {
        say!("{note}");
    }
}
