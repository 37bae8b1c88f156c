//! `--batch auto`: the largest batch that a device has room for.

use super::config::Config;
use super::device::Device;
use super::start::Start;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::graph::{Augmentation, Graph, Mode};
use std::sync::Arc;

/// The most that `auto` takes: more images a step make fewer steps an epoch, and training worse at the same learning rate.
const MOST: usize = 512;
/// What `auto` takes on the reference, which has no adapter's memory to fill: Keras's default.
const ON_THE_CPU: usize = 32;

impl Device {
    /// The largest power of two, no more than 512 and than the training images, at which every phase that has no batch of its own
    /// fits: by what its plan predicts and the device has, and by what the driver then really gives. `note` is told what was found.
    ///
    /// # Errors
    /// A network that does not fit at all; whatever else the device reports.
    pub fn largest_batch(
        &self,
        config: &Config,
        start: &Start,
        dataset: &Dataset,
        note: &mut dyn FnMut(String),
    ) -> Result<usize> {
        let mut graph = start.graph_for(config, dataset)?;
        let mut open: Vec<Arc<Graph>> = Vec::new();
        for phase in config.phases()? {
            graph = phase.graph(&graph)?;
            if phase.batch == super::AUTO {
                open.push(Arc::new(graph.clone()));
            }
        }
        let augmentation = config.augmentation(dataset.train.input(), start.preprocess);
        let most = MOST.min(dataset.train.len()).max(1);
        let mut batch = match self {
            Self::Gpu(_) => 1 << most.ilog2(),
            Self::Cpu => ON_THE_CPU.min(most),
        };
        loop {
            let try_one = |graph| self.short(config, graph, batch, augmentation.as_ref()).transpose();
            let short = open.iter().find_map(try_one).transpose()?;
            let Some(short) = short else {
                note(format!("batch: {batch} images a step, the most that fits up to {most}"));
                return Ok(batch);
            };
            if batch == 1 {
                return Err(short);
            }
            note(format!("batch {batch} does not fit: {}", short.to_string().lines().next().unwrap_or_default()));
            batch /= 2;
        }
    }

    /// What a batch lacks, if it lacks anything.
    fn short(
        &self,
        config: &Config,
        graph: &Arc<Graph>,
        batch: usize,
        augmentation: Option<&Arc<dyn Augmentation>>,
    ) -> Result<Option<Error>> {
        let optimizer = config.optimizer()?;
        let make = || {
            let mut executor = self.trainer(graph, batch, 0, optimizer)?;
            augmentation.map_or(Ok(()), |a| executor.augment(Arc::clone(a)))?;
            executor.prepare(Mode::Train, batch)?;
            executor.prepare(Mode::Evaluate, batch)
        };
        // Variants of kernels are timed at the batch that is found, and not at those on the way to it.
        let made = match self {
            Self::Gpu(gpu) => gpu.tuner.pause(make),
            Self::Cpu => make(),
        };
        match made {
            Ok(()) => Ok(None),
            Err(e @ (Error::Gpu { .. } | Error::Usage { .. })) => Ok(Some(e)),
            Err(e) => Err(e),
        }
    }
}
