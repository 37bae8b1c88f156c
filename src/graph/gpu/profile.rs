//! Profiles of a training step on a GPU.

use super::super::plan::Mode;
use super::super::{At, Batch, Executor, Profile};
use super::GpuExecutor;
use crate::error::{Error, Result};
use crate::gpu::{Clock, Program, Timing};
use std::time::Instant;

/// Rounds, each of some whole steps and one that is timed kernel by kernel, so that both see the same machine.
const ROUNDS: usize = 5;
/// Whole steps a round, queued behind one another.
const STEPS: u32 = 3;
/// Encodings a round, one after another.
const ENCODINGS: u32 = 20;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

impl GpuExecutor {
    /// [`Executor::profile`].
    pub(super) fn measure(&mut self, batch: &Batch<'_>) -> Result<Profile> {
        if batch.is_empty() {
            return Err(Error::usage("a step without images has nothing to profile", "give at least one"));
        }
        let before = self.snapshot()?;
        let collected = self.drain()?;
        let profile = self.rounds(batch);
        // What the profiled steps have counted and moved is none of the training's.
        self.flush()?;
        self.collected = collected;
        self.restore(&before)?;
        profile
    }

    fn rounds(&mut self, batch: &Batch<'_>) -> Result<Profile> {
        let n = batch.len();
        // Drivers compile in the first step.
        self.train(batch, At::default())?;
        self.gpu.wait(None)?;
        let peaks = self.gpu.peaks()?;
        let (mut clock, mut steps, mut timings) = (Clock::Wall, Vec::new(), Vec::new());
        let mut encode_seconds = f64::INFINITY;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for _ in 0..STEPS {
                self.train(batch, At::default())?;
            }
            self.gpu.wait(None)?;
            steps.push(start.elapsed().as_secs_f64() / f64::from(STEPS));
            // The step has put other tensors where its input was.
            self.write_images(Mode::Train, batch, 0);
            let program = &self.programs[&(Mode::Train, n)];
            let (by, round) = program.profile(&self.gpu)?;
            clock = by;
            timings.push(round);
            encode_seconds = encode_seconds.min(median((0..ENCODINGS).map(|_| self.encode_seconds(program)).collect()));
        }
        let step_seconds = median(steps);
        let kernel_seconds = median(timings.iter().map(|round| round.iter().map(|t| t.seconds).sum()).collect());
        Ok(Profile {
            network: self.graph.name.clone(),
            adapter: self.gpu.description.to_string(),
            batch: n,
            clock,
            peaks,
            step_seconds,
            kernel_seconds,
            outside_kernels: (clock == Clock::Device).then_some(1.0 - kernel_seconds / step_seconds),
            encode_seconds,
            dispatches: medians(timings),
        })
    }

    /// Seconds of encoding a dispatch, the encoder's own beginning and end included.
    fn encode_seconds(&self, program: &Program) -> f64 {
        let start = Instant::now();
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        program.encode(&mut encoder);
        drop(encoder.finish());
        start.elapsed().as_secs_f64() / program.len().max(1) as f64
    }
}

/// The timings of the first round with each dispatch's median over all of them.
fn medians(rounds: Vec<Vec<Timing>>) -> Vec<Timing> {
    let at = |i: usize| median(rounds.iter().map(|round| round[i].seconds).collect());
    let first = rounds.first().map_or(&[][..], |round| round);
    first.iter().enumerate().map(|(i, t)| Timing { seconds: at(i), ..t.clone() }).collect()
}
