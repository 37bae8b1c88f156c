//! A case on an adapter, against the reference: outputs poisoned before the run, guard words around them, two runs with equal
//! bits.

use super::host::{Outputs, output_shape, reference, sample_shapes};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor, Program, Recorder, StepParams};
use crate::ops::augment::{self, Augment, GpuAugment, Row};
use crate::ops::mean_squared_error::{self, GpuRegression};
use crate::ops::softmax_cross_entropy::{self, GpuLoss, METRICS};
use crate::ops::{Case, GpuBackward, GpuForward, Input, Op, Pass, Subject};
use crate::tensor::{HostTensor, Shape};
use std::cell::LazyCell;

/// What a case came to on an adapter.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Outcome {
    /// The case's name.
    pub case: String,
    /// Largest `|gpu - reference|`.
    pub worst_error: f64,
    /// Largest `|gpu - reference|` over what the tolerance allows there: 1 is the limit.
    pub worst_ratio: f64,
    /// Where that is: output and element.
    pub at: String,
    /// Everything else that is wrong: guards overwritten, poison left, two runs that differ.
    pub faults: Vec<String>,
}

impl Outcome {
    /// Whether the case passed.
    pub fn passed(&self) -> bool {
        self.faults.is_empty() && self.worst_ratio <= 1.0
    }
}

/// Bytes of guard before and behind a tensor; a multiple of every adapter's binding alignment.
const GUARD: usize = 256;
const GUARD_WORD: u32 = 0xdead_beef;
/// A quiet NaN: an output that a kernel does not write stays visible.
const POISON: u32 = 0x7fc0_0bad;

/// Words that are made when they are first needed: who only wants a case's kernels never needs them.
type Words = LazyCell<Vec<u32>, Box<dyn FnOnce() -> Vec<u32>>>;

/// A tensor between two guards.
struct Guarded {
    name: String,
    tensor: GpuTensor,
    whole: GpuTensor,
    start: Words,
}

impl Guarded {
    /// `content` makes as many words as the shape has elements.
    fn new(gpu: &Gpu, name: &str, shape: &Shape, content: impl FnOnce() -> Vec<u32> + 'static) -> Result<Self> {
        let (elements, guard) = (shape.elements(), GUARD / 4);
        let words = (elements * 4).next_multiple_of(16) / 4;
        let all = words + 2 * guard;
        let start = move || {
            let mut start = vec![GUARD_WORD; all];
            // The padding to a whole vec4 may be written.
            start[guard..guard + words].fill(0);
            start[guard..guard + elements].copy_from_slice(&content());
            start
        };
        let buffer = gpu.buffer(name, all as u64 * 4)?;
        Ok(Self {
            name: name.to_owned(),
            tensor: GpuTensor::new(&buffer, GUARD as u64, shape.clone()),
            whole: GpuTensor::new(&buffer, 0, [all]),
            start: LazyCell::new(Box::new(start)),
        })
    }

    fn poisoned(gpu: &Gpu, name: &str, shape: &Shape) -> Result<Self> {
        let elements = shape.elements();
        Self::new(gpu, name, shape, move || vec![POISON; elements])
    }

    fn input(gpu: &Gpu, name: &str, input: &Input) -> Result<Self> {
        let made = input.clone();
        Self::new(gpu, name, &input.shape, move || made.values().into_iter().map(f32::to_bits).collect())
    }

    /// Of these values.
    fn values(gpu: &Gpu, name: &str, shape: &Shape, values: &[f32]) -> Result<Self> {
        let words: Vec<u32> = values.iter().map(|v| v.to_bits()).collect();
        Self::new(gpu, name, shape, move || words)
    }

    fn reset(&self, gpu: &Gpu) {
        gpu.write(&self.whole, &self.start);
    }

    /// The values, and what is wrong around them.
    fn read(&self, gpu: &Gpu, faults: &mut Vec<String>) -> Result<Vec<u32>> {
        let words: Vec<u32> = gpu.read(&self.whole)?;
        let guard = GUARD / 4;
        if words[..guard].iter().chain(&words[words.len() - guard..]).any(|w| *w != GUARD_WORD) {
            faults.push(format!("{}: written outside its range", self.name));
        }
        let values = words[guard..guard + self.tensor.elements()].to_vec();
        if values.contains(&POISON) {
            faults.push(format!("{}: not all written", self.name));
        }
        Ok(values)
    }
}

/// What a case binds and what it is compared by.
pub struct Prepared {
    inputs: Vec<Guarded>,
    outputs: Vec<Guarded>,
    program: Program,
}

/// What a case wrote on an adapter.
#[derive(Clone, Debug)]
pub struct GpuRun {
    /// Every output by name, as the reference names them; what forward saved too (u32 words read as f32).
    pub outputs: Outputs,
    /// What went wrong around them: guards overwritten, poison left, two runs that differ.
    pub faults: Vec<String>,
}

/// Runs one case and compares.
///
/// # Errors
/// Whatever the driver reports; a wrong result is an [`Outcome`], not an error.
pub fn run(gpu: &Gpu, case: &Case) -> Result<Outcome> {
    compare(case, outputs(gpu, case)?)
}

/// Runs one case twice, forward and backward, and reads its outputs back.
///
/// # Errors
/// Whatever the driver reports.
pub fn outputs(gpu: &Gpu, case: &Case) -> Result<GpuRun> {
    let bench = prepare(gpu, case)?;
    let mut faults = Vec::new();
    let mut runs = Vec::new();
    for _ in 0..2 {
        bench.bind_contents(gpu);
        bench.run(gpu)?;
        let read = |g: &Guarded| g.read(gpu, &mut faults);
        runs.push(bench.outputs.iter().map(read).collect::<Result<Vec<_>>>()?);
    }
    if runs[0] != runs[1] {
        faults.push("two runs differ".into());
    }
    for input in &bench.inputs {
        let mut ignored = Vec::new();
        input.read(gpu, &mut ignored)?;
        faults.extend(ignored.into_iter().filter(|f| f.ends_with("range")));
    }
    faults.dedup();
    let tensor = |bits: &[u32]| bits.iter().map(|b| f64::from(f32::from_bits(*b))).collect();
    let outputs = bench
        .outputs
        .iter()
        .zip(&runs[0])
        .map(|(o, bits)| (o.name.clone(), HostTensor { shape: o.tensor.shape.clone(), data: tensor(bits) }));
    Ok(GpuRun { outputs: outputs.collect(), faults })
}

fn compare(case: &Case, run: GpuRun) -> Result<Outcome> {
    let GpuRun { outputs, faults } = run;
    let mut outcome =
        Outcome { case: case.name.clone(), worst_error: 0.0, worst_ratio: 0.0, at: String::new(), faults };
    for (name, expected) in reference(case)? {
        let Some((_, found)) = outputs.iter().find(|(n, _)| *n == name) else {
            outcome.faults.push(format!("{name}: the GPU has no such output"));
            continue;
        };
        // The metrics tensor is longer than what the reference returns; nothing else is.
        for (i, (got, want)) in found.data.iter().zip(&expected.data).enumerate() {
            // Equal infinities, and a NaN where there must be one, have no difference to measure.
            if got == want || (got.is_nan() && want.is_nan()) {
                continue;
            }
            let error = (got - want).abs();
            let ratio = error / (case.tolerance.abs + case.tolerance.rel * want.abs());
            // A NaN compares as neither; it is the worst there is.
            if ratio.is_nan() || ratio > outcome.worst_ratio {
                outcome.worst_ratio = if ratio.is_nan() { f64::INFINITY } else { ratio };
                outcome.at = format!("{name}[{i}] = {got:.7e}, reference {want:.7e}");
            }
            outcome.worst_error = outcome.worst_error.max(if error.is_nan() { f64::INFINITY } else { error });
        }
    }
    Ok(outcome)
}

/// Puts a case's tensors and its program, forward and backward, on an adapter.
///
/// # Errors
/// Whatever the driver reports.
pub fn prepare(gpu: &Gpu, case: &Case) -> Result<Prepared> {
    match &case.subject {
        Subject::Op { op, inputs, params, pass } => prepare_op(gpu, case, op.as_ref(), inputs, params, *pass),
        Subject::Loss { logits, targets, weights, smoothing } => {
            prepare_loss(gpu, logits, (targets, weights, *smoothing))
        }
        Subject::Regression { predictions, targets, weights } => prepare_regression(gpu, predictions, targets, weights),
        Subject::Augment { op, x, rows } => prepare_augment(gpu, op, x, rows),
    }
}

impl Prepared {
    /// A program whose tensors need no contents, to be timed.
    pub(super) fn alone(program: Program) -> Self {
        Self { inputs: Vec::new(), outputs: Vec::new(), program }
    }

    /// Runs the program and waits for it.
    ///
    /// # Errors
    /// Whatever the driver reports.
    pub fn run(&self, gpu: &Gpu) -> Result<()> {
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.program.encode(&mut encoder);
        let submission = gpu.queue.submit([encoder.finish()]);
        gpu.wait(Some(submission))
    }

    /// Writes the inputs, and poison into the outputs.
    pub fn bind_contents(&self, gpu: &Gpu) {
        self.inputs.iter().chain(&self.outputs).for_each(|g| g.reset(gpu));
    }
}

pub(super) fn finish(gpu: &Gpu, rec: Recorder<'_>, pass: Pass) -> Result<Program> {
    let step = gpu.buffer_with("step", 32, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST)?;
    let split = |v: u64| [v as u32, (v >> 32) as u32];
    let params = StepParams { seed: split(pass.seed), step: split(pass.step), ..StepParams::default() };
    gpu.queue.write_buffer(&step, 0, bytemuck::bytes_of(&params));
    rec.finish_alone(&step)
}

fn prepare_op(gpu: &Gpu, case: &Case, op: &dyn Op, inputs: &[Input], params: &[Input], pass: Pass) -> Result<Prepared> {
    let samples = sample_shapes(inputs);
    let samples: Vec<&Shape> = samples.iter().collect();
    let specs = op.params(&samples);
    let n = inputs[0].shape.dims()[0];
    let y_shape = output_shape(op, inputs)?;

    let named = |i: usize| format!("x{i}");
    let x = inputs.iter().enumerate().map(|(i, x)| Guarded::input(gpu, &named(i), x)).collect::<Result<Vec<_>>>()?;
    let p = specs.iter().zip(params).map(|(s, p)| Guarded::input(gpu, s.name, p)).collect::<Result<Vec<_>>>()?;
    let dy = Guarded::input(gpu, "dy", &Input::new(y_shape.clone(), case.cotangent))?;
    let y = Guarded::poisoned(gpu, "y", &y_shape)?;
    let saved = op.saved(&samples, n);
    let saved = saved
        .iter()
        .enumerate()
        .map(|(i, s)| Guarded::poisoned(gpu, &format!("saved{i}"), s))
        .collect::<Result<Vec<_>>>()?;
    let dx = x.iter().enumerate().map(|(i, x)| Guarded::poisoned(gpu, &format!("dx{i}"), &x.tensor.shape));
    let dx = dx.collect::<Result<Vec<_>>>()?;
    let dp = specs.iter().filter(|s| s.trainable).map(|s| Guarded::poisoned(gpu, &format!("d{}", s.name), &s.shape));
    let dp = dp.collect::<Result<Vec<_>>>()?;

    let handles = |list: &[Guarded]| list.iter().map(|g| g.tensor.clone()).collect::<Vec<_>>();
    let mut trained = handles(&dp).into_iter();
    let dparams: Vec<Option<GpuTensor>> =
        specs.iter().map(|s| if s.trainable { trained.next() } else { None }).collect();
    let dx_handles: Vec<Option<GpuTensor>> = handles(&dx).into_iter().map(Some).collect();
    let (xs, ps, ss) = (handles(&x), handles(&p), handles(&saved));
    let mut rec = Recorder::new(gpu);
    op.forward(
        &mut rec,
        &GpuForward {
            x: &xs,
            params: &ps,
            y: &y.tensor,
            saved: &ss,
            activation: None,
            statistics: false,
            pool: None,
            stem: None,
            pass,
        },
    )?;
    op.backward(
        &mut rec,
        &GpuBackward {
            x: &xs,
            params: &ps,
            y: &y.tensor,
            saved: &ss,
            dy: &dy.tensor,
            dx: &dx_handles,
            dparams: &dparams,
            slopes: &[],
            pool: None,
            stem: None,
            pass,
        },
    )?;
    let program = finish(gpu, rec, pass)?;
    let (statistics, weights): (Vec<_>, Vec<_>) = p.into_iter().zip(&specs).partition(|(_, s)| !s.trainable);
    let mut inputs = x;
    inputs.extend(weights.into_iter().map(|(g, _)| g));
    inputs.push(dy);
    let mut outputs = vec![y];
    // Running statistics are read and written: outputs that start with a value.
    outputs.extend(statistics.into_iter().map(|(g, _)| g));
    outputs.extend(saved.into_iter().chain(dx).chain(dp));
    Ok(Prepared { inputs, outputs, program })
}

fn prepare_loss(gpu: &Gpu, logits: &Input, (targets, weights, smoothing): (&[f32], &[f32], f32)) -> Result<Prepared> {
    let logits = Guarded::input(gpu, "logits", logits)?;
    let shape = logits.tensor.shape.clone();
    if shape.elements() != targets.len() {
        return Err(Error::shape("softmax_cross_entropy", format!("{} targets for {shape}", targets.len())));
    }
    let targets = Guarded::values(gpu, "targets", &shape, targets)?;
    let weights = Guarded::values(gpu, "weights", &[weights.len()].into(), weights)?;
    let probabilities = Guarded::poisoned(gpu, "probabilities", &shape)?;
    let dlogits = Guarded::poisoned(gpu, "dlogits", &shape)?;
    let metrics = Guarded::values(gpu, "metrics", &[METRICS].into(), &[0.0; METRICS])?;
    let mut rec = Recorder::new(gpu);
    let io = GpuLoss {
        logits: &logits.tensor,
        targets: &targets.tensor,
        weights: &weights.tensor,
        smoothing,
        probabilities: &probabilities.tensor,
        dlogits: &dlogits.tensor,
        metrics: &metrics.tensor,
    };
    softmax_cross_entropy::record(&mut rec, &io)?;
    let program = finish(gpu, rec, Pass::default())?;
    Ok(Prepared { inputs: vec![logits, targets, weights], outputs: vec![probabilities, dlogits, metrics], program })
}

fn prepare_regression(gpu: &Gpu, predictions: &Input, targets: &Input, weights: &[f32]) -> Result<Prepared> {
    let predictions = Guarded::input(gpu, "predictions", predictions)?;
    let targets = Guarded::input(gpu, "targets", targets)?;
    let weights = Guarded::values(gpu, "weights", &[weights.len()].into(), weights)?;
    let dpredictions = Guarded::poisoned(gpu, "dpredictions", &predictions.tensor.shape)?;
    let metrics = Guarded::values(gpu, "metrics", &[METRICS].into(), &[0.0; METRICS])?;
    let mut rec = Recorder::new(gpu);
    let io = GpuRegression {
        predictions: &predictions.tensor,
        targets: &targets.tensor,
        weights: &weights.tensor,
        dpredictions: &dpredictions.tensor,
        metrics: &metrics.tensor,
    };
    mean_squared_error::record(&mut rec, &io)?;
    let program = finish(gpu, rec, Pass::default())?;
    Ok(Prepared { inputs: vec![predictions, targets, weights], outputs: vec![dpredictions, metrics], program })
}

fn prepare_augment(gpu: &Gpu, op: &Augment, x: &Input, rows: &[Row]) -> Result<Prepared> {
    let words: Vec<u32> = bytemuck::cast_slice(rows).to_vec();
    let x = Guarded::input(gpu, "x", x)?;
    let rows = Guarded::new(gpu, "rows", &[rows.len(), Row::LEN].into(), move || words)?;
    let y = Guarded::poisoned(gpu, "y", &x.tensor.shape)?;
    let mut rec = Recorder::new(gpu);
    augment::record(&mut rec, op, &GpuAugment { x: &x.tensor, rows: &rows.tensor, y: &y.tensor })?;
    let program = finish(gpu, rec, Pass::default())?;
    Ok(Prepared { inputs: vec![x, rows], outputs: vec![y], program })
}
