//! The class folders of the splits, and which of them are the same class.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::EXPECTED;
use super::layout::{Layout, class_name};
use crate::data::matching::Matching;
use crate::data::names;
use crate::data::split_names::SplitName;
use crate::data::walk::{below, list};
use crate::error::{Error, Result};

/// The image files of each class of one split.
pub(in crate::data) struct Scan {
    pub split: SplitName,
    pub folder: PathBuf,
    pub classes: BTreeMap<String, Vec<PathBuf>>,
}

/// The splits of a tree, under the same names of classes.
pub(in crate::data) struct Tree {
    /// In the order train, validation, test, those that are there.
    pub scans: Vec<Scan>,
    /// Class folders that cannot be read.
    pub faults: Vec<Error>,
}

impl Tree {
    /// Lists all images of a tree.
    ///
    /// # Errors
    /// A split without class folders, a folder that cannot be read.
    pub(in crate::data) fn read(layout: &Layout, notes: &mut Vec<String>) -> Result<Self> {
        let mut tree = Self { scans: Vec::new(), faults: Vec::new() };
        for split in SplitName::ALL {
            if let Some(folder) = &layout.splits[split.index()] {
                let scan = Scan::of(split, folder, &mut tree.faults, notes)?;
                tree.scans.push(scan);
            }
        }
        tree.join(notes);
        Ok(tree)
    }

    /// All class names, sorted.
    pub(in crate::data) fn classes(&self) -> Vec<String> {
        let mut names: Vec<String> = self.scans.iter().flat_map(|scan| scan.classes.keys().cloned()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Gives the classes of all splits the names that the first one has for them: `anger` is `angry` there.
    fn join(&mut self, notes: &mut Vec<String>) {
        let Some((first, others)) = self.scans.split_first_mut() else { return };
        let ours: Vec<String> = first.classes.keys().cloned().collect();
        notes.extend(alike(first));
        for scan in others {
            let theirs: Vec<String> = scan.classes.keys().cloned().collect();
            // An error says that no class is common, which is reported elsewhere.
            let Ok(matching) = Matching::new(&theirs, &ours, &[]) else { continue };
            let mut renamed = Vec::new();
            let classes = std::mem::take(&mut scan.classes);
            for (their, images) in classes {
                let our = matching.classes.get(&their).cloned().flatten().unwrap_or_else(|| their.clone());
                if our != their {
                    renamed.push(format!("{their} is {our}"));
                }
                let all = scan.classes.entry(our).or_default();
                all.extend(images);
                all.sort_unstable();
            }
            if !renamed.is_empty() {
                let names = [scan.folder.display().to_string(), renamed.join(", "), first.folder.display().to_string()];
                notes.push(format!("{}: classes by other names: {} of {}", names[0], names[1], names[2]));
            }
        }
    }
}

impl Scan {
    /// Lists the class folders of a split. Images count at any depth below them.
    fn of(split: SplitName, folder: &Path, faults: &mut Vec<Error>, notes: &mut Vec<String>) -> Result<Self> {
        let inside = list(folder)?;
        let mut classes = BTreeMap::new();
        let mut ignored = inside.ignored;
        for class in inside.folders {
            let found = below(&class)?;
            ignored.merge(found.ignored);
            classes.insert(class_name(&class)?, found.images);
        }
        if classes.is_empty() {
            let what = match inside.images.len() {
                0 => "no class folder".to_owned(),
                count => format!("{count} images and no class folder"),
            };
            return Err(Error::data(folder, what, EXPECTED));
        }
        faults.extend(
            inside.dead.into_iter().map(|link| {
                Error::data(link, "a link that leads nowhere", "a class folder: mend the link or remove it")
            }),
        );
        if !inside.images.is_empty() {
            notes.push(format!(
                "{}: {} images outside of class folders are ignored",
                folder.display(),
                inside.images.len()
            ));
        }
        if let Some(kinds) = ignored.text() {
            notes.push(format!("{}: files that are no images are ignored: {kinds}", folder.display()));
        }
        Ok(Self { split, folder: folder.to_path_buf(), classes })
    }

    /// The images of a class.
    pub(in crate::data) fn images(&self, class: &str) -> &[PathBuf] {
        self.classes.get(class).map(Vec::as_slice).unwrap_or_default()
    }
}

/// A note on classes of one split whose names mean the same.
fn alike(scan: &Scan) -> Option<String> {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    scan.classes.keys().for_each(|class| groups.entry(names::canonical(class)).or_default().push(class));
    let alike: Vec<String> = groups.values().filter(|names| names.len() > 1).map(|names| names.join(" and ")).collect();
    let path = scan.folder.display();
    (!alike.is_empty()).then(|| {
        format!(
            "{path}: {} are kept as different classes; put their images into one folder to join them",
            alike.join(", ")
        )
    })
}
