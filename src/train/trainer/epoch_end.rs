//! What follows an epoch: counting, checkpoints, the history; and, after the last, the result.

use super::Trainer;
use crate::data::{Dataset, InputSpec, Split};
use crate::error::{Error, Result};
use crate::eval::Scores;
use crate::formats::checkpoint::{Best, Checkpoint, Meta, Plateau, Progress};
use crate::formats::tensorboard::EventFile;
use crate::graph::{NamedTensor, Snapshot};
use crate::train::callbacks::EarlyStopping;
use crate::train::evaluate::graph_of;
use crate::train::history::EpochRow;
use crate::train::saved;
use crate::train::task::score;
use std::sync::Arc;

impl Trainer<'_> {
    /// Records the epoch and saves, in the order that `train::run` states; whether it is the best so far.
    pub(super) fn finish_epoch(&mut self, row: EpochRow) -> Result<bool> {
        let monitor = self.config.monitor();
        let value = monitor.of(&row);
        let better = monitor.improves(value, self.progress.best, 0.0) || self.progress.best.is_none();
        if better {
            self.progress.best = Some(Best { epoch: row.epoch, value });
        }
        self.count(&row);
        self.progress.epoch = row.epoch;
        self.progress.history.push(row.clone());
        let checkpoint = self.checkpoint()?;
        if self.config.save_every > 0 && self.progress.epoch.is_multiple_of(self.config.save_every) {
            checkpoint.save(&self.run.of_epoch(self.progress.epoch))?;
        }
        if better {
            self.run.remove_scores()?;
            checkpoint.save(&self.run.best())?;
        }
        checkpoint.save(&self.run.last())?;
        self.write_history()?;
        self.tell_tensorboard(&row)?;
        Ok(better)
    }

    /// Writes the history so far; a process may have ended before it did.
    pub(crate) fn write_history(&self) -> Result<()> {
        if self.progress.history.is_empty() {
            return Ok(());
        }
        self.run.write_history(&self.progress.history, self.progress.best.map(|b| b.epoch))
    }

    /// Counts the epoch for early stopping and the reduction on a plateau.
    fn count(&mut self, row: &EpochRow) {
        let Progress { phase_start, epoch, lr, best, stopping, stale_epochs, plateau, .. } = &mut self.progress;
        // Without a table or a flag, an epoch is stale as the best one is counted: for those who look at a checkpoint.
        let default = EarlyStopping { monitor: self.config.monitor(), ..EarlyStopping::default() };
        // A checkpoint of before this was kept has the run's best only.
        if stopping.is_none() && *epoch > *phase_start {
            *stopping = *best;
        }
        self.config.stopping().unwrap_or(default).count(row, *epoch - *phase_start, stopping, stale_epochs);
        if let Some(reduce) = &self.config.reduce_on_plateau {
            reduce.count(row, plateau.get_or_insert(Plateau::new(*lr)));
        }
    }

    /// Adds the epoch to the event file, which the first epoch of a process begins.
    fn tell_tensorboard(&mut self, row: &EpochRow) -> Result<()> {
        let events = match &mut self.events {
            Some(events) => events,
            none => none.insert(EventFile::create(self.run.path())?),
        };
        let EpochRow { epoch, loss, accuracy, mse, val_loss, val_accuracy, val_mse, lr, images_per_s, .. } = row;
        let concordance = row.val_ccc().unwrap_or(f64::NAN);
        let rmse = row.val_rmse().unwrap_or(f64::NAN);
        let values = [
            ("loss", *loss),
            ("accuracy", *accuracy),
            ("mse", *mse),
            ("val_loss", *val_loss),
            ("val_accuracy", *val_accuracy),
            ("val_mse", *val_mse),
            ("learning_rate", *lr),
            ("images_per_s", *images_per_s),
            ("val_ccc", concordance),
            ("val_rmse", rmse),
        ];
        // What a task does not have is not written.
        let values: Vec<_> = values.into_iter().filter(|(_, value)| !value.is_nan()).collect();
        events.scalars(*epoch as u64, &values)
    }

    /// The run as it stands.
    pub(super) fn checkpoint(&self) -> Result<Checkpoint> {
        let InputSpec { height, width, channels, conversion } = self.dataset.train.input();
        let (network, freeze) = self.kept.clone();
        let meta = Meta {
            model: self.graph.name.clone(),
            network,
            task: self.dataset.task,
            head: crate::data::Head::Softmax,
            classes: self.dataset.classes.clone(),
            input: [height, width, channels],
            freeze,
            preprocessing: self.preprocess,
            conversion,
            kernels: self.device.choices(),
            temperature: None,
            progress: Some(self.progress.clone()),
        };
        Ok(saved::checkpoint(meta, self.executor.snapshot()?))
    }

    /// The parameters in the best checkpoint, which must be of the best epoch.
    pub(super) fn best_parameters(&self) -> Result<Vec<NamedTensor>> {
        let path = self.run.best();
        let checkpoint = Checkpoint::load(&path)?;
        let [held, named] =
            [checkpoint.meta.progress.as_ref().map(|p| p.epoch), self.progress.best.map(|best| best.epoch)];
        if held != named {
            let number = |epoch: Option<usize>| epoch.map_or("no epoch".to_owned(), |epoch| format!("epoch {epoch}"));
            let what = format!("is of {}, and the best was {}: it was replaced", number(held), number(named));
            return Err(Error::checkpoint(
                &path,
                what,
                "put it back, or `--resume` the run, which goes on from what is there",
            ));
        }
        // It may be of another phase, which trained other parameters.
        let graph = graph_of(&checkpoint.meta, &path)?;
        Ok(saved::snapshot(checkpoint, &path, &graph)?.parameters)
    }

    /// The best checkpoint's figures.
    pub(super) fn score_best(&mut self) -> Result<(Option<Scores>, &'static str)> {
        let parameters = self.best_parameters()?;
        self.executor.restore(&Snapshot { parameters, ..Snapshot::default() })?;
        let (split, name): (&Arc<dyn Split>, _) = match &self.dataset.test {
            Some(test) => (test, "test"),
            None => (&self.dataset.validation, "validation"),
        };
        let (executor, Dataset { task, classes, .. }) = (self.executor.as_mut(), self.dataset);
        let scores = score(executor, split, (*task, classes), self.progress.batch)?.on(name);
        Ok((Some(scores), name))
    }
}
