//! Opening the files that users name: nothing that blocks, never ends or is larger than what it is read for.
//!
//! * [`open`] and [`read_bytes`] take regular files (and links to them) alone. A pipe among the images of a folder would
//!   block for ever, and `/dev/zero` never ends.
//! * [`open_text`] and [`read_text`] also take pipes, so that process substitution works (`--class-weight <(...)`), up to a
//!   limit in bytes. They are for files that are named one by one, not for those that a folder holds.

use std::fs::{File, FileType, Metadata};
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, Result};

/// Largest file of settings: a network of ten thousand layers takes 1 MiB.
pub const MAX_TEXT_BYTES: u64 = 16 << 20;

/// Opens a regular file for reading.
///
/// # Errors
/// [`Error::Io`] if there is none or it may not be read; [`Error::Data`] with what it is instead and `expected`.
pub fn open(path: &Path, expected: &str) -> Result<File> {
    open_if(path, expected, |kind| kind.is_file()).map(|(file, _)| file)
}

/// The content of a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`open`]; a larger file.
pub fn read_bytes(path: &Path, limit: u64, expected: &str) -> Result<Vec<u8>> {
    let (file, about) = open_if(path, expected, |kind| kind.is_file())?;
    if about.len() > limit {
        return Err(too_large(path, limit, expected));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default());
    // One byte more tells a file that grows while it is read.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.len() as u64 > limit { Err(too_large(path, limit, expected)) } else { Ok(bytes) }
}

/// Opens a regular file or a pipe for reading as a stream that fails after `limit` bytes.
///
/// # Errors
/// As [`open`].
pub fn open_text(path: &Path, limit: u64, expected: &str) -> Result<Limited<File>> {
    open_if(path, expected, |kind| kind.is_file() || is_pipe(kind)).map(|(file, _)| Limited::new(file, limit))
}

/// The text of a regular file or a pipe of at most [`MAX_TEXT_BYTES`], without a byte-order mark.
///
/// # Errors
/// As [`open`]; a larger file; text that is not UTF-8.
pub fn read_text(path: &Path, expected: &str) -> Result<String> {
    let mut bytes = Vec::new();
    match open_text(path, MAX_TEXT_BYTES, expected)?.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::FileTooLarge => return Err(too_large(path, MAX_TEXT_BYTES, expected)),
        Err(e) => return Err(Error::io("read", path)(e)),
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let row = 1 + e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
        Error::row(path, row as u64, "text that is not UTF-8", expected)
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// A stream that fails, instead of ending, where it is longer than a limit.
#[derive(Debug)]
pub struct Limited<R> {
    inner: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Limited<R> {
    /// Of at most `limit` bytes.
    pub fn new(inner: R, limit: u64) -> Self {
        Self { inner, left: limit, limit }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {} bytes", self.limit)))?;
        Ok(count)
    }
}

fn too_large(path: &Path, limit: u64, expected: &str) -> Error {
    Error::data(path, format!("more than {} MiB", limit >> 20), expected)
}

/// Opens what is of an allowed kind. It is looked at before it is opened, because opening a pipe waits for its writer, and
/// after, because it may have been replaced in between.
fn open_if(path: &Path, expected: &str, allowed: impl Fn(FileType) -> bool) -> Result<(File, Metadata)> {
    let check = |about: io::Result<Metadata>| -> Result<Metadata> {
        let about = about.map_err(Error::io("read", path))?;
        if allowed(about.file_type()) {
            return Ok(about);
        }
        Err(Error::data(path, format!("not a file but {}", kind(about.file_type())), expected))
    };
    check(std::fs::metadata(path))?;
    let file = File::open(path).map_err(Error::io("read", path))?;
    let about = check(file.metadata())?;
    Ok((file, about))
}

/// What is no regular file, in words.
fn kind(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_block_device() || kind.is_char_device() {
            return "a device";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    match kind {
        kind if kind.is_dir() => "a folder",
        kind if is_pipe(kind) => "a named pipe (FIFO)",
        kind if kind.is_file() => "a regular file",
        _ => "something else",
    }
}

#[cfg(unix)]
fn is_pipe(kind: FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&kind)
}

#[cfg(not(unix))]
fn is_pipe(_kind: FileType) -> bool {
    false
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn regular_files_up_to_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        std::fs::write(&path, "\u{feff}abc").unwrap();
        assert_eq!(read_text(&path, "text").unwrap(), "abc");
        assert_eq!(read_bytes(&path, 6, "text").unwrap().len(), 6);
        assert!(
            read_bytes(&path, 5, "text").unwrap_err().to_string().contains("a.txt: more than 0 MiB; expected text")
        );
        let mut all = Vec::new();
        assert_eq!(open_text(&path, 6, "text").unwrap().read_to_end(&mut all).unwrap(), 6);
        assert_eq!(
            open_text(&path, 5, "text").unwrap().read_to_end(&mut all).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
        std::fs::write(&path, b"a\nb\xff").unwrap();
        let error = read_text(&path, "settings").unwrap_err().to_string();
        assert!(error.ends_with("a.txt, row 2: text that is not UTF-8; expected settings"), "{error}");
        let error = open(dir.path(), "an image").unwrap_err().to_string();
        assert!(error.ends_with("not a file but a folder; expected an image"), "{error}");
        assert!(matches!(open(&dir.path().join("gone"), "").unwrap_err(), Error::Io { .. }));
    }

    #[test]
    #[cfg(unix)]
    fn neither_devices_nor_sockets_nor_pipes_without_a_reader() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for result in [open(&pipe, "an image").map(drop), read_bytes(&pipe, 9, "an image").map(drop)] {
            let error = result.unwrap_err().to_string();
            assert!(error.ends_with("not a file but a named pipe (FIFO); expected an image"), "{error}");
        }
        let error = read_text(Path::new("/dev/zero"), "settings").unwrap_err().to_string();
        assert_eq!(error, "/dev/zero: not a file but a device; expected settings");
        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(open(&socket, "x").unwrap_err().to_string().contains("a socket"));
        // As a shell makes them of `<(...)`.
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::write(pipe, "from a pipe").unwrap()
        });
        assert_eq!(read_text(&pipe, "text").unwrap(), "from a pipe");
        writer.join().unwrap();
    }
}
