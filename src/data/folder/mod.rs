//! A tree of class folders: `train/<class>/..`, `validation/<class>/..`, `test/<class>/..` with image files at any depth, or only the
//! class folders. Splits go by the names of [`SplitName`].
//!
//! Only paths are kept; files are decoded when they are read. Hidden files, what systems leave behind, links that lead back up the
//! tree and files of other kinds are passed over, the latter with a note.

mod layout;
mod scan;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::DynamicImage;
use rayon::prelude::*;

use super::decode::{check_header, decode, read_image};
use super::select::{choose_classes, with_validation};
use super::split_names::SplitName;
use super::{Dataset, InputSpec, OnBadFile, Options, Origin, Purpose, Split, Task};
use crate::error::{Error, Result};
pub(super) use layout::Layout;
pub(super) use scan::{Scan, Tree};

/// Skipped files that are named one by one.
const NAMED: usize = 10;
/// What a folder must hold.
const EXPECTED: &str = "train/, validation/ and test/ with a folder for each class in them, or class folders directly, \
                        with image files";

/// Image files and their labels.
struct Files {
    paths: Vec<PathBuf>,
    labels: Vec<u32>,
    classes: usize,
    input: InputSpec,
}

impl Split for Files {
    fn len(&self) -> usize {
        self.paths.len()
    }

    fn input(&self) -> InputSpec {
        self.input
    }

    fn outputs(&self) -> usize {
        self.classes
    }

    fn label(&self, index: usize) -> u32 {
        self.labels[index]
    }

    fn name(&self, index: usize) -> String {
        self.paths[index].display().to_string()
    }

    fn origin(&self, index: usize) -> Origin<'_> {
        Origin::File(&self.paths[index])
    }

    fn picture(&self, index: usize) -> Result<DynamicImage> {
        decode(&self.paths[index])
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
        read_image(&self.paths[index], self.input, out)
    }
}

/// Opens a tree; see [`super::open`].
pub(super) fn open(source: &str, root: &Path, input: InputSpec, options: &Options) -> Result<Dataset> {
    let mut notes = Vec::new();
    let layout = Layout::find(root, &mut notes)?;
    let mut tree = Tree::read(&layout, &mut notes)?;
    skip_or_fail(std::mem::take(&mut tree.faults), options.on_bad_file, &mut notes)?;
    let classes = choose(&tree, options)?;
    let mut splits: [Option<Arc<dyn Split>>; 3] = [None, None, None];
    for scan in &tree.scans {
        let files = gather(scan, &classes, input, options, &mut notes)?;
        if files.is_empty() {
            notes.push(format!("{}: no image of {}: the split is ignored", scan.folder.display(), classes.join(", ")));
        } else {
            splits[scan.split.index()] = Some(Arc::new(files));
        }
    }
    if splits.iter().all(Option::is_none) {
        return Err(Error::data(root, format!("no image of {}", classes.join(", ")), EXPECTED));
    }
    let [train, validation, test] = splits;
    let empty = || -> Arc<dyn Split> {
        Arc::new(Files { paths: Vec::new(), labels: Vec::new(), classes: classes.len(), input })
    };
    let lonely = |class: String| {
        let what = "a class of one image, and no validation split";
        Error::data(root.join(class), what, "two images or more: one to learn from, one to validate")
    };
    let [train, validation] = match (train, validation) {
        (Some(train), validation) => with_validation(train, validation, &classes, options, &mut notes, lonely)?,
        (None, validation) => [empty(), validation.unwrap_or_else(empty)],
    };
    if test.is_none() && options.purpose == Purpose::Train {
        notes.push("the data has no test split: reports are of the validation split".to_owned());
    }
    Ok(Dataset { source: source.to_string(), task: Task::Classes, classes, train, validation, test, notes })
}

/// The classes to use: those asked for, else all. To train, each must have images to learn from.
fn choose(tree: &Tree, options: &Options) -> Result<Vec<String>> {
    let known = tree.classes();
    if options.purpose == Purpose::Score {
        // The network's classes stand, whether the data has them or not.
        return Ok(options.classes.clone().unwrap_or(known));
    }
    let classes = choose_classes(&known, options)?;
    let Some(train) = tree.scans.iter().find(|scan| scan.split == SplitName::Train) else {
        let found: Vec<String> = tree.scans.iter().map(|scan| scan.folder.display().to_string()).collect();
        return Err(Error::data(found.join(", "), "a split and no training split to learn from", EXPECTED));
    };
    let absent = classes.iter().find(|class| !train.classes.contains_key(*class));
    if let Some(class) = absent
        && let Some(other) = tree.scans.iter().find(|other| other.classes.contains_key(class))
    {
        let set = |scan: &Scan| scan.classes.keys().cloned().collect::<Vec<_>>().join(", ");
        let what =
            format!("no class `{class}`: it has {}, while {} has {}", set(train), other.folder.display(), set(other));
        let expected = "training images of every class, or --classes with those that have them";
        return Err(Error::data(&train.folder, what, expected));
    }
    if classes.len() < 2 {
        return Err(Error::data(&train.folder, format!("one class folder, `{}`", classes[0]), "at least two classes"));
    }
    Ok(classes)
}

/// The files of the chosen classes, checked.
///
/// # Errors
/// A file that cannot be read, unless such are skipped; a class without training images, to train.
fn gather(
    scan: &Scan,
    classes: &[String],
    input: InputSpec,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<Files> {
    let needed = options.purpose == Purpose::Train && scan.split == SplitName::Train;
    let mut files = Files { paths: Vec::new(), labels: Vec::new(), classes: classes.len(), input };
    let mut missing = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        let paths = scan.images(class);
        let good = check(paths, options.on_bad_file, notes)?;
        if good.is_empty() {
            missing.push(class.as_str());
            let what = match paths.len() {
                0 => format!("class `{class}` has no image"),
                count => format!("class `{class}` has no image left: none of its {count} files can be read"),
            };
            if needed {
                return Err(Error::data(scan.folder.join(class), what, "at least one image file"));
            }
        }
        files.labels.extend(std::iter::repeat_n(label as u32, good.len()));
        files.paths.extend(good);
    }
    if !missing.is_empty() && !files.paths.is_empty() {
        notes.push(format!("the {} split has no image of {}", scan.split.name(), missing.join(", ")));
    }
    Ok(files)
}

/// The files that can be read. To skip bad files they are decoded whole, so that none fails later; to fail on them
/// their headers are read, and a file that only decoding shows to be damaged fails when it is read.
fn check(paths: &[PathBuf], on_bad_file: OnBadFile, notes: &mut Vec<String>) -> Result<Vec<PathBuf>> {
    if on_bad_file == OnBadFile::Fail {
        return match paths.par_iter().find_map_first(|path| check_header(path).err()) {
            Some(error) => Err(error),
            None => Ok(paths.to_vec()),
        };
    }
    let mut faults: Vec<Option<Error>> = paths.par_iter().map(|path| decode(path).err()).collect();
    let good = paths.iter().zip(&faults).filter(|(_, fault)| fault.is_none()).map(|(path, _)| path.clone()).collect();
    skip_or_fail(faults.iter_mut().filter_map(Option::take).collect(), on_bad_file, notes)?;
    Ok(good)
}

/// Notes what is skipped, or stops with the first fault.
fn skip_or_fail(faults: Vec<Error>, on_bad_file: OnBadFile, notes: &mut Vec<String>) -> Result<()> {
    let more = faults.len().saturating_sub(NAMED);
    for (i, fault) in faults.into_iter().enumerate() {
        match on_bad_file {
            OnBadFile::Fail => return Err(fault),
            OnBadFile::Skip if i < NAMED => notes.push(format!("skipped {fault}")),
            OnBadFile::Skip => break,
        }
    }
    if more > 0 {
        notes.push(format!("skipped {more} more files like these"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
