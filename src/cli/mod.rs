//! The command: one file a subcommand. Results go to stdout, everything for the eye to stderr.

mod args;
mod bench;
mod callbacks;
mod compare;
mod data;
mod devices;
mod evaluate;
mod explain;
mod export;
mod faces;
mod import;
mod labels;
mod lists;
mod models;
mod optimizer;
mod out;
mod pages;
mod predict;
mod profile;
mod progress;
mod search;
mod signals;
mod synth;
mod train;
mod verify;

use crate::error::Result;
use clap::{Parser, Subcommand};
use out::say_error;
use std::process::ExitCode;

/// Train, evaluate and use facial-emotion-recognition networks on any GPU.
#[derive(Debug, Parser)]
#[command(name = "fer-gpu", version, about, max_term_width = 100)]
#[command(
    help_template = "\
{about-with-newline}
{usage-heading} {usage}

Commands:
{subcommands}

Options: -h, --help (also after a command), -V, --version{after-help}",
    after_help = "\
Examples:
  fer-gpu train --data fer2013.csv --epochs 30
  fer-gpu predict runs/train/1 photo.jpg
Exit codes: 0 success, 1 verify failed, 2 usage, 3 data, 4 GPU, 5 checkpoint, 6 diverged, 130 interrupted"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a network; without flags, a small one on drawn faces for about a minute
    Train(Box<train::TrainArgs>),
    /// Try settings at random, stop hopeless trials early, train the best anew
    Search(search::SearchArgs),
    /// Time whole training steps of a network
    Bench(bench::BenchArgs),
    /// Score a trained network on a split of some data
    Evaluate(evaluate::EvaluateArgs),
    /// Show which parts of an image a network's answer depends on
    Explain(explain::ExplainArgs),
    /// Label images, the faces in photographs, or a video with a trained network
    Predict(predict::PredictArgs),
    /// Write a trained network for other programs
    Export(export::ExportArgs),
    /// Turn a model or weights of Keras's into a checkpoint
    Import(import::ImportArgs),
    /// List the networks that can be trained
    Models(models::ModelsArgs),
    /// Show the layers and parameter counts of a network
    Summary(models::SummaryArgs),
    /// List the adapters of this machine
    Devices(devices::DevicesArgs),
    /// Check every op on an adapter against the f64 reference
    Verify(verify::VerifyArgs),
    /// Put the figures of several runs side by side
    Compare(compare::CompareArgs),
    /// Look at data before training on it
    Data(data::DataArgs),
    /// Write drawn faces as a tree of class folders
    Synth(synth::SynthArgs),
    /// Print a shell's completions
    Completions(pages::CompletionsArgs),
    /// Write man pages
    Man(pages::ManArgs),
}

/// Parses the command line, runs it and turns the result into an exit code: 0 success; 1 `verify` found a case that
/// disagrees with the reference; 2 usage and shapes; 3 data and files; 4 GPU; 5 checkpoint; 6 training diverged; 130
/// interrupted.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(code) => code,
        Err(e) => {
            say_error(&e.to_string());
            ExitCode::from(e.exit_code())
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Bench(args) => bench::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Search(args) => search::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Models(args) => models::list(&args),
        Command::Summary(args) => models::summary(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Synth(args) => synth::run(&args),
        Command::Completions(args) => pages::completions(&args),
        Command::Man(args) => pages::man(&args),
    }
}

#[cfg(test)]
#[path = "readme_tests.rs"]
mod tests;
