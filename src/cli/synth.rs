//! `fer-gpu synth`.

use super::out::say;
use crate::data::synth::{DEFAULT_COUNT, write_tree};
use crate::error::Result;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `synth`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu synth --out faces
  fer-gpu synth --out faces --n 7000 --seed 3
  fer-gpu train --data faces")]
pub(super) struct SynthArgs {
    /// Folder to write to; made if need be, and must be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Images in all, 70 to 500,000: five sevenths to train, a seventh to validate, the rest to test
    #[arg(long, value_name = "N", default_value_t = DEFAULT_COUNT)]
    n: usize,
    /// Seed; the images are those of `--data synth:N` with the same seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

pub(super) fn run(args: &SynthArgs) -> Result<ExitCode> {
    let written = write_tree(&args.out, args.n, args.seed)?;
    let [train, validation, test] = written.counts;
    let out = args.out.display();
    say!("{train} training, {validation} validation and {test} test images written to {out}");
    say!("a sheet to look at: {}", written.sheet.display());
    say!("train on them: fer-gpu train --data {out}");
    say!("or on the numbers that they are drawn by: fer-gpu train --data {out}/values.csv");
    Ok(ExitCode::SUCCESS)
}
