//! `fer-gpu data`: looking at data before training on it.

mod check;
mod preview;

use crate::error::Result;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Subcommands of `data`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu data check fer2013.csv.gz
  fer-gpu data check faces/ --out faces-report
  fer-gpu data preview --data fer2013.csv.gz --augment strong --out sheet.png")]
pub(super) struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Count images, find broken files, copies within and across splits, and contradicting labels
    Check(check::CheckArgs),
    /// Write a sheet of training images, each as it is and as training sees it in its first epochs
    Preview(preview::PreviewArgs),
}

pub(super) fn run(args: &DataArgs) -> Result<ExitCode> {
    match &args.command {
        DataCommand::Check(args) => check::run(args),
        DataCommand::Preview(args) => preview::run(args),
    }
}
