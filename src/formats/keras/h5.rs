//! Reading HDF5 files that nobody vouches for: every number is held against the file's real size before memory is asked for
//! it, links never leave the file, and what the reader gives up on is an error.

use crate::formats::checkpoint::TensorData;
use hdf5_reader::group::Group;
use hdf5_reader::storage::{FileStorage, Storage};
use hdf5_reader::{Attribute, Dataset, Datatype, H5Type, Hdf5File, OpenOptions};
use std::cell::Cell;
use std::fs::File;
use std::sync::Arc;

/// What a file may unpack to at least, however small it is: 64 MiB.
const SMALLEST_BUDGET: u64 = 64 << 20;
/// What a file may unpack to, as a multiple of its size: Keras does not pack at all, and an f32 is counted as 8 bytes.
const EXPANSION: u64 = 6;
/// Largest object header: attributes of up to 64 KiB each, and 64 MiB for all of one group's.
const MAX_HEADER_BYTES: usize = 64 << 20;

/// An open file.
pub(super) struct H5 {
    file: Hdf5File,
    /// Bytes that may still be read from it.
    budget: Cell<u64>,
}

impl H5 {
    /// Opens a file.
    pub(super) fn open(file: File) -> Result<Self, String> {
        let storage = FileStorage::from_file(file).map_err(|e| e.to_string())?;
        let size = storage.len();
        let file = Hdf5File::from_storage_with_options(Arc::new(storage), options(budget(size)));
        Self::checked(file, size, budget(size))
    }

    /// Opens a file that is in memory and may unpack to `budget` bytes.
    pub(super) fn from_bytes(bytes: Vec<u8>, budget: u64) -> Result<Self, String> {
        let size = bytes.len() as u64;
        Self::checked(Hdf5File::from_vec_with_options(bytes, options(budget)), size, budget)
    }

    fn checked(file: Result<Hdf5File, hdf5_reader::error::Error>, size: u64, budget: u64) -> Result<Self, String> {
        let file = file.map_err(|e| format!("it cannot be read as HDF5 ({e})"))?;
        let expected = file.superblock().base_address.saturating_add(file.superblock().eof_address);
        if size < expected {
            return Err(format!("it was cut short: it has {size} of its {expected} bytes"));
        }
        Ok(Self { file, budget: Cell::new(budget) })
    }

    fn group(&self, path: &str) -> Result<Group, String> {
        self.file.group(path).map_err(|e| format!("the group `{path}` cannot be read ({e})"))
    }

    /// Whether there is a group at a path.
    pub(super) fn has_group(&self, path: &str) -> bool {
        self.file.group(path).is_ok()
    }

    /// The texts of a group's attribute; none if it is absent. Of a list that was too long for one attribute, Keras numbers the
    /// parts: `layer_names0`, `layer_names1` ...
    pub(super) fn texts(&self, path: &str, name: &str) -> Result<Option<Vec<String>>, String> {
        let attributes = self.group(path)?.attributes().map_err(|e| format!("the attributes of `{path}`: {e}"))?;
        let find = |name: &str| attributes.iter().find(|a| a.name == name);
        if let Some(found) = find(name) {
            return texts_of(found).map(Some);
        }
        let mut parts = Vec::new();
        while let Some(part) = find(&format!("{name}{}", parts.len())) {
            parts.push(texts_of(part)?);
        }
        Ok(if parts.is_empty() { None } else { Some(parts.concat()) })
    }

    /// Names of the groups and datasets in a group.
    pub(super) fn members(&self, path: &str) -> Result<(Vec<String>, Vec<String>), String> {
        self.group(path)?.member_names().map_err(|e| format!("the group `{path}` cannot be read ({e})"))
    }

    /// A dataset of floats or whole numbers.
    pub(super) fn tensor(&self, path: &str) -> Result<TensorData, String> {
        let dataset = self.file.dataset(path).map_err(|e| format!("the tensor `{path}` cannot be read ({e})"))?;
        self.spend(path, &dataset)?;
        let shape: Option<Vec<usize>> = dataset.shape().iter().map(|d| usize::try_from(*d).ok()).collect();
        let shape =
            shape.ok_or_else(|| format!("the tensor `{path}` has an impossible shape {:?}", dataset.shape()))?;
        let values = values(&dataset).map_err(|e| format!("the tensor `{path}` cannot be read ({e})"))?;
        if shape.iter().product::<usize>() != values.len() {
            return Err(format!("the tensor `{path}` of shape {shape:?} has {} values", values.len()));
        }
        Ok(TensorData { shape, values })
    }

    /// Counts a dataset against what the whole file may unpack to.
    fn spend(&self, path: &str, dataset: &Dataset) -> Result<(), String> {
        let elements = dataset.num_elements().map_err(|e| format!("the tensor `{path}`: {e}"))?;
        // Eight bytes cover every type that is read.
        let left = self.budget.get().checked_sub(elements.saturating_mul(8).max(64));
        self.budget.set(left.ok_or_else(|| {
            format!("the tensor `{path}` claims the shape {:?}, far more than the file can hold", dataset.shape())
        })?);
        Ok(())
    }
}

/// Bytes that a file of a size may unpack to.
pub(super) fn budget(size: u64) -> u64 {
    size.saturating_mul(EXPANSION).max(SMALLEST_BUDGET)
}

fn options(budget: u64) -> OpenOptions {
    let limit = usize::try_from(budget).unwrap_or(usize::MAX);
    OpenOptions::default()
        .with_max_read_bytes(limit)
        .with_max_chunk_bytes(limit)
        .with_max_object_header_bytes(MAX_HEADER_BYTES)
        .with_chunk_cache_bytes(0)
}

fn values(dataset: &Dataset) -> Result<Vec<f32>, hdf5_reader::error::Error> {
    fn read<T: H5Type>(dataset: &Dataset, to_f32: impl Fn(T) -> f32) -> Result<Vec<f32>, hdf5_reader::error::Error> {
        Ok(dataset.read_array::<T>()?.into_iter().map(to_f32).collect())
    }
    match dataset.dtype() {
        Datatype::FloatingPoint { size: 8, .. } => read(dataset, |v: f64| v as f32),
        // Counters and states of random numbers.
        Datatype::FixedPoint { size: 8, signed: true, .. } => read(dataset, |v: i64| v as f32),
        Datatype::FixedPoint { size: 8, .. } => read(dataset, |v: u64| v as f32),
        Datatype::FixedPoint { size: 4, signed: true, .. } => read(dataset, |v: i32| v as f32),
        Datatype::FixedPoint { size: 4, .. } => read(dataset, |v: u32| v as f32),
        _ => read(dataset, |v: f32| v),
    }
}

fn texts_of(attribute: &Attribute) -> Result<Vec<String>, String> {
    // h5py gives an empty list the type of a number.
    if attribute.num_elements().is_ok_and(|n| n == 0) {
        return Ok(Vec::new());
    }
    let texts = attribute.read_strings().or_else(|_| attribute.read_string().map(|text| vec![text]));
    texts.map_err(|e| format!("the attribute `{}` is no text ({e})", attribute.name))
}
