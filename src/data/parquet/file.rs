//! One parquet file: its labels, and its images a row group at a time.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use parquet::basic::Type;
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};

use super::columns::Columns;
use crate::error::{Error, Result};

const EXPECTED: &str = "a whole parquet file, uncompressed or packed by snappy or gzip";

/// The images of a row group, packed as PNG or JPEG; rows may have none.
pub(super) type Group = Vec<Option<ByteArray>>;

/// What a row says that its image shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Label {
    /// A place in the list of names, or a number without one.
    Number(i64),
    /// A class's name.
    Name(String),
}

/// An opened file.
pub(super) struct ParquetFile {
    /// Where it is.
    pub path: PathBuf,
    columns: Columns,
    /// The first row of each group, and the number of all rows.
    starts: Vec<u32>,
    // Readers of one file share its position: one at a time.
    reader: Mutex<SerializedFileReader<File>>,
}

impl ParquetFile {
    /// Reads a file's metadata.
    ///
    /// # Errors
    /// A file that is not there, not parquet, damaged, without the columns, of more rows than it can hold.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = crate::input::open(path, EXPECTED)?;
        let bytes = file.metadata().map_err(Error::io("read", path))?.len();
        let reader = guarded(path, || SerializedFileReader::new(file))?;
        let about = reader.metadata();
        let columns = guarded(path, || Ok(Columns::find(path, about.file_metadata())))??;
        let mut starts = vec![0];
        for group in about.row_groups() {
            let end =
                u64::try_from(group.num_rows()).ok().and_then(|n| n.checked_add(u64::from(starts[starts.len() - 1])));
            // An image takes a byte at the least: nothing is made room for that the file cannot hold.
            let end = end.filter(|end| *end <= bytes).and_then(|end| u32::try_from(end).ok()).ok_or_else(|| {
                Error::data(path, format!("{} rows in a group, and {bytes} bytes in all", group.num_rows()), EXPECTED)
            })?;
            starts.push(end);
        }
        Ok(Self { path: path.to_path_buf(), columns, starts, reader: Mutex::new(reader) })
    }

    /// What the file says that its labels are called.
    pub(super) fn names(&self) -> Option<&[String]> {
        self.columns.names.as_deref()
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> u32 {
        self.starts[self.starts.len() - 1]
    }

    /// The group that a row is in, and its place there. `row` must be under `rows`.
    pub(super) fn group_of(&self, row: u32) -> (usize, usize) {
        let group = self.starts.partition_point(|start| *start <= row) - 1;
        (group, (row - self.starts[group]) as usize)
    }

    /// The label of each row; rows may have none.
    ///
    /// # Errors
    /// A damaged file.
    pub(super) fn labels(&self) -> Result<Vec<Option<Label>>> {
        let mut labels = Vec::new();
        for group in 0..self.starts.len() - 1 {
            labels.extend(self.read(group, |group, rows| self.group_labels(group, rows))?);
        }
        Ok(labels)
    }

    fn group_labels(&self, group: &dyn RowGroupReader, rows: usize) -> Result<Vec<Option<Label>>, ParquetError> {
        let at = self.columns.label;
        let text = |bytes: ByteArray| match bytes.as_utf8() {
            Ok(text) => Ok(Label::Name(text.to_owned())),
            Err(error) => Err(error),
        };
        Ok(match group.metadata().column(at).column_type() {
            Type::INT32 => {
                let found = column::<Int32Type>(group, at, rows)?.into_iter();
                found.map(|label| label.map(|label| Label::Number(i64::from(label)))).collect()
            }
            Type::INT64 => {
                let found = column::<Int64Type>(group, at, rows)?.into_iter();
                found.map(|label| label.map(Label::Number)).collect()
            }
            _ => {
                let found = column::<ByteArrayType>(group, at, rows)?.into_iter();
                found.map(|label| label.map(text).transpose()).collect::<Result<_, _>>()?
            }
        })
    }

    /// The images of a group.
    ///
    /// # Errors
    /// A damaged file.
    pub(super) fn images(&self, group: usize) -> Result<Group> {
        self.read(group, |group, rows| column::<ByteArrayType>(group, self.columns.image, rows))
    }

    /// Reads from a group, while nobody else reads from the file.
    fn read<T>(
        &self,
        group: usize,
        from: impl FnOnce(&dyn RowGroupReader, usize) -> Result<T, ParquetError>,
    ) -> Result<T> {
        // What a panic leaves behind is a position in the file, which every read sets anew.
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = (self.starts[group + 1] - self.starts[group]) as usize;
        guarded(&self.path, || from(reader.get_row_group(group)?.as_ref(), rows))
    }
}

/// A column of a group.
fn column<T: DataType>(group: &dyn RowGroupReader, at: usize, rows: usize) -> Result<Vec<Option<T::T>>, ParquetError> {
    let most = group.metadata().column(at).column_descr().max_def_level();
    let mut reader = get_typed_column_reader::<T>(group.get_column_reader(at)?);
    let (mut levels, mut values, mut read) = (Vec::new(), Vec::new(), 0);
    while read < rows {
        let (records, ..) = reader.read_records(rows - read, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Err(ParquetError::General(format!("{read} rows where its metadata promises {rows}")));
        }
        read += records;
    }
    if most == 0 {
        return Ok(values.into_iter().map(Some).collect());
    }
    let mut values = values.into_iter();
    Ok(levels.into_iter().map(|level| if level == most { values.next() } else { None }).collect())
}

/// Runs the reader; its error or panic becomes ours.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Error::data(path, format!("cannot be read ({error})"), EXPECTED)),
        Err(_) => Err(Error::data(path, "cannot be read (the reader gave up on it)", EXPECTED)),
    }
}
