//! An optimizer's kernel on an adapter, by itself.

use super::on_gpu::Prepared;
use crate::error::Result;
use crate::gpu::{Gpu, GpuTensor, Recorder, StepParams};
use crate::ops::softmax_cross_entropy::METRICS;
use crate::optim::{Arenas, Optimizer, StepSize};

/// What an optimizer moves, after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState {
    /// Parameters.
    pub p: Vec<f32>,
    /// Its slots, in its order.
    pub slots: Vec<Vec<f32>>,
}

/// Runs steps 0, 1, ... of an optimizer on an adapter from parameters `p` and empty slots, one for each of `gradients` (as long as
/// `p`), and returns the state after each.
///
/// # Errors
/// Whatever the driver reports.
pub fn optimizer(
    gpu: &Gpu,
    optimizer: &Optimizer,
    lr: f64,
    p: &[f32],
    gradients: &[Vec<f32>],
) -> Result<Vec<OptimizerState>> {
    let tensor = |label: &str, values: &[f32]| gpu.upload(label, [values.len()], values);
    let zeros = vec![0.0; p.len()];
    let slots: Vec<GpuTensor> = optimizer.slots().iter().map(|name| tensor(name, &zeros)).collect::<Result<_>>()?;
    let (gradient, weights) = (tensor("gradients", &zeros)?, tensor("weights", p)?);
    let metrics = tensor("metrics", &[0.0; METRICS])?;
    let mut rec = Recorder::new(gpu);
    let arenas = Arenas { gradients: &gradient, metrics: &metrics, weights: &weights, slots: &slots, kernels: p.len() };
    optimizer.record(&mut rec, &arenas)?;
    let step = gpu.buffer_with("step", 32, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST)?;
    let program = rec.finish_alone(&step)?;
    let run = |(t, g): (u64, &Vec<f32>)| {
        let StepSize { size, decay } = optimizer.step(lr, t);
        let params = StepParams { step_size: size as f32, decay: decay as f32, ..StepParams::default() };
        gpu.queue.write_buffer(&step, 0, bytemuck::bytes_of(&params));
        gpu.write(&gradient, g);
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        program.encode(&mut encoder);
        gpu.queue.submit([encoder.finish()]);
        let slots = slots.iter().map(|slot| gpu.read(slot)).collect::<Result<_>>()?;
        Ok(OptimizerState { p: gpu.read(&weights)?, slots })
    };
    (0..).zip(gradients).map(run).collect()
}

/// An optimizer's kernel over as many parameters, all 0, to be timed.
///
/// # Errors
/// Whatever the driver reports.
pub fn prepare_optimizer(gpu: &Gpu, optimizer: &Optimizer, parameters: usize) -> Result<Prepared> {
    let tensor = |label: &str, elements: usize| -> Result<GpuTensor> {
        Ok(GpuTensor::new(&gpu.buffer(label, elements as u64 * 4)?, 0, [elements]))
    };
    let slots: Vec<GpuTensor> = optimizer.slots().iter().map(|name| tensor(name, parameters)).collect::<Result<_>>()?;
    let (gradients, weights) = (tensor("gradients", parameters)?, tensor("weights", parameters)?);
    let metrics = tensor("metrics", METRICS)?;
    let mut rec = Recorder::new(gpu);
    let arenas =
        Arenas { gradients: &gradients, metrics: &metrics, weights: &weights, slots: &slots, kernels: parameters };
    optimizer.record(&mut rec, &arenas)?;
    let step = gpu.buffer_with("step", 32, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST)?;
    Ok(Prepared::alone(rec.finish_alone(&step)?))
}
