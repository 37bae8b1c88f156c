//! Tables of images as text, such as FER2013's: a header `emotion,pixels,Usage` (columns in any order), then a row for each image:
//! its label, 2,304 grey values with spaces between them (or those of another square), and the split that it belongs to. Labels are
//! FER2013's numbers 0 to 6, or names. Without a column `Usage` every image is for training. Read as a stream, plain or gzip; only
//! the pixels are kept, a byte each.
//!
//! Source: Goodfellow et al., "Challenges in representation learning: a report on three machine learning contests",
//! 2013.

mod emotions;
mod pixels;

use std::path::Path;
use std::sync::Arc;

use super::select::{check_classes, choose_classes, with_validation};
use super::split_names::SplitName;
use super::store::{Names, RowPlace, SIDE, Stored};
use super::survey::{Faults, Survey};
use super::table::{Fault, Table, shown, utf8_note};
use super::{Dataset, InputSpec, Options, Split, Task, names};
use crate::error::{Error, Result};
use emotions::{Classes, Emotions};

/// The splits as `Usage` calls them: train, validation, test.
const USAGES: [&str; 3] = ["Training", "PublicTest", "PrivateTest"];
/// What the columns are called; the first is FER2013's name.
const EMOTION: &[&str] = &["emotion", "emotions", "label", "class"];
const PIXELS: &[&str] = &["pixels", "pixel"];
const USAGE: &[&str] = &["usage", "split", "set", "subset"];
/// What files of images call the column that a table of values calls `path`.
const PATHS: [&str; 9] = ["pth", "file", "filename", "filepath", "file_path", "image", "img", "image_path", "img_path"];
pub(super) const EXPECTED: &str = "a header `emotion,pixels,Usage` (Usage where there are splits) and a row for each image, or \
                        `path` and columns of numbers";

/// Images of one split while they are read.
#[derive(Default)]
struct Rows {
    pixels: Vec<u8>,
    labels: Vec<u32>,
    places: Vec<RowPlace>,
}

/// What was read of a table.
struct Found {
    splits: [Rows; 3],
    classes: Classes,
    /// Rows and columns of each image.
    side: usize,
    /// Whether the table says which image is of which split.
    has_usage: bool,
}

/// Where the columns are.
struct Columns {
    emotion: usize,
    pixels: usize,
    usage: Option<usize>,
}

/// Opens a table; see [`super::open`].
pub(super) fn open(source: &str, path: &Path, input: InputSpec, options: &Options) -> Result<Dataset> {
    let mut faults = Faults::of(options.on_bad_file);
    let mut found = read(path, &mut faults)?;
    if found.splits.iter().all(|rows| rows.labels.is_empty()) {
        let none = || Error::data(path, "no row that can be read", EXPECTED);
        return Err(faults.into_first().unwrap_or_else(none));
    }
    let classes = choose_classes(&found.classes.names, options)?;
    let mut notes = faults.skipped("rows");
    notes.append(&mut found.classes.notes);
    if !found.has_usage {
        notes.push("the table has no column `Usage`: every row is a training image".to_owned());
    }
    let left_out = found.keep(&classes);
    if left_out > 0 {
        notes.push(format!("{left_out} rows of other classes than {} are left out", classes.join(", ")));
    }
    for (split, usage) in SplitName::ALL.into_iter().zip(USAGES) {
        let rows = &found.splits[split.index()];
        if !rows.labels.is_empty() {
            let usage = if found.has_usage { format!(" (Usage `{usage}`)") } else { String::new() };
            check_classes(path, &format!("{} split{usage}", split.name()), &rows.labels, &classes)?;
        }
    }
    let [train, validation, test] = found.store(path, classes.len(), input);
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
    let mut found = read(path, faults)?;
    let classes = found.classes.names.clone();
    let notes = std::mem::take(&mut found.classes.notes);
    found.keep(&classes);
    let input = InputSpec::new(found.side, found.side, 1);
    let splits = found.store(path, classes.len(), input);
    Ok(Survey { classes, splits, notes })
}

/// Whether a table is one of these: it has their columns, or it is one whose header is missing.
pub(super) fn is_table(table: &Table<'_>) -> bool {
    let has = |names: &[&str]| !matches!(table.column(names), Ok(None));
    has(PIXELS) || has(EMOTION) || lacks_header(table)
}

/// Whether the first line is a row of the table: it holds many numbers in one field.
fn lacks_header(table: &Table<'_>) -> bool {
    let numbers = |name: &String| name.split_whitespace().take(100).filter(|word| word.parse::<f32>().is_ok()).count();
    table.header.iter().any(|name| numbers(name) > 8)
}

impl Found {
    /// Keeps the rows of some classes and gives them their labels; counts the others.
    fn keep(&mut self, classes: &[String]) -> usize {
        let place = |own: &u32| names::find(&self.classes.names[*own as usize], classes).map(|label| label as u32);
        let labels: Vec<Option<u32>> = self.classes.of_labels.iter().map(place).collect();
        let image = self.side * self.side;
        let mut left_out = 0;
        for rows in &mut self.splits {
            let mut kept = 0;
            for row in 0..rows.labels.len() {
                let Some(label) = labels[rows.labels[row] as usize] else { continue };
                if kept < row {
                    rows.pixels.copy_within(row * image..(row + 1) * image, kept * image);
                    rows.places.swap(kept, row);
                }
                rows.labels[kept] = label;
                kept += 1;
            }
            left_out += rows.labels.len() - kept;
            rows.labels.truncate(kept);
            rows.places.truncate(kept);
            rows.pixels.truncate(kept * image);
        }
        left_out
    }

    /// The splits that have rows.
    fn store(self, path: &Path, classes: usize, input: InputSpec) -> [Option<Arc<dyn Split>>; 3] {
        let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let (side, has_usage) = (self.side, self.has_usage);
        self.splits.map(|Rows { pixels, labels, places }| {
            let names = Names::Rows { file: file.to_string(), places, has_usage };
            let stored = Stored { pixels, side, labels, classes, names, input };
            (!stored.labels.is_empty()).then(|| -> Arc<dyn Split> { Arc::new(stored) })
        })
    }
}

/// Reads the whole table.
fn read(path: &Path, faults: &mut Faults) -> Result<Found> {
    let mut table = Table::open(path, EXPECTED)?;
    let columns = Columns::find(&table)?;
    let mut splits: [Rows; 3] = Default::default();
    let (mut emotions, mut side) = (Emotions::Unknown, None);
    let (mut number, mut damaged) = (0, 0);
    loop {
        match table.advance() {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                faults.end(error)?;
                break;
            }
        }
        if let Err((what, expected)) = columns.take(&table, (number, damaged), (&mut emotions, &mut side), &mut splits)
        {
            damaged += 1;
            faults.take(Error::row(path, table.line(), what, expected))?;
        }
        number += 1;
    }
    if number == 0 {
        faults.end(Error::data(path, "a header and no row", "a row for each image"))?;
    }
    let side = side.unwrap_or(SIDE);
    Ok(Found { splits, classes: emotions.classes(), side, has_usage: columns.usage.is_some() })
}

impl Columns {
    /// Finds the columns by name.
    fn find(table: &Table<'_>) -> Result<Self> {
        let column = |names: &[&str]| -> Result<usize> {
            if let Some(found) = table.column(names)? {
                return Ok(found);
            }
            if lacks_header(table) {
                return Err(table.refuse_header("the first line is no header", "a first line `emotion,pixels,Usage`"));
            }
            let mut expected = EXPECTED.to_owned();
            if names == EMOTION && table.column(PIXELS)?.is_some() {
                expected += "; a table without labels (Kaggle's test.csv) can neither be learned from nor scored";
            } else if let Some(image) = table.header.iter().find(|name| is_path(name)) {
                expected += &format!("; if `{image}` holds the images' paths, call it `path`");
            }
            Err(table.refuse_header(&format!("no column `{}`", names[0]), expected))
        };
        Ok(Self { emotion: column(EMOTION)?, pixels: column(PIXELS)?, usage: table.column(USAGE)? })
    }

    /// Adds the current row to its split; `place` is its number among the rows, and how many damaged ones precede it.
    fn take(
        &self,
        table: &Table<'_>,
        (number, damaged): (u32, u32),
        (emotions, side): (&mut Emotions, &mut Option<usize>),
        splits: &mut [Rows; 3],
    ) -> Result<(), Fault> {
        table.check_length()?;
        let emotion = emotions.judge(table.field(self.emotion))?;
        let split = match self.usage {
            Some(usage) => usage_of(table.field(usage))?,
            None => SplitName::Train,
        };
        let rows = &mut splits[split.index()];
        let before = rows.pixels.len();
        match pixels::parse(table.field(self.pixels), *side, &mut rows.pixels) {
            Ok(found) => *side = Some(found),
            Err(fault) => {
                rows.pixels.truncate(before);
                return Err(fault);
            }
        }
        rows.labels.push(emotions.label(&emotion, table.line()));
        rows.places.push(RowPlace { line: u32::try_from(table.line()).unwrap_or(u32::MAX), number, damaged });
        Ok(())
    }
}

/// The split that a `Usage` means.
fn usage_of(field: &[u8]) -> Result<SplitName, Fault> {
    std::str::from_utf8(field).ok().and_then(SplitName::parse).ok_or_else(|| {
        let what = format!("Usage `{}`{}", shown(field, 40), utf8_note(field));
        (what, "Training, PublicTest or PrivateTest, or train, validation or test".to_owned())
    })
}

/// Whether a column is called like one of paths.
fn is_path(name: &str) -> bool {
    let name = name.to_lowercase();
    PATHS.contains(&name.as_str()) || name.ends_with("path")
}

#[cfg(test)]
mod tests;
