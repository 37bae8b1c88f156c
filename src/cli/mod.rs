//! The command: one file a subcommand. Results go to stdout, everything for the eye to stderr.

mod args;
mod bench;
mod devices;
mod evaluate;
mod labels;
mod models;
mod out;
mod predict;
mod progress;
mod synth;
mod train;
mod verify;

use crate::error::Result;
use args::{Cli, Command};
use clap::Parser;
use out::say;
use std::process::ExitCode;

/// Parses the command line, runs it and turns the result into an exit code: 0 success; 1 `verify` found a case that
/// disagrees with the reference; 2 usage and shapes; 3 data and files; 4 GPU; 5 checkpoint; 6 training diverged; 130
/// interrupted.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(code) => code,
        Err(e) => {
            say!("error: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Bench(args) => bench::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Models(args) => models::list(&args),
        Command::Summary(args) => models::summary(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Synth(args) => synth::run(&args),
    }
}
