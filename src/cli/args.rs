//! Flags that several subcommands share; each subcommand's own are beside its code.

use super::out::{say, say_lines};
use crate::data::OnBadFile;
use crate::error::Result;
use crate::gpu::Tune;
use crate::models::Variant;
use crate::train::{Device, Opened, Tuning};
use clap::Args;
use std::collections::HashSet;
use std::path::Path;

/// Where to compute.
#[derive(Clone, Debug, Args)]
pub(super) struct DeviceArgs {
    /// auto, cpu (the f64 reference, slow), an index of `fer-gpu devices`, or part of an adapter's name
    #[arg(long, value_name = "DEVICE")]
    pub(super) device: Option<String>,
    /// Graphics API: vulkan, metal, dx12 or gl
    #[arg(long, value_name = "API")]
    pub(super) backend: Option<String>,
}

impl DeviceArgs {
    /// Opens the device and says which it is.
    pub(super) fn open(&self) -> Result<Device> {
        let table = Tuning { tune: Some(Tune::Off), ..Tuning::default() };
        Ok(open_device(self.device.as_deref().unwrap_or("auto"), self.backend.as_deref(), &table)?.device)
    }
}

/// Opens a device and says which it is, and why it is not an adapter if none was found.
pub(super) fn open_device(device: &str, backend: Option<&str>, tuning: &Tuning) -> Result<Opened> {
    let opened = Device::open(device, backend, tuning)?;
    for note in &opened.notes {
        say_lines(note);
    }
    say!("device: {}", opened.device);
    Ok(opened)
}

/// How variants of kernels are chosen.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct TuneArgs {
    /// Kernel variants: by the built-in table, by what was timed before, or timed now where they were not [default: full on GPUs,
    /// off on software drivers]
    #[arg(long, value_enum, value_name = "off|cached|full")]
    tune: Option<TuneChoice>,
    /// Seconds that timing may take
    #[arg(long, value_name = "S", default_value_t = Tuning::default().seconds)]
    tune_seconds: f64,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum TuneChoice {
    /// The table alone
    Off,
    /// What earlier runs timed on this adapter, then the table
    Cached,
    /// What was not timed before is timed, then kept
    Full,
}

impl TuneArgs {
    /// What the flags say.
    pub(super) fn tuning(self) -> Tuning {
        let tune = self.tune.map(|choice| match choice {
            TuneChoice::Off => Tune::Off,
            TuneChoice::Cached => Tune::Cached,
            TuneChoice::Full => Tune::Full,
        });
        Tuning { tune, seconds: self.tune_seconds }
    }
}

/// Where a network differs from its report's.
#[derive(Clone, Debug, Args)]
pub(super) struct VariantArgs {
    /// Side of the input, or height and width as 96x128 [default: the network's own]
    #[arg(long, value_name = "N|HxW")]
    pub(super) size: Option<String>,
    /// Layers not to train: none, the body, the first N, or all to the one of a name, in Keras's order [default: as in
    /// the network's report]
    #[arg(long, value_name = "none|body|N|NAME")]
    pub(super) freeze: Option<String>,
    /// Freeze the body but for its last N layers
    #[arg(long, value_name = "N", conflicts_with = "freeze")]
    pub(super) unfreeze_last: Option<usize>,
}

impl VariantArgs {
    /// What the flags say.
    pub(super) fn variant(&self) -> Result<Variant> {
        Variant::parse(self.size.as_deref(), self.freeze.as_deref(), self.unfreeze_last)
    }
}

/// A name for what is written about a file: its own without the ending, with a number if another file has it already.
pub(super) fn unique(file: &Path, taken: &mut HashSet<String>) -> String {
    let stem = file.file_stem().map_or_else(|| "image".into(), |s| s.to_string_lossy().into_owned());
    let names = std::iter::once(stem.clone()).chain((2..).map(|i| format!("{stem}-{i}")));
    names.into_iter().find(|name| taken.insert(name.clone())).unwrap_or(stem)
}

/// What to do about images that cannot be read.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum BadFile {
    /// Stop with an error that names the file
    Fail,
    /// Leave the file out and say so
    Skip,
}

impl From<BadFile> for OnBadFile {
    fn from(choice: BadFile) -> Self {
        match choice {
            BadFile::Fail => Self::Fail,
            BadFile::Skip => Self::Skip,
        }
    }
}
