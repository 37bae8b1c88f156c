//! Image files wherever they lie below some folders, for prediction.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::kinds::{endings, is_any_image};
use crate::error::{Error, Result};

/// Whether a file or folder is not for show.
pub(super) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// The image files that `paths` mean, in their order: a file is itself, whatever it is called; a folder is every file
/// below it that is called like an image, sorted. Hidden files and folders below it are passed over, and each folder is
/// entered once, however many links lead to it. A path that is not there and has a `*`, `?` or `[` in it is a pattern (shells of
/// Windows leave them to the program): the files that match, sorted.
///
/// # Errors
/// A path that is not there, a pattern that nothing matches, a folder that cannot be read, one without any image.
pub fn find_images(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
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
        let found = below(path)?;
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

fn below(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_path_buf()];
    let mut entered = HashSet::new();
    while let Some(folder) = waiting.pop() {
        if !entered.insert(folder.canonicalize().map_err(Error::io("read", &folder))?) {
            continue;
        }
        for entry in std::fs::read_dir(&folder).map_err(Error::io("read", &folder))? {
            let path = entry.map_err(Error::io("read", &folder))?.path();
            if is_hidden(&path) {
                continue;
            }
            if path.is_dir() {
                waiting.push(path);
            } else if is_any_image(&path) {
                found.push(path);
            }
        }
    }
    found.sort_unstable();
    Ok(found)
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
