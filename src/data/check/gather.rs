//! From a source to its images, without the demands that training makes on it: a class may be empty, a file or a row broken.

use super::summary::summarise;
use super::{Findings, Item, Pixels, SPLITS, look};
use crate::data::folder::{Layout, Tree};
use crate::data::store::SIDE;
use crate::data::survey::{Faults, Survey};
use crate::data::{Dataset, InputSpec, Options, Source, fer_csv, kinds, open, parquet, values};
use crate::error::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// Looks at every image of a source, which is what `--data` takes. In a folder without splits all images are of `train`.
///
/// # Errors
/// A source that is not there or has no image; a table without its columns.
pub fn check(source: &str) -> Result<Findings> {
    // The size at which tables store images; of others the size does not matter here.
    let input = InputSpec::new(SIDE, SIDE, 1);
    let mut faults = Faults::gather();
    let (items, classes, mut notes) = match Source::find(source)? {
        Source::Tree(root) => of_tree(root, &mut faults)?,
        Source::FerCsv(path) => of_survey(fer_csv::survey(path, &mut faults)?),
        Source::Values(path) => of_survey(values::survey(path, input, &mut faults)?),
        Source::Parquet(shards) => of_survey(parquet::survey(&shards, input, &mut faults)?),
        Source::Synth(_) => {
            let Dataset { classes, train, validation, test, notes, .. } = open(source, input, &Options::default())?;
            of_survey(Survey { classes, splits: [Some(train), Some(validation), test], notes })
        }
    };
    if items.is_empty() {
        if let Some(first) = faults.into_first() {
            return Err(first);
        }
        return Err(Error::data(source, "no image in any class folder", kinds::EXPECTED));
    }
    if let Faults::Gather(_, more @ 1..) = faults {
        notes.push(format!("{more} more rows that cannot be read are not listed"));
    }
    let seen = look(&items);
    let mut found = summarise(source, &items, classes, seen, notes);
    if let Faults::Gather(kept, _) = faults {
        found.bad.splice(0..0, kept.iter().map(ToString::to_string));
    }
    Ok(found)
}

type Found = (Vec<Item>, Vec<String>, Vec<String>);

fn of_tree(root: &Path, faults: &mut Faults) -> Result<Found> {
    let mut notes = Vec::new();
    let layout = Layout::find(root, &mut notes)?;
    let tree = Tree::read(&layout, &mut notes)?;
    notes.extend(layout.missing());
    let classes = tree.classes();
    if let [class] = &classes[..] {
        notes.push(format!("the only class is {class}: training needs two"));
    }
    let mut items = Vec::new();
    for scan in &tree.scans {
        for (class, paths) in &scan.classes {
            let label = classes.binary_search(class).expect("the list was made of these names");
            items.extend(paths.iter().map(|path| Item {
                split: scan.split.index(),
                label,
                name: path.display().to_string(),
                pixels: Pixels::File(path.clone()),
            }));
        }
    }
    tree.faults.into_iter().try_for_each(|fault| faults.take(fault))?;
    Ok((items, classes, notes))
}

fn of_survey(Survey { classes, splits, notes }: Survey) -> Found {
    let mut items = Vec::new();
    for (split, images) in splits.into_iter().enumerate().take(SPLITS.len()) {
        let Some(images) = images else { continue };
        items.extend((0..images.len()).map(|index| Item {
            split,
            label: images.label(index) as usize,
            name: images.name(index),
            pixels: Pixels::Of(Arc::clone(&images), index),
        }));
    }
    (items, classes, notes)
}
