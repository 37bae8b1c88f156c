//! Images with numbers: a csv with the columns `path` (relative to the csv), optionally `split` (train, validation or test), and one
//! or more of numbers, such as `valence` and `arousal`. The network learns the numbers; the columns' names take the classes' place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::DynamicImage;
use rayon::prelude::*;

use super::decode::{check_header, decode, read_image};
use super::fer_csv::unpack;
use super::select::hold_back;
use super::split_names::SplitName;
use super::store::Part;
use super::survey::{Faults, Survey};
use super::{DEFAULT_VALIDATION_SPLIT, Dataset, InputSpec, OnBadFile, Options, Origin, Split, Task};
use crate::error::{Error, Result};

/// Skipped files that are named one by one.
const NAMED: usize = 10;
const EXPECTED: &str = "the columns `path` and one or more of numbers, such as `path,valence,arousal`; `split` if there are \
                        splits";
const SPLITS: &str = "train, validation or test";

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

/// Where the columns are.
struct Columns {
    count: usize,
    path: usize,
    split: Option<usize>,
    values: Vec<usize>,
    names: Vec<String>,
}

/// Whether a table's first line is one of ours: it has a column `path`, and no `pixels`.
pub(super) fn is_values(path: &Path) -> Result<bool> {
    let (stream, _) = unpack(path)?;
    let mut csv = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(stream);
    let mut header = csv::ByteRecord::new();
    // What cannot be read is left to the reader that says more about it.
    let Ok(true) = csv.read_byte_record(&mut header) else { return Ok(false) };
    let names: Vec<String> = header.iter().map(|h| clean(&String::from_utf8_lossy(h)).to_lowercase()).collect();
    Ok(names.iter().any(|n| n == "path") && !names.iter().any(|n| n == "pixels"))
}

/// A name of the header.
fn clean(name: &str) -> String {
    name.trim_start_matches('\u{feff}').trim().to_owned()
}

/// Opens a table; see [`super::open`].
pub(super) fn open(source: &str, path: &Path, input: InputSpec, options: &Options) -> Result<Dataset> {
    refuse_class_options(path, options)?;
    let (columns, [train, validation, test]) = read(path, &mut Faults::Fail)?;
    let mut notes = Vec::new();
    let outputs = columns.values.len();
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
    let (Columns { values, names, .. }, splits) = read(path, faults)?;
    let outputs = values.len();
    let notes = vec![format!("the data has values ({}), not classes: its images are counted as one", names.join(", "))];
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
fn read(path: &Path, faults: &mut Faults) -> Result<(Columns, [Files; 3])> {
    let (stream, _) = unpack(path)?;
    let mut csv = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(stream);
    let mut record = csv::StringRecord::new();
    let broken = |row: u64, e: csv::Error| Error::row(path, row, format!("cannot be read ({e})"), "UTF-8 text");
    csv.read_record(&mut record).map_err(|e| broken(1, e))?;
    let columns = Columns::find(path, &record)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut splits: [Files; 3] = Default::default();
    let mut row = 1;
    loop {
        match csv.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            // A row that is not UTF-8 ends at its line's end like any other.
            Err(error) => {
                let end = error.is_io_error();
                row = error.position().map_or(row + 1, csv::Position::line);
                faults.take(broken(row, error))?;
                if end {
                    break;
                }
                continue;
            }
        }
        row = record.position().map_or(row + 1, csv::Position::line);
        let (split, values) = match columns.judge(&record) {
            Ok(found) => found,
            Err((what, wanted)) => {
                faults.take(Error::row(path, row, what, wanted))?;
                continue;
            }
        };
        let files = &mut splits[split];
        files.paths.push(folder.join(record[columns.path].trim()));
        files.rows.push(row);
        files.values.extend(values);
    }
    if row == 1 {
        return Err(Error::data(path, "a header and no row", "a row for each image"));
    }
    Ok((columns, splits))
}

impl Columns {
    fn find(path: &Path, header: &csv::StringRecord) -> Result<Self> {
        let refuse = |what: String| Err(Error::row(path, 1, what, EXPECTED));
        let names: Vec<String> = header.iter().map(clean).collect();
        let at = |wanted: &str| names.iter().position(|n| n.eq_ignore_ascii_case(wanted));
        let Some(file) = at("path") else { return refuse("no column `path`".into()) };
        let split = at("split");
        let values: Vec<usize> = (0..names.len()).filter(|i| *i != file && Some(*i) != split).collect();
        let outputs: Vec<String> = values.iter().map(|i| names[*i].clone()).collect();
        if outputs.is_empty() {
            return refuse("no column of numbers".into());
        }
        let wrong = |(i, name): (usize, &String)| name.is_empty() || outputs[..i].contains(name);
        if let Some((_, name)) = outputs.iter().enumerate().find(|(i, name)| wrong((*i, name))) {
            return refuse(format!("a column called `{name}` that has no name or one twice"));
        }
        Ok(Self { count: names.len(), path: file, split, values, names: outputs })
    }

    /// The split and the numbers of a row, or what is wrong and what was expected.
    fn judge(&self, record: &csv::StringRecord) -> Result<(usize, Vec<f32>), (String, &'static str)> {
        if record.len() != self.count {
            return Err((format!("{} columns", record.len()), "as many columns as the header has"));
        }
        if record[self.path].trim().is_empty() {
            return Err(("no path".into(), "the path of an image, relative to the csv"));
        }
        let split = match self.split.map(|i| record[i].trim()) {
            None => SplitName::Train,
            Some(name) => SplitName::parse(name).ok_or_else(|| (format!("split `{name}`"), SPLITS))?,
        };
        let number = |(i, name): (&usize, &String)| {
            let value = record[*i].trim().parse::<f32>().ok().filter(|v| v.is_finite());
            value.ok_or_else(|| (format!("{name} is `{}`", record[*i].trim()), "a number"))
        };
        Ok((split.index(), self.values.iter().zip(&self.names).map(number).collect::<Result<_, _>>()?))
    }
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
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::data;
    use image::GrayImage;

    const INPUT: InputSpec = InputSpec { height: 8, width: 8, channels: 1 };

    /// A folder of four grey images and a table.
    fn folder(text: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("faces")).unwrap();
        for i in 0..4u8 {
            let picture = GrayImage::from_pixel(8, 8, image::Luma([51 * i]));
            picture.save(folder.path().join(format!("faces/{i}.png"))).unwrap();
        }
        let path = folder.path().join("table.csv");
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap().to_owned();
        (folder, path)
    }

    fn open(text: &str, options: &Options) -> Result<Dataset> {
        let (_folder, path) = folder(text);
        data::open(&path, INPUT, options)
    }

    #[test]
    fn splits_and_numbers() {
        let (_folder, path) = folder(
            "\u{feff}split,Path,valence,arousal\ntrain,faces/0.png,-0.5,1\nVal,faces/1.png,0,0\n\
             test,faces/2.png,1e-1,-1\ntraining,faces/3.png,0.25,0\n",
        );
        let data = data::open(&path, INPUT, &Options::default()).unwrap();
        assert_eq!((data.task, data.classes.clone()), (Task::Values, vec!["valence".into(), "arousal".into()]));
        let (train, mut target, mut x) = (data.train, [0.0; 2], [0.0; 64]);
        assert_eq!((train.len(), data.validation.len(), data.test.unwrap().len()), (2, 1, 1));
        train.target(1, &mut target);
        train.read(1, &mut x).unwrap();
        assert_eq!((target, x[5], train.outputs(), train.label(1)), ([0.25, 0.0], 0.6, 2, 0));
    }

    #[test]
    fn without_a_split_some_are_held_back() {
        let text = "path,smile\nfaces/0.png,0\nfaces/1.png,1\nfaces/2.png,2\nfaces/3.png,3\n";
        let options = Options { validation_split: Some(0.5), ..Options::default() };
        let data = open(text, &options).unwrap();
        assert_eq!((data.train.len(), data.validation.len(), data.test.is_none()), (2, 2, true));
        assert!(data.notes[0].contains("2 training images (0.5) are held back"), "{:?}", data.notes);
    }

    #[test]
    fn refuses_by_row() {
        let skip = Options { on_bad_file: OnBadFile::Skip, ..Options::default() };
        for (text, word) in [
            ("path\nfaces/0.png\n", "row 1: no column of numbers"),
            ("path,a,a\nfaces/0.png,1,1\n", "row 1: a column called `a`"),
            ("path,a\n", "no row"),
            ("path,a\nfaces/0.png,1\n", "one image"),
            ("path,a\nfaces/0.png,1\nfaces/1.png\n", "row 3: 1 columns"),
            ("path,a\nfaces/0.png,warm\n", "row 2: a is `warm`"),
            ("path,a\nfaces/0.png,inf\n", "row 2: a is `inf`"),
            ("path,a\n,1\n", "row 2: no path"),
            ("path,a,split\nfaces/0.png,1,tset\n", "row 2: split `tset`"),
            ("path,a\nfaces/9.png,1\n", "row 2: no such file"),
            ("path,a,split\nfaces/0.png,1,test\n", "no image to train on"),
        ] {
            let error = open(text, &Options::default()).unwrap_err().to_string();
            assert!(error.contains("table.csv") && error.contains(word), "{text}: {error}");
        }
        let data = open("path,a\nfaces/0.png,0\nfaces/9.png,1\ntable.csv,1\nfaces/1.png,1\n", &skip).unwrap();
        assert_eq!((data.train.len(), data.validation.len()), (1, 1));
        assert!(data.notes[0].contains("row 3") && data.notes[1].contains("row 4"), "{:?}", data.notes);
        let classes = Some(vec!["a".into(), "b".into()]);
        let error = open("path,a\nfaces/0.png,1\n", &Options { classes, ..Options::default() }).unwrap_err();
        assert!(error.to_string().contains("--classes"), "{error}");
    }
}
