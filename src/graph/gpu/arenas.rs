//! Parameters, gradients and moments in their arenas.

use super::super::NamedTensor;
use super::super::Slot;
use super::GpuExecutor;
use crate::error::{Error, Result};
use crate::gpu::GpuTensor;

impl GpuExecutor {
    /// Gradients of the last training step's mean loss, of trained parameters in order. Waits for it; not for use in a step.
    ///
    /// # Errors
    /// An executor that does not train, or whatever the driver reports.
    pub fn gradients(&self) -> Result<Vec<NamedTensor>> {
        match &self.memory.training {
            Some(training) => self.read_arena(&training.gradients, true),
            None => Err(Error::gpu("gradients of an executor that does not train", "")),
        }
    }

    pub(super) fn write_slot(&self, index: usize, values: &[f32]) {
        let slot = &self.parameters.slots[index];
        let end = slot.offset + slot.spec.shape.elements();
        self.gpu.write(&self.arena(slot.spec.trainable).flat(slot.offset..end), values);
    }

    /// The tensors of a node's parameters in an arena; none for statistics where only trained ones are asked for.
    pub(super) fn node_params(
        &self,
        node: usize,
        arena: impl Fn(bool) -> Option<GpuTensor>,
    ) -> Result<Vec<Option<GpuTensor>>> {
        let slots = self.parameters.of_node(node);
        let view = |slot: &Slot| {
            let end = slot.offset + slot.spec.shape.elements();
            let flat = arena(slot.spec.trainable).map(|a| a.flat(slot.offset..end));
            flat.map(|t| t.reshaped(slot.spec.shape.clone())).transpose()
        };
        slots.iter().map(view).collect()
    }

    pub(super) fn read_arena(&self, arena: &GpuTensor, trainable: bool) -> Result<Vec<NamedTensor>> {
        let values: Vec<f32> = self.gpu.read(arena)?;
        let slots = self.parameters.slots.iter().filter(|s| s.spec.trainable == trainable);
        Ok(slots
            .map(|s| NamedTensor {
                name: s.name.clone(),
                shape: s.spec.shape.clone(),
                values: values[s.offset..s.offset + s.spec.shape.elements()].to_vec(),
            })
            .collect())
    }
}
