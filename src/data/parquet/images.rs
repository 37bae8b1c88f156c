//! Images inside parquet files, by their rows. Row groups are read as they are needed, and kept while there is room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use image::DynamicImage;
use parquet::data_type::ByteArray;

use super::file::{Group, ParquetFile};
use crate::data::decode::{Place, check_start, decode_bytes, write_decoded};
use crate::data::store::check_length;
use crate::data::{InputSpec, Split};
use crate::error::{Error, Result};

/// Bytes of packed images that are kept: all of them for most collections of faces. Of a larger one, shuffled reading reads a group
/// for nearly every image.
pub(super) const KEPT: usize = 1 << 30;

/// Row groups in memory, the one that was used longest ago leaves first.
struct Cache {
    limit: usize,
    held: usize,
    clock: u64,
    /// By file and group: the images, their bytes, when they were last used.
    groups: HashMap<(u32, usize), (Arc<Group>, usize, u64)>,
}

impl Cache {
    fn find(&mut self, key: (u32, usize)) -> Option<Arc<Group>> {
        self.clock += 1;
        let (group, _, used) = self.groups.get_mut(&key)?;
        *used = self.clock;
        Some(Arc::clone(group))
    }

    fn keep(&mut self, key: (u32, usize), group: &Arc<Group>) {
        let bytes: usize = group.iter().flatten().map(ByteArray::len).sum();
        self.clock += 1;
        if let Some((_, old, _)) = self.groups.insert(key, (Arc::clone(group), bytes, self.clock)) {
            self.held -= old;
        }
        self.held += bytes;
        while self.held > self.limit && self.groups.len() > 1 {
            let oldest = self.groups.iter().min_by_key(|(_, (.., used))| *used).map(|(key, _)| *key);
            if let Some((_, bytes, _)) = oldest.and_then(|key| self.groups.remove(&key)) {
                self.held -= bytes;
            }
        }
    }
}

/// The files of one split.
pub(super) struct Files {
    files: Vec<ParquetFile>,
    cache: Mutex<Cache>,
}

impl Files {
    /// Files whose images take up to `limit` bytes of memory.
    pub(super) fn new(files: Vec<ParquetFile>, limit: usize) -> Self {
        let cache = Cache { limit, held: 0, clock: 0, groups: HashMap::new() };
        Self { files, cache: Mutex::new(cache) }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A row, as errors name it: rows count from 1.
    pub(super) fn place(&self, (file, row): (u32, u32)) -> Place<'_> {
        Place { path: &self.files[file as usize].path, row: Some(u64::from(row) + 1) }
    }

    /// The packed image of a row.
    fn bytes(&self, at: (u32, u32)) -> Result<ByteArray> {
        let file = &self.files[at.0 as usize];
        let (group, row) = file.group_of(at.1);
        let key = (at.0, group);
        // A statement of its own: the lock must not last while the group is read.
        let found = self.cache().find(key);
        let group = match found {
            Some(group) => group,
            None => {
                let group = Arc::new(file.images(group)?);
                self.cache().keep(key, &group);
                group
            }
        };
        let missing = || {
            let place = self.place(at);
            let what = "no image: its bytes are missing";
            Error::Data {
                path: place.path.into(),
                row: place.row,
                what: what.into(),
                expected: "the image itself, not its path".into(),
            }
        };
        group[row].clone().ok_or_else(missing)
    }

    /// Looks at the beginning of an image.
    pub(super) fn check(&self, at: (u32, u32)) -> Result<()> {
        check_start(std::io::Cursor::new(self.bytes(at)?.data()), self.place(at))
    }

    /// Decodes an image.
    pub(super) fn decode(&self, at: (u32, u32)) -> Result<DynamicImage> {
        self.check(at)?;
        decode_bytes(self.bytes(at)?.data(), self.place(at))
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        let cache = self.cache();
        (cache.groups.len(), cache.held)
    }
}

/// Rows of parquet files and their labels.
pub(super) struct Packed {
    /// Where the images are.
    pub files: Arc<Files>,
    /// File and row of each image.
    pub rows: Vec<(u32, u32)>,
    /// Its label.
    pub labels: Vec<u32>,
    /// How many labels there are.
    pub classes: usize,
    /// What the network takes.
    pub input: InputSpec,
}

impl Split for Packed {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn input(&self) -> InputSpec {
        self.input
    }

    fn outputs(&self) -> usize {
        self.classes
    }

    fn label(&self, index: usize) -> u32 {
        self.labels[index]
    }

    fn name(&self, index: usize) -> String {
        let (file, row) = self.rows[index];
        let path = &self.files.files[file as usize].path;
        format!("{} row {}", path.file_name().unwrap_or(path.as_os_str()).display(), row + 1)
    }

    fn picture(&self, index: usize) -> Result<DynamicImage> {
        self.files.decode(self.rows[index])
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
        check_length(self.input, out)?;
        write_decoded(&self.picture(index)?, self.files.place(self.rows[index]), self.input, out)
    }
}
