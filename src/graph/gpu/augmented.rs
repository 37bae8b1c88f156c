//! Augmentation: the first dispatches of a training step.

use super::super::augmentation::{Augmentation, check};
use super::super::plan::{INPUT, Mode};
use super::super::{Batch, Executor, Graph};
use super::GpuExecutor;
use super::room::check_more;
use crate::error::Result;
use crate::gpu::{Gpu, GpuTensor, Recorder};
use crate::ops::augment::{GpuAugment, Row, record};
use std::sync::Arc;

/// Images as they are loaded and what is to become of them. The kernels write the network's input.
pub(super) struct Augmented {
    source: Arc<dyn Augmentation>,
    images: GpuTensor,
    rows: GpuTensor,
}

impl Augmented {
    /// Buffers for batches of up to `batch`.
    ///
    /// # Errors
    /// A network of other things than images, or no room.
    pub(super) fn new(gpu: &Gpu, graph: &Graph, batch: usize, source: Arc<dyn Augmentation>) -> Result<Self> {
        check(graph)?;
        let flat = |label: &str, elements: usize| -> Result<GpuTensor> {
            Ok(GpuTensor::new(&gpu.buffer(label, elements as u64 * 4)?, 0, [elements]))
        };
        let images = flat("images", batch * graph.input().elements())?;
        Ok(Self { source, images, rows: flat("augmentation", batch * Row::LEN)? })
    }

    /// Records what writes `input`, `[n, h, w, c]`.
    ///
    /// # Errors
    /// As the op.
    pub(super) fn record(&self, rec: &mut Recorder<'_>, input: &GpuTensor) -> Result<()> {
        let n = input.shape.dims()[0];
        let x = &self.images.flat(0..input.elements()).reshaped(input.shape.clone())?;
        let rows = &self.rows.flat(0..n * Row::LEN).reshaped([n, Row::LEN])?;
        record(rec, self.source.op(), &GpuAugment { x, rows, y: input })
    }

    /// Writes what a step reads.
    pub(super) fn write(&self, gpu: &Gpu, batch: &Batch<'_>, epoch: u32) {
        let rows: Vec<Row> = batch.samples.iter().map(|sample| self.source.row(epoch, *sample)).collect();
        gpu.write(&self.images, batch.x);
        gpu.write(&self.rows, &rows);
    }

    /// Bytes of the buffers.
    pub(super) fn bytes(&self) -> u64 {
        self.images.buffer().size() + self.rows.buffer().size()
    }
}

impl GpuExecutor {
    /// [`Executor::augment`](super::Executor::augment).
    pub(super) fn augment_by(&mut self, source: Arc<dyn Augmentation>) -> Result<()> {
        let batch = self.plans[&Mode::Evaluate].batch;
        let bytes = (batch * (self.graph.input().elements() + Row::LEN)) as u64 * 4;
        let what = format!("augmentation of batches of {batch}");
        check_more(&self.gpu, self.bytes(), bytes, (&what, "use a smaller --batch, or --augment none"))?;
        self.augmented = Some(Augmented::new(&self.gpu, &self.graph, batch, source)?);
        self.programs.retain(|(mode, _), _| *mode != Mode::Train);
        Ok(())
    }

    /// Writes the images of a batch to where the program of its step begins.
    pub(super) fn write_images(&self, mode: Mode, batch: &Batch<'_>, epoch: u32) {
        match &self.augmented {
            Some(augmented) if mode == Mode::Train => augmented.write(&self.gpu, batch, epoch),
            _ => {
                let input = self.memory.tensor(&self.plans[&mode], INPUT).flat(0..batch.x.len());
                self.gpu.write(&input, batch.x);
            }
        }
    }
}
