//! Everything that decides a run, as flags and `--config FILE.toml` give it and `config.toml` keeps it.

use super::phase::PhaseConfig;
use super::task::Output;
use crate::data::augment::Augmenter;
use crate::data::{ClassWeight, InputSpec, OnBadFile, Options, Preprocess, augment};
use crate::error::{Error, Result};
use crate::graph::Augmentation;
use crate::models::Variant;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    /// What is made of the pixels; if absent what the weights say, or [`Model::preprocessing`](crate::models::Model::preprocessing).
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
    /// Epochs in all; those of the phases together, if a file has phases and leaves this out.
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
    /// Label smoothing: the loss takes `1 - a + a / k` for a class's target of 1, and `a / k` for 0.
    pub label_smoothing: f32,
    /// A csv of votes for the classes of each image, whose shares become the targets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soft_labels: Option<PathBuf>,
    /// What the outputs go through where they are values; nothing if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// What each class counts in training: `none`, `balanced`, a file, or a table of a number a class.
    pub class_weight: ClassWeight,
    /// What is done to training images: a preset's name or a table; see [`crate::data::augment`].
    #[serde(deserialize_with = "augment::text_or_table", skip_serializing_if = "augment::Settings::is_none")]
    pub augment: augment::Settings,
    /// What is trained how for how long, one after the other; one phase of all epochs if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phase: Vec<PhaseConfig>,
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
            label_smoothing: 0.0,
            soft_labels: None,
            output: None,
            class_weight: ClassWeight::None,
            augment: augment::Settings::default(),
            phase: Vec::new(),
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
        let refuse = |e: toml::de::Error| {
            Error::data(path, e.to_string().trim_end().to_owned(), "settings as `config.toml` of a run has them")
        };
        let mut config: Self = toml::from_str(&text).map_err(refuse)?;
        if !text.parse::<toml::Table>().map_err(refuse)?.contains_key("epochs") {
            config.epochs = config.epochs_of_phases().unwrap_or(config.epochs);
        }
        Ok(config)
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

    /// How the data is opened for a network that takes pixels so.
    pub fn data_options(&self, preprocess: Preprocess) -> Options {
        Options {
            classes: (!self.classes.is_empty()).then(|| self.classes.clone()),
            validation_split: self.validation_split,
            on_bad_file: self.on_bad_file,
            seed: self.seed,
            preprocess,
            soft_labels: self.soft_labels.clone(),
            class_weight: self.class_weight.clone(),
        }
    }

    /// What is done to training images of a size that are preprocessed so, if anything.
    pub fn augmentation(&self, input: InputSpec, preprocess: Preprocess) -> Option<Arc<dyn Augmentation>> {
        let augmenter = Augmenter::new(&self.augment, self.seed, input, preprocess)?;
        Some(Arc::new(augmenter))
    }

    /// Refuses a batch that is more than the `n` training images.
    ///
    /// # Errors
    /// Names both numbers.
    pub fn check_batch(&self, n: usize) -> Result<()> {
        let Some(batch) = self.phases()?.iter().map(|p| p.batch).find(|batch| *batch > n) else { return Ok(()) };
        let what = format!("--batch {batch} is more than the {n} training images");
        Err(Error::usage(what, format!("use --batch {} or less", n.min(32))))
    }

    /// Refuses what no run can use.
    ///
    /// # Errors
    /// Names the flag, the value and the range.
    pub fn check(&self) -> Result<()> {
        if let Some(share) = self.validation_split
            && !(share > 0.0 && share < 1.0)
        {
            let what = format!("--validation-split {share}");
            return Err(Error::usage(what, "validation-split must be between 0 and 1, such as 0.2"));
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            let what = format!("--label-smoothing {}", self.label_smoothing);
            return Err(Error::usage(what, "label-smoothing must be from 0 to below 1, such as 0.1"));
        }
        self.augment.check()?;
        self.phases().map(|_| ())
    }
}
