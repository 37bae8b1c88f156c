//! A recorded list of dispatches: built once, replayed every step.

use super::device::Gpu;
use super::grid;
use super::kernel::{Access, Kernel, Pipeline, step_layout};
use super::scratch::{Lifetime, Room, ScratchPool, Spot, Wanted, no_room};
use super::tensor::{GpuTensor, Storage};
use crate::error::Result;
use crate::tensor::Shape;
use std::ops::Range;

/// What changes from step to step (`shaders/common/step.wgsl`): 32 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct StepParams {
    /// Key of the counter-based random numbers, low word first.
    pub seed: [u32; 2],
    /// Optimizer step, counted from 0, low word first.
    pub step: [u32; 2],
    /// The learning rate as the optimizer's rule takes it: `Rule::step_size`.
    pub step_size: f32,
    /// `lr * weight_decay`.
    pub decay: f32,
    /// What the batch's gradients count in the mean of several batches.
    pub share: f32,
    /// Whether they are added to those before: 1, or 0 for the first.
    pub keep: u32,
}

struct Pending {
    kernel: Kernel,
    params: Vec<u8>,
    /// First what is only read, from binding 1 on.
    bindings: Vec<GpuTensor>,
    reads: usize,
    groups: [u32; 3],
    flops: u64,
    bytes: u64,
}

/// Collects the dispatches of a program. Ops write to it.
pub struct Recorder<'g> {
    /// The device that the program is for.
    pub gpu: &'g Gpu,
    pending: Vec<Pending>,
    scratch: Wanted,
    /// Tensors, and the statistics that were left of them and not yet taken.
    statistics: Vec<(GpuTensor, GpuTensor)>,
}

impl<'g> Recorder<'g> {
    /// An empty recording.
    pub fn new(gpu: &'g Gpu) -> Self {
        Self { gpu, pending: Vec::new(), scratch: Wanted::default(), statistics: Vec::new() }
    }

    /// What follows belongs to step `step` of a plan: scratch may lie in what that step leaves free. A recording without a plan is
    /// one step.
    pub(crate) fn begin_step(&mut self, step: usize) {
        self.scratch.begin(step);
    }

    /// Scratch tensor number `slot`, whose contents last until the op's next use of that slot. Those of one step share no bytes.
    pub fn scratch(&mut self, slot: usize, shape: impl Into<Shape>) -> GpuTensor {
        self.scratch.slot(slot, shape.into())
    }

    /// Room for the statistics of `tensor` (batch first, `c` channels last) by strips of its rows, `[strips, 4, c]` of rows, shift,
    /// mean - shift and the sum of squared differences from that mean; a strip may have no rows. Its producer writes them, and who
    /// normalizes it takes them.
    pub fn leave_statistics(&mut self, tensor: &GpuTensor, strips: usize) -> GpuTensor {
        let c = tensor.shape.dims().last().copied().unwrap_or(1);
        let left = self.scratch.one([strips, 4, c].into());
        self.statistics.push((tensor.clone(), left.clone()));
        left
    }

    /// The statistics that were left of a tensor, for the dispatches of this step.
    pub fn take_statistics(&mut self, tensor: &GpuTensor) -> Option<GpuTensor> {
        let found = self.statistics.iter().position(|(of, _)| of.is(tensor))?;
        let left = self.statistics.swap_remove(found).1;
        self.scratch.keep(&left);
        Some(left)
    }

    /// Adds a dispatch of `groups` workgroups. `params` is the kernel's uniform (a multiple of 16 bytes); `reads` are bound
    /// from binding 1, `writes` (read-write) after them. A buffer is either read or written by a dispatch as far as the API is
    /// concerned, so what is read from a buffer that is also written, elsewhere, is bound read-write.
    pub fn dispatch<P: bytemuck::Pod>(
        &mut self,
        kernel: &Kernel,
        params: &P,
        reads: &[&GpuTensor],
        writes: &[&GpuTensor],
        groups: [u32; 3],
    ) {
        let kernel = kernel.clone().with_loads(self.gpu.tiling);
        let bindings: Vec<GpuTensor> = reads.iter().chain(writes).map(|t| (*t).clone()).collect();
        let params = bytemuck::bytes_of(params).to_vec();
        let bytes = bindings.iter().map(GpuTensor::bytes).sum();
        self.pending.push(Pending { kernel, params, bindings, reads: reads.len(), groups, flops: 0, bytes });
    }

    /// Says, for profiles, how many floating-point operations (a multiply-add being two) the last dispatch does.
    pub fn flops(&mut self, flops: u64) {
        if let Some(last) = self.pending.last_mut() {
            last.flops = flops;
        }
    }

    /// Says, for profiles, that the last dispatch also reads what it writes, so that those bytes are moved twice.
    pub fn updates(&mut self) {
        if let Some(last) = self.pending.last_mut() {
            last.bytes += last.bindings[last.reads..].iter().map(GpuTensor::bytes).sum::<u64>();
        }
    }

    /// A dispatch over `items` invocations in workgroups of `size`, folded into x and y.
    ///
    /// # Errors
    /// More workgroups than a dispatch can hold.
    pub fn dispatch_items<P: bytemuck::Pod>(
        &mut self,
        kernel: &Kernel,
        params: &P,
        reads: &[&GpuTensor],
        writes: &[&GpuTensor],
        (items, size): (usize, usize),
    ) -> Result<()> {
        let groups = grid::fold(items.div_ceil(size))?;
        self.dispatch(kernel, params, reads, writes, groups);
        Ok(())
    }

    /// Ranges of samples in which each of `tensors` (batch first, the same batch) fits a binding.
    ///
    /// # Errors
    /// A single sample is over the limit.
    pub fn batch_slices(&self, tensors: &[&GpuTensor]) -> Result<Vec<Range<usize>>> {
        let n = tensors.first().map_or(0, |t| t.shape.dims()[0]);
        let bytes: Vec<u64> = tensors.iter().map(|t| t.bytes() / n.max(1) as u64).collect();
        grid::batch_slices(n, &bytes, self.gpu.max_binding(), self.gpu.alignment())
    }

    /// [`Recorder::finish`] for a program that shares its scratch with no other.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn finish_alone(self, step: &wgpu::Buffer) -> Result<Program> {
        self.finish(step, &mut ScratchPool::default(), &no_room)
    }

    /// Builds pipelines, uniforms and bind groups, with scratch where there is `room`, and else in `pool`.
    ///
    /// # Errors
    /// A kernel that does not compile, or no memory for scratch and uniforms.
    pub(crate) fn finish(self, step: &wgpu::Buffer, pool: &mut ScratchPool, room: &Room<'_>) -> Result<Program> {
        use rayon::prelude::*;
        let gpu = self.gpu;
        let spots = pool.place(gpu, &self.scratch, room)?;
        let bound: Vec<Vec<Bound>> = self.pending.iter().map(|p| p.bound(&spots)).collect();
        let pipelines: Vec<Pipeline> = self
            .pending
            .par_iter()
            .zip(&bound)
            .map(|(pending, bound)| {
                let mut kernel = pending.kernel.clone();
                let beside = |b: &&Bound| b.access == Access::ReadBesideWrite;
                for (i, _) in (1..).zip(bound).filter(|(_, b)| beside(b)) {
                    kernel = kernel.with_writable(i);
                }
                let access: Vec<Access> = bound.iter().map(|b| b.access).collect();
                gpu.pipelines.get(&gpu.device, &kernel, &access)
            })
            .collect::<Result<_>>()?;
        let uniforms = Uniforms::new(gpu, &self.pending)?;
        let dispatches: Vec<Dispatch> = self
            .pending
            .iter()
            .zip(pipelines)
            .enumerate()
            .map(|(i, (pending, pipeline))| Dispatch {
                label: pending.kernel.label(),
                bind_group: uniforms.bind_group(gpu, i, pending, (&pipeline, &bound[i])),
                pipeline: pipeline.pipeline,
                groups: pending.groups,
                flops: pending.flops,
                bytes: pending.bytes,
            })
            .collect();
        let step = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("step"),
            layout: &step_layout(&gpu.device),
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: step.as_entire_binding() }],
        });
        gpu.check()?;
        Ok(Program { dispatches, step, uniform_bytes: uniforms.buffer.size(), scratch: self.scratch.into_lifetimes() })
    }
}

/// A binding of a dispatch: a range of a buffer, and how it is used.
struct Bound {
    buffer: wgpu::Buffer,
    offset: u64,
    size: u64,
    access: Access,
}

impl Pending {
    /// Its bindings, scratch at its `spots`.
    fn bound(&self, spots: &[Spot]) -> Vec<Bound> {
        let spot = |tensor: &GpuTensor| match &tensor.storage {
            Storage::Buffer(buffer) => (buffer.clone(), tensor.offset),
            Storage::Scratch(number) => (spots[*number].0.clone(), spots[*number].1 + tensor.offset),
        };
        let found: Vec<Spot> = self.bindings.iter().map(spot).collect();
        let written = |buffer: &wgpu::Buffer| found[self.reads..].iter().any(|(w, _)| w == buffer);
        let access = |i: usize, buffer: &wgpu::Buffer| match (i < self.reads, written(buffer)) {
            (false, _) => Access::Write,
            (true, true) => Access::ReadBesideWrite,
            (true, false) => Access::Read,
        };
        let bound = |(i, ((buffer, offset), tensor)): (usize, (&Spot, &GpuTensor))| Bound {
            buffer: buffer.clone(),
            offset: *offset,
            size: tensor.bound_bytes(),
            access: access(i, buffer),
        };
        found.iter().zip(&self.bindings).enumerate().map(bound).collect()
    }
}

/// The static parameters of a program's dispatches, in one uniform buffer.
struct Uniforms {
    buffer: wgpu::Buffer,
    stride: u64,
}

impl Uniforms {
    fn new(gpu: &Gpu, pending: &[Pending]) -> Result<Self> {
        let largest = pending.iter().map(|p| p.params.len()).max().unwrap_or(0).max(16) as u64;
        let stride = largest.next_multiple_of(gpu.alignment());
        let mut bytes = vec![0u8; (stride * pending.len().max(1) as u64) as usize];
        for (chunk, p) in bytes.chunks_exact_mut(stride as usize).zip(pending) {
            chunk[..p.params.len()].copy_from_slice(&p.params);
        }
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let buffer = gpu.buffer_with("params", bytes.len() as u64, usage)?;
        gpu.queue.write_buffer(&buffer, 0, &bytes);
        Ok(Self { buffer, stride })
    }

    fn bind_group(
        &self,
        gpu: &Gpu,
        index: usize,
        pending: &Pending,
        (pipeline, bound): (&Pipeline, &[Bound]),
    ) -> wgpu::BindGroup {
        let range = |buffer, offset, size| {
            wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: std::num::NonZeroU64::new(size) })
        };
        let params = range(&self.buffer, index as u64 * self.stride, pending.params.len().max(16) as u64);
        let resources = std::iter::once(params).chain(bound.iter().map(|b| range(&b.buffer, b.offset, b.size)));
        let entries: Vec<wgpu::BindGroupEntry<'_>> =
            (0..).zip(resources).map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }).collect();
        let label = pending.kernel.label();
        gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(&label),
            layout: &pipeline.layout,
            entries: &entries,
        })
    }
}

/// One dispatch with everything it needs.
pub(super) struct Dispatch {
    pub(super) label: String,
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    groups: [u32; 3],
    /// Floating-point operations, as its op counts them.
    pub(super) flops: u64,
    /// Bytes read and written.
    pub(super) bytes: u64,
}

/// Dispatches with everything they need, ready to be encoded any number of times.
pub struct Program {
    pub(super) dispatches: Vec<Dispatch>,
    step: wgpu::BindGroup,
    /// Bytes of the static parameters.
    pub(crate) uniform_bytes: u64,
    /// The scratch that its kernels use.
    pub(crate) scratch: Vec<Lifetime>,
}

impl Program {
    /// Encodes every dispatch into one compute pass of `encoder`.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_bind_group(1, &self.step, &[]);
        let mut set = None;
        for d in &self.dispatches {
            // Neighbours often run the same kernel: the optimizer's, slices of a batch.
            if set != Some(&d.pipeline) {
                pass.set_pipeline(&d.pipeline);
                set = Some(&d.pipeline);
            }
            d.encode(&mut pass);
        }
    }

    /// Encodes one dispatch into a compute pass of its own, between timestamps if asked for.
    pub(super) fn encode_one(
        &self,
        dispatch: &Dispatch,
        encoder: &mut wgpu::CommandEncoder,
        timestamp_writes: Option<wgpu::ComputePassTimestampWrites<'_>>,
    ) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
        pass.set_bind_group(1, &self.step, &[]);
        pass.set_pipeline(&dispatch.pipeline);
        dispatch.encode(&mut pass);
    }

    /// Dispatches in it.
    pub fn len(&self) -> usize {
        self.dispatches.len()
    }

    /// Whether it dispatches nothing.
    pub fn is_empty(&self) -> bool {
        self.dispatches.is_empty()
    }
}

impl Dispatch {
    /// Encodes it, its pipeline being set.
    fn encode(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_bind_group(0, &self.bind_group, &[]);
        let [x, y, z] = self.groups;
        pass.dispatch_workgroups(x, y, z);
    }
}
