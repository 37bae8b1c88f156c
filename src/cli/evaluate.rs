//! `fer-gpu evaluate`.

use super::args::{BadFile, DeviceArgs};
use super::out::{print, print_json, say};
use crate::data::{self, Dataset, InputSpec, OnBadFile, Split, Task};
use crate::error::{Error, Result};
use crate::formats::checkpoint::Meta;
use crate::train::{Config, Saved, score};
use clap::{Args, ValueEnum};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Flags of `evaluate`. A run folder remembers its data and how they were chosen; those are the defaults.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu evaluate runs/train/1
  fer-gpu evaluate runs/train/1 --data fer2013.csv.gz --split validation --json
  fer-gpu evaluate best.safetensors --data faces/")]
pub(super) struct EvaluateArgs {
    /// A run folder (its best checkpoint) or a checkpoint
    #[arg(value_name = "RUN|FILE.safetensors")]
    network: PathBuf,
    /// synth, synth:N, FILE.csv, FILE.csv.gz, or a folder of class folders [default: the run's]
    #[arg(long)]
    data: Option<String>,
    /// Which images [default: test, or validation where there is no test split]
    #[arg(long)]
    split: Option<Which>,
    /// Images at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Leave out images of other classes than these, which must be the network's
    #[arg(long, value_delimiter = ',', value_name = "A,B,...")]
    classes: Option<Vec<String>>,
    /// Share of the training images that is the validation split, for data without one [default: the run's]
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true)]
    validation_split: Option<f64>,
    /// What to do with an image that cannot be read [default: the run's, or fail]
    #[arg(long)]
    on_bad_file: Option<BadFile>,
    #[command(flatten)]
    device: DeviceArgs,
    /// {accuracy, loss, mse, macro_f1, weighted_f1, per_class, confusion, n}; of values {n, loss, rmse, ccc, outputs}
    #[arg(long)]
    json: bool,
}

/// A split by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    Train,
    Validation,
    Test,
}

pub(super) fn run(args: &EvaluateArgs) -> Result<ExitCode> {
    let saved = Saved::read(&args.network)?;
    let settings = settings_of(&args.network)?;
    let dataset = open_data(args, settings.as_ref(), saved.meta(), saved.input())?;
    for note in &dataset.notes {
        say!("note: {note}");
    }
    let (split, name) = pick(&dataset, args.split)?;
    let device = args.device.open()?;
    let what = if dataset.task == Task::Values { "values" } else { "classes" };
    let classes = dataset.classes.join(", ");
    say!("data: {}: the {name} split, {} images; {what} {classes}", dataset.source, split.len());
    let batch = usize::from(args.batch).min(split.len());
    let mut network = saved.on(&device, batch)?;
    let executor = network.executor.as_mut();
    let scores = score(executor, &split, (dataset.task, &dataset.classes), batch)?;
    if args.json {
        print_json(&scores)?;
    } else {
        print(&scores.report())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The settings of a run folder that has them.
fn settings_of(network: &Path) -> Result<Option<Config>> {
    let file = network.join("config.toml");
    if file.is_file() { Config::read(&file).map(Some) } else { Ok(None) }
}

/// Opens the data with its labels in the order of the network's classes.
fn open_data(args: &EvaluateArgs, run: Option<&Config>, meta: &Meta, input: InputSpec) -> Result<Dataset> {
    let Some(source) = args.data.as_ref().or(run.map(|r| &r.data)) else {
        let hint = "--data synth, FILE.csv, FILE.csv.gz or a folder of class folders; a run folder remembers its own";
        return Err(Error::usage("no --data is given, and a checkpoint file does not name any", hint));
    };
    let on_bad_file = args.on_bad_file.map(OnBadFile::from).or(run.map(|r| r.on_bad_file)).unwrap_or_default();
    let options = |classes: Option<&[String]>| data::Options {
        classes: classes.map(<[String]>::to_vec),
        validation_split: args.validation_split.or(run.and_then(|r| r.validation_split)),
        on_bad_file,
        // Drawn faces and held back images depend on it: the ones that training did not see must stay unseen.
        seed: meta.progress.as_ref().map_or(0, |p| p.seed),
        preprocess: meta.preprocessing,
        // Other data have votes of their own.
        soft_labels: run.filter(|_| args.data.is_none()).and_then(|r| r.soft_labels.clone()),
        ..data::Options::default()
    };
    let set = |classes: &[String]| classes.iter().cloned().collect::<BTreeSet<String>>();
    if let Some(chosen) = &args.classes
        && set(chosen) != set(&meta.classes)
    {
        let what = format!("--classes {}: the network's classes are {}", chosen.join(","), meta.classes.join(", "));
        return Err(Error::usage(what, "a network can only be scored on the classes that it was trained on"));
    }
    let chosen = args.classes.is_some() || run.is_some_and(|r| !r.classes.is_empty());
    if chosen {
        return data::open(source, input, &options(Some(&meta.classes)));
    }
    let dataset = data::open(source, input, &options(None))?;
    if dataset.task != meta.task {
        let kind = |task| if task == Task::Values { "values" } else { "classes" };
        let what = format!("it has {}: {}", kind(dataset.task), dataset.classes.join(", "));
        return Err(Error::data(source, what, format!("{}: {}", kind(meta.task), meta.classes.join(", "))));
    }
    if meta.task == Task::Values && dataset.classes != meta.classes {
        let what = format!("its columns are {}", dataset.classes.join(", "));
        return Err(Error::data(source, what, format!("the network's, {}", meta.classes.join(", "))));
    }
    if dataset.classes == meta.classes {
        return Ok(dataset);
    }
    if set(&dataset.classes) == set(&meta.classes) {
        return data::open(source, input, &options(Some(&meta.classes)));
    }
    let what = format!("its classes are {}", dataset.classes.join(", "));
    let expected = if set(&dataset.classes).is_superset(&set(&meta.classes)) {
        "; --classes with these leaves the others' images out"
    } else {
        ""
    };
    Err(Error::data(source, what, format!("the network's classes, {}{expected}", meta.classes.join(", "))))
}

fn pick(dataset: &Dataset, asked: Option<Which>) -> Result<(Arc<dyn Split>, &'static str)> {
    match (asked, &dataset.test) {
        (Some(Which::Train), _) => Ok((Arc::clone(&dataset.train), "train")),
        (Some(Which::Validation), _) | (None, None) => Ok((Arc::clone(&dataset.validation), "validation")),
        (Some(Which::Test) | None, Some(test)) => Ok((Arc::clone(test), "test")),
        (Some(Which::Test), None) => {
            let what = format!("--split test: {} has no test split", dataset.source);
            Err(Error::usage(what, "--split validation, or --split train"))
        }
    }
}
