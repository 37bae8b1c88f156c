//! A tree of class folders: `train|validation|val|test/<class>/*.{png,jpg,jpeg,bmp}`, or only the class folders.
//!
//! Only paths are kept; files are decoded when they are read. Hidden files, links that lead back up the tree and
//! files of other kinds are passed over (the latter with a note).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::DynamicImage;
use rayon::prelude::*;

use super::decode::{check_header, decode, read_image};
use super::kinds::is_any_image;
use super::select::{choose_classes, with_validation};
use super::walk::is_hidden;
use super::{Dataset, InputSpec, OnBadFile, Options, Origin, Split, Task};
use crate::error::{Error, Result};

/// Skipped files that are named one by one.
const NAMED: usize = 10;
/// What a folder must hold.
const EXPECTED: &str = "train/, validation/ and test/ with a folder for each class in them, or class folders directly, \
                        with .png, .jpg, .jpeg or .bmp files";

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

/// The folders of a tree's splits.
pub(super) struct Layout {
    pub train: PathBuf,
    pub validation: Option<PathBuf>,
    pub test: Option<PathBuf>,
}

/// The image files of each class of one split.
pub(super) struct Scan {
    folder: PathBuf,
    pub classes: BTreeMap<String, Vec<PathBuf>>,
}

/// Opens a tree; see [`super::open`].
pub(super) fn open(source: &str, root: &Path, input: InputSpec, options: &Options) -> Result<Dataset> {
    let mut notes = Vec::new();
    let layout = Layout::find(root, &mut notes)?;
    let scan = |folder: &PathBuf, notes: &mut Vec<String>| Scan::of(root, folder, notes);
    let train = scan(&layout.train, &mut notes)?;
    let validation = layout.validation.as_ref().map(|folder| scan(folder, &mut notes)).transpose()?;
    let test = layout.test.as_ref().map(|folder| scan(folder, &mut notes)).transpose()?;
    let all: Vec<&Scan> = [Some(&train), validation.as_ref(), test.as_ref()].into_iter().flatten().collect();
    let classes = agree(&all, options)?;

    let mut gather = |scan: &Scan| -> Result<Arc<dyn Split>> {
        Ok(Arc::new(scan.gather(&classes, input, options.on_bad_file, &mut notes)?))
    };
    let train = gather(&train)?;
    let validation = validation.as_ref().map(&mut gather).transpose()?;
    let test = test.as_ref().map(&mut gather).transpose()?;
    let lonely = |class: String| {
        let what = "a class of one image, and no validation split";
        Error::data(layout.train.join(class), what, "two images or more: one to learn from, one to validate")
    };
    let [train, validation] = with_validation(train, validation, &classes, options, &mut notes, lonely)?;
    Ok(Dataset { source: source.to_string(), task: Task::Classes, classes, train, validation, test, notes })
}

impl Layout {
    /// Tells split folders from class folders.
    pub(super) fn find(root: &Path, notes: &mut Vec<String>) -> Result<Self> {
        let mut named: BTreeMap<&str, PathBuf> = BTreeMap::new();
        let mut others = Vec::new();
        for folder in list(root, root)?.folders {
            let name = class_name(&folder)?;
            match ["train", "validation", "val", "test"].into_iter().find(|split| name.eq_ignore_ascii_case(split)) {
                Some("val" | "validation") if named.contains_key("validation") => {
                    return Err(Error::data(root, "both `val` and `validation`", "one of them"));
                }
                Some("val") => drop(named.insert("validation", folder)),
                // On a system that tells `Train` from `train` both may be there.
                Some(split) if named.contains_key(split) => {
                    return Err(Error::data(root, format!("two folders called `{split}`"), "one of them"));
                }
                Some(split) => drop(named.insert(split, folder)),
                None => others.push(name),
            }
        }
        if named.is_empty() {
            return Ok(Self { train: root.to_path_buf(), validation: None, test: None });
        }
        let Some(train) = named.remove("train") else {
            let found: Vec<&str> = named.into_keys().collect();
            return Err(Error::data(root, format!("there is `{}` and no `train`", found.join("`, `")), EXPECTED));
        };
        if !others.is_empty() {
            notes.push(format!("folders beside the splits are ignored: {}", others.join(", ")));
        }
        Ok(Self { train, validation: named.remove("validation"), test: named.remove("test") })
    }
}

impl Scan {
    /// Lists the class folders of a split.
    pub(super) fn of(root: &Path, folder: &Path, notes: &mut Vec<String>) -> Result<Self> {
        let mut classes = BTreeMap::new();
        let mut passed_over = 0;
        for class in list(root, folder)?.folders {
            let inside = list(root, &class)?;
            passed_over += inside.other_files;
            classes.insert(class_name(&class)?, inside.images);
        }
        if classes.is_empty() {
            return Err(Error::data(folder, "no class folder", EXPECTED));
        }
        if passed_over > 0 {
            notes.push(format!("{}: {passed_over} files of other kinds are ignored", folder.display()));
        }
        Ok(Self { folder: folder.to_path_buf(), classes })
    }

    /// The files of the chosen classes, checked.
    fn gather(
        &self,
        classes: &[String],
        input: InputSpec,
        on_bad_file: OnBadFile,
        notes: &mut Vec<String>,
    ) -> Result<Files> {
        let mut files = Files { paths: Vec::new(), labels: Vec::new(), classes: classes.len(), input };
        for (label, class) in classes.iter().enumerate() {
            let folder = self.folder.join(class);
            let expected = "at least one .png, .jpg, .jpeg or .bmp file";
            let paths = self.classes.get(class).map(Vec::as_slice).unwrap_or_default();
            if paths.is_empty() {
                return Err(Error::data(folder, format!("class `{class}` has no image"), expected));
            }
            let good = check(paths, on_bad_file, notes)?;
            if good.is_empty() {
                let what = format!("class `{class}` has no image left: none of its {} files can be read", paths.len());
                return Err(Error::data(folder, what, expected));
            }
            files.labels.extend(std::iter::repeat_n(label as u32, good.len()));
            files.paths.extend(good);
        }
        Ok(files)
    }
}

/// The classes to use: those asked for, else all, which every split must have.
fn agree(scans: &[&Scan], options: &Options) -> Result<Vec<String>> {
    let mut known: Vec<String> = scans.iter().flat_map(|scan| scan.classes.keys().cloned()).collect();
    known.sort_unstable();
    known.dedup();
    let classes = choose_classes(&known, options)?;
    let first = scans[0];
    for scan in scans {
        if let Some(class) = classes.iter().find(|class| !scan.classes.contains_key(*class)) {
            let other = scans.iter().find(|other| other.classes.contains_key(class)).unwrap_or(&first);
            let set = |scan: &Scan| scan.classes.keys().cloned().collect::<Vec<_>>().join(", ");
            let what = format!(
                "no class `{class}`: it has {}, while {} has {}",
                set(scan),
                other.folder.display(),
                set(other)
            );
            let expected = "the same class folders in every split, or --classes with those that all have";
            return Err(Error::data(&scan.folder, what, expected));
        }
    }
    if classes.len() < 2 {
        return Err(Error::data(&first.folder, format!("one class folder, `{}`", classes[0]), "at least two classes"));
    }
    Ok(classes)
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
    let faults: Vec<Option<Error>> = paths.par_iter().map(|path| decode(path).err()).collect();
    let bad: Vec<&Error> = faults.iter().flatten().collect();
    notes.extend(bad.iter().take(NAMED).map(|error| format!("skipped {error}")));
    if bad.len() > NAMED {
        let folder = paths[0].parent().unwrap_or(Path::new("")).display();
        notes.push(format!("skipped {} more files in {folder}", bad.len() - NAMED));
    }
    Ok(paths.iter().zip(&faults).filter(|(_, fault)| fault.is_none()).map(|(path, _)| path.clone()).collect())
}

/// What is visible in a folder, sorted.
#[derive(Default)]
struct Listing {
    folders: Vec<PathBuf>,
    images: Vec<PathBuf>,
    other_files: usize,
}

/// Lists a folder of the tree at `root`.
fn list(root: &Path, folder: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        // A link to nowhere or in a circle has no metadata.
        let Ok(kind) = std::fs::metadata(&path) else { continue };
        if is_hidden(&path) || (kind.is_dir() && leads_back(root, &path)) {
            continue;
        }
        if kind.is_dir() {
            listing.folders.push(path);
        } else if is_any_image(&path) {
            listing.images.push(path);
        } else {
            listing.other_files += 1;
        }
    }
    listing.folders.sort_unstable();
    listing.images.sort_unstable();
    Ok(listing)
}

/// Whether a folder is a link to one that holds the whole tree.
fn leads_back(root: &Path, folder: &Path) -> bool {
    folder.is_symlink()
        && matches!((root.canonicalize(), folder.canonicalize()), (Ok(root), Ok(real)) if root.starts_with(&real))
}

/// The name of a folder as text.
fn class_name(folder: &Path) -> Result<String> {
    let name = folder.file_name().unwrap_or_default();
    name.to_str()
        .map(str::to_string)
        .ok_or_else(|| Error::data(folder, "a folder name that is not UTF-8", "UTF-8 text"))
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
