//! What the user typed after `--data`: which reader it is for.

use std::path::Path;

use super::shards::{self, Shards};
use super::table::Table;
use super::{Dataset, InputSpec, Options, fer_csv, folder, parquet, synth, values};
use crate::error::{Error, Result};

/// What there may be.
const EXPECTED: &str = "`synth`, `synth:N`, a table (.csv or .csv.gz, or any file that begins with such a header), a .parquet \
                        file, or a folder of class folders or parquet files";
/// What tables are called. Files of other names are tables if their first line is a table's.
const TABLES: [&str; 6] = [".csv", ".csv.gz", ".tsv", ".tsv.gz", ".csv.zip", ".csv.bz2"];

/// A kind of source.
pub(super) enum Source<'a> {
    /// So many drawn faces.
    Synth(usize),
    /// A table of pixels, such as FER2013's.
    FerCsv(&'a Path),
    /// A table of paths and numbers.
    Values(&'a Path),
    /// Class folders.
    Tree(&'a Path),
    /// Parquet files.
    Parquet(Shards),
}

impl<'a> Source<'a> {
    /// The kind of a source, by its name and, where that does not tell, by what is in it.
    ///
    /// # Errors
    /// A source that is not there or of no known kind.
    pub(super) fn find(source: &'a str) -> Result<Self> {
        if let Some(count) = synth::parse_source(source)? {
            return Ok(Self::Synth(count));
        }
        let path = Path::new(source);
        let kind = std::fs::metadata(path).map_err(|error| missing(path, error))?;
        if let Some(shards) = shards::find(path)? {
            return Ok(Self::Parquet(shards));
        }
        if kind.is_dir() {
            return Ok(Self::Tree(path));
        }
        let name = source.to_lowercase();
        let named = TABLES.iter().any(|ending| name.ends_with(ending));
        match Table::open(path, fer_csv::EXPECTED) {
            Ok(table) if values::is_table(&table) => Ok(Self::Values(path)),
            Ok(table) if named || fer_csv::is_table(&table) => Ok(Self::FerCsv(path)),
            Ok(_) => Err(Error::data(path, "a file of no known kind", EXPECTED)),
            Err(Error::Data { what, .. }) if !named => {
                Err(Error::data(path, format!("a file of no known kind ({what})"), EXPECTED))
            }
            Err(error) => Err(error),
        }
    }
}

/// Opens a source without votes, weights and preprocessing.
pub(super) fn open_pixels(source: &str, input: InputSpec, options: &Options) -> Result<Dataset> {
    match Source::find(source)? {
        Source::Synth(count) => synth::open(source, count, input, options),
        Source::Tree(path) => folder::open(source, path, input, options),
        Source::Values(path) => values::open(source, path, input, options),
        Source::Parquet(shards) => parquet::open(source, &shards, input, options),
        Source::FerCsv(path) => {
            // Votes may say that an image is of another class than the table says, or of one that it does not have.
            let every = Options { classes: None, ..options.clone() };
            fer_csv::open(source, path, input, if options.soft_labels.is_some() { &every } else { options })
        }
    }
}

/// A source that is not there.
fn missing(path: &Path, error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        return Error::data(path, "no such file or folder", EXPECTED);
    }
    Error::io("read", path)(error)
}
