//! Flags. Each subcommand's own are beside its code; here are the list of subcommands and the flags that several share.

use super::bench::BenchArgs;
use super::train::TrainArgs;
use clap::{Args, Parser, Subcommand};

/// Train, evaluate and use facial-emotion-recognition networks on any GPU.
#[derive(Debug, Parser)]
#[command(name = "fer-gpu", version, about, max_term_width = 100)]
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
