//! `fer-gpu predict`.

use super::args::{BadFile, DeviceArgs};
use super::labels::{Form, Prediction, Printer};
use super::out::say;
use crate::data::{InputSpec, find_images, read_image};
use crate::error::{Error, Result};
use crate::train::{Loaded, Saved};
use clap::Args;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Flags of `predict`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu predict runs/train/1 face.jpg
  fer-gpu predict runs/train/1 photos/ --csv > labels.csv
  fer-gpu predict best.safetensors a.png b.png --json")]
pub(super) struct PredictArgs {
    /// A run folder (its best checkpoint) or a checkpoint
    #[arg(value_name = "RUN|FILE.safetensors")]
    network: PathBuf,
    /// Images of one face each, or folders, in which .png, .jpg, .jpeg and .bmp files are looked for at any depth
    #[arg(value_name = "IMAGE|DIR", required = true)]
    images: Vec<PathBuf>,
    /// Images at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// What to do with an image that cannot be read
    #[arg(long, default_value = "fail")]
    on_bad_file: BadFile,
    #[command(flatten)]
    device: DeviceArgs,
    /// An array of {file, label, probability, probabilities}, or of {file, values}
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Columns file, label, probability, and one a class; file and one a value
    #[arg(long)]
    csv: bool,
}

pub(super) fn run(args: &PredictArgs) -> Result<ExitCode> {
    let saved = Saved::read(&args.network)?;
    let files = find_images(&args.images)?;
    let device = args.device.open()?;
    let batch = usize::from(args.batch).min(files.len());
    let mut network = saved.on(&device, batch)?;
    let form = match (args.json, args.csv) {
        (true, _) => Form::Json,
        (false, true) => Form::Csv,
        (false, false) => Form::Table,
    };
    if let Some(t) = network.meta.temperature {
        say!("probabilities are calibrated with temperature {t:.4}");
    }
    let classes = network.meta.classes.clone();
    let mut printer = Printer::new(form, (network.meta.task, &classes), &files);
    let mut labelled = 0;
    for paths in files.chunks(batch) {
        let (read, mut x) = read_batch(paths, network.input(), args.on_bad_file)?;
        network.meta.preprocessing.apply(&mut x, network.input().channels);
        if read.is_empty() {
            continue;
        }
        labelled += read.len();
        let predictions = label(&mut network, &args.network, &read, &x)?;
        if !printer.push(predictions)? {
            return Ok(ExitCode::SUCCESS);
        }
    }
    if labelled == 0 {
        let first = &args.images[0];
        let what = format!("none of the {} images can be read", files.len());
        return Err(Error::data(first, what, "at least one PNG, JPEG or BMP image"));
    }
    printer.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Reads images in parallel: those that could be read, and their pixels one after the other.
fn read_batch(paths: &[PathBuf], input: InputSpec, on_bad: BadFile) -> Result<(Vec<&Path>, Vec<f32>)> {
    let read = |path: &PathBuf| -> Result<Vec<f32>> {
        let mut x = vec![0.0; input.len()];
        read_image(path, input, &mut x).map(|()| x)
    };
    let images: Vec<Result<Vec<f32>>> = paths.par_iter().map(read).collect();
    let (mut good, mut x) = (Vec::new(), Vec::with_capacity(paths.len() * input.len()));
    for (path, image) in paths.iter().zip(images) {
        match (image, on_bad) {
            (Ok(image), _) => {
                good.push(path.as_path());
                x.extend(image);
            }
            (Err(e), BadFile::Skip) => say!("skipped {e}"),
            (Err(e), BadFile::Fail) => return Err(e),
        }
    }
    Ok((good, x))
}

/// Runs the network on a batch.
fn label(network: &mut Loaded, from: &Path, files: &[&Path], x: &[f32]) -> Result<Vec<Prediction>> {
    let probabilities = network.predict(x, files.len())?;
    let classes = &network.meta.classes;
    files
        .iter()
        .zip(probabilities.chunks_exact(classes.len()))
        .map(|(file, values)| {
            if let Some(bad) = values.iter().find(|p| !p.is_finite()) {
                let what = format!("the network's output for {} holds {bad}", file.display());
                return Err(Error::checkpoint(from, what, "its parameters have diverged: use an earlier checkpoint"));
            }
            Ok(Prediction::new(file.display().to_string(), network.meta.task, classes, values))
        })
        .collect()
}
