//! Which variant of a kernel to run: the table's, one that was timed before, or one that is timed now.
//!
//! An op gives its candidates, the table's first, under a key that names the pass and the sizes its speed depends on. Where it may,
//! `Recorder::choose` records each candidate on the tensors at hand, runs them in turns with the caches emptied in between, and keeps
//! the fastest. Recording happens before a program's first step, when what a pass writes holds nothing that anybody will read.
//!
//! Variants differ in the order of their sums, so the bits of a run depend on them: what was chosen is in [`Tuner::choices`],
//! which a checkpoint keeps and a resumed run is given back ([`Tuner::hold`]).

use super::device::Gpu;
use super::profiler::program;
use super::program::{Program, Recorder};
use crate::error::Result;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Variants by key: `conv2d.forward 128x22x22x64 by 3x3 ...` to `direct 32x64`.
pub type Choices = BTreeMap<String, String>;

/// What may be timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tune {
    /// Nothing, and nothing that was timed before counts: the table alone.
    #[default]
    Off,
    /// Nothing, but what was timed before counts.
    Cached,
    /// What was not timed before, as long as the budget lasts.
    Full,
}

/// Which candidates `Recorder::choose` chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The best that is known.
    Best(Tune),
    /// The one of this number, or the first where there are fewer: for tests of every candidate.
    Nth(usize),
}

impl Default for Pick {
    fn default() -> Self {
        Self::Best(Tune::Off)
    }
}

/// Rounds of timing; the best of a candidate's counts.
const ROUNDS: usize = 3;

/// Further rounds, for those that are slower than the best by no more than [`NOISE`].
const FINAL_ROUNDS: usize = 6;

/// What a busy machine adds to a time at most times, as a share of the best's.
const NOISE: f64 = 0.25;

/// Bytes cleared between two runs, so that each begins with cold caches.
const EVICTED: u64 = 32 << 20;

/// The state of the choice of variants.
#[derive(Debug, Default)]
pub struct Tuner {
    /// What is chosen.
    pub pick: Pick,
    /// Time that may be spent on timing, compiling included; what has begun to compile is finished.
    pub budget: Duration,
    /// Whether every variant that can be rendered is a candidate: for sweeps that hold the lists of candidates to the best there is.
    pub thorough: bool,
    /// Whether passes of little work get the tiles of those of much: for tests that compile what larger batches would.
    pub as_if_large: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Timed before, or given by a checkpoint.
    known: Choices,
    /// Timed here.
    fresh: Choices,
    /// Every choice made, whoever made it.
    used: Choices,
    spent: Duration,
    /// Nothing is timed, and no choice counts as one of the run.
    paused: bool,
}

impl Tuner {
    /// Lets `choices` count as timed.
    pub fn hold(&self, choices: Choices) {
        self.with(|state| state.known.extend(choices));
    }

    /// Every choice made so far.
    pub fn choices(&self) -> Choices {
        self.with(|state| state.used.clone())
    }

    /// What was timed here and is not in any cache yet.
    pub fn fresh(&self) -> Choices {
        self.with(|state| state.fresh.clone())
    }

    /// Time spent on timing.
    pub fn spent(&self) -> Duration {
        self.with(|state| state.spent)
    }

    /// Runs `f` with nothing being timed in it: for programs that will not be run.
    pub(crate) fn pause<T>(&self, f: impl FnOnce() -> T) -> T {
        self.with(|state| state.paused = true);
        let value = f();
        self.with(|state| state.paused = false);
        value
    }

    /// Whether candidates are wanted that can win at no size such as theirs: only by tests, whose sizes are small.
    pub(crate) fn wants_small(&self) -> bool {
        matches!(self.pick, Pick::Nth(_))
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        // A panic elsewhere leaves the lists whole: each change is one insertion.
        f(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Recorder<'_> {
    /// Which of `candidates`, the table's first, to record under `key`. `record` may be called for each of them, on recorders of
    /// their own.
    ///
    /// # Errors
    /// Whatever the driver reports of a run.
    pub(crate) fn choose<V: Display>(
        &self,
        key: impl FnOnce() -> String,
        candidates: &[V],
        record: &impl Fn(&mut Recorder<'_>, &V) -> Result<()>,
    ) -> Result<usize> {
        let tuner = &self.gpu.tuner;
        let tune = match tuner.pick {
            Pick::Nth(n) => return Ok(if n < candidates.len() { n } else { 0 }),
            Pick::Best(_) if candidates.len() < 2 => return Ok(0),
            Pick::Best(tune) => tune,
        };
        let key = key();
        let (paused, known) =
            tuner.with(|state| (state.paused, state.known.get(&key).or(state.fresh.get(&key)).cloned()));
        let known = known.and_then(|text| candidates.iter().position(|c| c.to_string() == text));
        let chosen = match known {
            Some(chosen) => chosen,
            None if tune == Tune::Full && !paused => {
                let start = Instant::now();
                let left = tuner.budget.saturating_sub(tuner.with(|state| state.spent));
                let fastest = fastest(self.gpu, candidates, record, left)?;
                tuner.with(|state| {
                    state.spent += start.elapsed();
                    if let Some(fastest) = fastest {
                        state.fresh.insert(key.clone(), candidates[fastest].to_string());
                    }
                });
                fastest.unwrap_or(0)
            }
            None => 0,
        };
        if !paused {
            tuner.with(|state| state.used.insert(key, candidates[chosen].to_string()));
        }
        Ok(chosen)
    }
}

/// The fastest candidate, or none if the time did not suffice to run each of them twice.
fn fastest<V>(
    gpu: &Gpu,
    candidates: &[V],
    record: &impl Fn(&mut Recorder<'_>, &V) -> Result<()>,
    budget: Duration,
) -> Result<Option<usize>> {
    let start = Instant::now();
    let mut programs = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        if start.elapsed() >= budget {
            return Ok(None);
        }
        let program = program(gpu, |rec| record(rec, candidate))?;
        // Drivers compile in the first run.
        seconds(&program, gpu)?;
        programs.push((program, f64::INFINITY));
    }
    let cold = gpu.buffer("cold caches", EVICTED.min(gpu.max_buffer()))?;
    for round in 0..ROUNDS + FINAL_ROUNDS {
        let least = programs.iter().map(|(_, best)| *best).fold(f64::INFINITY, f64::min);
        let limit = if round < ROUNDS { f64::INFINITY } else { least * (1.0 + NOISE) };
        for (program, best) in programs.iter_mut().filter(|(_, best)| *best <= limit) {
            if start.elapsed() >= budget && !best.is_finite() {
                return Ok(None);
            }
            let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encoder.clear_buffer(&cold, 0, None);
            gpu.queue.submit([encoder.finish()]);
            *best = best.min(seconds(program, gpu)?);
        }
        if start.elapsed() >= budget {
            break;
        }
    }
    let fastest = programs.iter().enumerate().min_by(|(_, a), (_, b)| a.1.total_cmp(&b.1));
    Ok(fastest.map(|(number, _)| number))
}

/// Seconds of a program's dispatches.
fn seconds(program: &Program, gpu: &Gpu) -> Result<f64> {
    Ok(program.profile(gpu)?.1.iter().map(|timing| timing.seconds).sum())
}
