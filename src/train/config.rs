//! Everything that decides a run, as flags and `--config FILE.toml` give it and `config.toml` keeps it.

use crate::data::{OnBadFile, Preprocess};
use crate::error::{Error, Result};
use crate::models::Variant;
use crate::train::run::RunFolder;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The settings of a run. In a file, every key may be left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// `synth`, `synth:N`, a csv (or csv.gz) like fer2013's, or a folder of class folders.
    pub data: String,
    /// A name that `fer-gpu models` lists; empty for the network in `weights`.
    pub model: String,
    /// A checkpoint or a file of Keras's whose parameters to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// What is made of the pixels; what the weights say, or `unit`, if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preprocess: Option<Preprocess>,
    /// Side of the input, or height and width as `96x128`; the network's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// `none`, `body`, a number of layers or a layer's name; what the network's report freezes if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeze: Option<String>,
    /// The body's last layers that are trained, the rest of it being frozen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfreeze_last: Option<usize>,
    /// Epochs in all.
    pub epochs: usize,
    /// Images a step.
    pub batch: usize,
    /// Adam's learning rate.
    pub lr: f32,
    /// Seed of the starting parameters, the order of images, dropout, and drawn data.
    pub seed: u64,
    /// Epochs without a better validation accuracy after which training stops; 0 never stops.
    pub patience: usize,
    /// The classes to keep, in this order; all of the data's if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Share of the training images to validate on, for data without a validation split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_split: Option<f64>,
    /// What to do with an image that cannot be read.
    pub on_bad_file: OnBadFile,
    /// `auto`, `cpu`, an index of `fer-gpu devices`, or part of an adapter's name.
    pub device: String,
    /// `vulkan`, `metal`, `dx12` or `gl`; any if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: "synth".into(),
            model: crate::models::DEFAULT.into(),
            weights: None,
            preprocess: None,
            size: None,
            freeze: None,
            unfreeze_last: None,
            epochs: 10,
            batch: 32,
            lr: 0.001,
            seed: 0,
            patience: 0,
            classes: Vec::new(),
            validation_split: None,
            on_bad_file: OnBadFile::Fail,
            device: "auto".into(),
            backend: None,
        }
    }
}

impl Config {
    /// Reads a file; its errors name the line.
    ///
    /// # Errors
    /// An unreadable file, TOML that is none, an unknown key.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        toml::from_str(&text).map_err(|e| {
            Error::data(path, e.to_string().trim_end().to_owned(), "settings as `config.toml` of a run has them")
        })
    }

    /// The settings as [`Config::read`] takes them.
    ///
    /// # Errors
    /// A number that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self)
            .map_err(|e| Error::usage(format!("the settings cannot be written as TOML: {e}"), ""))
    }

    /// Where the network differs from its report's.
    ///
    /// # Errors
    /// As [`Variant::parse`].
    pub fn variant(&self) -> Result<Variant> {
        Variant::parse(self.size.as_deref(), self.freeze.as_deref(), self.unfreeze_last)
    }

    /// Refuses a batch that is more than the `n` training images.
    ///
    /// # Errors
    /// Names both numbers.
    pub fn check_batch(&self, n: usize) -> Result<()> {
        if self.batch <= n {
            return Ok(());
        }
        let what = format!("--batch {} is more than the {n} training images", self.batch);
        Err(Error::usage(what, format!("use --batch {} or less", n.min(32))))
    }

    /// Refuses what no run can use.
    ///
    /// # Errors
    /// Names the flag, the value and the range.
    pub fn check(&self) -> Result<()> {
        let refuse = |flag: &str, value: String, range: &str| {
            Err(Error::usage(format!("--{flag} {value}"), format!("{flag} must be {range}")))
        };
        if self.epochs == 0 {
            return refuse("epochs", self.epochs.to_string(), "at least 1");
        }
        if self.batch == 0 {
            return refuse("batch", self.batch.to_string(), "at least 1");
        }
        if !(self.lr.is_finite() && self.lr > 0.0) {
            return refuse("lr", self.lr.to_string(), "a positive number, such as 0.001");
        }
        if let Some(share) = self.validation_split
            && !(share > 0.0 && share < 1.0)
        {
            return refuse("validation-split", share.to_string(), "between 0 and 1, such as 0.2");
        }
        self.variant().map(|_| ())
    }
}

/// Reads the settings of a run that is to be resumed.
///
/// # Errors
/// A folder that holds no run.
pub fn config_of(run: &Path) -> Result<Config> {
    Config::read(&RunFolder::open(run)?.config())
}
