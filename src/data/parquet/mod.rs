//! Parquet files as Hugging Face's `datasets` writes them: a row an image, packed as PNG or JPEG in a struct `image` with `bytes`, and a
//! `label`. Classes are called as the file's metadata says; without names they are the labels themselves.
//!
//! Labels are read when the file is opened, images when they are asked for, a row group at a time. A row without a label (-1, as
//! `datasets` writes what is not known) is a fault, but a split without any is left out.

mod columns;
mod file;
mod images;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::select::{check_classes, choose_classes, with_validation};
use super::shards::Shards;
use super::survey::{Faults, Survey};
use super::{Dataset, InputSpec, OnBadFile, Options, Split, Task};
use crate::error::{Error, Result};
use file::{Label, ParquetFile};
use images::{Files, KEPT, Packed};

/// Our names of the splits.
const SPLITS: [&str; 3] = ["train", "validation", "test"];
/// Skipped images that are named one by one.
const NAMED: usize = 10;

/// The files of one split and the label of each row.
struct Part {
    files: Files,
    labels: Vec<(u32, u32, Option<Label>)>,
}

/// Everything but the images.
struct Table {
    classes: Classes,
    parts: [Option<Part>; 3],
    notes: Vec<String>,
}

/// The classes that there are.
struct Classes {
    names: Vec<String>,
    /// Whether a number is a place in `names`; else it is called after itself.
    numbered: bool,
}

/// Opens the files; see [`super::open`].
pub(super) fn open(source: &str, shards: &Shards, input: InputSpec, options: &Options) -> Result<Dataset> {
    let Table { classes: known, parts, mut notes } = Table::read(shards)?;
    let no_label = || Error::data(&shards.root, "no training image has a label", "a `label` from 0 up, or a name");
    if known.names.is_empty() {
        return Err(no_label());
    }
    let classes = choose_classes(&known.names, options)?;
    if classes.len() < 2 {
        return Err(Error::data(&shards.root, format!("one class, `{}`", classes.join(", ")), "at least two classes"));
    }
    let mut splits = [None, None, None];
    for ((to, part), split) in splits.iter_mut().zip(parts).zip(SPLITS) {
        let Some(part) = part else { continue };
        let packed = part.label(&known, &classes, input, &mut Faults::Fail)?;
        let packed = packed.checked(options.on_bad_file, &mut notes)?;
        check_classes(&shards.root, &format!("{split} split"), &packed.labels, &classes)?;
        *to = Some(Arc::new(packed) as Arc<dyn Split>);
    }
    let [train, validation, test] = splits;
    let lonely = |class: String| {
        let what = format!("no validation split, and class `{class}` has fewer than two training images to part");
        Error::data(&shards.root, what, "validation images, or at least two training images of each class")
    };
    let train = train.ok_or_else(no_label)?;
    let [train, validation] = with_validation(train, validation, &classes, options, &mut notes, lonely)?;
    Ok(Dataset { source: source.to_string(), task: Task::Classes, classes, train, validation, test, notes })
}

/// Every row that can be read, without a demand on the whole.
///
/// # Errors
/// Files that are not what they should be.
pub(super) fn survey(shards: &Shards, input: InputSpec, faults: &mut Faults) -> Result<Survey> {
    let Table { classes, parts, notes } = Table::read(shards)?;
    let mut splits = [None, None, None];
    for (to, part) in splits.iter_mut().zip(parts) {
        let Some(part) = part else { continue };
        *to = Some(Arc::new(part.label(&classes, &classes.names, input, faults)?) as Arc<dyn Split>);
    }
    Ok(Survey { classes: classes.names, splits, notes })
}

impl Table {
    fn read(shards: &Shards) -> Result<Self> {
        let mut notes = shards.notes.clone();
        let mut names: Option<(PathBuf, Option<Vec<String>>)> = None;
        let mut parts = [None, None, None];
        let mut found = BTreeSet::new();
        for ((paths, to), split) in shards.splits.iter().zip(&mut parts).zip(SPLITS) {
            let (mut files, mut labels) = (Vec::new(), Vec::new());
            for (at, path) in paths.iter().enumerate() {
                let file = ParquetFile::open(path)?;
                let own = file.names().map(<[String]>::to_vec);
                let (first, known) = names.get_or_insert_with(|| (path.clone(), own.clone()));
                if *known != own {
                    let list = |names: &Option<Vec<String>>| names.as_ref().map_or("no names".into(), |n| n.join(", "));
                    let what =
                        format!("its classes are {}, those of {} are {}", list(&own), first.display(), list(known));
                    return Err(Error::data(path, what, "the same classes in every file"));
                }
                let rows = file.labels()?.into_iter().map(|label| label.filter(|label| *label != Label::Number(-1)));
                labels.extend((0..file.rows()).zip(rows).map(|(row, label)| (at as u32, row, label)));
                files.push(file);
            }
            if !labels.is_empty() && labels.iter().all(|(.., label)| label.is_none()) {
                notes.push(format!("the {split} split has no labels, and is left out"));
                continue;
            }
            found.extend(labels.iter().filter_map(|(.., label)| label.clone()));
            *to = (!labels.is_empty()).then(|| Part { files: Files::new(files, KEPT), labels });
        }
        let classes = match names.and_then(|(_, names)| names) {
            Some(names) => Classes { names, numbered: true },
            None => Classes { names: found.iter().map(Label::text).collect(), numbered: false },
        };
        let names = &classes.names;
        if let Some(class) = (1..names.len()).find(|i| names[..*i].contains(&names[*i])).map(|i| &names[i]) {
            return Err(Error::data(&shards.root, format!("two classes called `{class}`"), "a name for each class"));
        }
        Ok(Self { classes, parts, notes })
    }
}

impl Label {
    /// What a class is called that has no other name.
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Name(name) => name.clone(),
        }
    }
}

impl Part {
    /// The rows of the chosen ones of the known classes.
    fn label(self, known: &Classes, classes: &[String], input: InputSpec, faults: &mut Faults) -> Result<Packed> {
        let Classes { names: known, numbered } = known;
        let by_name: BTreeMap<&str, usize> = known.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
        let class_of = |label: &Label| match label {
            Label::Number(n) if *numbered => usize::try_from(*n).ok().filter(|n| *n < known.len()),
            _ => by_name.get(label.text().as_str()).copied(),
        };
        let chosen: Vec<Option<u32>> =
            known.iter().map(|name| classes.iter().position(|c| c == name).map(|label| label as u32)).collect();
        let mut packed =
            Packed { files: Arc::new(self.files), rows: Vec::new(), labels: Vec::new(), classes: classes.len(), input };
        for (file, row, label) in self.labels {
            let Some(class) = label.as_ref().and_then(class_of) else {
                let place = packed.files.place((file, row));
                let what = label.map_or("no label".into(), |label| format!("label `{}`", label.text()));
                let expected = format!("one of {} classes: {}", known.len(), known.join(", "));
                faults.take(Error::Data { path: place.path.into(), row: place.row, what, expected })?;
                continue;
            };
            if let Some(label) = chosen[class] {
                packed.rows.push((file, row));
                packed.labels.push(label);
            }
        }
        Ok(packed)
    }
}

impl Packed {
    /// The images that can be read, as for folders: to skip bad ones they are decoded whole, to fail on them their headers are read.
    fn checked(mut self, on_bad: OnBadFile, notes: &mut Vec<String>) -> Result<Self> {
        let files = &self.files;
        if on_bad == OnBadFile::Fail {
            let fault = self.rows.par_iter().find_map_first(|at| files.check(*at).err());
            return fault.map_or(Ok(self), Err);
        }
        let faults: Vec<Option<Error>> = self.rows.par_iter().map(|at| files.decode(*at).err()).collect();
        let bad: Vec<&Error> = faults.iter().flatten().collect();
        notes.extend(bad.iter().take(NAMED).map(|error| format!("skipped {error}")));
        if bad.len() > NAMED {
            notes.push(format!("skipped {} more images", bad.len() - NAMED));
        }
        let good = |i: &usize| faults[*i].is_none();
        let kept: Vec<usize> = (0..self.rows.len()).filter(good).collect();
        self.rows = kept.iter().map(|i| self.rows[*i]).collect();
        self.labels = kept.iter().map(|i| self.labels[*i]).collect();
        Ok(self)
    }
}

#[cfg(test)]
mod tests;
