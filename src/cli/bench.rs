//! `fer-gpu bench`: whole training steps of a network, and where their time goes.

use super::args::{DeviceArgs, TuneArgs, VariantArgs};
use super::out::{print, print_json, say};
use super::profile::ProfileArgs;
use crate::data::augment::{Augmenter, Preset, Settings};
use crate::data::{InputSpec, Preprocess};
use crate::error::{Error, Result};
use crate::graph::{At, Executor, GpuExecutor, Samples};
use crate::models;
use crate::tensor::fill;
use crate::text::clean;
use crate::train::Device;
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// Flags of `bench`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu bench --model fer7-cnn3-bn --batch 100 --steps 20
  fer-gpu bench --model fer4-cnn4-bn --batch 64 --steps 5 --profile
  fer-gpu bench --model network.toml --augment light")]
pub(super) struct BenchArgs {
    /// A name that `fer-gpu models` lists, a TOML file of layers, or the JSON of Keras's model.to_json()
    #[arg(long, default_value = models::DEFAULT)]
    model: String,
    #[command(flatten)]
    variant: VariantArgs,
    /// Images a step
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Augment the images of the steps: light or strong
    #[arg(long, value_name = "NAME")]
    augment: Option<Preset>,
    /// Steps to time, after a first one
    #[arg(long, default_value_t = 20)]
    steps: usize,
    #[command(flatten)]
    profile: ProfileArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    tune: TuneArgs,
}

/// Milliseconds.
#[derive(Debug, Serialize)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    model: String,
    batch: usize,
    adapter: String,
    ms_per_step: Spread,
    images_per_s: f64,
    first_step_ms: f64,
    gpu_bytes: u64,
    /// What is alive at once: the least that any sharing of buffers could need.
    gpu_bytes_least: u64,
}

pub(super) fn run(args: &BenchArgs) -> Result<ExitCode> {
    if args.steps == 0 || args.batch == 0 {
        return Err(Error::usage("--steps and --batch must be at least 1", "such as --steps 20 --batch 32"));
    }
    let graph = Arc::new(models::graph(&args.model, None, &args.variant.variant()?)?);
    let (name, classes) = (graph.name.clone(), graph.output().elements());
    let choice = args.device.device.as_deref().unwrap_or("auto");
    let opened = Device::open_strictly(choice, args.device.backend.as_deref(), &args.tune.tuning())?;
    let Device::Gpu(gpu) = &opened.device else {
        let what = "--device cpu: bench times GPU kernels, which the CPU reference has none of";
        return Err(Error::usage(what, "name an adapter that `fer-gpu devices` lists, or leave --device out"));
    };
    let x: Vec<f32> = (0..graph.input().elements() * args.batch).map(|i| 0.5 + 0.5 * fill(1, i as u32)).collect();
    let labels: Vec<u32> = (0..args.batch).map(|i| (i * 7 % classes) as u32).collect();
    let samples = Samples::labelled(x, &labels, classes);
    let start = Instant::now();
    let settings = args.augment.map(Settings::from).unwrap_or_default();
    let augmenter = Augmenter::new(&settings, 0, InputSpec::of(graph.input())?, Preprocess::Unit);
    let mut executor = GpuExecutor::new(Arc::clone(gpu), graph, args.batch, 0, true)?;
    augmenter.map_or(Ok(()), |augmenter| executor.augment(Arc::new(augmenter)))?;
    let step = |executor: &mut GpuExecutor, t: u64| -> Result<f64> {
        let start = Instant::now();
        executor.train(&samples.batch(), At::step(t, 0.001))?;
        // The loss's readback is inside the time: nothing is measured before it is really done.
        executor.flush()?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    };
    step(&mut executor, 0)?;
    for note in opened.notes.iter().cloned().chain(opened.keep_timings()) {
        say!("{note}");
    }
    let first_step_ms = start.elapsed().as_secs_f64() * 1e3;
    let mut times: Vec<f64> = (1..=args.steps as u64).map(|t| step(&mut executor, t)).collect::<Result<_>>()?;
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    let report = Report {
        model: name,
        batch: args.batch,
        adapter: executor.device(),
        ms_per_step: Spread { min: times[0], median, max: times[times.len() - 1] },
        images_per_s: args.batch as f64 / median * 1e3,
        first_step_ms,
        gpu_bytes: executor.bytes(),
        gpu_bytes_least: executor.least_bytes(),
    };
    if args.profile.asked() {
        args.profile.show(&executor.profile(&samples.batch())?)?;
    }
    if args.json {
        print_json(&report)?;
    } else {
        print(&format!(
            "{}, batch {} on {}\n{:.1} ms a step (median of {}; {:.1} to {:.1}), {:.0} images/s, first step {:.0} ms, {:.0} MiB\n",
            clean(&report.model),
            report.batch,
            clean(&report.adapter),
            median,
            args.steps,
            report.ms_per_step.min,
            report.ms_per_step.max,
            report.images_per_s,
            first_step_ms,
            report.gpu_bytes as f64 / f64::from(1 << 20)
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
