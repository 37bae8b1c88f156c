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

use super::within::Within;
use super::{Dataset, OnBadFile, Options, Origin, Split, names};
use crate::error::{Error, Result};

/// Columns that name an image, in lower case.
const NAMES: [&str; 5] = ["image name", "image", "file", "path", "name"];
/// Columns of votes for no class.
const NO_CLASS: [&str; 2] = ["unknown", "nf"];
/// Skipped images that are named one by one.
const NAMED: usize = 10;
/// The largest table: ten million rows.
const MAX_BYTES: u64 = 1 << 30;
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
    rows: Vec<Row>,
    by_image: HashMap<String, usize>,
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
    let votes = Votes::read(path)?;
    let classes = options.classes.clone().unwrap_or_else(|| dataset.classes.clone());
    let columns = classes.iter().map(|class| {
        names::find(class, &votes.classes).ok_or_else(|| {
            let what = format!("there is no column of votes for class `{class}`");
            Error::row(path, 1, what, format!("a column for each class. {}", names::hint(class, &votes.classes)))
        })
    });
    let columns = columns.collect::<Result<Vec<usize>>>()?;
    let mut notes = Vec::new();
    let mut taken = HashMap::new();
    let mut vote = |split: &Arc<dyn Split>, usages: &[&str]| -> Result<Arc<dyn Split>> {
        let Chosen { members, labels, targets, others, mut bad } = votes.choose(split, &columns, usages, &mut taken)?;
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
    dataset.train = vote(&dataset.train, &["training"])?;
    // It may have been held back from the training images.
    dataset.validation = vote(&dataset.validation, &["publictest", "training"])?;
    dataset.test = dataset.test.map(|test| vote(&test, &["privatetest"])).transpose()?;
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
    fn read(path: &'a Path) -> Result<Self> {
        let refuse = |row: u64, what: String| Error::row(path, row, what, EXPECTED);
        let file = crate::input::open_text(path, MAX_BYTES, EXPECTED)?;
        let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(file);
        let header = csv.headers().map_err(|e| refuse(1, e.to_string()))?.clone();
        let header: Vec<String> = header.iter().map(|h| h.trim_start_matches('\u{feff}').trim().to_owned()).collect();
        let lower: Vec<String> = header.iter().map(|h| h.to_lowercase()).collect();
        let usage = lower.iter().position(|h| h == "usage");
        let image = NAMES.iter().find_map(|name| lower.iter().position(|h| h == name));
        let is_class = |i: usize| Some(i) != usage && Some(i) != image && !NO_CLASS.contains(&lower[i].as_str());
        let columns: Vec<usize> = (0..header.len()).filter(|i| is_class(*i)).collect();
        if columns.len() < 2 {
            return Err(refuse(1, format!("the header is `{}`", header.join(","))));
        }
        let (mut rows, mut by_image) = (Vec::new(), HashMap::new());
        for record in csv.records() {
            let record = record.map_err(|e| refuse(rows.len() as u64 + 2, e.to_string()))?;
            let line = record.position().map_or(rows.len() as u64 + 2, csv::Position::line);
            if record.len() != header.len() {
                return Err(refuse(line, format!("{} columns, the header has {}", record.len(), header.len())));
            }
            let vote = |i: &usize| {
                let text = record[*i].trim();
                let vote = text.parse::<f32>().ok().filter(|v| v.is_finite() && *v >= 0.0);
                vote.ok_or_else(|| refuse(line, format!("`{text}` for `{}` is not a number of votes", header[*i])))
            };
            let votes = columns.iter().map(vote).collect::<Result<Vec<f32>>>()?;
            let image = image.map(|i| record[i].trim().replace('\\', "/")).unwrap_or_default();
            if !image.is_empty() && by_image.insert(image.clone(), rows.len()).is_some() {
                return Err(refuse(line, format!("a second row for the image `{image}`")));
            }
            rows.push(Row { line, usage: usage.map(|i| record[i].trim().to_lowercase()), image, votes });
        }
        let classes = columns.iter().map(|i| header[*i].clone()).collect();
        Ok(Self { path, classes, rows, by_image })
    }

    /// The row of an image; `usages` are what its `Usage` may be.
    ///
    /// # Errors
    /// A table of another data's votes. Inside is why an image has no row.
    fn row(&self, split: &dyn Split, index: usize, usages: &[&str]) -> Result<Result<usize>> {
        let name = split.name(index);
        match split.origin(index) {
            Origin::Other => {
                let what = format!("--soft-labels: no votes can be said to be of {name}");
                Err(Error::usage(what, "votes go with a csv or a folder of images"))
            }
            // Row 1 is the header in both files.
            Origin::Row(row) => {
                let found = (row as usize).checked_sub(2).filter(|i| *i < self.rows.len());
                let Some(found) = found else {
                    let what = format!("{} rows, and none for {name}", self.rows.len());
                    return Err(Error::data(self.path, what, "a row for each row of the data, in the same order"));
                };
                let Row { line, usage, .. } = &self.rows[found];
                match usage {
                    Some(usage) if !usages.contains(&usage.as_str()) => {
                        let what = format!("Usage `{usage}`, and {name} is of another split");
                        Err(Error::row(self.path, *line, what, "the rows of the data, in the same order"))
                    }
                    _ => Ok(Ok(found)),
                }
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
        usages: &[&str],
        taken: &mut HashMap<usize, String>,
    ) -> Result<Chosen> {
        let mut chosen =
            Chosen { members: Vec::new(), labels: Vec::new(), targets: Vec::new(), others: 0, bad: Vec::new() };
        for index in 0..split.len() {
            let row = match self.row(split.as_ref(), index, usages)? {
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
