//! `fer-gpu data preview`.

use super::super::out::say;
use crate::data::augment::{Augmenter, Preset, preview};
use crate::data::{self, Preprocess};
use crate::error::{Error, Result};
use crate::train::{Config, Start};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `data preview`. Those not given come from `--config`, or from the defaults of `train`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu data preview --out sheet.png
  fer-gpu data preview --data fer2013.csv.gz --augment strong --out sheet.png
  fer-gpu data preview --config settings.toml --out sheet.png     (its table [augment])")]
pub(in super::super) struct PreviewArgs {
    /// synth, synth:N, FILE.csv, FILE.csv.gz, FILE.parquet, or a folder of class folders or parquet files [default: synth]
    #[arg(long)]
    data: Option<String>,
    /// none, light or strong [default: what --config says, or light]
    #[arg(long, value_name = "NAME")]
    augment: Option<Preset>,
    /// The network whose size of images is taken [default: fer7-small]
    #[arg(long)]
    model: Option<String>,
    /// Seed of the run [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Images, a row each: the image, then what training sees of it in its epochs 1 to 7
    #[arg(long, value_name = "N", default_value_t = 8)]
    rows: usize,
    /// The settings of a run, as `train` takes them
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// The PNG file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl PreviewArgs {
    fn config(&self) -> Result<Config> {
        let mut config = self.config.as_deref().map_or(Ok(Config::default()), Config::read)?;
        let preset = self.augment.or((self.config.is_none()).then_some(Preset::Light));
        config.augment = preset.map_or(config.augment, Into::into);
        config.data = self.data.clone().unwrap_or(config.data);
        config.model = self.model.clone().unwrap_or(config.model);
        config.seed = self.seed.unwrap_or(config.seed);
        config.check().map_err(|e| match &self.config {
            Some(file) => config.traced(file, e),
            None => e,
        })?;
        Ok(config)
    }
}

pub(super) fn run(args: &PreviewArgs) -> Result<ExitCode> {
    let config = args.config()?;
    let start = Start::read(&config)?;
    // The sheet shows pixels, whatever the network makes of them.
    let options = config.data_options(Preprocess::Unit);
    let Some(augmenter) = Augmenter::new(&config.augment, config.seed, start.input, Preprocess::Unit) else {
        return Err(Error::usage(
            "there is no augmentation to show",
            "--augment light or strong, or a table [augment]",
        ));
    };
    let dataset = data::open(&config.data, start.input, &options)?;
    let train = dataset.train.as_ref();
    for index in preview(train, &augmenter, args.rows, &args.out)? {
        say!("{}: {}", train.name(index), dataset.classes[train.label(index) as usize]);
    }
    say!("written to {}: a row an image, first as it is, then in epochs 1 to 7", args.out.display());
    Ok(ExitCode::SUCCESS)
}
