//! Why training cannot go on.

use super::Trainer;
use crate::data::loader::read_now;
use crate::error::{Error, Result};
use crate::graph::{CpuExecutor, Executor};
use crate::train::partial::Recent;
use crate::train::phase::mask_seed;
use std::sync::Arc;

impl Trainer<'_> {
    /// Finds the layer at which a loss stopped being finite. No parameter has moved since that step, so the recent batches are
    /// run again on the reference until one shows it.
    pub(super) fn not_finite(&self, recent: &Recent, step: usize) -> Error {
        let what = self.find_not_finite(recent).unwrap_or_else(|e| format!("the loss is not finite ({e})"));
        let kept = if self.run.last().exists() { "the last good checkpoint is kept" } else { "no epoch was completed" };
        Error::NotFinite {
            epoch: self.progress.epoch + 1,
            step,
            what,
            hint: format!("{kept} in {}; try a smaller --lr", self.run.path().display()),
        }
    }

    fn find_not_finite(&self, recent: &Recent) -> Result<String> {
        let seed = mask_seed(self.progress.seed, self.progress.phase);
        let mut reference = CpuExecutor::new(Arc::clone(&self.graph), self.images_a_step(), seed);
        reference.restore(&self.executor.snapshot()?)?;
        self.augmentation.as_ref().map_or(Ok(()), |a| reference.augment(Arc::clone(a)))?;
        let found = recent.first(|at, indices| {
            let samples = read_now(self.dataset.train.as_ref(), indices)?;
            reference.first_not_finite(&samples.batch(), at)
        })?;
        Ok(found.unwrap_or_else(|| format!("the loss or a gradient on {} is not finite, in f32 only", self.device)))
    }

    /// An error with what to do about it: after the loss of a device, what is saved and how to go on.
    pub(super) fn explained(&self, error: Error) -> Error {
        let Error::DeviceLost { what, hint } = error else { return error };
        let (last, folder) = (self.run.last(), self.run.path().display());
        let saved = match self.progress.epoch {
            _ if !last.exists() => "no epoch was completed: start the run again".to_owned(),
            epoch => format!(
                "{} is of epoch {epoch}; go on with: fer-gpu train --resume {folder}\n  if it happens again: a new run \
                 with a smaller --batch, a larger --accumulate and --weights {}",
                last.display(),
                last.display()
            ),
        };
        Error::DeviceLost { what, hint: format!("{hint}\n  {saved}") }
    }
}
