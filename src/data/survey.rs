//! All that can be read of a source, faults and all, for [`super::check`]: training asks more of its data.

use std::sync::Arc;

use super::Split;
use crate::error::{Error, Result};

/// Faults that are kept; a table of nothing but faults must not fill the memory.
const KEPT: usize = 1000;

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
}

impl Faults {
    /// Gathers all faults.
    pub(super) fn gather() -> Self {
        Self::Gather(Vec::new(), 0)
    }

    /// Notes a fault, or gives it back as what to stop with.
    pub(super) fn take(&mut self, fault: Error) -> Result<()> {
        match self {
            Self::Fail => return Err(fault),
            Self::Gather(kept, _) if kept.len() < KEPT => kept.push(fault),
            Self::Gather(_, more) => *more += 1,
        }
        Ok(())
    }
}
