//! `fer-gpu evaluate`.

mod source;

use super::args::{BadFile, DeviceArgs};
use super::out::{print, print_json, say};
use crate::data::matching::{Matching, parse_pair};
use crate::data::{Dataset, Head, Relabelled, Split, Task, names};
use crate::error::{Error, Result};
use crate::eval::Scores;
use crate::eval::files::{write_scores, write_worst};
use crate::text::clean;
use crate::train::run::checkpoint_of;
use crate::train::{Loaded, Saved, store_temperature};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Flags of `evaluate`. A run folder remembers its data and how they were chosen; those are the defaults.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu evaluate runs/train/1
  fer-gpu evaluate runs/train/1 --data fer2013.csv.gz --split validation --json
  fer-gpu evaluate runs/train/1 --data other/ --split all --map cross=angry --out other-results
  fer-gpu evaluate runs/train/1 --classes happy,sad
  fer-gpu evaluate runs/train/1 --calibrate
  fer-gpu evaluate runs/train/1 --tta")]
pub(super) struct EvaluateArgs {
    /// A run folder (its best checkpoint) or a checkpoint
    #[arg(value_name = "RUN|FILE.safetensors")]
    network: PathBuf,
    /// synth, synth:N, FILE.csv, FILE.csv.gz, FILE.parquet, or a folder of class folders or parquet files; a csv of paths and values [default: the run's]
    #[arg(long)]
    data: Option<String>,
    /// Which images [default: test, or validation where there is no test split]
    #[arg(long)]
    split: Option<Which>,
    /// Images at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Which class of the data is which of the network's, where names alone (angry, Anger, 0_anger) do not say it
    #[arg(long, value_delimiter = ',', value_name = "THEIRS=OURS,...", value_parser = parse_pair)]
    map: Vec<(String, String)>,
    /// Score only the images of these classes, over all outputs of the network; names of the network's classes, or synonyms (anger)
    #[arg(long, value_delimiter = ',', value_name = "A,B,...")]
    classes: Option<Vec<String>>,
    /// Share of the training images that is the validation split, for data without one [default: the run's]
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true)]
    validation_split: Option<f64>,
    /// What to do with an image that cannot be read [default: the run's, or fail]
    #[arg(long)]
    on_bad_file: Option<BadFile>,
    /// Fit a temperature to the validation split and store it in the checkpoint: predictions become as sure as they are right
    #[arg(long)]
    calibrate: bool,
    /// Test-time augmentation: take the mean probabilities over each image and its mirror image, at twice the time
    #[arg(long)]
    tta: bool,
    #[command(flatten)]
    device: DeviceArgs,
    /// Write report, metrics.json, confusion matrices, reliability diagram and the worst errors to this folder; of values, the first two
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Every figure: accuracy, intervals, per_class, confusion, calibration, labels ...; of values {n, loss, rmse, ccc, outputs}
    #[arg(long)]
    json: bool,
}

/// A split by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Training images, without those that are held back for validation
    Train,
    /// The data's own validation split, or the training images that are held back
    Validation,
    /// The data's test split
    Test,
    /// Training, validation and test images together, those that are held back among them
    All,
}

/// What is evaluated besides the figures; the top of the JSON.
#[derive(Debug, Serialize)]
struct Assessment<'a> {
    data: &'a str,
    /// Whether probabilities are means over an image and its mirror image.
    tta: bool,
    /// What the logits were divided by.
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    /// How the probabilities are made, where not by a softmax.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<Head>,
    /// Whose classes were matched how, where they differ from the network's.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Labels>,
    #[serde(flatten)]
    scores: &'a Scores,
}

/// How the data's classes became the network's.
#[derive(Debug, Serialize)]
struct Labels {
    #[serde(flatten)]
    matching: Matching,
    /// Images left out, by the data's class.
    left_out: BTreeMap<String, usize>,
}

pub(super) fn run(args: &EvaluateArgs) -> Result<ExitCode> {
    let saved = Saved::read(&args.network)?;
    let dataset = source::open(args, &saved)?;
    for note in &dataset.notes {
        say!("note: {note}");
    }
    let ours = &saved.meta().classes;
    let chosen = chosen(args, ours)?.filter(|chosen| chosen.len() < ours.len());
    let every = match dataset.classes == *ours && args.map.is_empty() && chosen.is_none() {
        true => None,
        false => Some(Matching::new(&dataset.classes, ours, &args.map)?),
    };
    let matching = every.clone().map(|every| match &chosen {
        Some(chosen) => every.only(chosen),
        None => every,
    });
    let (split, name) = pick(&dataset, args.split)?;
    if args.split == Some(Which::All) {
        say!("note: {}", what_all_is(&dataset));
    }
    let (split, labels) = relabel(split, &dataset, matching.as_ref())?;
    for note in labels.iter().flat_map(Labels::notes) {
        say!("note: {note}");
    }
    if let Some(out) = &args.out {
        std::fs::create_dir_all(out).map_err(Error::io("create", out))?;
    }
    let device = args.device.open()?;
    let what = if dataset.task == Task::Values { "values" } else { "classes" };
    say!("data: {}: the {name} split, {} images; {what} {}", dataset.source, split.len(), ours.join(", "));
    let batch = usize::from(args.batch).min(split.len());
    let mut network = saved.on(&device, batch)?;
    if args.tta {
        network.mirror()?;
    }
    if args.calibrate && dataset.validation.is_empty() {
        let what = format!("--calibrate: {} has no validation split to fit the temperature to", dataset.source);
        return Err(Error::usage(what, "leave it out, or give data with a validation or a training split"));
    }
    if args.calibrate {
        // The temperature is the network's, whichever classes are scored.
        let (validation, _) = relabel(Arc::clone(&dataset.validation), &dataset, every.as_ref())?;
        calibrate(&mut network, &checkpoint_of(&args.network)?, &validation, batch)?;
    }
    let temperature = network.meta.temperature;
    if let Some(t) = temperature {
        say!("probabilities are calibrated with temperature {t:.4}");
    }
    let scores = network.score(&split, batch)?.on(name);
    let head = Some(network.meta.head).filter(|head| head.is_independent());
    if head.is_some() {
        say!("note: {}", independent_loss());
    }
    let text = notes_of(args.tta, temperature, head, labels.as_ref()) + &scores.report();
    let assessment = Assessment { data: &dataset.source, tta: args.tta, temperature, head, labels, scores: &scores };
    if let Some(out) = &args.out {
        if let Scores::Classes(evaluation) = &scores {
            let (preprocessing, channels) = (network.meta.preprocessing, network.input().channels);
            write_worst(out, evaluation, split.as_ref(), |pixels| preprocessing.undo(pixels, channels))?;
        }
        write_scores(out, &assessment, &text, &scores)?;
        say!("written to {}", out.display());
    }
    if args.json {
        print_json(&assessment)?;
    } else {
        print(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The places of the classes that `--classes` names, by their names or synonyms.
///
/// # Errors
/// A name of none; all of them are listed.
fn chosen(args: &EvaluateArgs, ours: &[String]) -> Result<Option<Vec<usize>>> {
    let Some(named) = &args.classes else { return Ok(None) };
    let find = |name: &String| {
        let what = format!("--classes: the network has no class `{name}`");
        names::find(name, ours).ok_or_else(|| Error::usage(what, names::hint(name, "classes", ours)))
    };
    let mut places = named.iter().map(find).collect::<Result<Vec<usize>>>()?;
    places.sort_unstable();
    places.dedup();
    Ok(Some(places))
}

/// A split under the network's labels, and what that changed.
fn relabel(
    split: Arc<dyn Split>,
    dataset: &Dataset,
    matching: Option<&Matching>,
) -> Result<(Arc<dyn Split>, Option<Labels>)> {
    let Some(matching) = matching else { return Ok((split, None)) };
    let relabelled = Relabelled::new(split, &dataset.classes, matching)?;
    let labels = Labels { matching: matching.clone(), left_out: relabelled.left_out.clone() };
    Ok((Arc::new(relabelled), Some(labels)))
}

impl Labels {
    fn notes(&self) -> Vec<String> {
        let mut notes = self.matching.notes();
        let left_out: usize = self.left_out.values().sum();
        if left_out > 0 {
            notes.push(format!("{left_out} images of the split are left out"));
        }
        notes
    }
}

/// What the figures of independent probabilities mean.
fn independent_loss() -> String {
    format!("{}; the loss is their binary cross-entropy, the label the most probable class", Head::INDEPENDENT)
}

/// What stands above the report's figures where they need an explanation.
fn notes_of(tta: bool, temperature: Option<f64>, head: Option<Head>, labels: Option<&Labels>) -> String {
    let mut notes: Vec<String> = labels.iter().flat_map(|labels| labels.notes()).collect();
    notes.extend(tta.then(|| "probabilities are means over each image and its mirror image".to_owned()));
    notes.extend(head.map(|_| independent_loss()));
    notes.extend(temperature.map(|t| format!("probabilities are calibrated with temperature {t:.4}")));
    notes.iter().map(|note| format!("note: {}\n", clean(note))).collect()
}

/// Fits the temperature, says what it changed on the images that it was fitted to, and stores it.
fn calibrate(network: &mut Loaded, file: &Path, validation: &Arc<dyn Split>, batch: usize) -> Result<()> {
    network.meta.temperature = None;
    let before = network.evaluate(validation, batch)?;
    let temperature = network.calibrate(validation, batch)?;
    let after = network.evaluate(validation, batch)?;
    let change = |a: f64, b: f64| format!("{a:.4} to {b:.4}");
    say!(
        "temperature {temperature:.4}: on the {} validation images loss {}, calibration error (ECE) {}",
        validation.len(),
        change(before.loss, after.loss),
        change(before.calibration.ece, after.calibration.ece)
    );
    store_temperature(file, temperature)?;
    say!("stored in {}", file.display());
    Ok(())
}

/// What `--split all` scores, by numbers of images.
fn what_all_is(dataset: &Dataset) -> String {
    let (train, validation) = (dataset.train.len(), dataset.validation.len());
    let test = dataset.test.as_ref().map_or(0, |test| test.len());
    let all = train + validation + test;
    format!(
        "--split all is all {all} images: {train} training, {validation} validation (images that are held back among them) and \
         {test} test images; a network that was trained on these data has seen some of them"
    )
}

/// The split to score, and what it is called.
///
/// # Errors
/// A split that the data does not have.
fn pick(dataset: &Dataset, asked: Option<Which>) -> Result<(Arc<dyn Split>, &'static str)> {
    let test = dataset.test.as_ref().filter(|test| !test.is_empty());
    let (split, name) = match asked {
        Some(Which::All) => (Some(dataset.all()), "whole"),
        Some(Which::Train) => (Some(Arc::clone(&dataset.train)), "train"),
        Some(Which::Validation) => (Some(Arc::clone(&dataset.validation)), "validation"),
        Some(Which::Test) => (test.map(Arc::clone), "test"),
        None => match (test, dataset.validation.is_empty()) {
            (Some(test), _) => (Some(Arc::clone(test)), "test"),
            (None, false) => (Some(Arc::clone(&dataset.validation)), "validation"),
            (None, true) => (Some(Arc::clone(&dataset.train)), "train"),
        },
    };
    if let Some(split) = split.filter(|split| !split.is_empty()) {
        return Ok((split, name));
    }
    let there =
        [(&dataset.train, "train"), (&dataset.validation, "validation")].into_iter().chain(test.map(|t| (t, "test")));
    let there: Vec<&str> = there.filter(|(split, _)| !split.is_empty()).map(|(_, name)| name).collect();
    let what = format!("--split {name}: {} has no {name} split", dataset.source);
    Err(Error::usage(what, format!("--split {} or all", there.join(", "))))
}
