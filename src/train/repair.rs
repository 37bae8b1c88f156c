//! Bringing the checkpoints of a run into agreement before it goes on, whatever ended the process that wrote them.
//!
//! `best` is written before `last`, and both from the same state, so three things may be found:
//!
//! * `best` is of the epoch after `last`'s: the process ended between the two. `best` is then all that `last` would have
//!   been, and becomes it.
//! * `best` is of the epoch that `last` names: all is well.
//! * `best` is lost, damaged, or of an earlier epoch (versions that wrote `last` first, a file put back from elsewhere). If
//!   `last` or a checkpoint of `--save-every` is of the epoch, it is copied; otherwise the best that is there counts as the best.

use super::config::Config;
use super::history::EpochRow;
use super::run::RunFolder;
use crate::error::{Error, Result};
use crate::formats::checkpoint::{Best, Checkpoint, Progress};
use std::path::Path;

/// Brings a run's checkpoints into agreement, and says what had to be done.
///
/// # Errors
/// A damaged `last`, or none and no `best` to go on from; a folder that cannot be written.
pub(super) fn repair(run: &RunFolder) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let best = readable(&run.best(), &mut notes)?;
    let last = if run.last().is_file() { Some(Checkpoint::load(&run.last())?) } else { None };
    match (best, last) {
        (Some(best), last) if is_ahead(&best, last.as_ref()) => notes.push(move_on(run, best)?),
        (_, None) => {
            let hint = "the run stopped before its first epoch ended, or its files were moved: start a new run";
            return Err(Error::checkpoint(run.last(), "there is no such file to resume from", hint));
        }
        (best, Some(last)) => mend_best(run, best, last, &mut notes)?,
    }
    Ok(notes)
}

/// A checkpoint, if it is there and whole.
fn readable(path: &Path, notes: &mut Vec<String>) -> Result<Option<Checkpoint>> {
    if !path.is_file() {
        return Ok(None);
    }
    match Checkpoint::load(path) {
        Ok(checkpoint) => Ok(Some(checkpoint)),
        Err(e @ Error::Checkpoint { .. }) => {
            notes.push(e.to_string());
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

/// Whether two histories are of one run, as far as both go: figures and times are the same bits.
fn same_run(one: &Progress, other: &Progress) -> bool {
    let bits = |row: &EpochRow| (row.epoch, row.loss.to_bits(), row.val_loss.to_bits(), row.seconds.to_bits());
    let rows = |p: &Progress| p.history.iter().map(bits).collect::<Vec<_>>();
    one.seed == other.seed && rows(one).iter().zip(&rows(other)).all(|(a, b)| a == b)
}

/// Whether `best` is what `last` was about to become.
fn is_ahead(best: &Checkpoint, last: Option<&Checkpoint>) -> bool {
    let Some(ahead) = &best.meta.progress else { return false };
    let of_itself = ahead.best.is_some_and(|b| b.epoch == ahead.epoch) && ahead.partial.is_none();
    let follows = match last {
        None => true,
        Some(last) => last.meta.progress.as_ref().is_some_and(|l| ahead.epoch == l.epoch + 1 && same_run(ahead, l)),
    };
    of_itself && follows
}

/// Makes `last` of a `best` that is ahead of it.
fn move_on(run: &RunFolder, mut best: Checkpoint) -> Result<String> {
    // `evaluate --calibrate` may have been there in between.
    best.meta.temperature = None;
    best.save(&run.last())?;
    let epoch = best.meta.progress.map_or(0, |p| p.epoch);
    Ok(format!(
        "a process ended while it saved epoch {epoch}: training goes on from best.safetensors, which has all of it"
    ))
}

/// Sees to it that `best` is of the epoch that `last` names.
fn mend_best(run: &RunFolder, best: Option<Checkpoint>, mut last: Checkpoint, notes: &mut Vec<String>) -> Result<()> {
    let Some(progress) = last.meta.progress.clone() else { return Ok(()) };
    let Some(named) = progress.best.map(|b| b.epoch) else { return Ok(()) };
    let held = best.and_then(|b| b.meta.progress).filter(|p| same_run(p, &progress));
    if held.as_ref().is_some_and(|p| p.epoch == named) {
        return Ok(());
    }
    let what = format!("best.safetensors does not hold epoch {named}, which last.safetensors names as the best");
    if progress.epoch == named && progress.partial.is_none() {
        last.save(&run.best())?;
        notes.push(format!("{what}: it is copied from last.safetensors, which is of that epoch"));
        return Ok(());
    }
    let kept = readable(&run.of_epoch(named), notes)?;
    let of_run = |c: &Checkpoint| c.meta.progress.as_ref().is_some_and(|p| p.epoch == named && same_run(p, &progress));
    if let Some(kept) = kept.filter(of_run) {
        kept.save(&run.best())?;
        notes.push(format!("{what}: it is copied from {}", run.of_epoch(named).display()));
        return Ok(());
    }
    let instead = match held {
        Some(held) if held.epoch < named => held.best.filter(|b| b.epoch == held.epoch),
        _ if progress.partial.is_none() => of_last(run, &progress)?,
        _ => None,
    };
    if let Some(own) = instead.filter(|b| b.epoch == progress.epoch) {
        set_best(&mut last, Some(own));
        last.save(&run.best())?;
    } else {
        set_best(&mut last, instead);
    }
    last.save(&run.last())?;
    let counts = match instead {
        Some(best) => format!("epoch {}, which is there, counts as the best from here on", best.epoch),
        None => "the next epoch counts as the best".to_owned(),
    };
    notes.push(format!("{what}; its parameters are lost, and {counts}"));
    Ok(())
}

fn set_best(checkpoint: &mut Checkpoint, best: Option<Best>) {
    if let Some(progress) = &mut checkpoint.meta.progress {
        progress.best = best;
    }
}

/// The last epoch as the best.
fn of_last(run: &RunFolder, progress: &Progress) -> Result<Option<Best>> {
    let monitor = Config::read(&run.config())?.monitor();
    Ok(progress.history.last().map(|row| Best { epoch: row.epoch, value: monitor.of(row) }))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::formats::checkpoint::tests::sample;
    use crate::train::history::tests::row;
    use std::fs;

    /// A checkpoint after so many epochs, whose tensors say which.
    fn checkpoint(epoch: usize, best: usize) -> Checkpoint {
        let mut checkpoint = sample(epoch as u64, 4);
        checkpoint.meta.temperature = None;
        let progress = checkpoint.meta.progress.as_mut().unwrap();
        (progress.epoch, progress.phase, progress.phase_start) = (epoch, 0, 0);
        progress.history = (1..=epoch).map(row).collect();
        progress.best = Some(Best { epoch: best, value: 0.5 + best as f64 });
        progress.partial = None;
        checkpoint
    }

    fn folder() -> (tempfile::TempDir, RunFolder) {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(Some(&folder.path().join("run"))).unwrap();
        run.write_config(&Config::default()).unwrap();
        (folder, run)
    }

    /// Epochs of `best` and `last`, and the epoch that `last` names; all tensors are of these epochs.
    fn epochs(run: &RunFolder) -> [usize; 3] {
        let [best, last] = [run.best(), run.last()].map(|path| Checkpoint::load(&path).unwrap());
        let [b, l] = [&best, &last].map(|c| c.meta.progress.clone().unwrap());
        assert_eq!(best.tensors, sample(b.epoch as u64, 4).tensors);
        assert_eq!(last.tensors, sample(l.epoch as u64, 4).tensors);
        [b.epoch, l.epoch, l.best.unwrap().epoch]
    }

    #[test]
    fn a_best_that_is_ahead_becomes_the_last() {
        let (_folder, run) = folder();
        let mut best = checkpoint(1, 1);
        best.save(&run.best()).unwrap();
        let notes = repair(&run).unwrap();
        assert!(notes.len() == 1 && notes[0].contains("saved epoch 1"), "{notes:?}");
        assert_eq!(fs::read(run.best()).unwrap(), fs::read(run.last()).unwrap());
        best = checkpoint(3, 3);
        best.meta.temperature = Some(1.5);
        best.save(&run.best()).unwrap();
        checkpoint(2, 1).save(&run.last()).unwrap();
        assert_eq!(repair(&run).unwrap().len(), 1);
        assert_eq!(epochs(&run), [3, 3, 3]);
        assert_eq!(Checkpoint::load(&run.last()).unwrap().meta.temperature, None);
        assert_eq!(repair(&run).unwrap(), [""; 0], "and then all is well");
    }

    #[test]
    fn a_best_that_is_not_what_last_names_is_copied_where_it_can_be() {
        let (_folder, run) = folder();
        // As versions did that wrote `last` first.
        for before in [None, Some(checkpoint(1, 1)), Some(checkpoint(2, 2))] {
            let _ = fs::remove_file(run.best());
            if let Some(best) = before {
                best.save(&run.best()).unwrap();
            }
            checkpoint(4, 4).save(&run.last()).unwrap();
            let notes = repair(&run).unwrap();
            assert!(
                notes[0].contains("does not hold epoch 4") && notes[0].contains("last.safetensors, which"),
                "{notes:?}"
            );
            assert_eq!(epochs(&run), [4, 4, 4]);
        }
        checkpoint(6, 5).save(&run.last()).unwrap();
        checkpoint(5, 5).save(&run.of_epoch(5)).unwrap();
        assert!(repair(&run).unwrap()[0].contains("epoch-0005.safetensors"));
        assert_eq!(epochs(&run), [5, 6, 5]);
        // A damaged one is told.
        fs::write(run.best(), "damaged").unwrap();
        let notes = repair(&run).unwrap();
        assert!(notes[0].contains("best.safetensors") && notes[1].contains("epoch-0005"), "{notes:?}");
        assert_eq!(epochs(&run), [5, 6, 5]);
    }

    #[test]
    fn a_best_that_is_lost_is_told_and_the_next_best_counts() {
        let (_folder, run) = folder();
        checkpoint(3, 3).save(&run.best()).unwrap();
        checkpoint(6, 5).save(&run.last()).unwrap();
        let notes = repair(&run).unwrap();
        assert!(notes[0].contains("parameters are lost, and epoch 3, which is there"), "{notes:?}");
        assert_eq!(epochs(&run), [3, 6, 3]);
        assert_eq!(Checkpoint::load(&run.last()).unwrap().meta.progress.unwrap().best.unwrap().value, 3.5);
        // Nothing is there, or it is another run's.
        let mut other = checkpoint(3, 3);
        other.meta.progress.as_mut().unwrap().history[1].loss = 9.0;
        for best in [None, Some(other)] {
            let _ = fs::remove_file(run.best());
            if let Some(best) = best {
                best.save(&run.best()).unwrap();
            }
            checkpoint(6, 5).save(&run.last()).unwrap();
            assert!(repair(&run).unwrap()[0].contains("and epoch 6, which is there"));
            assert_eq!(epochs(&run), [6, 6, 6]);
        }
        // Between two epochs of parameters there is nothing to copy.
        let mut partial = checkpoint(6, 5);
        partial.meta.progress.as_mut().unwrap().partial = Some(crate::formats::checkpoint::PartialEpoch::default());
        partial.save(&run.last()).unwrap();
        fs::remove_file(run.best()).unwrap();
        assert!(repair(&run).unwrap()[0].contains("the next epoch counts"));
        assert_eq!(Checkpoint::load(&run.last()).unwrap().meta.progress.unwrap().best, None);
    }

    #[test]
    fn without_a_checkpoint_that_can_be_resumed() {
        let (_folder, run) = folder();
        assert!(repair(&run).unwrap_err().to_string().contains("no such file to resume from"));
        let mut exported = checkpoint(1, 1);
        exported.meta.progress = None;
        exported.save(&run.best()).unwrap();
        assert!(repair(&run).unwrap_err().to_string().contains("no such file to resume from"));
        fs::write(run.last(), "damaged").unwrap();
        assert!(repair(&run).unwrap_err().to_string().contains("last.safetensors"));
    }
}
