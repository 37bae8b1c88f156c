//! The paths that a command is to look at: those on the command line, and lists of them on standard input.

use crate::data::find_images_and;
use crate::data::paths::listed;
use crate::error::{Error, Result};
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The images, and the files that `also` is true of, that `paths` mean; `-` stands for the lines of standard input. A line that
/// leads nowhere is kept, to fail where it is read: one bad row of a list is no reason to look at none.
///
/// # Errors
/// As [`find_images_and`] for paths of the command line; standard input that cannot be read, or without any path.
pub(super) fn find_named(paths: &[PathBuf], also: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let find = |path: &PathBuf| find_images_and(std::slice::from_ref(path), &also);
    let mut found = Vec::new();
    for path in paths {
        if path != Path::new("-") {
            found.extend(find(path)?);
            continue;
        }
        for path in read_lines()? {
            match find(&path) {
                Ok(images) => found.extend(images),
                Err(Error::Io { .. }) => found.push(path),
                Err(e) => return Err(e),
            }
        }
    }
    if found.is_empty() {
        return Err(Error::usage(
            "no path on standard input",
            "one path a line, as in: find photos -name '*.jpg' | fer-gpu predict RUN -",
        ));
    }
    Ok(found)
}

fn read_lines() -> Result<Vec<PathBuf>> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut bytes);
    read.map_err(Error::io("read", "the paths on standard input"))?;
    Ok(lines(&bytes))
}

/// The paths of a list: one a line, ended by LF or CRLF, UTF-8 with a byte-order mark or not, UTF-16 with one (as PowerShell
/// redirects it). Where the system's paths are bytes, so are those that are not UTF-8.
fn lines(bytes: &[u8]) -> Vec<PathBuf> {
    let utf16 = |pair: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2).map(|two| pair([two[0], two[1]]));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>().into_bytes()
    };
    let decoded = match bytes {
        [0xFF, 0xFE, ..] => utf16(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => utf16(u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => rest.to_vec(),
        _ => bytes.to_vec(),
    };
    let lines = decoded.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|line| !line.is_empty()).map(|line| path_of(line.to_vec())).collect()
}

fn path_of(line: Vec<u8>) -> PathBuf {
    match String::from_utf8(line) {
        Ok(text) => listed(Path::new(""), &text),
        Err(e) => os_string(e.into_bytes()).into(),
    }
}

#[cfg(unix)]
fn os_string(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

/// No file has such a name, so that it fails where it is read.
#[cfg(not(unix))]
fn os_string(bytes: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_every_system() {
        let wanted = ["a b.png", "é.png", " c.png"].map(PathBuf::from).to_vec();
        let text = "a b.png\r\n\r\né.png\n c.png";
        let utf16 = |to: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to).collect::<Vec<u8>>();
        let with = |mark: &[u8], rest: Vec<u8>| lines(&[mark, &rest].concat());
        assert_eq!(lines(text.as_bytes()), wanted);
        assert_eq!(with(b"\xEF\xBB\xBF", text.into()), wanted);
        assert_eq!(with(b"\xFF\xFE", utf16(u16::to_le_bytes)), wanted);
        assert_eq!(with(b"\xFE\xFF", utf16(u16::to_be_bytes)), wanted);
        assert_eq!(lines(b""), Vec::<PathBuf>::new());
        let odd = lines(b"a.png\n\xE9.png\nb.png");
        assert!(odd.len() == 3 && odd[2] == Path::new("b.png"));
        #[cfg(unix)]
        assert_eq!(std::os::unix::ffi::OsStrExt::as_bytes(odd[1].as_os_str()), b"\xE9.png");
    }
}
