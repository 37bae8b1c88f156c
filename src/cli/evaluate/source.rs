//! The data that a network is scored on.

use super::EvaluateArgs;
use crate::data::{self, Dataset, OnBadFile, Purpose, Task};
use crate::error::{Error, Result};
use crate::formats::checkpoint::Meta;
use crate::train::{Config, Saved};
use std::path::Path;

/// Opens what `--data` says, or the data of the run. Labels are the data's own, unless the run chose classes of them.
///
/// # Errors
/// No data, or data that cannot be read; classes where the network predicts values, or the reverse.
pub(super) fn open(args: &EvaluateArgs, saved: &Saved) -> Result<Dataset> {
    let settings = settings_of(&args.network)?;
    let (run, meta) = (settings.as_ref(), saved.meta());
    let Some(source) = args.data.as_ref().or(run.map(|r| &r.data)) else {
        let hint = "--data synth, FILE.csv, FILE.csv.gz or a folder of class folders; a run folder remembers its own";
        return Err(Error::usage("no --data is given, and a checkpoint file does not name any", hint));
    };
    refuse_class_flags(args, meta.task)?;
    // Those of the run, on its own data: drawn faces and held back images depend on them.
    let own = run.filter(|r| args.data.as_ref().is_none_or(|data| *data == r.data));
    // Faces of other classes than the network's need not be drawn.
    let all = super::chosen(args, &meta.classes)?.is_some_and(|chosen| chosen.len() == meta.classes.len());
    let drawn = source == "synth" || source.starts_with("synth:");
    let chosen = all && drawn || own.is_some_and(|r| !r.classes.is_empty());
    let options = data::Options {
        purpose: Purpose::Score,
        classes: chosen.then(|| meta.classes.clone()),
        validation_split: args.validation_split.or(run.and_then(|r| r.validation_split)),
        on_bad_file: args.on_bad_file.map(OnBadFile::from).or(run.map(|r| r.on_bad_file)).unwrap_or_default(),
        // Drawn faces and held back images depend on it: the ones that training did not see must stay unseen.
        seed: meta.progress.as_ref().map_or(0, |p| p.seed),
        preprocess: meta.preprocessing,
        // Other data have votes of their own.
        soft_labels: own.and_then(|r| r.soft_labels.clone()),
        outputs: (meta.task == Task::Values).then(|| meta.classes.clone()),
        ..data::Options::default()
    };
    let dataset = data::open(source, saved.input(), &options)?;
    check_task(&dataset, meta)?;
    Ok(dataset)
}

/// Refuses what only classes have.
fn refuse_class_flags(args: &EvaluateArgs, task: Task) -> Result<()> {
    let flags =
        [("--map", !args.map.is_empty()), ("--classes", args.classes.is_some()), ("--calibrate", args.calibrate)];
    match flags.iter().find(|(_, given)| *given && task == Task::Values) {
        None => Ok(()),
        Some((flag, _)) => {
            Err(Error::usage(format!("{flag}: the network predicts values, not classes"), "leave it out"))
        }
    }
}

/// Whether the data has what the network predicts: some classes, or its very values.
fn check_task(dataset: &Dataset, meta: &Meta) -> Result<()> {
    let ours = meta.classes.join(", ");
    if dataset.task != meta.task {
        let kind = |task| if task == Task::Values { "values" } else { "classes" };
        let what = format!("it has {}: {}", kind(dataset.task), dataset.classes.join(", "));
        return Err(Error::data(&dataset.source, what, format!("{}: {ours}", kind(meta.task))));
    }
    if meta.task == Task::Values && dataset.classes != meta.classes {
        let what = format!("its columns are {}", dataset.classes.join(", "));
        return Err(Error::data(&dataset.source, what, format!("the network's, {ours}")));
    }
    Ok(())
}

/// The settings of a run folder that has them.
fn settings_of(network: &Path) -> Result<Option<Config>> {
    let file = network.join("config.toml");
    if file.is_file() { Config::read(&file).map(Some) } else { Ok(None) }
}
