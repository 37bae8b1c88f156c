//! From `--device` to an executor.

use super::phase::mask_seed;
use super::tuning::{Cache, Tuning};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::formats::checkpoint::Progress;
use crate::gpu::adapter::{DeviceChoice, backends};
use crate::gpu::{Choices, Gpu};
use crate::graph::{Augmentation, CpuExecutor, Executor, GpuExecutor, Graph, Mode, Options};
use crate::optim::Optimizer;
use std::sync::Arc;

/// Where a graph will run.
pub enum Device {
    /// An adapter.
    Gpu(Arc<Gpu>),
    /// The f64 reference.
    Cpu,
}

/// A device, and what there is to do and to say about it.
pub struct Opened {
    /// The device.
    pub device: Device,
    /// What the user should know.
    pub notes: Vec<String>,
    cache: Option<Cache>,
}

impl Opened {
    /// Keeps what was timed for later runs, and says what came of it; nothing if nothing was timed.
    pub fn keep_timings(&self) -> Option<String> {
        let (Device::Gpu(gpu), Some(cache)) = (&self.device, &self.cache) else { return None };
        let fresh = gpu.tuner.fresh();
        let (count, seconds) = (fresh.len(), gpu.tuner.spent().as_secs_f64());
        if seconds == 0.0 {
            return None;
        }
        let kept = cache.add(fresh).err().map(|e| format!("; they are not kept: {e}")).unwrap_or_default();
        Some(format!("timed variants of {count} kernels in {seconds:.1} s{kept}"))
    }
}

impl Device {
    /// Opens what `device` and `backend` ask for. `auto` without any adapter is the CPU, with the reason to be shown.
    ///
    /// # Errors
    /// A named adapter or backend that is not there, or a driver that refuses.
    pub fn open(device: &str, backend: Option<&str>, tuning: &Tuning) -> Result<Opened> {
        match Self::open_strictly(device, backend, tuning) {
            Err(reason @ Error::NoAdapter { .. }) if device.parse() == Ok(DeviceChoice::Auto) => {
                let note = format!("{reason}\ngoing on with the CPU reference, which is slow");
                Ok(Opened { device: Self::Cpu, cache: None, notes: vec![note] })
            }
            other => other,
        }
    }

    /// [`Device::open`], where `auto` without any adapter is an error.
    ///
    /// # Errors
    /// As [`Device::open`]; [`Error::NoAdapter`].
    pub fn open_strictly(device: &str, backend: Option<&str>, tuning: &Tuning) -> Result<Opened> {
        let choice: DeviceChoice = device.parse().unwrap_or(DeviceChoice::Auto);
        let backends = backends(backend)?;
        if choice == DeviceChoice::Cpu {
            return Ok(Opened { device: Self::Cpu, cache: None, notes: Vec::new() });
        }
        let mut gpu = Gpu::open(&choice, backends)?;
        let (cache, note) = tuning.apply(&mut gpu)?;
        Ok(Opened { device: Self::Gpu(Arc::new(gpu)), cache, notes: note.into_iter().collect() })
    }

    /// The adapter that the system prefers, for library use.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] where there is none, or a driver that refuses.
    pub fn gpu() -> Result<Self> {
        let mut gpu = Gpu::open(&DeviceChoice::Auto, backends(None)?)?;
        Tuning::default().apply(&mut gpu)?;
        Ok(Self::Gpu(Arc::new(gpu)))
    }

    /// The variants of kernels that it has chosen.
    pub(super) fn choices(&self) -> Choices {
        match self {
            Self::Gpu(gpu) => gpu.tuner.choices(),
            Self::Cpu => Choices::new(),
        }
    }

    /// Chooses as a checkpoint's run did, where it has chosen.
    pub(super) fn hold(&self, choices: &Choices) {
        if let Self::Gpu(gpu) = self {
            gpu.tuner.hold(choices.clone());
        }
    }

    /// Puts a graph on the device; see [`GpuExecutor::new`].
    ///
    /// # Errors
    /// Tensors that the device cannot hold.
    pub fn executor(&self, graph: &Arc<Graph>, batch: usize, seed: u64, train: bool) -> Result<Box<dyn Executor>> {
        Ok(match self {
            Self::Gpu(gpu) => Box::new(GpuExecutor::new(Arc::clone(gpu), Arc::clone(graph), batch, seed, train)?),
            Self::Cpu => {
                CpuExecutor::check_room(graph, batch, train)?;
                Box::new(CpuExecutor::new(Arc::clone(graph), batch, seed))
            }
        })
    }

    /// An executor that trains as `optimizer` says; see [`GpuExecutor::new`].
    ///
    /// # Errors
    /// Tensors that the device cannot hold.
    pub fn trainer(
        &self,
        graph: &Arc<Graph>,
        batch: usize,
        seed: u64,
        optimizer: Optimizer,
    ) -> Result<Box<dyn Executor>> {
        let graph = Arc::clone(graph);
        Ok(match self {
            Self::Gpu(gpu) => {
                let options = Options { optimizer, ..Options::default() };
                Box::new(GpuExecutor::with(Arc::clone(gpu), graph, batch, seed, (true, options))?)
            }
            Self::Cpu => {
                CpuExecutor::check_room(&graph, batch, true)?;
                Box::new(CpuExecutor::new(graph, batch, seed).optimizer(optimizer))
            }
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
        optimizer: Optimizer,
        augmentation: Option<&Arc<dyn Augmentation>>,
    ) -> Result<Box<dyn Executor>> {
        let mut executor = self.trainer(graph, at.batch, mask_seed(at.seed, at.phase), optimizer)?;
        augmentation.map_or(Ok(()), |a| executor.augment(Arc::clone(a)))?;
        let update = at.batch.saturating_mul(optimizer.accumulate);
        for (mode, split, most) in [(Mode::Train, &data.train, update), (Mode::Evaluate, &data.validation, at.batch)] {
            for size in [most.min(split.len()), split.len() % most] {
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
    pub fn check_room(&self, graph: &Graph, batch: usize, optimizer: Optimizer) -> Result<()> {
        match self {
            Self::Gpu(gpu) => {
                let options = Options { optimizer, ..Options::default() };
                GpuExecutor::check_room_with(gpu, graph, batch, (true, options))
            }
            Self::Cpu => CpuExecutor::check_room(graph, batch, true),
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
