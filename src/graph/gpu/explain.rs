//! Gradients of class scores to a value of the graph, beside training and inference.

use super::super::executor::{Attribution, samples_to_explain};
use super::super::gpu_memory::Memory;
use super::super::plan::{INPUT, Mode, Plan};
use super::super::{Executor, Value};
use super::GpuExecutor;
use super::room::check_more;
use crate::error::{Error, Result};
use crate::gpu::{Program, StepParams};

/// What explains one value at one batch size: buffers of its own, for its tensors outlive those of a training step.
pub(super) struct Explainer {
    plan: Plan,
    memory: Memory,
    program: Program,
}

impl Explainer {
    /// Bytes that it holds besides those of the executor.
    pub(super) fn bytes(&self) -> u64 {
        self.memory.tensor_bytes() + self.program.uniform_bytes
    }
}

impl GpuExecutor {
    /// [`super::Executor::explain`].
    pub(super) fn attribute(&mut self, x: &[f32], cotangent: &[f32], value: Value) -> Result<Attribution> {
        let n = samples_to_explain(&self.graph, x, cotangent, self.plans[&Mode::Evaluate].batch)?;
        if !self.explainers.contains_key(&(value, n)) {
            let made = self.explainer(value, n)?;
            self.explainers.insert((value, n), made);
        }
        let Explainer { plan, memory, program } = &self.explainers[&(value, n)];
        let explained =
            plan.explained.ok_or_else(|| Error::gpu("a plan that explains nothing", "please report this"))?;
        self.gpu.write(&memory.tensor(plan, INPUT).flat(0..x.len()), x);
        self.gpu.write(&memory.tensor(plan, explained.cotangent).flat(0..cotangent.len()), cotangent);
        self.gpu.queue.write_buffer(&memory.step, 0, bytemuck::bytes_of(&StepParams::default()));
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        program.encode(&mut encoder);
        self.gpu.queue.submit([encoder.finish()]);
        let read = |t| self.gpu.read(&memory.tensor(plan, t));
        Ok(Attribution { value: read(explained.value)?, gradient: read(explained.gradient)? })
    }

    fn explainer(&mut self, value: Value, n: usize) -> Result<Explainer> {
        let options = self.plans[&Mode::Evaluate].options;
        let plan = Plan::with(&self.graph, n, Mode::Explain(value), options)?;
        let bytes = plan.arenas.iter().sum();
        let hint = "explain fewer images at a time, or a later --layer";
        check_more(&self.gpu, self.bytes(), bytes, ("an explanation", hint))?;
        let memory = self.memory.beside(&self.gpu, &plan)?;
        let mut scratch = std::mem::take(&mut self.scratch);
        let rec = self.record(&plan, &memory);
        let program = rec.and_then(|rec| rec.finish(&memory.step, &mut scratch, &memory.room(&plan)));
        self.scratch = scratch;
        Ok(Explainer { plan, memory, program: program? })
    }
}
