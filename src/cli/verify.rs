//! `fer-gpu verify`: the op cases of the tests, on the user's own adapter.

use super::args::DeviceArgs;
use super::out::{print, print_json, say};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::gpu::adapter::{AdapterDescription, DeviceChoice, backends};
use crate::ops::{self, Case};
use crate::verify::{self, Outcome};
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use std::process::ExitCode;

/// Flags of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "Exit code 1 when a case disagrees.

Examples:
  fer-gpu verify
  fer-gpu verify --op conv2d --device 1
  fer-gpu verify --json > verify.json")]
pub(super) struct VerifyArgs {
    /// Only the cases of this op
    #[arg(long, value_name = "NAME")]
    op: Option<String>,
    #[command(flatten)]
    device: DeviceArgs,
    /// {cases, failed, adapter, results}; a result has case, passed, worst_error, worst_ratio, at, faults
    #[arg(long)]
    json: bool,
}

/// What a case came to.
#[derive(Serialize)]
struct Row {
    passed: bool,
    #[serde(flatten)]
    outcome: Outcome,
}

/// The whole result.
#[derive(Serialize)]
struct Results<'a> {
    cases: usize,
    failed: usize,
    adapter: &'a AdapterDescription,
    results: Vec<Row>,
}

pub(super) fn run(args: &VerifyArgs) -> Result<ExitCode> {
    let cases = ops::cases(args.op.as_deref())?;
    let gpu = open(&args.device)?;
    say!("device: {}; {} cases against the f64 reference", gpu.description, cases.len());
    if let (Some(op), true) = (&args.op, cases.is_empty()) {
        say!("`{op}` runs no kernel: there is nothing to check");
    }
    let width = cases.iter().map(|c| c.name.len()).max().unwrap_or_default();
    if !args.json {
        print(&format!("{:<width$}  {:>11}  {:>12}\n", "case", "worst error", "of tolerance"))?;
    }
    let bar = ProgressBar::new(cases.len() as u64);
    let mut results = Vec::new();
    for case in &cases {
        bar.set_message(case.name.clone());
        let outcome = check(&gpu, case);
        let row = Row { passed: outcome.passed(), outcome };
        if !args.json {
            bar.suspend(|| print(&line(&row, width)))?;
        }
        results.push(row);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let failed = results.iter().filter(|r| !r.passed).count();
    if args.json {
        print_json(&Results { cases: cases.len(), failed, adapter: &gpu.description, results })?;
    } else {
        print(&format!("{} cases, {failed} failed on {}\n", cases.len(), gpu.description))?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// An adapter; the reference need not be compared with itself.
fn open(args: &DeviceArgs) -> Result<Gpu> {
    let choice = args.device.as_deref().unwrap_or("auto").parse().unwrap_or(DeviceChoice::Auto);
    if choice == DeviceChoice::Cpu {
        let what = "--device cpu: the CPU reference is what adapters are compared with";
        return Err(Error::usage(what, "name an adapter that `fer-gpu devices` lists, or leave --device out"));
    }
    Gpu::open(&choice, backends(args.backend.as_deref())?)
}

/// Runs a case. What the driver reports is that case's fault, and the others still run.
fn check(gpu: &Gpu, case: &Case) -> Outcome {
    verify::run(gpu, case).unwrap_or_else(|e| Outcome {
        case: case.name.clone(),
        worst_error: 0.0,
        worst_ratio: 0.0,
        at: String::new(),
        faults: vec![e.to_string()],
    })
}

fn line(row: &Row, width: usize) -> String {
    let o = &row.outcome;
    let mut text = format!("{:<width$}  {:>11.3e}  {:>11.1}%", o.case, o.worst_error, o.worst_ratio * 100.0);
    if !row.passed {
        text += "  FAILED";
        if o.worst_ratio > 1.0 || o.worst_ratio.is_nan() {
            text += &format!(" at {}", o.at);
        }
        for fault in &o.faults {
            text += &format!("; {fault}");
        }
    }
    text + "\n"
}
