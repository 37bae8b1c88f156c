//! What lies in folders: image files at any depth, and what else there is.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::kinds::{endings, is_any_image};
use crate::error::{Error, Result};

/// Folders that systems and programs leave among a user's: thumbnails, resource forks, waste, caches.
const DROPPINGS: [&str; 8] = [
    "__MACOSX",
    "@eaDir",
    "#recycle",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
    "__pycache__",
    "@Recycle",
];
/// Files of the same kind.
const DROPPED_FILES: [&str; 3] = ["Thumbs.db", "desktop.ini", "Icon\r"];

/// What is in one folder, sorted; hidden files and droppings of systems are left out.
#[derive(Default)]
pub(super) struct Listing {
    pub folders: Vec<PathBuf>,
    /// Files that are called like images, and links with such names that lead nowhere.
    pub images: Vec<PathBuf>,
    /// Links without an ending that lead nowhere: folders of images may be missing.
    pub dead: Vec<PathBuf>,
    pub ignored: Ignored,
}

/// What is not looked at, counted by kind: `.txt files`, `folders @eaDir`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Ignored(BTreeMap<String, usize>);

impl Ignored {
    fn add(&mut self, kind: String) {
        *self.0.entry(kind).or_default() += 1;
    }

    /// Counts what was not looked at elsewhere as well.
    pub(super) fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|(kind, count)| *self.0.entry(kind).or_default() += count);
    }

    /// `12 .txt, 3 .csv, 1 @eaDir/`; nothing if there is nothing.
    pub(super) fn text(&self) -> Option<String> {
        let mut kinds: Vec<(&String, &usize)> = self.0.iter().collect();
        kinds.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
        let kinds: Vec<String> = kinds.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        (!kinds.is_empty()).then(|| kinds.join(", "))
    }
}

/// Lists a folder.
///
/// # Errors
/// A folder that cannot be read.
pub(super) fn list(folder: &Path) -> Result<Listing> {
    list_and(folder, &|_| false)
}

/// Lists a folder; files that `also` is true of are with the images.
fn list_and(folder: &Path, also: &dyn Fn(&Path) -> bool) -> Result<Listing> {
    let mut listing = Listing::default();
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        if is_hidden(&path) {
            continue;
        }
        // A link that leads nowhere, or to itself, cannot be followed.
        let about = std::fs::metadata(&path);
        let is_folder = about.as_ref().is_ok_and(std::fs::Metadata::is_dir);
        if is_folder && is_one_of(&path, &DROPPINGS) {
            listing.ignored.add(format!("{}/", path.file_name().unwrap_or_default().display()));
        } else if is_folder && leads_up(folder, &path) {
            listing.ignored.add(format!("link to a folder that it is in ({})", path.display()));
        } else if is_folder {
            listing.folders.push(path);
        } else if is_any_image(&path) || also(&path) {
            listing.images.push(path);
        } else if about.is_err() && path.extension().is_none() {
            listing.dead.push(path);
        } else {
            listing.ignored.add(kind(&path));
        }
    }
    listing.folders.sort_unstable();
    listing.images.sort_unstable();
    listing.dead.sort_unstable();
    Ok(listing)
}

/// The images below a folder at any depth.
#[derive(Default)]
pub(super) struct Below {
    /// Sorted; links that lead nowhere among them, which fail as any file that cannot be read.
    pub images: Vec<PathBuf>,
    pub ignored: Ignored,
}

/// Walks a folder. Each folder in it is entered once, however many links lead to it.
///
/// # Errors
/// A folder that cannot be read.
pub(super) fn below(root: &Path) -> Result<Below> {
    below_and(root, &|_| false)
}

/// [`below`], where files that `also` is true of are with the images.
fn below_and(root: &Path, also: &dyn Fn(&Path) -> bool) -> Result<Below> {
    let mut found = Below::default();
    let mut waiting = vec![root.to_path_buf()];
    let mut entered = HashSet::new();
    while let Some(folder) = waiting.pop() {
        if !entered.insert(folder.canonicalize().map_err(Error::io("read", &folder))?) {
            continue;
        }
        let inside = list_and(&folder, also)?;
        // Of several ways to a folder the first by name is taken.
        waiting.extend(inside.folders.into_iter().rev());
        found.images.extend(inside.images);
        found.images.extend(inside.dead);
        found.ignored.merge(inside.ignored);
    }
    found.images.sort_unstable();
    Ok(found)
}

/// Whether there is an image below a folder.
///
/// # Errors
/// A folder that cannot be read.
pub(super) fn holds_images(folder: &Path) -> Result<bool> {
    below(folder).map(|found| !found.images.is_empty())
}

/// Whether a file or folder is not for show.
fn is_hidden(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    hidden || is_one_of(path, &DROPPED_FILES)
}

fn is_one_of(path: &Path, names: &[&str]) -> bool {
    path.file_name().is_some_and(|name| names.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

/// Whether an entry of a folder is a link to that folder or to one that holds it.
fn leads_up(folder: &Path, entry: &Path) -> bool {
    entry.is_symlink()
        && matches!((folder.canonicalize(), entry.canonicalize()), (Ok(folder), Ok(real)) if folder.starts_with(&real))
}

/// The kind of a file that is not looked at: its ending.
fn kind(path: &Path) -> String {
    match path.extension() {
        Some(ending) => format!(".{}", ending.display().to_string().to_lowercase()),
        None => "without an ending".to_owned(),
    }
}

/// [`find_images_and`] without other files.
///
/// # Errors
/// As [`find_images_and`].
pub fn find_images(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    find_images_and(paths, |_| false)
}

/// The image files, and those that `also` is true of, that `paths` mean, in their order: a file is itself, whatever it is called;
/// a folder is every such file below it, sorted. Hidden files and folders below it are passed over, and each folder is
/// entered once, however many links lead to it. A path that is not there and has a `*`, `?` or `[` in it is a pattern (shells of
/// Windows leave them to the program): the files that match, sorted.
///
/// # Errors
/// A path that is not there, a pattern that nothing matches, a folder that cannot be read, one without any image.
pub fn find_images_and(paths: &[PathBuf], also: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut images = Vec::new();
    for path in paths {
        let about = match std::fs::metadata(path) {
            Ok(about) => about,
            Err(error) => {
                images.extend(matching(path, error)?);
                continue;
            }
        };
        if !about.is_dir() {
            images.push(path.clone());
            continue;
        }
        let found = below_and(path, &also)?.images;
        if found.is_empty() {
            let expected = format!("a file at any depth with one of the endings {}", endings());
            return Err(Error::data(path, "no image in this folder", expected));
        }
        images.extend(found);
    }
    Ok(images)
}

/// The files that a pattern means.
fn matching(path: &Path, error: std::io::Error) -> Result<Vec<PathBuf>> {
    let pattern = path.to_str().filter(|text| text.contains(['*', '?', '[']));
    let Some(paths) = pattern.and_then(|text| glob::glob(text).ok()) else {
        return Err(Error::io("read", path)(error));
    };
    let mut files: Vec<PathBuf> = paths.filter_map(std::result::Result::ok).filter(|found| found.is_file()).collect();
    // `**` follows links round and round: of the ways to one file the shortest is kept.
    let mut seen = HashSet::new();
    files.sort_by_key(|file| file.components().count());
    files.retain(|file| file.canonicalize().map_or(true, |real| seen.insert(real)));
    files.sort_unstable();
    if files.is_empty() {
        return Err(Error::data(
            path,
            "no file matches this pattern",
            "a file, a folder, or a pattern such as photos/*.jpg",
        ));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn folders_are_walked_in_order_and_files_are_taken_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("b/deep")).unwrap();
        std::fs::create_dir(root.join(".hidden")).unwrap();
        for name in ["z.PNG", "b/deep/a.jpeg", "b/c.bmp", "b/notes.txt", ".hidden/x.png", "b/.y.png"] {
            std::fs::write(root.join(name), "").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(root, root.join("b/back")).unwrap();
        let paths = |names: &[&str]| names.iter().map(|n| root.join(n)).collect::<Vec<_>>();
        assert_eq!(
            find_images(&[root.join("b/notes.txt"), root.to_path_buf()]).unwrap(),
            paths(&["b/notes.txt", "b/c.bmp", "b/deep/a.jpeg", "z.PNG"])
        );
        let text = find_images(&[root.join(".hidden/none")]).unwrap_err().to_string();
        assert!(text.contains("none"), "{text}");
        assert_eq!(find_images(&[root.join("b/*.bmp")]).unwrap(), paths(&["b/c.bmp"]));
        assert_eq!(find_images(&[root.join("**/*.[bP]*")]).unwrap(), paths(&["b/c.bmp", "z.PNG"]));
        let text = find_images(&[root.join("*.gif")]).unwrap_err().to_string();
        assert!(text.contains("*.gif: no file matches"), "{text}");
        std::fs::create_dir(root.join("empty")).unwrap();
        let text = find_images(&[root.join("empty")]).unwrap_err().to_string();
        assert!(text.contains("empty: no image in this folder"), "{text}");
    }
}
