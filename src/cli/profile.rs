//! `--profile` of `bench` and `train`: the table, and the file.

use super::out::{say_lines, table};
use crate::error::{Error, Result};
use crate::formats::atomic::write_text;
use crate::gpu::Clock;
use crate::graph::{KernelTotal, Profile};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

/// Flags that ask for a profile.
#[derive(Clone, Debug, Args)]
pub(super) struct ProfileArgs {
    /// Print on stderr where a step's time goes: each kernel's calls, time, rates and share of the adapter's measured peak
    #[arg(long)]
    profile: bool,
    /// Write the same and every dispatch to a file, as JSON
    #[arg(long, value_name = "FILE")]
    profile_json: Option<PathBuf>,
}

/// What `--profile-json` writes.
#[derive(Serialize)]
struct Document<'a> {
    kernels: Vec<KernelTotal>,
    #[serde(flatten)]
    profile: &'a Profile,
}

impl ProfileArgs {
    /// Whether a profile is asked for.
    pub(super) fn asked(&self) -> bool {
        self.profile || self.profile_json.is_some()
    }

    /// Prints and writes what was asked for.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(super) fn show(&self, profile: &Profile) -> Result<()> {
        if let Some(path) = &self.profile_json {
            let document = Document { kernels: profile.kernels(), profile };
            let text = serde_json::to_string_pretty(&document).map_err(|e| Error::io("write", path)(e.into()))?;
            write_text(path, &(text + "\n"))?;
        }
        if self.profile {
            say_lines(&text(profile));
        }
        Ok(())
    }
}

/// `value` in units of `unit`, or a dash for nothing.
fn rate(value: u64, seconds: f64) -> String {
    if value == 0 { "-".into() } else { format!("{:.1}", value as f64 / seconds * 1e-9) }
}

/// The profile for the eye.
fn text(p: &Profile) -> String {
    let kernels = p.kernels();
    let seconds: f64 = kernels.iter().map(|k| k.total.seconds).sum();
    let row = |k: &KernelTotal| {
        let of = if k.arithmetic { "arithmetic" } else { "copy" };
        vec![
            k.total.kernel.clone(),
            k.calls.to_string(),
            format!("{:.3}", k.total.seconds * 1e3),
            format!("{:.1}", k.total.seconds / seconds * 100.0),
            rate(k.total.flops, k.total.seconds),
            rate(k.total.bytes, k.total.seconds),
            format!("{:.0} {of}", k.of_peak * 100.0),
        ]
    };
    let rows: Vec<Vec<String>> = kernels.iter().map(row).collect();
    let head = ["kernel", "calls", "ms", "% of time", "GFLOP/s", "GB/s", "% of peak"];
    let clock = match p.clock {
        Clock::Device => "timed on the device",
        Clock::Wall => "by wall clock, submit and wait included: this adapter has no timestamps",
    };
    let mut text = format!("{}, batch {}, {}; kernels {clock}\n", p.network, p.batch, p.adapter);
    text += &table(&head, &rows, &[1, 2, 3, 4, 5]);
    text += &format!(
        "peaks: {:.1} GFLOP/s of multiply-adds, {:.1} GB/s of copying\n",
        p.peaks.flops_per_s * 1e-9,
        p.peaks.bytes_per_s * 1e-9
    );
    let sum = |of: fn(&KernelTotal) -> u64| kernels.iter().map(of).sum::<u64>() as f64;
    let (flops, bytes) = (sum(|k| k.total.flops), sum(|k| k.total.bytes));
    text += &format!(
        "step: {:.2} ms, kernels {:.2} ms in {} dispatches, {:.2} GFLOP, {:.2} GB; ",
        p.step_seconds * 1e3,
        p.kernel_seconds * 1e3,
        p.dispatches.len(),
        flops * 1e-9,
        bytes * 1e-9
    );
    if let Some(outside) = p.outside_kernels {
        text += &format!("{:.1} % of the step outside kernels; ", outside * 100.0);
    }
    text + &format!("encoding {:.2} us a dispatch", p.encode_seconds * 1e6)
}
