//! Images with numbers: a csv with the columns `path` (relative to the csv), optionally `split` (train, validation or test), and one
//! or more of numbers, such as `valence` and `arousal`. The network learns the numbers; the columns' names take the classes' place.

mod columns;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::DynamicImage;
use rayon::prelude::*;

use super::decode::{check_header, decode, read_image};
use super::select::hold_back;
use super::store::Part;
use super::survey::{Faults, Survey};
use super::table::Table;
use super::{DEFAULT_VALIDATION_SPLIT, Dataset, InputSpec, OnBadFile, Options, Origin, Split, Task, paths};
use crate::error::{Error, Result};
use columns::{Columns, Row, Wanted};

/// Skipped files that are named one by one.
const NAMED: usize = 10;
const EXPECTED: &str = "the columns `path` and one or more of numbers, such as `path,valence,arousal`; `split` if there are \
                        splits";

/// Image files and their numbers.
#[derive(Default)]
struct Files {
    paths: Vec<PathBuf>,
    rows: Vec<u64>,
    /// `outputs` an image.
    values: Vec<f32>,
}

/// Files of one split.
struct Valued {
    files: Files,
    outputs: usize,
    input: InputSpec,
}

impl Split for Valued {
    fn len(&self) -> usize {
        self.files.paths.len()
    }

    fn input(&self) -> InputSpec {
        self.input
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    /// There are no classes: always 0.
    fn label(&self, _index: usize) -> u32 {
        0
    }

    fn target(&self, index: usize, out: &mut [f32]) {
        out.copy_from_slice(&self.files.values[index * self.outputs..(index + 1) * self.outputs]);
    }

    fn name(&self, index: usize) -> String {
        self.files.paths[index].display().to_string()
    }

    fn origin(&self, index: usize) -> Origin<'_> {
        Origin::File(&self.files.paths[index])
    }

    fn picture(&self, index: usize) -> Result<DynamicImage> {
        decode(&self.files.paths[index])
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
        read_image(&self.files.paths[index], self.input, out)
    }
}

/// Whether a table is one of these: it has a column `path`, and no `pixels`.
pub(super) fn is_table(table: &Table<'_>) -> bool {
    let has = |name: &str| table.header.iter().any(|found| found.eq_ignore_ascii_case(name));
    has("path") && !has("pixels")
}

/// Opens a table; see [`super::open`].
pub(super) fn open(source: &str, path: &Path, input: InputSpec, options: &Options) -> Result<Dataset> {
    refuse_class_options(path, options)?;
    let mut faults = Faults::of(options.on_bad_file);
    let wanted = options.outputs.as_deref().map_or(Wanted::All, Wanted::Chosen);
    let (columns, [train, validation, test]) = read(path, wanted, &mut faults)?;
    let mut notes = columns.notes;
    notes.extend(faults.skipped("rows"));
    let outputs = columns.names.len();
    let mut split = |files: Files| -> Result<Option<Arc<dyn Split>>> {
        let files = check(path, files, outputs, options.on_bad_file, &mut notes)?;
        Ok((!files.paths.is_empty()).then(|| -> Arc<dyn Split> { Arc::new(Valued { files, outputs, input }) }))
    };
    let [train, validation, test] = [split(train)?, split(validation)?, split(test)?];
    let train = train.ok_or_else(|| Error::data(path, "no image to train on", EXPECTED))?;
    let (train, validation) = match validation {
        Some(validation) => {
            notes.extend(super::select::unused_split_note(options));
            (train, validation)
        }
        None => {
            let (kept, held) = hold_back(&vec![0; train.len()], &["all".into()], options)
                .map_err(|_| Error::data(path, "one image, and no validation split", "two images or more"))?;
            let share = options.validation_split.unwrap_or(DEFAULT_VALIDATION_SPLIT);
            let count = held.len();
            notes.push(format!("the data has no validation split: {count} training images ({share}) are held back"));
            let side = |members| -> Arc<dyn Split> { Arc::new(Part { whole: Arc::clone(&train), members }) };
            (side(kept), side(held))
        }
    };
    let classes = columns.names;
    Ok(Dataset { source: source.to_string(), task: Task::Values, classes, train, validation, test, notes })
}

/// Every row that can be read, without a demand on the whole. The images are counted as one class.
///
/// # Errors
/// A file that is no such table.
pub(super) fn survey(path: &Path, input: InputSpec, faults: &mut Faults) -> Result<Survey> {
    let (Columns { names, mut notes, .. }, splits) = read(path, Wanted::Plausible, faults)?;
    let outputs = names.len();
    notes.push(format!("the data has values ({}), not classes: its images are counted as one", names.join(", ")));
    let splits = splits.map(|files| -> Option<Arc<dyn Split>> {
        (!files.paths.is_empty()).then(|| -> Arc<dyn Split> { Arc::new(Valued { files, outputs, input }) })
    });
    Ok(Survey { classes: vec!["images".to_owned()], splits, notes })
}

/// Refuses what only classes have.
fn refuse_class_options(path: &Path, options: &Options) -> Result<()> {
    let flags = [
        ("--classes", options.classes.is_some()),
        ("--soft-labels", options.soft_labels.is_some()),
        ("--class-weight", options.class_weight != super::ClassWeight::None),
    ];
    match flags.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((flag, _)) => {
            Err(Error::usage(format!("{flag}: {} has values, not classes", path.display()), "leave it out"))
        }
    }
}

/// Reads the table: the files of the three splits.
fn read(path: &Path, wanted: Wanted<'_>, faults: &mut Faults) -> Result<(Columns, [Files; 3])> {
    let mut table = Table::open(path, EXPECTED)?;
    let columns = Columns::find(path, &table, wanted)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut splits: [Files; 3] = Default::default();
    let mut any = false;
    loop {
        match table.advance() {
            Ok(true) => any = true,
            Ok(false) => break,
            Err(error) => {
                faults.end(error)?;
                break;
            }
        }
        match columns.judge(&table) {
            Ok(Row { split, file, values }) => {
                let files = &mut splits[split.index()];
                files.paths.push(paths::listed(folder, file));
                files.rows.push(table.line());
                files.values.extend(values);
            }
            Err((what, expected)) => faults.take(Error::row(path, table.line(), what, expected))?,
        }
    }
    if !any {
        return Err(Error::data(path, "a header and no row", "a row for each image"));
    }
    Ok((columns, splits))
}

/// The files that can be read. To skip bad ones they are decoded whole; to fail on them their headers are read.
fn check(table: &Path, files: Files, outputs: usize, on_bad: OnBadFile, notes: &mut Vec<String>) -> Result<Files> {
    let fault = |path: &PathBuf| match on_bad {
        _ if !path.is_file() => Some(format!("no such file: {}", path.display())),
        OnBadFile::Fail => check_header(path).err().map(|e| e.to_string()),
        OnBadFile::Skip => decode(path).err().map(|e| e.to_string()),
    };
    let faults: Vec<Option<String>> = files.paths.par_iter().map(fault).collect();
    let mut good = Files::default();
    let mut skipped = 0;
    for (i, (path, fault)) in files.paths.into_iter().zip(faults).enumerate() {
        let Some(fault) = fault else {
            good.paths.push(path);
            good.rows.push(files.rows[i]);
            good.values.extend(&files.values[i * outputs..(i + 1) * outputs]);
            continue;
        };
        let expected = "an image beside the csv, or --on-bad-file skip to leave it out";
        let error = Error::row(table, files.rows[i], fault, expected);
        if on_bad == OnBadFile::Fail {
            return Err(error);
        }
        skipped += 1;
        if skipped <= NAMED {
            notes.push(format!("skipped {error}"));
        }
    }
    if skipped > NAMED {
        notes.push(format!("skipped {} more files", skipped - NAMED));
    }
    Ok(good)
}

#[cfg(test)]
mod tests;
