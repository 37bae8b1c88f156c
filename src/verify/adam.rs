//! The optimizer's kernel on an adapter, by itself.

use super::on_gpu::Prepared;
use crate::error::Result;
use crate::gpu::{Gpu, GpuTensor, Recorder, StepParams};
use crate::ops::softmax_cross_entropy::METRICS;
use crate::optim::{Adam, Arenas};

/// What Adam moves, after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamState {
    /// Parameters.
    pub p: Vec<f32>,
    /// First moments.
    pub m: Vec<f32>,
    /// Second moments.
    pub v: Vec<f32>,
}

/// Runs steps 0, 1, ... of Adam on an adapter from parameters `p` and zero moments, one for each of `gradients` (as long as
/// `p`), and returns the state after each.
///
/// # Errors
/// Whatever the driver reports.
pub fn adam(gpu: &Gpu, adam: &Adam, lr: f64, p: &[f32], gradients: &[Vec<f32>]) -> Result<Vec<AdamState>> {
    let tensor = |label: &str, values: &[f32]| gpu.upload(label, [values.len()], values);
    let zeros = vec![0.0; p.len()];
    let [gradient, weights, m, v] =
        [("gradients", &zeros[..]), ("weights", p), ("m", &zeros), ("v", &zeros)].map(|(label, v)| tensor(label, v));
    let (gradient, weights, m, v) = (gradient?, weights?, m?, v?);
    let metrics = tensor("metrics", &[0.0; METRICS])?;
    let mut rec = Recorder::new(gpu);
    let arenas = Arenas { gradients: &gradient, metrics: &metrics, weights: &weights, m: &m, v: &v, kernels: p.len() };
    adam.record(&mut rec, &arenas)?;
    let step = gpu.buffer_with("step", 32, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST)?;
    let program = rec.finish_alone(&step)?;
    let run = |(t, g): (u64, &Vec<f32>)| {
        let (step_size, decay) = (adam.step_size(lr, t), adam.decay(lr) as f32);
        let params = StepParams { step_size, decay, ..StepParams::default() };
        gpu.queue.write_buffer(&step, 0, bytemuck::bytes_of(&params));
        gpu.write(&gradient, g);
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        program.encode(&mut encoder);
        gpu.queue.submit([encoder.finish()]);
        Ok(AdamState { p: gpu.read(&weights)?, m: gpu.read(&m)?, v: gpu.read(&v)? })
    };
    (0..).zip(gradients).map(run).collect()
}

/// Adam's kernel over as many parameters, all 0, to be timed.
///
/// # Errors
/// Whatever the driver reports.
pub fn prepare_adam(gpu: &Gpu, parameters: usize) -> Result<Prepared> {
    let tensor = |label: &str, elements: usize| -> Result<GpuTensor> {
        Ok(GpuTensor::new(&gpu.buffer(label, elements as u64 * 4)?, 0, [elements]))
    };
    let [gradients, weights, m, v] = ["gradients", "weights", "m", "v"].map(|label| tensor(label, parameters));
    let (gradients, weights, m, v, metrics) = (gradients?, weights?, m?, v?, tensor("metrics", METRICS)?);
    let mut rec = Recorder::new(gpu);
    let arenas =
        Arenas { gradients: &gradients, metrics: &metrics, weights: &weights, m: &m, v: &v, kernels: parameters };
    Adam::default().record(&mut rec, &arenas)?;
    let step = gpu.buffer_with("step", 32, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST)?;
    Ok(Prepared::alone(rec.finish_alone(&step)?))
}
