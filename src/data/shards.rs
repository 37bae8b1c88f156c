//! Which parquet files are which split: `train-00000-of-00002.parquet`, as Hugging Face's `datasets` names them.

use std::path::{Path, PathBuf};

use super::split_names::SplitName;
use crate::error::{Error, Result};

const EXPECTED: &str =
    "train-*.parquet, and validation-* and test-* where there are such splits, in the folder or in its `data`";

/// The parquet files of a source, in order.
pub(super) struct Shards {
    /// What was named: the folder or the file.
    pub root: PathBuf,
    /// Training, validation and test files.
    pub splits: [Vec<PathBuf>; 3],
    /// What a person should know.
    pub notes: Vec<String>,
}

/// The parquet files of a file or folder; nothing if there are none.
///
/// # Errors
/// A folder that cannot be read, one whose files have no training split among them.
pub(super) fn find(path: &Path) -> Result<Option<Shards>> {
    let mut shards = Shards { root: path.to_path_buf(), splits: Default::default(), notes: Vec::new() };
    if path.is_file() {
        shards.splits[0].push(path.to_path_buf());
        return Ok(is_parquet(path).then_some(shards));
    }
    let mut files = list(path)?;
    let data = path.join("data");
    if data.is_dir() {
        files.extend(list(&data)?);
    }
    files.sort_unstable();
    let mut others = Vec::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let word = name.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        match SplitName::parse(word) {
            Some(split) => shards.splits[split.index()].push(file),
            None => others.push(name),
        }
    }
    if shards.splits.iter().all(Vec::is_empty) && others.is_empty() {
        return Ok(None);
    }
    if shards.splits[0].is_empty() {
        return Err(Error::data(path, "parquet files, and no training split among their names", EXPECTED));
    }
    if !others.is_empty() {
        shards.notes.push(format!("parquet files of other names are ignored: {}", others.join(", ")));
    }
    Ok(Some(shards))
}

fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet"))
}

/// The parquet files in a folder.
fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        if is_parquet(&path) && path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn splits_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let write = |name: &str| std::fs::write(root.join(name), "").unwrap();
        assert!(find(root).unwrap().is_none());
        std::fs::create_dir(root.join("data")).unwrap();
        write("data/valid-00000-of-00001.parquet");
        assert!(find(root).err().unwrap().to_string().contains("no training split"));
        write("data/train-00001-of-00002.PARQUET");
        write("data/train-00000-of-00002.parquet");
        write("test.parquet");
        write("trainer.parquet");
        write("train.txt");
        let shards = find(root).unwrap().unwrap();
        assert_eq!(shards.splits.each_ref().map(Vec::len), [2, 1, 1]);
        assert!(shards.splits[0][0].ends_with("data/train-00000-of-00002.parquet"));
        assert!(shards.notes[0].contains("trainer.parquet"), "{:?}", shards.notes);
        let one = find(&root.join("test.parquet")).unwrap().unwrap();
        assert_eq!(one.splits.each_ref().map(Vec::len), [1, 0, 0]);
        assert!(find(&root.join("train.txt")).unwrap().is_none());
    }
}
