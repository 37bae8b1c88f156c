//! Replacing a file so that a reader, a full disk or a kill at any moment sees the old file or the new one, never a
//! part.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};

/// Large enough that a checkpoint goes out in few system calls.
const BUFFER_BYTES: usize = 1 << 20;

/// Writes `path` through a temporary file `.<name>.tmp` in the same folder: write, flush, sync, rename, sync the
/// folder.
///
/// The temporary name is fixed, so what a killed process left behind is overwritten by the next save instead of piling
/// up.
///
/// # Errors
/// [`Error::Io`] with the system's own word; the file that stood at `path` is then untouched.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    replace(path, write).map_err(Error::io("write", path))
}

/// [`write_atomically`] for text that is already whole.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_text(path: &Path, text: &str) -> Result<()> {
    write_atomically(path, |w| w.write_all(text.as_bytes()))
}

/// [`write_atomically`] of a value as JSON. A number that JSON has no word for (NaN, infinity) becomes `null`.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| Error::io("write", path)(e.into()))?;
    text.push('\n');
    write_text(path, &text)
}

/// [`write_atomically`] with the bare system error, for callers with more to say about it.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let temporary = temporary_path(path)?;
    let result = write_and_sync(&temporary, write).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = result {
        // Best effort: the first error is the one to report, and the next save overwrites the leftover anyway.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_folder_of(path)
}

/// Where `path` is written before it is renamed: `.<name>.tmp` beside it.
pub(crate) fn temporary_path(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file name"))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".tmp");
    Ok(path.with_file_name(hidden))
}

fn write_and_sync(temporary: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut writer = BufWriter::with_capacity(BUFFER_BYTES, File::create(temporary)?);
    write(&mut writer)?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

/// A rename is in the folder, not in the file: only syncing the folder makes it outlive a power cut.
#[cfg(unix)]
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(folder)?.sync_all() {
        // Some network and FUSE file systems cannot sync a folder; the file itself is whole and renamed.
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        other => other,
    }
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the unix twin can fail")]
fn sync_folder_of(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn replaces_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_text(&path, "one").unwrap();
        fs::write(temporary_path(&path).unwrap(), "left by a killed process").unwrap();
        write_text(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_writer_that_fails_midway_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_text(&path, "one").unwrap();
        let error = write_atomically(&path, |w| {
            w.write_all(b"tw")?;
            Err(io::Error::other("no more"))
        });
        assert!(error.unwrap_err().to_string().contains("no more"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn unusable_paths_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        for path in [Path::new("/"), &folder.path().join("none/a.txt"), folder.path()] {
            let text = write_text(path, "x").unwrap_err().to_string();
            assert!(text.starts_with("cannot write"), "{text}");
        }
    }
}
