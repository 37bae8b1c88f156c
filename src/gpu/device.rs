//! One opened adapter: device, queue, error handlers, pipeline cache.

use super::adapter::{self, AdapterDescription, DeviceChoice};
use super::kernel::{Kernel, PipelineCache};
use super::tensor::GpuTensor;
use super::tuner::Tuner;
use crate::error::{Error, Result};
use crate::tensor::Shape;
use std::sync::{Arc, Mutex};

/// How the register-tiled kernels (convolution, dense) share loads between invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tiling {
    /// One subgroup a workgroup, `lanes` wide; rows are broadcast between lanes. For CPU drivers, where every load costs a
    /// scalar loop over the lanes and workgroup memory only adds to it (measured: DESIGN.md section 5).
    Subgroup {
        /// Invocations of a subgroup: 4, 8 or 16.
        lanes: u32,
        /// What a load costs there.
        loads: Loads,
    },
    /// Tiles in workgroup memory, 8 x 8 invocations of 4 x 4 outputs. For GPUs.
    Workgroup,
}

impl Tiling {
    /// Invocations along a tile's columns.
    pub(crate) fn lanes(self) -> usize {
        match self {
            Self::Subgroup { lanes, .. } => lanes as usize,
            Self::Workgroup => 8,
        }
    }

    /// Whether vectors are loaded and stored as 64-bit words.
    pub(crate) fn loads_wide(self) -> bool {
        matches!(self, Self::Subgroup { loads: Loads::Wide | Loads::Slow, .. })
    }

    /// Whether lanes take their places by halves (shaders/common/places_by_halves.wgsl).
    pub(crate) fn by_halves(self) -> bool {
        matches!(self, Self::Subgroup { loads: Loads::Wide, .. })
    }
}

/// What loads from storage cost on a CPU driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loads {
    /// As much as the driver's authors would like; nobody has measured.
    Plain,
    /// Each word of each lane by itself, so that 64-bit words halve the cost: Mesa's llvmpipe (measured on 25.0: 1.3 to 1.8 times
    /// faster convolutions). Needs 64-bit integers.
    Wide,
    /// The same in a loop over the lanes, so that larger tiles pay: llvmpipe before Mesa 24 (measured on 22.3: 140 cycles a vector of 8
    /// lanes, 83 as half of a 64-bit load).
    Slow,
}

impl Loads {
    /// Of a software driver with this description. Between the versions that were measured, the line is a guess.
    fn of(driver: &str, int64: bool) -> Self {
        let Some(version) = driver.split("Mesa ").nth(1).filter(|_| int64) else { return Self::Plain };
        match version.split('.').next().and_then(|v| v.parse::<u32>().ok()) {
            Some(version) if version < 24 => Self::Slow,
            Some(_) => Self::Wide,
            None => Self::Plain,
        }
    }
}

/// What the driver reported outside any call: collected, never a panic.
#[derive(Default)]
struct Reports {
    error: Option<String>,
    lost: Option<String>,
}

/// An opened adapter.
pub struct Gpu {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) pipelines: PipelineCache,
    /// What was opened.
    pub description: AdapterDescription,
    /// The variant of the register-tiled kernels; tests run each.
    pub tiling: Tiling,
    /// How variants of kernels are chosen; tests run each.
    pub tuner: Tuner,
    limits: wgpu::Limits,
    max_binding: u64,
    memory_limit: Option<u64>,
    reports: Arc<Mutex<Reports>>,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gpu({})", self.description)
    }
}

/// Bytes that the system can give to programs, where it says so (Linux).
pub(crate) fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

impl Gpu {
    /// Opens the adapter that `choice` asks for, with all limits that it has and subgroups if it has them.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] without a fitting adapter, [`Error::Gpu`] if its driver refuses a device.
    pub fn open(choice: &DeviceChoice, backends: wgpu::Backends) -> Result<Self> {
        let (adapter, description) = adapter::choose(choice, backends)?;
        let wanted = wgpu::Features::SUBGROUP | wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SHADER_INT64;
        let limits = adapter.limits();
        let request = wgpu::DeviceDescriptor {
            label: Some("fer-gpu"),
            required_features: adapter.features() & wanted,
            required_limits: limits.clone(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&request))
            .map_err(|e| Error::gpu(format!("{description} refused a device: {e}"), "update its driver"))?;
        let reports = Arc::new(Mutex::new(Reports::default()));
        let on_error = Arc::clone(&reports);
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
            if let Ok(mut r) = on_error.lock() {
                r.error.get_or_insert_with(|| e.to_string());
            }
        }));
        let on_lost = Arc::clone(&reports);
        device.set_device_lost_callback(move |reason, message| {
            if let Ok(mut r) = on_lost.lock() {
                r.lost.get_or_insert_with(|| format!("{message} ({reason:?})"));
            }
        });
        let [min, max] = description.subgroup;
        let software = description.kind == "software" && description.subgroups && min == max;
        let tiling = if software && [4, 8, 16].contains(&min) {
            let int64 = adapter.features().contains(wgpu::Features::SHADER_INT64);
            Tiling::Subgroup { lanes: min, loads: Loads::of(&description.driver, int64) }
        } else {
            Tiling::Workgroup
        };
        let (pipelines, max_binding) = (PipelineCache::default(), limits.max_storage_buffer_binding_size);
        Ok(Self {
            device,
            queue,
            pipelines,
            description,
            tiling,
            tuner: Tuner::default(),
            limits,
            max_binding,
            memory_limit: None,
            reports,
        })
    }

    /// The error that the driver reported since the device was opened, if any.
    ///
    /// # Errors
    /// A lost device, out of memory, or a validation error.
    pub fn check(&self) -> Result<()> {
        let Ok(reports) = self.reports.lock() else { return Ok(()) };
        if let Some(lost) = &reports.lost {
            let hint = "most often a driver's time limit on long work (two seconds on Windows, where TdrDelay raises it), or a \
                        driver that was updated or ran out of memory";
            return Err(Error::DeviceLost { what: lost.clone(), hint: hint.into() });
        }
        match &reports.error {
            Some(error) => Err(Error::gpu(error.clone(), "")),
            None => Ok(()),
        }
    }

    /// Largest storage binding, in bytes.
    pub fn max_binding(&self) -> u64 {
        self.max_binding
    }

    /// Acts as an adapter whose storage bindings hold `bytes` at most (never more than this one's do), so that smaller tensors
    /// are cut into slices: for tests of that.
    pub fn limit_binding(&mut self, bytes: u64) {
        self.max_binding = bytes.min(self.limits.max_storage_buffer_binding_size);
    }

    /// Bytes that buffers may have in all, where that is known: a software adapter's memory is what the system has left. Other
    /// adapters say no until a buffer is asked for.
    pub fn memory(&self) -> Option<u64> {
        self.memory_beside(0)
    }

    /// Bytes that more buffers may have, beside `used` ones that are there; as [`Gpu::memory`].
    pub fn memory_beside(&self, used: u64) -> Option<u64> {
        let system = || if self.description.kind == "software" { available_memory() } else { None };
        self.memory_limit.map(|limit| limit.saturating_sub(used)).or_else(system)
    }

    /// Acts as an adapter with `bytes` of memory: for tests of what does not fit.
    pub fn limit_memory(&mut self, bytes: u64) {
        self.memory_limit = Some(bytes);
    }

    /// From here on compiles `rewrite(kernel)`, where it gives a text, instead of a kernel's source. The door of the mutation
    /// test, which breaks one kernel at a time; nothing else has a use for it.
    #[doc(hidden)]
    pub fn rewrite_shaders(&mut self, rewrite: impl Fn(&Kernel) -> Option<String> + Send + Sync + 'static) {
        self.pipelines.rewrite(rewrite);
    }

    /// Buffers that the driver holds for this device, wgpu's own included, and their bytes; none where wgpu keeps no account of them
    /// (it does on Vulkan and DX12).
    pub fn held(&self) -> Option<(usize, u64)> {
        let report = self.device.generate_allocator_report()?;
        Some((report.allocations.len(), report.total_allocated_bytes))
    }

    /// Alignment of a storage binding's first byte.
    pub fn alignment(&self) -> u64 {
        u64::from(self.limits.min_storage_buffer_offset_alignment.max(self.limits.min_uniform_buffer_offset_alignment))
    }

    /// Workgroups that keep the device busy: what split reductions aim at.
    pub fn target_groups(&self) -> usize {
        match self.tiling {
            Tiling::Subgroup { .. } => 16,
            Tiling::Workgroup => 1_024,
        }
    }

    /// Products of a kernel's turn that its compiler unrolls in reasonable time: SwiftShader's takes a second for 36 and all memory for 100.
    pub fn unrolls(&self) -> usize {
        let slow = self.description.kind == "software" && !self.description.driver.contains("Mesa ");
        if slow { 36 } else { usize::MAX }
    }

    /// A storage buffer of `bytes` (at least 16), zeroed by the API.
    ///
    /// # Errors
    /// Over the adapter's buffer limit, or out of memory: says what was asked for.
    pub fn buffer(&self, label: &str, bytes: u64) -> Result<wgpu::Buffer> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        self.buffer_with(label, bytes, usage)
    }

    /// Bytes that a buffer may have.
    pub fn max_buffer(&self) -> u64 {
        self.limits.max_buffer_size
    }

    /// A buffer of `bytes` (at least 16) for `usage`; errors as [`Gpu::buffer`].
    pub(crate) fn buffer_with(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer> {
        let size = bytes.next_multiple_of(16).max(16);
        if size > self.limits.max_buffer_size {
            return Err(Error::gpu(
                format!("{label}: {size} bytes exceed the adapter's largest buffer of {}", self.limits.max_buffer_size),
                "use a smaller --batch",
            ));
        }
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        });
        match pollster::block_on(scope.pop()) {
            None => Ok(buffer),
            Some(e) => {
                Err(Error::gpu(format!("out of memory for {label} ({size} bytes): {e}"), "use a smaller --batch"))
            }
        }
    }

    /// A tensor in a buffer of its own, holding `values`.
    ///
    /// # Errors
    /// As [`Gpu::buffer`].
    pub fn upload(&self, label: &str, shape: impl Into<Shape>, values: &[f32]) -> Result<GpuTensor> {
        let tensor = GpuTensor::new(&self.buffer(label, values.len() as u64 * 4)?, 0, shape);
        self.write(&tensor, values);
        Ok(tensor)
    }

    /// Queues a write of f32 or u32 `values` to the start of `tensor`; it happens before the next submit's work.
    pub fn write<T: bytemuck::Pod>(&self, tensor: &GpuTensor, values: &[T]) {
        self.queue.write_buffer(tensor.buffer(), tensor.offset, bytemuck::cast_slice(values));
    }

    /// Waits for all work and reads a tensor back. For checkpoints, tests and the end of an evaluation, never inside a step.
    ///
    /// # Errors
    /// Whatever the driver reports.
    pub fn read<T: bytemuck::Pod>(&self, tensor: &GpuTensor) -> Result<Vec<T>> {
        if tensor.elements() == 0 {
            return Ok(Vec::new());
        }
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = self.buffer_with("read", tensor.bytes(), usage)?;
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(tensor.buffer(), tensor.offset, &staging, 0, tensor.bytes());
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |_| {});
        self.wait(None)?;
        let view = staging
            .get_mapped_range(..tensor.bytes())
            .map_err(|e| Error::gpu(format!("reading {} back: {e}", tensor.shape), ""))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }

    /// Waits until a submission, or all of them, has finished.
    ///
    /// # Errors
    /// Whatever the driver reports.
    pub fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let polled = self.device.poll(wgpu::PollType::Wait { submission_index: submission, timeout: None });
        // A lost device explains more than a wait that failed.
        self.check()?;
        polled.map(|_| ()).map_err(|e| Error::gpu(format!("waiting for the device: {e}"), ""))
    }
}
