//! `fer-gpu data`: looking at data before training on it.

mod preview;

use crate::error::Result;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Subcommands of `data`.
#[derive(Debug, Args)]
pub(super) struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Write a sheet of training images, each as it is and as training sees it in its first epochs
    Preview(preview::PreviewArgs),
}

pub(super) fn run(args: &DataArgs) -> Result<ExitCode> {
    match &args.command {
        DataCommand::Preview(args) => preview::run(args),
    }
}
