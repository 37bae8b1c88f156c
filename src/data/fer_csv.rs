//! FER2013's table: a header `emotion,pixels,Usage` (columns in any order), then a row for each image: a label 0 to 6,
//! 2,304 grey values with spaces between them, and the split that the image belongs to. Read as a stream, plain or
//! gzip; only the pixels are kept, a byte each.
//!
//! Source: Goodfellow et al., "Challenges in representation learning: a report on three machine learning contests",
//! 2013.

use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use csv::ByteRecord;
use flate2::read::MultiGzDecoder;

use super::select::{check_classes, choose_classes, with_validation};
use super::split_names::SplitName;
use super::store::{Names, PIXELS, SIDE, Stored};
use super::survey::{Faults, Survey};
use super::{Dataset, InputSpec, Options, Split, Task, synth::EMOTIONS};
use crate::error::{Error, Result};

/// The splits as `Usage` calls them: train, validation, test.
const USAGES: [&str; 3] = ["Training", "PublicTest", "PrivateTest"];
/// The longest line that is read: a row has 10 kB at most, and a damaged file must not fill the memory.
const LONGEST_LINE: usize = 1 << 20;

/// Images of one split while they are read.
#[derive(Default)]
struct Rows {
    pixels: Vec<u8>,
    labels: Vec<u32>,
    lines: Vec<u32>,
}

/// Where the three columns are.
struct Columns {
    count: usize,
    emotion: usize,
    pixels: usize,
    usage: usize,
}

/// Opens a table; see [`super::open`].
pub(super) fn open(source: &str, path: &Path, input: InputSpec, options: &Options) -> Result<Dataset> {
    let known = EMOTIONS.map(str::to_string);
    let classes = choose_classes(&known, options)?;
    let labels = known.map(|name| classes.iter().position(|c| *c == name).map(|label| label as u32));
    let (splits, left_out) = read(path, &labels, &mut Faults::Fail)?;
    let mut notes = Vec::new();
    if left_out > 0 {
        notes.push(format!("{left_out} rows of other classes than {} are left out", classes.join(", ")));
    }
    for (split, usage) in SplitName::ALL.into_iter().zip(USAGES) {
        let rows = &splits[split.index()];
        if !rows.labels.is_empty() {
            check_classes(path, &format!("{} split (Usage `{usage}`)", split.name()), &rows.labels, &classes)?;
        }
    }
    let [train, validation, test] = store(path, splits, classes.len(), input);
    let train = train.ok_or_else(|| {
        Error::data(path, "no row of Usage `Training`", "training images of every class that is asked for")
    })?;
    let lonely = |class: String| {
        Error::data(
            path,
            format!("no row of Usage `PublicTest`, and class `{class}` has fewer than two training images to part"),
            "validation images, or at least two training images of each class",
        )
    };
    let [train, validation] = with_validation(train, validation, &classes, options, &mut notes, lonely)?;
    Ok(Dataset { source: source.to_string(), task: Task::Classes, classes, train, validation, test, notes })
}

/// Every row that can be read, without a demand on the whole, in the size in which rows hold images.
///
/// # Errors
/// A file that is no such table.
pub(super) fn survey(path: &Path, faults: &mut Faults) -> Result<Survey> {
    let (splits, _) = read(path, &[0, 1, 2, 3, 4, 5, 6].map(Some), faults)?;
    let input = InputSpec { height: SIDE, width: SIDE, channels: 1 };
    let splits = store(path, splits, EMOTIONS.len(), input);
    Ok(Survey { classes: EMOTIONS.map(str::to_string).to_vec(), splits, notes: Vec::new() })
}

/// The splits that have rows.
fn store(path: &Path, splits: [Rows; 3], classes: usize, input: InputSpec) -> [Option<Arc<dyn Split>>; 3] {
    let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    splits.map(|Rows { pixels, labels, lines }| {
        let names = Names::Rows(file.to_string(), lines);
        (!labels.is_empty()).then(|| -> Arc<dyn Split> { Arc::new(Stored { pixels, labels, classes, names, input }) })
    })
}

/// Reads the whole table; `labels[emotion]` is the label to give, `None` to leave the row out. Also counts those.
fn read(path: &Path, labels: &[Option<u32>; 7], faults: &mut Faults) -> Result<([Rows; 3], usize)> {
    let (stream, gzip) = unpack(path)?;
    // Rows of another length are our error, not the reader's: ours says more.
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(stream);
    let broken = |row: u64, error: csv::Error| {
        let expected = if gzip { "a whole gzip file with lines under 1 MiB" } else { "text with lines under 1 MiB" };
        Error::row(path, row, format!("the file cannot be read any further ({error})"), expected)
    };
    let mut record = ByteRecord::new();
    if !reader.read_byte_record(&mut record).map_err(|e| broken(1, e))? {
        return Err(Error::data(path, "an empty file", "a header `emotion,pixels,Usage` and a row for each image"));
    }
    let columns = Columns::find(path, &record)?;
    let mut splits: [Rows; 3] = Default::default();
    let (mut row, mut left_out, mut any) = (1, 0, false);
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(true) => any = true,
            Ok(false) => break,
            Err(error) => {
                faults.take(broken(row + 1, error))?;
                break;
            }
        }
        row = record.position().map_or(row + 1, csv::Position::line);
        match columns.take(&record, row, labels, &mut splits) {
            Ok(kept) => left_out += usize::from(!kept),
            Err((what, expected)) => faults.take(Error::row(path, row, what, expected))?,
        }
    }
    if !any {
        return Err(Error::data(path, "a header and no row", "a row for each image"));
    }
    Ok((splits, left_out))
}

/// The text of the file, and whether it was packed: its first bytes say so, not its name.
pub(super) fn unpack(path: &Path) -> Result<(Box<dyn Read>, bool)> {
    let mut file = crate::input::open(path, "a table in csv, plain or gzip")?;
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic).map_err(Error::io("read", path))?;
    file.rewind().map_err(Error::io("read", path))?;
    if magic.is_empty() {
        return Err(Error::data(path, "an empty file", "a header `emotion,pixels,Usage` and a row for each image"));
    }
    let gzip = magic == [0x1f, 0x8b];
    if !gzip && path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz")) {
        return Err(Error::data(path, "its content is not gzip", "a gzip file, or a name without .gz"));
    }
    let file = BufReader::with_capacity(1 << 18, file);
    Ok(if gzip { (Box::new(Lines::new(MultiGzDecoder::new(file))), true) } else { (Box::new(Lines::new(file)), false) })
}

/// Passes text through and stops at a line that no table has, before it fills the memory.
struct Lines<R> {
    text: R,
    since_newline: usize,
}

impl<R> Lines<R> {
    fn new(text: R) -> Self {
        Self { text, since_newline: 0 }
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.text.read(buffer)?;
        self.since_newline = match buffer[..count].iter().rposition(|&b| b == b'\n') {
            Some(at) => count - at - 1,
            None => self.since_newline + count,
        };
        if self.since_newline > LONGEST_LINE {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "a line of over 1 MiB"));
        }
        Ok(count)
    }
}

/// What is wrong with a row, and what was expected.
type Fault = (String, &'static str);

impl Columns {
    /// Finds the columns by name.
    fn find(path: &Path, header: &ByteRecord) -> Result<Self> {
        let names: Vec<String> = header
            .iter()
            .map(|name| String::from_utf8_lossy(name).trim_start_matches('\u{feff}').trim().to_lowercase())
            .collect();
        let column = |wanted: &str| {
            names.iter().position(|name| name == wanted).ok_or_else(|| {
                let (text, note) = (shown(header.as_slice()), utf8_note(header.as_slice()));
                let what = format!("the header has no column `{wanted}`: it is `{text}`{note}");
                Error::row(path, 1, what, "the columns emotion, pixels and Usage, in any order")
            })
        };
        Ok(Self { count: names.len(), emotion: column("emotion")?, pixels: column("pixels")?, usage: column("usage")? })
    }

    /// Adds a row to its split, unless `labels` has none for it; says whether it did.
    fn take(
        &self,
        record: &ByteRecord,
        row: u64,
        labels: &[Option<u32>; 7],
        splits: &mut [Rows; 3],
    ) -> Result<bool, Fault> {
        let (emotion, split) = self.judge(record)?;
        let rows = &mut splits[split];
        let before = rows.pixels.len();
        let parsed = parse_pixels(&record[self.pixels], &mut rows.pixels);
        let label = labels[emotion].filter(|_| parsed.is_ok());
        match label {
            Some(label) => {
                rows.labels.push(label);
                rows.lines.push(u32::try_from(row).unwrap_or(u32::MAX));
            }
            None => rows.pixels.truncate(before),
        }
        parsed.map(|()| label.is_some())
    }

    /// The emotion and the split of a row.
    fn judge(&self, record: &ByteRecord) -> Result<(usize, usize), Fault> {
        if record.len() != self.count {
            return Err((format!("{} columns", record.len()), "as many columns as the header has"));
        }
        let field = record[self.emotion].trim_ascii();
        let emotion = match field {
            [digit @ b'0'..=b'6'] => usize::from(digit - b'0'),
            _ => {
                let what = format!("emotion `{}`{}", shown(field), utf8_note(field));
                return Err((what, "a label 0 to 6 (angry, disgust, fear, happy, sad, surprise, neutral)"));
            }
        };
        let field = record[self.usage].trim_ascii();
        let split = std::str::from_utf8(field).ok().and_then(SplitName::parse).ok_or_else(|| {
            let what = format!("Usage `{}`{}", shown(field), utf8_note(field));
            (what, "Training, PublicTest or PrivateTest, or train, validation or test")
        })?;
        Ok((emotion, split.index()))
    }
}

/// Appends the grey values of a field.
fn parse_pixels(field: &[u8], pixels: &mut Vec<u8>) -> Result<(), Fault> {
    const EXPECTED: &str = "2,304 whole numbers from 0 to 255 with spaces between them (48 rows of 48)";
    let before = pixels.len();
    let words = field.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    for word in words {
        let value = match word {
            [_] | [_, _] | [_, _, _] if word.iter().all(u8::is_ascii_digit) => {
                word.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
            }
            _ => u32::MAX,
        };
        let Ok(value) = u8::try_from(value) else {
            let place = pixels.len() - before + 1;
            return Err((format!("pixel {place} is `{}`{}", shown(word), utf8_note(word)), EXPECTED));
        };
        pixels.push(value);
    }
    match pixels.len() - before {
        PIXELS => Ok(()),
        count => Err((format!("{count} pixels"), EXPECTED)),
    }
}

/// A value as an error shows it: its first 40 characters.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().count() > 40 {
        short.push_str("...");
    }
    short
}

/// Says so if a value is not text.
fn utf8_note(bytes: &[u8]) -> &'static str {
    if std::str::from_utf8(bytes).is_ok() { "" } else { " (not UTF-8 text)" }
}

#[cfg(test)]
#[path = "fer_csv_tests.rs"]
mod tests;
