//! Everything that decides a run, as flags and `--config FILE.toml` give it and `config.toml` keeps it.

use super::callbacks::{EarlyStopping, Monitor, ReduceOnPlateau, parse_time};
use super::phase::PhaseConfig;
use super::task::Output;
use crate::data::augment::Augmenter;
use crate::data::{ClassWeight, InputSpec, OnBadFile, Options, Preprocess, Resize, augment};
use crate::error::{Error, Result};
use crate::graph::Augmentation;
use crate::input::read_text;
use crate::models::{Variables, Variant, file};
use crate::optim::{Clip, Decayed, Kind, Optimizer, OptimizerSettings, Schedule};
use crate::toml_text::{check_finite, explained, traced};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The settings of a run. In a file, every key may be left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// `synth`, `synth:N`, a csv (or csv.gz) like fer2013's, a parquet file, or a folder of class folders or parquet files.
    pub data: String,
    /// A name that `fer-gpu models` lists; empty for the network in `weights`.
    pub model: String,
    /// Values of the variables of a network in TOML, where they are not its own.
    #[serde(skip_serializing_if = "Variables::is_empty")]
    pub network: Variables,
    /// A checkpoint or a file of Keras's whose parameters to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// What is made of the pixels; if absent what the weights say, or [`Model::preprocessing`](crate::models::Model::preprocessing).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preprocess: Option<Preprocess>,
    /// The filter that resizes images; if absent what the weights say, or [`Resize::default`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<Resize>,
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
    /// Images a step; [`AUTO`], in a file `"auto"`, is the most that the device has room for.
    #[serde(with = "auto")]
    pub batch: usize,
    /// Batches whose gradients are averaged for one update of the parameters.
    pub accumulate: usize,
    /// The rule of updates: a name, or a table of its name and constants.
    #[serde(skip_serializing_if = "OptimizerSettings::is_default")]
    pub optimizer: OptimizerSettings,
    /// The learning rate; Keras's default for the optimizer if absent.
    pub lr: f64,
    /// The decay of trained parameters, as in Keras's AdamW; 0 is none.
    pub weight_decay: f64,
    /// Which of them decay: `all`, as Keras does, or `kernels`, which leaves out biases and batch norm's.
    pub weight_decay_on: Decayed,
    /// The norm of all gradients together that none may exceed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// The size that no gradient may exceed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_value: Option<f64>,
    /// Seed of the starting parameters, the order of images, dropout, and drawn data.
    pub seed: u64,
    /// Epochs without a better validation accuracy, or what `early-stopping` watches, after which training stops; 0 never stops, or
    /// leaves it to `early-stopping`.
    pub patience: usize,
    /// The time that training may take, such as `1h30m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Epochs from one checkpoint that is kept to the next; 0 keeps the best and the last only.
    pub save_every: usize,
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
    /// The columns of a table of values to learn, in this order; all that hold numbers if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// What each class counts in training: `none`, `balanced`, a file, or a table of a number a class.
    pub class_weight: ClassWeight,
    /// What is done to training images: a preset's name or a table; see [`crate::data::augment`].
    #[serde(deserialize_with = "augment::text_or_table", skip_serializing_if = "augment::Settings::is_none")]
    pub augment: augment::Settings,
    /// The course of the learning rate in each phase.
    pub schedule: Schedule,
    /// What ends a phase early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// What reduces the learning rate when training no longer gets better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reduce_on_plateau: Option<ReduceOnPlateau>,
    /// What is trained how for how long, one after the other; one phase of all epochs if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phase: Vec<PhaseConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: "synth".into(),
            model: crate::models::DEFAULT.into(),
            network: Variables::new(),
            weights: None,
            preprocess: None,
            resize: None,
            size: None,
            freeze: None,
            unfreeze_last: None,
            epochs: 10,
            batch: 32,
            accumulate: 1,
            optimizer: OptimizerSettings::default(),
            lr: 0.001,
            weight_decay: 0.0,
            weight_decay_on: Decayed::All,
            clip_norm: None,
            clip_value: None,
            seed: 0,
            patience: 0,
            time: None,
            save_every: 0,
            classes: Vec::new(),
            validation_split: None,
            on_bad_file: OnBadFile::Fail,
            device: "auto".into(),
            backend: None,
            label_smoothing: 0.0,
            soft_labels: None,
            output: None,
            outputs: Vec::new(),
            class_weight: ClassWeight::None,
            augment: augment::Settings::default(),
            schedule: Schedule::default(),
            early_stopping: None,
            reduce_on_plateau: None,
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
        let expected = "settings as `config.toml` of a run has them";
        let text = read_text(path, expected)?;
        let refuse = |e| Error::data(path, explained(&e, &text), expected);
        check_finite(path, &text, expected)?;
        let config: Self = toml::from_str(&text).map_err(refuse)?;
        Ok(config.completed(&text.parse().map_err(refuse)?))
    }

    /// An error about one of these settings with the file and the line that it stands on, where it is as that file has it; the same
    /// error otherwise.
    #[must_use]
    pub fn traced(&self, path: &Path, error: Error) -> Error {
        let Error::Setting { table, key, .. } = &error else { return error };
        let value = |config: &Self| {
            let whole = toml::Value::try_from(config).ok()?;
            let inner = table.split('.').filter(|name| !name.is_empty()).try_fold(&whole, |value, name| {
                name.parse::<usize>().map_or_else(|_| value.get(name), |place| value.get(place))
            });
            inner?.get(*key).cloned()
        };
        match (Self::read(path), read_text(path, "settings")) {
            (Ok(own), Ok(text)) if value(&own) == value(self) => traced(path, &text, &[], error),
            _ => error,
        }
    }

    /// Takes settings from a table.
    ///
    /// # Errors
    /// The text of what is wrong: an unknown key, with the nearest known one, or a value of another kind.
    pub fn of_table(table: toml::Table) -> Result<Self, String> {
        let config: Self = toml::Value::Table(table.clone()).try_into().map_err(|e| explained(&e, ""))?;
        Ok(config.completed(&table))
    }

    /// Defaults that depend on other settings, where the table that the settings come from leaves them out: the epochs of the phases
    /// together, and the optimizer's learning rate.
    fn completed(mut self, table: &toml::Table) -> Self {
        if !table.contains_key("epochs") {
            self.epochs = self.epochs_of_phases().unwrap_or(self.epochs);
        }
        if !table.contains_key("lr") {
            self.lr = self.optimizer.rule().learning_rate();
        }
        self
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
            outputs: (!self.outputs.is_empty()).then(|| self.outputs.clone()),
            ..Options::default()
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
        let phases = self.phases()?;
        let Some((place, phase)) = phases.iter().enumerate().find(|(_, phase)| phase.batch > n) else { return Ok(()) };
        let own = self.phase.get(place).is_some_and(|own| own.batch.is_some());
        let table = if own { format!("phase.{place}") } else { String::new() };
        let value = format!("{} is more than the {n} training images", phase.batch);
        Err(Error::setting(table, "batch", value, format!("use --batch {n} or less")))
    }

    /// Refuses what no run can use.
    ///
    /// # Errors
    /// Names the flag, the value and the range.
    pub fn check(&self) -> Result<()> {
        if let Some(share) = self.validation_split
            && !(share > 0.0 && share < 1.0)
        {
            return Err(Error::setting(
                "",
                "validation-split",
                share,
                "validation-split must be between 0 and 1, such as 0.2",
            ));
        }
        if !self.network.is_empty() && !file::is_file(&self.model) {
            let what = format!("[network] sets variables, which the model `{}` has none of", self.model);
            return Err(Error::usage(what, "they belong to a network in TOML: model = \"FILE.toml\""));
        }
        self.time()?;
        self.optimizer()?;
        self.schedule.check()?;
        if let Some(stopping) = &self.early_stopping {
            stopping.check()?;
        }
        if let Some(reduce) = &self.reduce_on_plateau {
            reduce.check()?;
            if self.schedule.kind != Kind::None {
                return Err(Error::usage(
                    "a schedule and reduce-on-plateau both set the learning rate",
                    "choose one, as Keras has it; a warm-up goes with either",
                ));
            }
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            let hint = "label-smoothing must be from 0 to below 1, such as 0.1";
            return Err(Error::setting("", "label-smoothing", self.label_smoothing, hint));
        }
        self.augment.check()?;
        self.phases().map(|_| ())
    }

    /// How parameters are moved.
    ///
    /// # Errors
    /// A value that no optimizer can use.
    pub fn optimizer(&self) -> Result<Optimizer> {
        if self.accumulate == 0 {
            return Err(Error::setting("", "accumulate", 0, "accumulate must be at least 1"));
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            let hint = "weight-decay must be 0 or more, such as 0.004, Keras's AdamW's own";
            return Err(Error::setting("", "weight-decay", self.weight_decay, hint));
        }
        let limits = [("clip-norm", self.clip_norm), ("clip-value", self.clip_value)];
        if let Some((key, Some(limit))) = limits.iter().find(|(_, l)| l.is_some_and(|l| !(l > 0.0 && l.is_finite()))) {
            return Err(Error::setting("", key, limit, format!("{key} must be a positive number")));
        }
        let clip = match (self.clip_norm, self.clip_value) {
            (None, None) => Clip::Nothing,
            (Some(limit), None) => Clip::Norm(limit),
            (None, Some(limit)) => Clip::Value(limit),
            (Some(_), Some(_)) => {
                return Err(Error::usage("--clip-norm and --clip-value at once", "give one of the two"));
            }
        };
        let (weight_decay, decayed) = (self.weight_decay, self.weight_decay_on);
        Ok(Optimizer { weight_decay, decayed, clip, accumulate: self.accumulate, ..self.optimizer.optimizer()? })
    }

    /// The time that training may take.
    ///
    /// # Errors
    /// As [`parse_time`].
    pub fn time(&self) -> Result<Option<std::time::Duration>> {
        self.time.as_deref().map(parse_time).transpose()
    }

    /// What ends a phase early, if anything does: the table's, with `patience` before its own.
    pub fn stopping(&self) -> Option<EarlyStopping> {
        let short = EarlyStopping { monitor: Monitor::ValAccuracy, ..EarlyStopping::default() };
        let stopping = self.early_stopping.clone().or((self.patience > 0).then_some(short))?;
        let patience = if self.patience > 0 { self.patience } else { stopping.patience };
        Some(EarlyStopping { patience, ..stopping })
    }

    /// The figure whose best epoch `best.safetensors` holds.
    pub fn monitor(&self) -> Monitor {
        self.early_stopping.as_ref().map_or(Monitor::ValAccuracy, |stopping| stopping.monitor)
    }

    /// Refuses settings that would not go on with the run of `before`.
    ///
    /// # Errors
    /// Names the first that differs.
    pub fn check_continues(&self, before: &Self) -> Result<()> {
        let different = [
            ("accumulate", self.accumulate != before.accumulate),
            ("optimizer", self.optimizer != before.optimizer),
            ("weight-decay", self.weight_decay != before.weight_decay),
            ("weight-decay-on", self.weight_decay_on != before.weight_decay_on),
            ("clip-norm", self.clip_norm != before.clip_norm),
            ("clip-value", self.clip_value != before.clip_value),
            ("schedule", self.schedule != before.schedule),
            ("reduce-on-plateau", self.reduce_on_plateau != before.reduce_on_plateau),
            ("the monitor of early-stopping", self.monitor() != before.monitor()),
        ];
        match different.iter().find(|(_, differs)| *differs) {
            None => Ok(()),
            Some((key, _)) => {
                let what = format!("{key} is not what the run to be resumed has");
                Err(Error::usage(what, "a resumed run keeps its settings; start a new one"))
            }
        }
    }
}

/// [`Config::batch`] for the most that the device has room for.
pub const AUTO: usize = 0;

/// A batch in a file: a number of images, or `"auto"`.
mod auto {
    use super::AUTO;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(batch: &usize, s: S) -> Result<S::Ok, S::Error> {
        if *batch == AUTO { s.serialize_str("auto") } else { s.serialize_u64(*batch as u64) }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<usize, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a number of images, at least 1, or \"auto\"")]
        enum Given {
            Images(std::num::NonZeroUsize),
            Word(String),
        }
        match Given::deserialize(d)? {
            Given::Images(n) => Ok(n.get()),
            Given::Word(word) if word == "auto" => Ok(AUTO),
            Given::Word(word) => Err(D::Error::custom(format!("batch \"{word}\" is no number of images; \"auto\" is"))),
        }
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
