//! The text of a table: unpacked, without a byte order mark, each line ended by LF.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::error::{Error, Result};

/// The longest line that is read: a row of FER2013's has 10 kB at most, and a damaged file must not fill the memory.
const LONGEST_LINE: usize = 1 << 20;
/// What may stand between fields; the first of those that a header has equally often.
const DELIMITERS: [u8; 4] = *b",;\t|";
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A table's text as a stream.
pub(in super::super) struct Text {
    /// What was read to see what the file is; `at` of it is passed on.
    head: Vec<u8>,
    at: usize,
    rest: Box<dyn Read>,
    gzip: bool,
    /// Lines end in CR alone, as on the Macintosh of old.
    cr: bool,
    since_newline: usize,
    ended: bool,
}

impl Text {
    /// The text of a file that was opened.
    ///
    /// # Errors
    /// A file that cannot be read, is empty, packed otherwise than by gzip, or no text.
    pub(super) fn of(path: &Path, file: impl Read + 'static, expected: &str) -> Result<Self> {
        let mut file = BufReader::with_capacity(1 << 18, file);
        let magic = file.fill_buf().map_err(Error::io("read", path))?;
        if magic.is_empty() {
            return Err(Error::data(path, "an empty file", expected));
        }
        let gzip = magic.starts_with(b"\x1f\x8b");
        let mut rest: Box<dyn Read> = if gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let head = read_head(rest.as_mut()).map_err(|error| {
            let expected = if gzip { "a whole gzip file: get it again" } else { "text with lines under 1 MiB" };
            Error::row(path, 1, format!("the file cannot be read any further ({error})"), expected)
        })?;
        if let Some(what) = other_kind(&head) {
            return Err(Error::data(path, what, expected));
        }
        let at = if head.starts_with(MARK) { MARK.len() } else { 0 };
        let cr = ends_in_cr(&head);
        Ok(Self { head, at, rest, gzip, cr, since_newline: 0, ended: false })
    }

    /// Whether the file is packed.
    pub(super) fn is_gzip(&self) -> bool {
        self.gzip
    }

    /// What stands between fields: of `,`, `;`, tab and `|` the one that the header has most, outside quotes.
    pub(super) fn delimiter(&self) -> u8 {
        let text = &self.head[self.at..];
        let mut line = text.split(|b| matches!(b, b'\n' | b'\r')).filter(|line| !line.trim_ascii().is_empty());
        let line = line.next().unwrap_or_default();
        if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] = line.trim_ascii_end() {
            return *delimiter;
        }
        let mut counts = [0usize; DELIMITERS.len()];
        let mut quoted = false;
        for byte in line {
            quoted ^= *byte == b'"';
            if let Some(which) = DELIMITERS.iter().position(|d| d == byte).filter(|_| !quoted) {
                counts[which] += 1;
            }
        }
        let best = (1..counts.len()).fold(0, |best, i| if counts[i] > counts[best] { i } else { best });
        DELIMITERS[best]
    }
}

/// Reads to the end of the first line that is not blank, and at least a block of a tar archive.
fn read_head(text: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut seen = 0;
    loop {
        let before = head.len();
        text.take(8192).read_to_end(&mut head)?;
        let whole = head.len() == before;
        // One byte more than the line's end tells CR from CRLF.
        while seen < head.len() && matches!(head[seen], b'\n' | b'\r' | b' ' | b'\t') {
            seen += 1;
        }
        let end = head[seen..].iter().position(|b| matches!(b, b'\n' | b'\r')).map(|end| seen + end + 1);
        if whole || end.is_some_and(|end| end + 8 < head.len()) {
            return Ok(head);
        }
        if head.len() > LONGEST_LINE {
            return Err(too_long());
        }
    }
}

fn too_long() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, "a line of over 1 MiB")
}

/// Whether the first line ends in CR without LF.
fn ends_in_cr(head: &[u8]) -> bool {
    let Some(end) = head.iter().position(|b| matches!(b, b'\n' | b'\r')) else { return false };
    let after = head[end..].iter().find(|b| **b != b'\r');
    after != Some(&b'\n')
}

/// What a file is that is no table, by its first bytes, and what to do with it.
fn other_kind(head: &[u8]) -> Option<String> {
    let starts: [(&[u8], &str); 9] = [
        (b"PK\x03\x04", "a zip archive, or a workbook of Excel's; unpack it, or save it as csv"),
        (b"\xfd7zXZ", "packed by xz; unpack it"),
        (b"BZh", "packed by bzip2; unpack it"),
        (b"\x28\xb5\x2f\xfd", "packed by zstd; unpack it"),
        (b"7z\xbc\xaf", "a 7-Zip archive; unpack it"),
        (b"Rar!", "a RAR archive; unpack it"),
        (b"\x1f\x8b", "packed by gzip twice; unpack it once"),
        (b"version https://git-lfs", "a pointer of Git LFS, not the file; `git lfs pull` gets it"),
        (b"\xd0\xcf\x11\xe0", "a workbook of Excel's; save it as csv"),
    ];
    if let Some((_, what)) = starts.iter().find(|(start, _)| head.starts_with(start)) {
        return Some((*what).to_owned());
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some("a tar archive; unpack it (tar xf)".to_owned());
    }
    let start = head[..head.len().min(200)].trim_ascii_start().to_ascii_lowercase();
    if start.starts_with(b"<!doctype html") || start.starts_with(b"<html") {
        return Some("a web page, not the file; sign in there, and get it again".to_owned());
    }
    let line = head.split(|b| *b == b'\n').next().unwrap_or_default();
    let wide = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    (wide || line.contains(&0)).then(|| {
        let what = if wide { "UTF-16 text" } else { "binary, or UTF-16 text" };
        format!("{what}, which is not UTF-8 text; save a table as UTF-8")
    })
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if buffer.is_empty() || self.ended {
            return Ok(0);
        }
        let mut count = if self.at < self.head.len() {
            let count = (&self.head[self.at..]).read(buffer)?;
            self.at += count;
            count
        } else {
            self.rest.read(buffer)?
        };
        if count == 0 {
            self.ended = true;
            if self.since_newline == 0 {
                return Ok(0);
            }
            // So every row ends in a newline, by which lines are counted.
            buffer[0] = b'\n';
            count = 1;
        }
        let text = &mut buffer[..count];
        if self.cr {
            text.iter_mut().filter(|b| **b == b'\r').for_each(|b| *b = b'\n');
        }
        self.since_newline = match text.iter().rposition(|&b| b == b'\n') {
            Some(at) => count - at - 1,
            None => self.since_newline + count,
        };
        if self.since_newline > LONGEST_LINE { Err(too_long()) } else { Ok(count) }
    }
}
