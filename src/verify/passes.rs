//! The passes of an op by themselves, timed.

use super::host::{output_shape, sample_shapes};
use super::on_gpu::finish;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor, Recorder};
use crate::ops::{Case, GpuBackward, GpuForward, Input, Op, ParamSpec, Pass, Subject};
use crate::tensor::Shape;

/// A pass of a case, timed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PassTime {
    /// `forward`, `backward_input` or `backward_params`.
    pub pass: &'static str,
    /// Floating-point operations by the op's definition, whatever its kernels save of them.
    pub flops: u64,
    /// Seconds of its dispatches.
    pub seconds: f64,
}

/// What the passes of an op with one input bind.
struct Tensors {
    x: Vec<GpuTensor>,
    params: Vec<GpuTensor>,
    y: GpuTensor,
    saved: Vec<GpuTensor>,
    dy: GpuTensor,
    dx: GpuTensor,
    dparams: Vec<Option<GpuTensor>>,
    pass: Pass,
}

impl Tensors {
    fn new(
        gpu: &Gpu,
        (op, specs): (&dyn Op, &[ParamSpec]),
        (input, params): (&Input, &[Input]),
        pass: Pass,
    ) -> Result<Self> {
        let upload = |input: &Input| gpu.upload("input", input.shape.clone(), &input.values());
        let empty = |shape: &Shape| -> Result<GpuTensor> {
            Ok(GpuTensor::new(&gpu.buffer("output", shape.elements() as u64 * 4)?, 0, shape.clone()))
        };
        let samples = sample_shapes(std::slice::from_ref(input));
        let y = output_shape(op, std::slice::from_ref(input))?;
        let saved = op.saved(&samples.iter().collect::<Vec<_>>(), input.shape.dims()[0]);
        Ok(Self {
            x: vec![upload(input)?],
            params: params.iter().map(upload).collect::<Result<_>>()?,
            saved: saved.iter().map(empty).collect::<Result<_>>()?,
            dy: upload(&Input::new(y.clone(), 1))?,
            y: empty(&y)?,
            dx: empty(&input.shape)?,
            dparams: specs.iter().map(|s| s.trainable.then(|| empty(&s.shape)).transpose()).collect::<Result<_>>()?,
            pass,
        })
    }

    fn record(&self, rec: &mut Recorder<'_>, op: &dyn Op, which: &'static str) -> Result<()> {
        let (x, params, y, saved, pass) = (&self.x, &self.params, &self.y, &self.saved, self.pass);
        let none = vec![None; self.dparams.len()];
        let (dx, dparams) = match which {
            "forward" => {
                let io = GpuForward {
                    x,
                    params,
                    y,
                    saved,
                    activation: None,
                    statistics: false,
                    pool: None,
                    stem: None,
                    pass,
                };
                return op.forward(rec, &io);
            }
            "backward_input" => ([Some(self.dx.clone())], &none),
            _ => ([None], &self.dparams),
        };
        let (dy, dx) = (&self.dy, &dx);
        op.backward(
            rec,
            &GpuBackward { x, params, y, saved, dy, dx, dparams, slopes: &[], pool: None, stem: None, pass },
        )
    }
}

/// Times forward, backward_input and backward_params of a case of an op with one input, each by itself: the best of `runs` after a
/// first, in turns.
///
/// # Errors
/// A case of something else, or whatever the driver reports.
pub fn time_passes(gpu: &Gpu, case: &Case, runs: usize) -> Result<Vec<PassTime>> {
    let (op, input, params, pass) = match &case.subject {
        Subject::Op { op, inputs, params, pass } if inputs.len() == 1 => (op.as_ref(), &inputs[0], params, *pass),
        _ => return Err(Error::usage(format!("{} is no case of an op with one input", case.name), "")),
    };
    let sample = Shape::new(&input.shape.dims()[1..]);
    let tensors = Tensors::new(gpu, (op, &op.params(&[&sample])), (input, params), pass)?;
    let flops = op.flops(&[&sample]) * input.shape.dims()[0] as u64;
    let mut times = Vec::new();
    for which in ["forward", "backward_input", "backward_params"] {
        let mut rec = Recorder::new(gpu);
        tensors.record(&mut rec, op, which)?;
        times.push((finish(gpu, rec, pass)?, PassTime { pass: which, flops, seconds: f64::INFINITY }));
    }
    for run in 0..=runs {
        for (program, time) in &mut times {
            let seconds: f64 = program.profile(gpu)?.1.iter().map(|timing| timing.seconds).sum();
            if run > 0 {
                time.seconds = time.seconds.min(seconds);
            }
        }
    }
    Ok(times.into_iter().map(|(_, time)| time).collect())
}
