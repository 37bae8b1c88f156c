//! From `--device` to an executor.

use super::phase::mask_seed;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::formats::checkpoint::Progress;
use crate::gpu::Gpu;
use crate::gpu::adapter::{DeviceChoice, backends};
use crate::graph::{Augmentation, CpuExecutor, Executor, GpuExecutor, Graph, Mode};
use std::sync::Arc;

/// Where a graph will run.
pub enum Device {
    /// An adapter.
    Gpu(Arc<Gpu>),
    /// The f64 reference.
    Cpu,
}

impl Device {
    /// Opens what `device` and `backend` ask for. `auto` without any adapter is the CPU, with the reason to be shown.
    ///
    /// # Errors
    /// A named adapter or backend that is not there, or a driver that refuses.
    pub fn open(device: &str, backend: Option<&str>) -> Result<(Self, Option<String>)> {
        let choice: DeviceChoice = device.parse().unwrap_or(DeviceChoice::Auto);
        let backends = backends(backend)?;
        if choice == DeviceChoice::Cpu {
            return Ok((Self::Cpu, None));
        }
        match Gpu::open(&choice, backends) {
            Ok(gpu) => Ok((Self::Gpu(Arc::new(gpu)), None)),
            Err(reason @ Error::NoAdapter { .. }) if choice == DeviceChoice::Auto => {
                Ok((Self::Cpu, Some(reason.to_string())))
            }
            Err(e) => Err(e),
        }
    }

    /// Puts a graph on the device; see [`GpuExecutor::new`].
    ///
    /// # Errors
    /// Tensors that the device cannot hold.
    pub fn executor(&self, graph: &Arc<Graph>, batch: usize, seed: u64, train: bool) -> Result<Box<dyn Executor>> {
        Ok(match self {
            Self::Gpu(gpu) => Box::new(GpuExecutor::new(Arc::clone(gpu), Arc::clone(graph), batch, seed, train)?),
            Self::Cpu => Box::new(CpuExecutor::new(Arc::clone(graph), batch, seed)),
        })
    }

    /// An executor that trains the phase at which a run stands, with all built: the full batch and the last, smaller one.
    ///
    /// # Errors
    /// Tensors that the device cannot hold.
    pub(super) fn ready(
        &self,
        graph: &Arc<Graph>,
        data: &Dataset,
        at: &Progress,
        augmentation: Option<&Arc<dyn Augmentation>>,
    ) -> Result<Box<dyn Executor>> {
        let mut executor = self.executor(graph, at.batch, mask_seed(at.seed, at.phase), true)?;
        augmentation.map_or(Ok(()), |a| executor.augment(Arc::clone(a)))?;
        for (mode, split) in [(Mode::Train, &data.train), (Mode::Evaluate, &data.validation)] {
            for size in [at.batch.min(split.len()), split.len() % at.batch] {
                if size > 0 {
                    executor.prepare(mode, size)?;
                }
            }
        }
        Ok(executor)
    }

    /// Refuses a graph to be trained whose buffers the device does not have, without keeping any.
    ///
    /// # Errors
    /// As [`GpuExecutor::new`].
    pub fn check_room(&self, graph: &Graph, batch: usize) -> Result<()> {
        match self {
            Self::Gpu(gpu) => GpuExecutor::check_room(gpu, graph, batch, true),
            Self::Cpu => Ok(()),
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gpu(gpu) => gpu.description.fmt(f),
            Self::Cpu => f.write_str("the CPU reference (f64, no driver)"),
        }
    }
}
