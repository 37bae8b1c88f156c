//! Which folders of a tree are its splits.

use std::path::{Path, PathBuf};

use super::EXPECTED;
use crate::data::names;
use crate::data::split_names::SplitName;
use crate::data::walk::{Listing, holds_images, list};
use crate::error::{Error, Result};

/// Folders around a tree that are looked through.
const WRAPPED: usize = 4;

/// The folders of a tree's splits: training, validation and test. A tree without splits is all training.
pub(in crate::data) struct Layout {
    pub splits: [Option<PathBuf>; 3],
}

impl Layout {
    /// Tells split folders from class folders. A folder that only wraps the tree is passed through, with a note.
    ///
    /// # Errors
    /// Two folders for one split; a folder beside the splits that holds images; several trees to choose from.
    pub(in crate::data) fn find(root: &Path, notes: &mut Vec<String>) -> Result<Self> {
        let mut tree = root.to_path_buf();
        for _ in 0..WRAPPED {
            let inside = list(&tree)?;
            let mut splits: [Vec<&PathBuf>; 3] = Default::default();
            let mut others = Vec::new();
            for folder in &inside.folders {
                match SplitName::parse(&class_name(folder)?) {
                    Some(split) => splits[split.index()].push(folder),
                    None => others.push(folder),
                }
            }
            if splits.iter().any(|folders| !folders.is_empty()) {
                refuse_others(&tree, &splits, &others, notes)?;
                notes.extend(beside(&tree, &inside));
                let one = |split: SplitName| match splits[split.index()][..] {
                    [] => Ok(None),
                    [folder] => Ok(Some(folder.clone())),
                    [first, second, ..] => {
                        let (first, second) = (class_name(first)?, class_name(second)?);
                        let what = format!("both `{first}` and `{second}` are names of the {} split", split.name());
                        Err(Error::data(&tree, what, "one folder for each split"))
                    }
                };
                let [train, validation, test] = SplitName::ALL;
                return Ok(Self { splits: [one(train)?, one(validation)?, one(test)?] });
            }
            let Some(inner) = wrapped(&tree, &inside)? else { break };
            notes.push(format!("{}: the folders of classes are in {}, which is read", tree.display(), inner.display()));
            notes.extend(beside(&tree, &inside));
            tree = inner;
        }
        Ok(Self { splits: [Some(tree), None, None] })
    }

    /// What to say of splits that are not there.
    pub(in crate::data) fn missing(&self) -> Option<String> {
        let missing: Vec<&str> =
            SplitName::ALL.into_iter().filter(|s| self.splits[s.index()].is_none()).map(SplitName::name).collect();
        (!missing.is_empty()).then(|| format!("the data has no split for {}", missing.join(" and ")))
    }
}

/// Refuses folders beside the splits that hold images: of a split by another name its images would be lost.
fn refuse_others(tree: &Path, splits: &[Vec<&PathBuf>; 3], others: &[&PathBuf], notes: &mut Vec<String>) -> Result<()> {
    let quoted = |folders: &mut dyn Iterator<Item = &&PathBuf>| -> Result<String> {
        Ok(folders
            .map(|folder| class_name(folder).map(|name| format!("`{name}`")))
            .collect::<Result<Vec<_>>>()?
            .join(", "))
    };
    let mut holding = Vec::new();
    for folder in others {
        if holds_images(folder)? {
            holding.push(*folder);
        }
    }
    if !holding.is_empty() {
        let what = format!(
            "{} beside the splits {}: images in a folder that is no known split",
            quoted(&mut holding.iter())?,
            quoted(&mut splits.iter().flatten())?
        );
        let expected = format!("split folders alone, called {}; rename the folder or move it away", SplitName::known());
        return Err(Error::data(tree, what, expected));
    }
    if !others.is_empty() {
        notes.push(format!("folders without images beside the splits are ignored: {}", quoted(&mut others.iter())?));
    }
    Ok(())
}

/// What lies beside a tree's folders, if anything.
fn beside(tree: &Path, inside: &Listing) -> Option<String> {
    let images = (!inside.images.is_empty()).then(|| format!("{} images", inside.images.len()));
    let ignored: Vec<String> = [images, inside.ignored.text()].into_iter().flatten().collect();
    (!ignored.is_empty()).then(|| format!("{}: ignored beside its folders: {}", tree.display(), ignored.join(", ")))
}

/// The folder that holds the tree, if `tree` only wraps it.
///
/// # Errors
/// More than one folder that could be meant.
fn wrapped(tree: &Path, inside: &Listing) -> Result<Option<PathBuf>> {
    let mut with_splits = Vec::new();
    for folder in &inside.folders {
        let mut inner = list(folder)?.folders.into_iter();
        if inner.any(|inner| class_name(&inner).is_ok_and(|name| SplitName::parse(&name).is_some())) {
            with_splits.push(folder);
        }
    }
    match (&with_splits[..], &inside.folders[..]) {
        ([], [only]) => {
            let within = list(only)?;
            // A folder called by an emotion, or with images of its own, is a class.
            let class = names::is_emotion(&class_name(only)?) || !within.images.is_empty() || within.folders.is_empty();
            Ok((!class).then(|| only.clone()))
        }
        ([], _) => Ok(None),
        (&[one], all) => {
            for other in all.iter().filter(|folder| *folder != one) {
                if holds_images(other)? {
                    let what = format!("splits are in {}, and images in {} as well", one.display(), other.display());
                    return Err(Error::data(tree, what, format!("the path of one tree, such as {}", one.display())));
                }
            }
            Ok(Some(one.clone()))
        }
        (several, _) => {
            let names: Vec<String> = several.iter().map(|folder| folder.display().to_string()).collect();
            let what = format!("there are splits in each of {}", names.join(", "));
            Err(Error::data(tree, what, format!("the path of one of them, or {EXPECTED}")))
        }
    }
}

/// The name of a folder as text.
pub(super) fn class_name(folder: &Path) -> Result<String> {
    let name = folder.file_name().unwrap_or_default();
    name.to_str()
        .map(str::to_string)
        .ok_or_else(|| Error::data(folder, "a folder name that is not UTF-8", "UTF-8 text"))
}
