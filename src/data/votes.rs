//! Soft labels: what several people said each image shows, as shares of their votes.
//!
//! A csv with a row of votes an image: FER+'s table (`Usage`, `Image name`, a column an emotion, `unknown`, `NF`), whose rows are
//! those of fer2013.csv in order, or any with `Image name` (or `image`, `file`, `path`) and a column a class for a folder of
//! images. An image is of the class with the most votes (the first of equals); it is kept if that is one of the run's classes,
//! and its target is the votes for these by their sum. `unknown` and `NF` (no face) are no classes.
//!
//! Source: Barsoum et al., "Training deep networks for facial expression recognition with crowd-sourced label distribution", 2016.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::split_names::SplitName;
use super::table::{Fault, Table, is_index};
use super::within::Within;
use super::{Dataset, OnBadFile, Options, Origin, Split, names};
use crate::error::{Error, Result};

/// Columns that name an image, in lower case.
const NAMES: [&str; 5] = ["image name", "image", "file", "path", "name"];
/// Columns of votes for no class.
const NO_CLASS: [&str; 2] = ["unknown", "nf"];
/// Skipped images that are named one by one.
const NAMED: usize = 10;
const EXPECTED: &str = "a header of class names, with `Image name` for a folder of images, and a row of votes an image";

/// The votes for an image.
struct Row {
    /// Its line in the file.
    line: u64,
    usage: Option<String>,
    image: String,
    /// For each class column.
    votes: Vec<f32>,
}

/// A file of votes.
struct Votes<'a> {
    path: &'a Path,
    /// The columns of votes for a class.
    classes: Vec<String>,
    /// Columns that name no class.
    ignored: Vec<String>,
    names_images: bool,
    header_line: u64,
    rows: Vec<Row>,
    by_image: HashMap<String, usize>,
    /// The rows are those of the data that can be read, without those that cannot.
    without_damaged: bool,
}

/// What the votes make of a split.
struct Chosen {
    members: Vec<u32>,
    labels: Vec<u32>,
    targets: Vec<f32>,
    /// Images whose class the run does not have.
    others: usize,
    /// Why images have no votes.
    bad: Vec<Error>,
}

/// The dataset with the votes of a file as its targets, and what came of it in its notes. The classes are those asked for, else the
/// dataset's.
///
/// # Errors
/// A file that cannot be read, by row; a class without a column; images without votes, unless they are to be skipped.
pub(super) fn apply(path: &Path, mut dataset: Dataset, options: &Options) -> Result<Dataset> {
    let classes = options.classes.clone().unwrap_or_else(|| dataset.classes.clone());
    let mut votes = Votes::read(path, &classes)?;
    votes.without_damaged = votes.skips_damaged(&dataset);
    let columns = classes.iter().map(|class| {
        names::find(class, &votes.classes).ok_or_else(|| {
            let what = format!("there is no column of votes for class `{class}`");
            let columns = [votes.classes.as_slice(), &votes.ignored].concat();
            let expected = format!("a column for each class. {}", names::hint(class, "columns", &columns));
            Error::row(path, votes.header_line, what, expected)
        })
    });
    let columns = columns.collect::<Result<Vec<usize>>>()?;
    let mut notes = Vec::new();
    if !votes.ignored.is_empty() {
        let ignored = votes.ignored.join(", ");
        notes.push(format!("{}: columns of no known class are not counted as votes: {ignored}", path.display()));
    }
    let mut taken = HashMap::new();
    let mut vote = |split: &Arc<dyn Split>, splits: &[SplitName]| -> Result<Arc<dyn Split>> {
        let Chosen { members, labels, targets, others, mut bad } = votes.choose(split, &columns, splits, &mut taken)?;
        if !bad.is_empty() && options.on_bad_file == OnBadFile::Fail {
            return Err(bad.swap_remove(0));
        }
        notes.extend(bad.iter().take(NAMED).map(|error| format!("skipped {error}")));
        if bad.len() > NAMED {
            notes.push(format!("skipped {} more images without votes", bad.len() - NAMED));
        }
        if others > 0 {
            notes.push(format!(
                "{others} images with most votes for other classes than {} are left out",
                classes.join(", ")
            ));
        }
        if members.is_empty() {
            let what = format!("no image of a split has most votes for one of {}", classes.join(", "));
            return Err(Error::data(path, what, "votes for the images of every split"));
        }
        Ok(Arc::new(Voted { whole: Arc::clone(split), members, labels, targets, outputs: classes.len() }))
    };
    use SplitName::{Test, Train, Validation};
    dataset.train = vote(&dataset.train, &[Train])?;
    // It may have been held back from the training images.
    dataset.validation = vote(&dataset.validation, &[Validation, Train])?;
    dataset.test = dataset.test.map(|test| vote(&test, &[Test])).transpose()?;
    let missing = (0..classes.len() as u32).find(|c| (0..dataset.train.len()).all(|i| dataset.train.label(i) != *c));
    if let Some(class) = missing.map(|c| &classes[c as usize]) {
        let what = format!("no training image has most votes for class `{class}`");
        return Err(Error::data(path, what, "one of each class at least, or --classes without it"));
    }
    dataset.classes = classes;
    dataset.notes.extend(notes);
    Ok(dataset)
}

impl<'a> Votes<'a> {
    /// Reads a table of votes for some classes, among which are `wanted`.
    fn read(path: &'a Path, wanted: &[String]) -> Result<Self> {
        let mut table = Table::open_list(path, EXPECTED)?;
        let header = table.header.clone();
        let usage = table.column(&["usage"])?;
        let image = table.column(&NAMES)?;
        let is_class = |name: &str| names::is_emotion(name) || names::find(name, wanted).is_some();
        let other = |i: &usize| Some(*i) != usage && Some(*i) != image && !is_index(&header[*i]);
        let (columns, ignored): (Vec<usize>, Vec<usize>) =
            (0..header.len()).filter(other).partition(|i| is_class(&header[*i]));
        if columns.is_empty() {
            return Err(table.refuse_header("no column of votes for a class", EXPECTED));
        }
        let ignored: Vec<String> = ignored.into_iter().map(|i| header[i].clone()).collect();
        let ignored = ignored.into_iter().filter(|name| !NO_CLASS.contains(&name.to_lowercase().as_str())).collect();
        let classes = columns.iter().map(|i| header[*i].clone()).collect();
        let (header_line, rows, by_image) = (table.header_line, Vec::new(), HashMap::new());
        let mut votes = Self {
            path,
            classes,
            ignored,
            names_images: image.is_some(),
            header_line,
            rows,
            by_image,
            without_damaged: false,
        };
        while table.advance()? {
            let line = table.line();
            let refuse = |(what, expected): Fault| Error::row(path, line, what, expected);
            let row = read_row(&table, &columns, usage, image).map_err(refuse)?;
            if !row.image.is_empty() && votes.by_image.insert(row.image.clone(), votes.rows.len()).is_some() {
                return Err(Error::row(path, line, format!("a second row for the image `{}`", row.image), EXPECTED));
            }
            votes.rows.push(row);
        }
        Ok(votes)
    }

    /// Whether the table has no rows for those rows of the data that cannot be read: it has as many as the data has good ones.
    fn skips_damaged(&self, dataset: &Dataset) -> bool {
        let splits = [Some(&dataset.train), Some(&dataset.validation), dataset.test.as_ref()].into_iter().flatten();
        let (mut images, mut rows) = (0, 0);
        for split in splits {
            images += split.len();
            for index in 0..split.len() {
                if let Origin::Row { place, .. } = split.origin(index) {
                    rows = rows.max(place.number as usize + 1);
                }
            }
        }
        rows > self.rows.len() && images == self.rows.len()
    }

    /// The row of an image; `splits` are what its `Usage` may mean.
    ///
    /// # Errors
    /// A table of another data's votes. Inside is why an image has no row.
    fn row(&self, split: &dyn Split, index: usize, splits: &[SplitName]) -> Result<Result<usize>> {
        let name = split.name(index);
        match split.origin(index) {
            Origin::Other => {
                let what = format!("--soft-labels: no votes can be said to be of {name}");
                Err(Error::usage(what, "votes go with a csv or a folder of images"))
            }
            Origin::Row { place, has_usage } => {
                let number = place.number - if self.without_damaged { place.damaged } else { 0 };
                let Some(found) = Some(number as usize).filter(|i| *i < self.rows.len()) else {
                    let what = format!("{} rows, and none for {name}", self.rows.len());
                    return Err(Error::data(self.path, what, "a row for each row of the data, in the same order"));
                };
                let Row { line, usage, .. } = &self.rows[found];
                match usage {
                    Some(usage) if has_usage && !SplitName::parse(usage).is_some_and(|u| splits.contains(&u)) => {
                        let what = format!("Usage `{usage}`, and {name} is of another split");
                        Err(Error::row(self.path, *line, what, "the rows of the data, in the same order"))
                    }
                    _ => Ok(Ok(found)),
                }
            }
            Origin::File(_) if !self.names_images => {
                let what = format!("no column {} names the images", NAMES.join(", "));
                Err(Error::row(self.path, self.header_line, what, EXPECTED))
            }
            Origin::File(file) => {
                let text = file.to_string_lossy().replace('\\', "/");
                let starts = text.match_indices('/').map(|(at, _)| at + 1);
                let found = std::iter::once(0).chain(starts).find_map(|at| self.by_image.get(&text[at..]));
                let missing = || Error::data(self.path, format!("no row for {name}"), EXPECTED);
                Ok(found.copied().ok_or_else(missing))
            }
        }
    }

    /// The images of a split that belong to the run's classes, whose columns are `columns`. `taken` holds the image of each row.
    fn choose(
        &self,
        split: &Arc<dyn Split>,
        columns: &[usize],
        splits: &[SplitName],
        taken: &mut HashMap<usize, String>,
    ) -> Result<Chosen> {
        let mut chosen =
            Chosen { members: Vec::new(), labels: Vec::new(), targets: Vec::new(), others: 0, bad: Vec::new() };
        for index in 0..split.len() {
            let row = match self.row(split.as_ref(), index, splits)? {
                Ok(row) => row,
                Err(bad) => {
                    chosen.bad.push(bad);
                    continue;
                }
            };
            let Row { line, image, votes, .. } = &self.rows[row];
            if let Some(other) = taken.insert(row, split.name(index)) {
                let what = format!("`{image}` is both {other} and {}", split.name(index));
                return Err(Error::row(self.path, *line, what, "names that tell the images apart: paths"));
            }
            if votes.iter().sum::<f32>() == 0.0 {
                let what = format!("no vote for any class of {}", split.name(index));
                chosen.bad.push(Error::row(self.path, *line, what, "votes, or --on-bad-file skip to leave it out"));
                continue;
            }
            let most = (1..votes.len()).fold(0, |most, c| if votes[c] > votes[most] { c } else { most });
            let Some(label) = columns.iter().position(|c| *c == most) else {
                chosen.others += 1;
                continue;
            };
            let sum: f32 = columns.iter().map(|c| votes[*c]).sum();
            chosen.members.push(index as u32);
            chosen.labels.push(label as u32);
            chosen.targets.extend(columns.iter().map(|c| votes[*c] / sum));
        }
        Ok(chosen)
    }
}

/// The current row of a table.
fn read_row(table: &Table<'_>, columns: &[usize], usage: Option<usize>, image: Option<usize>) -> Result<Row, Fault> {
    table.check_length()?;
    let vote = |i: &usize| {
        let text = table.text(*i)?;
        let vote = text.parse::<f32>().ok().filter(|v| v.is_finite() && *v >= 0.0);
        vote.ok_or_else(|| {
            let what = format!("`{text}` for `{}` is not a number of votes", table.name(*i));
            (what, "a number, 0 or more".to_owned())
        })
    };
    let votes = columns.iter().map(vote).collect::<Result<_, Fault>>()?;
    let usage = usage.map(|i| table.text(i).map(str::to_owned)).transpose()?;
    let image = image.map(|i| table.text(i).map(|name| name.replace('\\', "/"))).transpose()?.unwrap_or_default();
    Ok(Row { line: table.line(), usage, image, votes })
}

/// Some images of a split, with shares of votes as targets.
struct Voted {
    whole: Arc<dyn Split>,
    members: Vec<u32>,
    labels: Vec<u32>,
    targets: Vec<f32>,
    outputs: usize,
}

impl Within for Voted {
    fn whole(&self) -> &dyn Split {
        self.whole.as_ref()
    }

    fn len(&self) -> usize {
        self.members.len()
    }

    fn place(&self, index: usize) -> (&dyn Split, usize) {
        (self.whole(), self.members[index] as usize)
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn label(&self, index: usize) -> u32 {
        self.labels[index]
    }

    fn target(&self, index: usize, out: &mut [f32]) {
        out.copy_from_slice(&self.targets[index * self.outputs..(index + 1) * self.outputs]);
    }
}

#[cfg(test)]
#[path = "votes_tests.rs"]
mod tests;
