//! The data that a network is scored on.

use super::EvaluateArgs;
use crate::data::{self, Dataset, OnBadFile};
use crate::error::{Error, Result};
use crate::train::{Config, Saved};
use std::collections::BTreeSet;
use std::path::Path;

/// Opens what `--data` says, or the data of the run. Labels are the data's own, unless classes were chosen.
///
/// # Errors
/// No data, or data that cannot be read; `--classes` that are not the network's.
pub(super) fn open(args: &EvaluateArgs, saved: &Saved) -> Result<Dataset> {
    let settings = settings_of(&args.network)?;
    let (run, meta) = (settings.as_ref(), saved.meta());
    let Some(source) = args.data.as_ref().or(run.map(|r| &r.data)) else {
        let hint = "--data synth, FILE.csv, FILE.csv.gz or a folder of class folders; a run folder remembers its own";
        return Err(Error::usage("no --data is given, and a checkpoint file does not name any", hint));
    };
    if let Some(chosen) = &args.classes
        && set(chosen) != set(&meta.classes)
    {
        let what = format!("--classes {}: the network's classes are {}", chosen.join(","), meta.classes.join(", "));
        return Err(Error::usage(what, "a network can only be scored on the classes that it was trained on"));
    }
    // Those of the run, on its own data: drawn faces and held back images depend on them.
    let own = |r: &Config| args.data.as_ref().is_none_or(|data| *data == r.data) && !r.classes.is_empty();
    let chosen = args.classes.is_some() || run.is_some_and(own);
    let options = data::Options {
        classes: chosen.then(|| meta.classes.clone()),
        validation_split: args.validation_split.or(run.and_then(|r| r.validation_split)),
        on_bad_file: args.on_bad_file.map(OnBadFile::from).or(run.map(|r| r.on_bad_file)).unwrap_or_default(),
        // Drawn faces and held back images depend on it: the ones that training did not see must stay unseen.
        seed: meta.progress.as_ref().map_or(0, |p| p.seed),
        preprocess: meta.preprocessing,
    };
    data::open(source, saved.input(), &options)
}

/// The settings of a run folder that has them.
fn settings_of(network: &Path) -> Result<Option<Config>> {
    let file = network.join("config.toml");
    if file.is_file() { Config::read(&file).map(Some) } else { Ok(None) }
}

fn set(classes: &[String]) -> BTreeSet<&String> {
    classes.iter().collect()
}
