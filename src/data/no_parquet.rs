//! In place of the reader of parquet files in a build without it.

use super::shards::Shards;
use super::survey::{Faults, Survey};
use super::{Dataset, InputSpec, Options};
use crate::error::{Error, Result};

/// Says what is missing.
pub(super) fn open(_source: &str, shards: &Shards, _input: InputSpec, _options: &Options) -> Result<Dataset> {
    Err(missing(shards))
}

/// As [`open`].
pub(super) fn survey(shards: &Shards, _input: InputSpec, _faults: &mut Faults) -> Result<Survey> {
    Err(missing(shards))
}

fn missing(shards: &Shards) -> Error {
    let what = format!("{}: this build reads no parquet files", shards.root.display());
    Error::usage(what, "build it with the reader: cargo build --release --features parquet")
}
