//! Replacing a file so that a reader, a full disk or a kill at any moment sees the old file or the new one, never a
//! part.
//!
//! One rename is atomic; two are not. So files that belong together are written in this order, wherever the program
//! writes several: **what a file names is there before the file.** A process may then end between any two of them, and no
//! file promises what another does not hold. The orders are decided in `train::run` (the run folder), `eval::files` (an
//! evaluation), `search` (the search folder), `data::synth` (a tree of drawn faces) and `cli::explain` (pages and pictures).
//!
//! Temporary files are `.fer-gpu-<process>-<number>.tmp`. Two designs were weighed: one fixed name for each target, which
//! the next save overwrites but which two processes write at the same time; and names that no two processes share, which a
//! killed process leaves behind. The second loses nothing, and `remove_leftovers` clears up: each temporary file is locked
//! by the process that writes it, so one that can be locked belongs to nobody.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::error::{Error, Result};

/// Large enough that a checkpoint goes out in few system calls.
const BUFFER_BYTES: usize = 1 << 20;
/// Around the process and number in the name of a temporary file.
const TEMPORARY: (&str, &str) = (".fer-gpu-", ".tmp");
/// What becomes of the file that a failed write would have replaced.
const UNTOUCHED: &str = "what stood there before is untouched";

/// Writes `path` through a temporary file in the same folder: write, flush, sync, rename, sync the folder.
///
/// # Errors
/// [`Error::Io`] with the system's own word; the file that stood at `path` is then untouched.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let kept = |e: io::Error| io::Error::new(e.kind(), format!("{e}; {UNTOUCHED}"));
    replace(path, write).map_err(|e| Error::io("write", path)(if path.exists() { kept(e) } else { e }))
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

fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let (temporary, file) = temporary_beside(path)?;
    let result = write_and_sync(file, write).and_then(|_open| rename(&temporary, path));
    if let Err(error) = result {
        // Best effort: the first error is the one to report.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_folder_of(path)
}

/// The only function of the program that renames; tests make a process end before any chosen rename (see [`Fault`]).
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    static RENAMES: AtomicU64 = AtomicU64::new(0);
    if let Some(Fault::KillAtRename(n)) = fault()
        && RENAMES.fetch_add(1, Ordering::Relaxed) + 1 == *n
    {
        std::process::abort();
    }
    fs::rename(from, to)
}

/// A fault for tests of the whole program, from the variable `FER_GPU_TEST_FAULT`, which nothing else sets: without it a
/// write costs one look at a cell more. A variable instead of a build feature, so that the program that is tested is
/// the program that users have.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    /// `kill-at-rename:N`: the process aborts before its Nth rename, counted from 1.
    KillAtRename(u64),
    /// `full-at-write:N`: the disk is full at the Nth file that the process writes.
    FullAtWrite(u64),
}

impl Fault {
    fn parse(text: &str) -> Option<Self> {
        let (kind, number) = text.split_once(':')?;
        let number = number.parse().ok()?;
        match kind {
            "kill-at-rename" => Some(Self::KillAtRename(number)),
            "full-at-write" => Some(Self::FullAtWrite(number)),
            _ => None,
        }
    }
}

fn fault() -> Option<&'static Fault> {
    static FAULT: OnceLock<Option<Fault>> = OnceLock::new();
    FAULT.get_or_init(|| std::env::var("FER_GPU_TEST_FAULT").ok().and_then(|text| Fault::parse(&text))).as_ref()
}

/// A new file beside `path`, locked as long as it is open. A name that is taken is of a dead process with the same number,
/// or of a process on another machine.
fn temporary_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    if path.file_name().is_none() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file name"));
    }
    let (before, after) = TEMPORARY;
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_file_name(format!("{before}{}-{number}{after}", std::process::id()));
        match File::create_new(&temporary) {
            Ok(file) => {
                // A file system without locks: then nothing can be locked, and leftovers stay.
                let _ = file.try_lock();
                return Ok((temporary, file));
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
}

fn is_temporary(name: &OsStr) -> bool {
    let (before, after) = TEMPORARY;
    let middle = name.to_str().and_then(|name| name.strip_prefix(before)?.strip_suffix(after));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    middle.and_then(|middle| middle.split_once('-')).is_some_and(|(process, number)| digits(process) && digits(number))
}

/// Removes the temporary files that killed processes left in a folder; how many there were.
///
/// # Errors
/// A folder that cannot be read, or from which nothing can be removed.
pub(crate) fn remove_leftovers(folder: &Path) -> Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(folder).map_err(Error::io("read the folder", folder))? {
        let entry = entry.map_err(Error::io("read the folder", folder))?;
        if !is_temporary(&entry.file_name()) {
            continue;
        }
        let path = entry.path();
        // Gone in between, or not ours to open: its process is alive, or another removes it.
        let abandoned = File::options().write(true).open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if abandoned {
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Writes, and gives the file back still open: it stays locked until it has its name.
fn write_and_sync(file: File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<File> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    if let Some(Fault::FullAtWrite(n)) = fault()
        && WRITES.fetch_add(1, Ordering::Relaxed) + 1 == *n
    {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let mut writer = BufWriter::with_capacity(BUFFER_BYTES, file);
    write(&mut writer)?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(file)
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
        write_text(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_killed_processes_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let others = [".fer-gpu-1.tmp", ".fer-gpu-1-x.tmp", "fer-gpu-1-1.tmp", ".other-1-1.tmp", "a.txt"];
        for name in others.iter().chain(&[".fer-gpu-1-0.tmp", ".fer-gpu-77-12.tmp"]) {
            fs::write(at(name), "part").unwrap();
        }
        // A file that is being written stays.
        write_atomically(&at("a.txt"), |w| {
            assert_eq!(remove_leftovers(folder.path()).unwrap(), 2);
            w.write_all(b"whole")
        })
        .unwrap();
        assert_eq!(fs::read_to_string(at("a.txt")).unwrap(), "whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), others.len());
        assert!(others.iter().all(|name| at(name).exists()));
    }

    #[test]
    fn writers_of_one_file_do_not_meet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let texts: Vec<String> = (0..8).map(|i| i.to_string().repeat(100_000)).collect();
        std::thread::scope(|scope| {
            for text in &texts {
                scope.spawn(|| (0..20).for_each(|_| write_text(&path, text).unwrap()));
            }
        });
        assert!(texts.contains(&fs::read_to_string(&path).unwrap()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn faults_are_read_only_as_they_are_meant() {
        assert_eq!(Fault::parse("kill-at-rename:7"), Some(Fault::KillAtRename(7)));
        assert_eq!(Fault::parse("full-at-write:1"), Some(Fault::FullAtWrite(1)));
        for text in ["", "7", "kill-at-rename", "kill-at-rename:x", "kill:7"] {
            assert_eq!(Fault::parse(text), None, "{text}");
        }
        assert_eq!(fault(), None);
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
        let text = error.unwrap_err().to_string();
        assert!(text.contains("no more; what stood there before is untouched"), "{text}");
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
