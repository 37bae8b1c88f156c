//! Flags. Each subcommand's own are beside its code; here are the list of subcommands and the flags that several share.

use super::bench::BenchArgs;
use super::devices::DevicesArgs;
use super::evaluate::EvaluateArgs;
use super::models::{ModelsArgs, SummaryArgs};
use super::out::say;
use super::predict::PredictArgs;
use super::synth::SynthArgs;
use super::train::TrainArgs;
use super::verify::VerifyArgs;
use crate::data::OnBadFile;
use crate::error::Result;
use crate::train::Device;
use clap::{Args, Parser, Subcommand};

/// Train, evaluate and use facial-emotion-recognition networks on any GPU.
#[derive(Debug, Parser)]
#[command(name = "fer-gpu", version, about, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 success, 1 verify found a difference, 2 usage, 3 data and files, 4 GPU, 5 checkpoint,
6 training diverged, 130 interrupted"
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Train a network; without flags, a small one on drawn faces for about a minute
    Train(TrainArgs),
    /// Time whole training steps of a network
    Bench(BenchArgs),
    /// Score a trained network on a split of some data
    Evaluate(EvaluateArgs),
    /// Label images with a trained network
    Predict(PredictArgs),
    /// List the networks that can be trained
    Models(ModelsArgs),
    /// Show the layers and parameter counts of a network
    Summary(SummaryArgs),
    /// List the adapters of this machine
    Devices(DevicesArgs),
    /// Check every op on an adapter against the f64 reference
    Verify(VerifyArgs),
    /// Write drawn faces as a tree of class folders
    Synth(SynthArgs),
}

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
        open_device(self.device.as_deref().unwrap_or("auto"), self.backend.as_deref())
    }
}

/// Opens a device and says which it is, and why it is not an adapter if none was found.
pub(super) fn open_device(device: &str, backend: Option<&str>) -> Result<Device> {
    let (device, fallback) = Device::open(device, backend)?;
    if let Some(reason) = fallback {
        say!("{reason}\ngoing on with the CPU reference, which is slow");
    }
    say!("device: {device}");
    Ok(device)
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
