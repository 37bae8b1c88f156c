//! All that can be read of a source, faults and all, for [`super::check`]: training asks more of its data.

use std::sync::Arc;

use super::{OnBadFile, Split};
use crate::error::{Error, Result};

/// Faults that are kept; a table of nothing but faults must not fill the memory.
const KEPT: usize = 1000;
/// Faults that are named one by one where they are skipped.
const NAMED: usize = 10;

/// Images of a source, as far as they can be read.
pub(super) struct Survey {
    /// Class names.
    pub classes: Vec<String>,
    /// Training, validation and test images, where there are any.
    pub splits: [Option<Arc<dyn Split>>; 3],
    /// What else a person should know.
    pub notes: Vec<String>,
}

/// What to do about a row that is wrong.
pub(super) enum Faults {
    /// Stop at the first.
    Fail,
    /// Go on; the first of them and the number of the others.
    Gather(Vec<Error>, usize),
    /// Go on, but not past the end of a file that ends too soon.
    Skip(Vec<Error>, usize),
}

impl Faults {
    /// Gathers all faults.
    pub(super) fn gather() -> Self {
        Self::Gather(Vec::new(), 0)
    }

    /// What training does with bad rows.
    pub(super) fn of(on_bad_file: OnBadFile) -> Self {
        match on_bad_file {
            OnBadFile::Fail => Self::Fail,
            OnBadFile::Skip => Self::Skip(Vec::new(), 0),
        }
    }

    /// Notes about what was skipped; `more` is what those that are not named are called.
    pub(super) fn skipped(self, more: &str) -> Vec<String> {
        let Self::Skip(kept, others) = self else { return Vec::new() };
        let mut notes: Vec<String> = kept.iter().take(NAMED).map(|fault| format!("skipped {fault}")).collect();
        let others = others + kept.len().saturating_sub(NAMED);
        if others > 0 {
            notes.push(format!("skipped {others} more {more}"));
        }
        notes
    }

    /// Notes that no further row can be read, or gives that back as what to stop with: rows that are skipped are known, those that are
    /// missing are not.
    pub(super) fn end(&mut self, fault: Error) -> Result<()> {
        if matches!(self, Self::Gather(..)) { self.take(fault) } else { Err(fault) }
    }

    /// The first fault, if there was one that did not end the reading.
    pub(super) fn into_first(self) -> Option<Error> {
        match self {
            Self::Fail => None,
            Self::Gather(kept, _) | Self::Skip(kept, _) => kept.into_iter().next(),
        }
    }

    /// Notes a fault, or gives it back as what to stop with.
    pub(super) fn take(&mut self, fault: Error) -> Result<()> {
        match self {
            Self::Fail => return Err(skippable(fault)),
            Self::Gather(kept, _) | Self::Skip(kept, _) if kept.len() < KEPT => kept.push(fault),
            Self::Gather(_, more) | Self::Skip(_, more) => *more += 1,
        }
        Ok(())
    }
}

/// A bad row's error that says how to do without the row.
fn skippable(fault: Error) -> Error {
    match fault {
        Error::Data { path, row: row @ Some(_), what, expected } => {
            let expected = format!("{expected}; or --on-bad-file skip, which leaves such rows out");
            Error::Data { path, row, what, expected }
        }
        other => other,
    }
}
