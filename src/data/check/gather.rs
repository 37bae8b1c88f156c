//! From a source to its images, without the demands that training makes on it: a class may be empty, a file broken.

use super::summary::summarise;
use super::{Findings, Item, Pixels, SPLITS, look};
use crate::data::folder::{Layout, Scan};
use crate::data::store::SIDE;
use crate::data::{Dataset, InputSpec, Options, Origin, Task, open};
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Looks at every image of a source, which is what `--data` takes. In a folder without splits all images are of `train`.
///
/// # Errors
/// A source that is not there or has no image; a damaged table, which is not to be trusted in its other rows.
pub fn check(source: &str) -> Result<Findings> {
    let path = Path::new(source);
    let (items, classes, notes) = if path.is_dir() { of_tree(path)? } else { of_dataset(source)? };
    if items.is_empty() {
        return Err(Error::data(path, "no image in any class folder", ".png, .jpg, .jpeg or .bmp files"));
    }
    let seen = look(&items);
    Ok(summarise(source, &items, classes, seen, notes))
}

type Found = (Vec<Item>, Vec<String>, Vec<String>);

fn of_tree(root: &Path) -> Result<Found> {
    let mut notes = Vec::new();
    let layout = Layout::find(root, &mut notes)?;
    let folders = [Some(&layout.train), layout.validation.as_ref(), layout.test.as_ref()];
    let mut scans = Vec::new();
    for (split, folder) in folders.into_iter().enumerate() {
        if let Some(folder) = folder {
            scans.push((split, Scan::of(root, folder, &mut notes)?));
        }
    }
    let names: BTreeSet<&String> = scans.iter().flat_map(|(_, scan)| scan.classes.keys()).collect();
    let classes: Vec<String> = names.into_iter().cloned().collect();
    let mut items = Vec::new();
    for (split, scan) in &scans {
        for (class, paths) in &scan.classes {
            let label = classes.binary_search(class).expect("the list was made of these names");
            items.extend(paths.iter().map(|path| Item {
                split: *split,
                label,
                name: path.display().to_string(),
                pixels: Pixels::File(path.clone()),
            }));
        }
    }
    Ok((items, classes, notes))
}

fn of_dataset(source: &str) -> Result<Found> {
    // The size at which such images are stored: nothing is scaled.
    let input = InputSpec { height: SIDE, width: SIDE, channels: 1 };
    let Dataset { task, mut classes, train, validation, test, mut notes, .. } =
        open(source, input, &Options::default())?;
    if task == Task::Values {
        notes.push(format!("the data has values ({}), not classes: its images are counted as one", classes.join(", ")));
        classes = vec!["images".to_owned()];
    }
    let mut items = Vec::new();
    for (split, images) in [Some(train), Some(validation), test].into_iter().enumerate().take(SPLITS.len()) {
        let Some(images) = images else { continue };
        items.extend((0..images.len()).map(|index| Item {
            split,
            label: images.label(index) as usize,
            name: images.name(index),
            pixels: match images.origin(index) {
                Origin::File(path) => Pixels::File(path.to_path_buf()),
                Origin::Row(_) | Origin::Drawn => Pixels::Of(Arc::clone(&images), index),
            },
        }));
    }
    Ok((items, classes, notes))
}
