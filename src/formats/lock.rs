//! The right of one process to write in a folder: a lock on a file in it.
//!
//! Two designs were weighed: a file that exists as long as somebody works (it outlives a killed process, and a number in it
//! may by then be another process), and a lock that the system holds for an open file and gives up when the process ends,
//! however it ends. It is the second; the process that is written into the file is for messages only.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Opens a lock's file, and makes it if need be.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn open(path: &Path) -> Result<File> {
    File::options().create(true).truncate(false).write(true).open(path).map_err(Error::io("open the lock", path))
}

/// Locks a file, unless somebody else has it. The lock ends when the file is dropped, or with the process.
///
/// # Errors
/// [`Error::Io`], also on a file system that has no locks.
pub(crate) fn try_lock(path: &Path) -> Result<Option<File>> {
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(Error::io("lock", path)(e)),
    }
}

/// Writes who holds a lock into its file.
pub(crate) fn sign(mut file: &File) {
    let (process, host) = (std::process::id(), host());
    // It is for messages: a full disk does not matter.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "process {process}{host}"));
}

/// Who holds a lock, as far as its file can be read.
pub(crate) fn holder(path: &Path) -> String {
    let said = fs::read_to_string(path).unwrap_or_default();
    let said: String = said.trim().chars().filter(|c| !c.is_control()).take(100).collect();
    if said.starts_with("process ") { said } else { "another process".into() }
}

/// ` on NAME`, where the system says it: several machines may share a disk.
fn host() -> String {
    let named = fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname"));
    let named = named.or_else(|_| std::env::var("COMPUTERNAME").map_err(io::Error::other)).unwrap_or_default();
    let named = named.trim();
    if named.is_empty() { String::new() } else { format!(" on {named}") }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_lock_is_one_holder_s_and_says_whose() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert_eq!(holder(&path), "another process");
        let held = try_lock(&path).unwrap().unwrap();
        sign(&held);
        assert!(try_lock(&path).unwrap().is_none());
        #[cfg(unix)]
        assert!(holder(&path).starts_with(&format!("process {}", std::process::id())), "{}", holder(&path));
        drop(held);
        sign(&try_lock(&path).unwrap().unwrap());
        fs::write(&path, "nonsense").unwrap();
        assert_eq!(holder(&path), "another process");
    }
}
