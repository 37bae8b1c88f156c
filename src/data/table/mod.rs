//! Text tables as people have them: csv with `,`, `;`, tabs or `|` between the fields, lines that end in LF, CRLF or CR, blank
//! lines, a byte order mark, gzip. What a file is, its first bytes say, not its name.
//!
//! Line numbers are those that an editor shows.

mod stream;

use std::path::Path;

use csv::{ByteRecord, Terminator};

use crate::error::{Error, Result};
use stream::Text;

/// Characters of a header that an error shows.
const SHOWN: usize = 400;

/// The largest table beside the data: ten million rows of votes.
const MAX_LIST_BYTES: u64 = 1 << 30;

/// What is wrong with a row, and what was expected.
pub(super) type Fault = (String, String);

/// A table that is read row by row.
pub(super) struct Table<'a> {
    path: &'a Path,
    /// The columns' names, without spaces around them.
    pub header: Vec<String>,
    /// The line of the header.
    pub header_line: u64,
    header_text: String,
    csv: csv::Reader<Text>,
    record: ByteRecord,
    line: u64,
    gzip: bool,
}

impl<'a> Table<'a> {
    /// Opens a table and reads its header; `expected` says in errors what the file should hold.
    ///
    /// # Errors
    /// A file that cannot be read, is empty, packed otherwise than by gzip, or no text.
    pub(super) fn open(path: &'a Path, expected: &str) -> Result<Self> {
        Self::of(path, Text::of(path, crate::input::open(path, expected)?, expected)?, expected)
    }

    /// As [`open`](Self::open), but also of a pipe, and of 1 GiB at most.
    ///
    /// # Errors
    /// As [`open`](Self::open); a longer table.
    pub(super) fn open_list(path: &'a Path, expected: &str) -> Result<Self> {
        let file = crate::input::open_text(path, MAX_LIST_BYTES, expected)?;
        Self::of(path, Text::of(path, file, expected)?, expected)
    }

    fn of(path: &'a Path, text: Text, expected: &str) -> Result<Self> {
        let gzip = text.is_gzip();
        let delimiter = text.delimiter();
        // Rows of another length are our error, not the reader's: ours says more. Lines that end in CR are passed on with LF.
        let csv = csv::ReaderBuilder::new()
            .flexible(true)
            .has_headers(false)
            .delimiter(delimiter)
            .terminator(Terminator::Any(b'\n'))
            .from_reader(text);
        let (header, record) = (Vec::new(), ByteRecord::new());
        let mut table = Self { path, header, header_line: 1, header_text: String::new(), csv, record, line: 0, gzip };
        loop {
            if !table.advance()? {
                return Err(Error::data(path, "an empty file", expected));
            }
            // Spreadsheets write a first line `sep=;`.
            if !table.field(0).eq_ignore_ascii_case(b"sep=") {
                break;
            }
        }
        table.header = table.record.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        table.header_line = table.line;
        let fields: Vec<String> = table.record.iter().map(|f| String::from_utf8_lossy(f).into_owned()).collect();
        table.header_text = shown(fields.join(&char::from(delimiter).to_string()).trim().as_bytes(), SHOWN);
        Ok(table)
    }

    /// Reads the next row that is not blank; says whether there is one.
    ///
    /// # Errors
    /// A file that ends too soon or is damaged: no further row can be read.
    pub(super) fn advance(&mut self) -> Result<bool> {
        loop {
            match self.csv.read_byte_record(&mut self.record) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => {
                    let expected =
                        if self.gzip { "a whole gzip file: get it again" } else { "text with lines under 1 MiB" };
                    let error = match error.kind() {
                        csv::ErrorKind::Io(error) => error.to_string(),
                        _ => error.to_string(),
                    };
                    let what = format!("the file cannot be read any further ({error})");
                    return Err(Error::row(self.path, self.csv.position().line(), what, expected));
                }
            }
            // The reader places a row before the blank lines that precede it; counted from its end it is where it is.
            self.line = self.csv.position().line() - newlines(&self.record) - u64::from(self.is_closed());
            if self.record.iter().any(|field| !field.trim_ascii().is_empty()) {
                return Ok(true);
            }
        }
    }

    /// Whether the current row is not the rest of the file after a quotation mark that is not closed.
    fn is_closed(&self) -> bool {
        !self.record.as_slice().ends_with(b"\n")
    }

    /// The line of the current row.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// How many fields the current row has.
    pub(super) fn fields(&self) -> usize {
        self.record.len()
    }

    /// A field of the current row, without spaces around it; empty where the row is too short.
    pub(super) fn field(&self, column: usize) -> &[u8] {
        self.record.get(column).unwrap_or_default().trim_ascii()
    }

    /// A field of the current row as text.
    ///
    /// # Errors
    /// One that is not UTF-8.
    pub(super) fn text(&self, column: usize) -> Result<&str, Fault> {
        let field = self.field(column);
        std::str::from_utf8(field).map(str::trim).map_err(|_| {
            let what = format!("{} is `{}`{}", self.name(column), shown(field, 40), utf8_note(field));
            (what, "UTF-8 text".to_owned())
        })
    }

    /// A column's name.
    pub(super) fn name(&self, column: usize) -> &str {
        self.header.get(column).map_or("", String::as_str)
    }

    /// Whether the current row has as many fields as the header; empty ones at the end do not count.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn check_length(&self) -> Result<(), Fault> {
        let needed = self.header.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
        let found = self.record.len();
        let extra = self.record.iter().skip(self.header.len()).any(|field| !field.trim_ascii().is_empty());
        if found >= needed && !extra {
            return Ok(());
        }
        let inside = newlines(&self.record);
        let mut what = format!("{found} columns, the header has {}", self.header.len());
        if inside > 0 {
            let last = self.line + inside - u64::from(!self.is_closed());
            what += &format!(", up to line {last}: a quotation mark is not closed");
        }
        Err((what, "as many columns as the header has".to_owned()))
    }

    /// The column that has one of some names, in any case; the first of the names that is there.
    ///
    /// # Errors
    /// Two columns of the same name.
    pub(super) fn column(&self, names: &[&str]) -> Result<Option<usize>> {
        for name in names {
            let mut found = (0..self.header.len()).filter(|i| self.header[*i].eq_ignore_ascii_case(name));
            match (found.next(), found.next()) {
                (None, _) => {}
                (first, None) => return Ok(first),
                _ => {
                    let what = format!("two columns `{name}`");
                    return Err(self.refuse_header(&what, "one column of each name"));
                }
            }
        }
        Ok(None)
    }

    /// An error about the header, which it shows.
    pub(super) fn refuse_header(&self, what: &str, expected: impl Into<String>) -> Error {
        let note = if self.header.iter().any(|name| name.contains('\u{fffd}')) { " (not UTF-8 text)" } else { "" };
        Error::row(self.path, self.header_line, format!("{what}: the header is `{}`{note}", self.header_text), expected)
    }
}

fn newlines(record: &ByteRecord) -> u64 {
    record.as_slice().iter().filter(|b| **b == b'\n').count() as u64
}

/// A value as an error shows it: its first characters.
pub(super) fn shown(bytes: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * most)]).into_owned();
    let mut short: String = text.chars().take(most).flat_map(char::escape_debug).collect();
    if text.chars().count() > most {
        short.push_str("...");
    }
    short
}

/// Says so if a value is not text.
pub(super) fn utf8_note(bytes: &[u8]) -> &'static str {
    if std::str::from_utf8(bytes).is_ok() { "" } else { " (not UTF-8 text)" }
}

/// Whether a column numbers the rows: pandas writes such an index under no name, and reads that as `Unnamed: 0`.
pub(super) fn is_index(name: &str) -> bool {
    let name = name.trim().to_lowercase();
    name.is_empty() || name.strip_prefix("unnamed:").is_some_and(|n| n.trim().parse::<usize>().is_ok())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
