//! The command: one file a subcommand. Results go to stdout, everything for the eye to stderr.

mod args;
mod bench;
mod progress;
mod train;

use crate::error::Result;
use args::{Cli, Command};
use clap::Parser;
use std::process::ExitCode;

/// Parses the command line, runs it and turns the result into an exit code: 0 success; 2 usage and shapes; 3 data and
/// files; 4 GPU; 5 checkpoint; 6 training diverged; 130 interrupted.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(code) => code,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Bench(args) => bench::run(&args),
        Command::Train(args) => train::run(&args),
    }
}
