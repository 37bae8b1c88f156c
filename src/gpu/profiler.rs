//! How long each dispatch of a program takes, and what the adapter could do in that time.

use super::device::Gpu;
use super::kernel::Kernel;
use super::program::{Program, Recorder, StepParams};
use crate::error::{Error, Result};
use serde::Serialize;

/// What dispatches are timed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// Timestamps that the device writes before and behind each dispatch, all in one submit.
    Device,
    /// Wall clock: each dispatch is submitted and waited for alone, and both count. For devices without timestamps.
    Wall,
}

/// One dispatch of a program, timed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timing {
    /// The kernel: `conv2d.forward`.
    pub kernel: String,
    /// Seconds it took.
    pub seconds: f64,
    /// Floating-point operations, a multiply-add being two; 0 where memory is what counts.
    pub flops: u64,
    /// Bytes of the tensors that it reads and writes, each once.
    pub bytes: u64,
}

/// What an adapter does at best, measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Peaks {
    /// Floating-point operations a second of multiply-adds in registers (shaders/common/peak_arithmetic.wgsl).
    pub flops_per_s: f64,
    /// Bytes a second, read and written, of copying vec4s (shaders/common/peak_copy.wgsl).
    pub bytes_per_s: f64,
}

impl Peaks {
    /// The share of the peak that work of `flops` and `bytes` in `seconds` comes to: of arithmetic or of copying, whichever is
    /// nearer its limit, and whether that is arithmetic.
    pub fn share(&self, seconds: f64, flops: u64, bytes: u64) -> (f64, bool) {
        let [arithmetic, copy] = [flops as f64 / self.flops_per_s, bytes as f64 / self.bytes_per_s];
        (arithmetic.max(copy) / seconds, arithmetic > copy)
    }
}

/// Dispatches whose timestamps one query set holds: two each, and 4,096 is WebGPU's limit of a set.
const A_SET: usize = 2_048;

impl Program {
    /// Runs the program once and times each dispatch: the clock and the timings, in order.
    ///
    /// # Errors
    /// Whatever the driver reports.
    pub fn profile(&self, gpu: &Gpu) -> Result<(Clock, Vec<Timing>)> {
        let (clock, seconds) = if gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            (Clock::Device, self.by_timestamps(gpu)?)
        } else {
            (Clock::Wall, self.by_wall_clock(gpu)?)
        };
        let timing = |(d, seconds): (&super::program::Dispatch, f64)| Timing {
            kernel: d.label.clone(),
            seconds,
            flops: d.flops,
            bytes: d.bytes,
        };
        Ok((clock, self.dispatches.iter().zip(seconds).map(timing).collect()))
    }

    /// Seconds of each dispatch, each in a compute pass of its own between two timestamps.
    fn by_timestamps(&self, gpu: &Gpu) -> Result<Vec<f64>> {
        let bytes = self.dispatches.len() as u64 * 16;
        let resolve = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let resolved = gpu.buffer_with("timestamps", bytes, resolve)?;
        let staging = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = gpu.buffer_with("timestamps read", bytes, staging)?;
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for (number, dispatches) in self.dispatches.chunks(A_SET).enumerate() {
            let count = dispatches.len() as u32 * 2;
            let set = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count,
            });
            for (i, dispatch) in (0..).step_by(2).zip(dispatches) {
                let timestamps = wgpu::ComputePassTimestampWrites {
                    query_set: &set,
                    beginning_of_pass_write_index: Some(i),
                    end_of_pass_write_index: Some(i + 1),
                };
                self.encode_one(dispatch, &mut encoder, Some(timestamps));
            }
            encoder.resolve_query_set(&set, 0..count, &resolved, (number * A_SET * 16) as u64);
        }
        encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, bytes);
        gpu.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |_| {});
        gpu.wait(None)?;
        let view = staging
            .get_mapped_range(..bytes)
            .map_err(|e| Error::gpu(format!("reading the timestamps back: {e}"), ""))?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&view);
        let period = f64::from(gpu.queue.get_timestamp_period()) * 1e-9;
        Ok(ticks.as_chunks().0.iter().map(|[start, end]| end.saturating_sub(*start) as f64 * period).collect())
    }

    /// Seconds of each dispatch alone, submit and wait included.
    fn by_wall_clock(&self, gpu: &Gpu) -> Result<Vec<f64>> {
        let time_one = |dispatch| {
            let start = std::time::Instant::now();
            let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            self.encode_one(dispatch, &mut encoder, None);
            let submission = gpu.queue.submit([encoder.finish()]);
            gpu.wait(Some(submission))?;
            Ok(start.elapsed().as_secs_f64())
        };
        self.dispatches.iter().map(time_one).collect()
    }
}

/// Seconds of a single dispatch: the best of five runs after a first, in which drivers compile.
fn best(program: &Program, gpu: &Gpu) -> Result<f64> {
    program.profile(gpu)?;
    let runs = (0..5).map(|_| Ok(program.profile(gpu)?.1[0].seconds)).collect::<Result<Vec<f64>>>()?;
    Ok(runs.into_iter().fold(f64::INFINITY, f64::min))
}

/// A program of what `record` records.
pub(super) fn program(gpu: &Gpu, record: impl FnOnce(&mut Recorder<'_>) -> Result<()>) -> Result<Program> {
    let mut rec = Recorder::new(gpu);
    record(&mut rec)?;
    let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
    let step = gpu.buffer_with("step", size_of::<StepParams>() as u64, usage)?;
    rec.finish_alone(&step)
}

impl Gpu {
    /// Measures what the adapter does at best; takes up to a second on a software driver.
    ///
    /// # Errors
    /// Whatever the driver reports.
    pub fn peaks(&self) -> Result<Peaks> {
        Ok(Peaks { flops_per_s: self.peak_arithmetic()?, bytes_per_s: self.peak_copy()? })
    }

    fn peak_arithmetic(&self) -> Result<f64> {
        #[repr(C)]
        #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
        struct Params {
            scale: f32,
            trips: u32,
            padding: [u32; 2],
        }
        let source = include_str!("../../shaders/common/peak_arithmetic.wgsl");
        let kernel = Kernel::new("gpu", "peak_arithmetic", source);
        let y = self.upload("y", [4], &[0.0; 4])?;
        let params = Params { scale: 0.5, trips: 1_024, padding: [0; 2] };
        // 3 vec4s, 8 multiply-adds a trip, 64 invocations a workgroup.
        let flops = |groups: u32| u64::from(groups) * 64 * u64::from(params.trips) * 3 * 4 * 8 * 2;
        let mut peak = 0.0;
        // More until it takes long enough for starting and ending not to count; 3 ms on an H100.
        for groups in [64, 256, 1_024, 4_096, 16_384] {
            let program = program(self, |rec| {
                rec.dispatch(&kernel, &params, &[], &[&y], [groups, 1, 1]);
                Ok(())
            })?;
            let seconds = best(&program, self)?;
            peak = flops(groups) as f64 / seconds.max(1e-9);
            if seconds > 0.005 {
                break;
            }
        }
        Ok(peak)
    }

    fn peak_copy(&self) -> Result<f64> {
        // Larger than the caches of nearly every adapter, and no larger than a binding may be.
        let elements = (self.max_binding().min(128 << 20) / 16 * 4) as usize;
        let tensor = |label| -> Result<_> {
            Ok(super::GpuTensor::new(&self.buffer(label, elements as u64 * 4)?, 0, [elements]))
        };
        let (x, y) = (tensor("x")?, tensor("y")?);
        let kernel = Kernel::new("gpu", "peak_copy", include_str!("../../shaders/common/peak_copy.wgsl"));
        let count = elements / 4;
        let program =
            program(self, |rec| rec.dispatch_items(&kernel, &[count as u32, 0, 0, 0], &[&x], &[&y], (count, 64)))?;
        Ok((x.bytes() + y.bytes()) as f64 / best(&program, self)?.max(1e-9))
    }
}
