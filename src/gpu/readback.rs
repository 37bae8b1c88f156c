//! Small results read back while the device goes on: a ring of staging buffers.

use super::device::Gpu;
use super::tensor::GpuTensor;
use crate::error::{Error, Result};
use std::collections::VecDeque;
use std::sync::mpsc;

struct Slot {
    buffer: wgpu::Buffer,
    done: mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>,
}

/// Copies of one small tensor on their way to the host, oldest first.
pub struct StagingRing {
    bytes: u64,
    free: Vec<wgpu::Buffer>,
    copied: Option<wgpu::Buffer>,
    flying: VecDeque<Slot>,
}

impl StagingRing {
    /// A ring of `slots` buffers of `bytes` each.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(gpu: &Gpu, bytes: u64, slots: usize) -> Result<Self> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let free = (0..slots).map(|_| gpu.buffer_with("staging", bytes, usage)).collect::<Result<_>>()?;
        Ok(Self { bytes, free, copied: None, flying: VecDeque::new() })
    }

    /// Encodes a copy of `tensor` into a free slot. Without a free slot the oldest copy is waited for and returned.
    ///
    /// # Errors
    /// Whatever the driver reports.
    pub fn copy(
        &mut self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        tensor: &GpuTensor,
    ) -> Result<Option<Vec<f32>>> {
        let oldest = if self.free.is_empty() { self.wait_oldest(gpu)? } else { None };
        let Some(buffer) = self.free.pop() else {
            return Err(Error::gpu("a staging ring without slots", ""));
        };
        encoder.copy_buffer_to_buffer(tensor.buffer(), tensor.offset, &buffer, 0, self.bytes.min(tensor.bytes()));
        self.copied = Some(buffer);
        Ok(oldest)
    }

    /// Starts the transfer of the last copy; call after its submit.
    pub fn submitted(&mut self) {
        if let Some(buffer) = self.copied.take() {
            let (send, done) = mpsc::channel();
            buffer.map_async(wgpu::MapMode::Read, .., move |result| {
                // The receiver is gone only when the ring was dropped.
                let _ = send.send(result);
            });
            self.flying.push_back(Slot { buffer, done });
        }
    }

    /// The copies that have arrived, oldest first, without waiting.
    ///
    /// # Errors
    /// Whatever the driver reports.
    pub fn arrived(&mut self, gpu: &Gpu) -> Result<Vec<Vec<f32>>> {
        // A poll error is a lost device, which check() words better.
        let _ = gpu.device.poll(wgpu::PollType::Poll);
        gpu.check()?;
        let mut out = Vec::new();
        while let Some(result) = self.flying.front().and_then(|slot| slot.done.try_recv().ok()) {
            out.extend(self.take_front(result)?);
        }
        Ok(out)
    }

    /// Waits for every copy that is still under way, oldest first.
    ///
    /// # Errors
    /// Whatever the driver reports.
    pub fn drain(&mut self, gpu: &Gpu) -> Result<Vec<Vec<f32>>> {
        let mut out = Vec::new();
        while !self.flying.is_empty() {
            out.extend(self.wait_oldest(gpu)?);
        }
        Ok(out)
    }

    fn wait_oldest(&mut self, gpu: &Gpu) -> Result<Option<Vec<f32>>> {
        gpu.wait(None)?;
        match self.flying.front().map(|slot| slot.done.recv()) {
            Some(Ok(result)) => self.take_front(result),
            Some(Err(_)) => Err(Error::gpu("a staging buffer was never mapped", "")),
            None => Ok(None),
        }
    }

    fn take_front(&mut self, result: Result<(), wgpu::BufferAsyncError>) -> Result<Option<Vec<f32>>> {
        let Some(slot) = self.flying.pop_front() else { return Ok(None) };
        result.map_err(|e| Error::gpu(format!("mapping a staging buffer: {e}"), ""))?;
        let values = {
            let view = slot
                .buffer
                .get_mapped_range(..)
                .map_err(|e| Error::gpu(format!("mapping a staging buffer: {e}"), ""))?;
            bytemuck::pod_collect_to_vec(&view)
        };
        slot.buffer.unmap();
        self.free.push(slot.buffer);
        Ok(Some(values))
    }
}
