//! Choosing: which classes to keep, and which training images to hold back for validation.

use std::path::Path;
use std::sync::Arc;

use super::store::Part;
use super::{DEFAULT_VALIDATION_SPLIT, Options, Purpose, Split};
use crate::error::{Error, Result, nearest};
use crate::philox::Philox;

/// Stream of the generator that draws validation images (drawn faces use the streams from 0 up).
const VALIDATION_STREAM: u64 = u64::MAX;

/// Refuses options that no source can obey.
pub(super) fn check_options(options: &Options) -> Result<()> {
    if let Some(share) = options.validation_split
        && !(share > 0.0 && share < 1.0)
    {
        return Err(Error::usage(
            format!("a validation split of {share}"),
            "it is the share of the training images to hold back, between 0 and 1, as in --validation-split 0.2",
        ));
    }
    let Some(classes) = &options.classes else { return Ok(()) };
    for (i, class) in classes.iter().enumerate() {
        if classes[..i].contains(class) {
            return Err(Error::usage(format!("the list of classes names `{class}` twice"), "name each class once"));
        }
    }
    if classes.len() < 2 {
        return Err(Error::usage(
            format!("a list of {} class(es)", classes.len()),
            "a classifier needs at least two, as in --classes happy,sad",
        ));
    }
    Ok(())
}

/// The classes to keep: all of `known`, or those asked for in the order asked for.
///
/// # Errors
/// A class that is not known; the nearest known one is suggested.
pub(super) fn choose_classes(known: &[String], options: &Options) -> Result<Vec<String>> {
    let Some(wanted) = &options.classes else { return Ok(known.to_vec()) };
    for class in wanted {
        if !known.contains(class) {
            let hint = match nearest(class, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`? The classes are {}", known.join(", ")),
                None => format!("the classes are {}", known.join(", ")),
            };
            return Err(Error::usage(format!("unknown class `{class}`"), hint));
        }
    }
    Ok(wanted.clone())
}

/// Parts images into training and validation, class by class in the same share, by the seed. Both lists keep the
/// order that the images had.
///
/// # Errors
/// The name of a class with fewer than two images: each side needs one, to train.
pub(super) fn hold_back(labels: &[u32], classes: &[String], options: &Options) -> Result<(Vec<u32>, Vec<u32>), String> {
    let share = options.validation_split.unwrap_or(DEFAULT_VALIDATION_SPLIT);
    let mut held = vec![false; labels.len()];
    let mut rng = Philox::new(options.seed, VALIDATION_STREAM);
    for (label, class) in classes.iter().enumerate() {
        let mut members: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] as usize == label).collect();
        if members.len() < 2 && options.purpose == Purpose::Score {
            continue;
        }
        if members.len() < 2 {
            return Err(class.clone());
        }
        rng.shuffle(&mut members);
        let count = ((members.len() as f64 * share).round() as usize).clamp(1, members.len() - 1);
        members[..count].iter().for_each(|&i| held[i] = true);
    }
    let side = |wanted: bool| (0..labels.len()).filter(|&i| held[i] == wanted).map(|i| i as u32).collect();
    Ok((side(false), side(true)))
}

/// Training and validation images: where the data has no validation split, some of the training images. `lonely` makes the
/// error about a class with fewer than two images.
pub(super) fn with_validation(
    train: Arc<dyn Split>,
    validation: Option<Arc<dyn Split>>,
    classes: &[String],
    options: &Options,
    notes: &mut Vec<String>,
    lonely: impl FnOnce(String) -> Error,
) -> Result<[Arc<dyn Split>; 2]> {
    if let Some(validation) = validation {
        notes.extend(unused_split_note(options));
        return Ok([train, validation]);
    }
    let labels: Vec<u32> = (0..train.len()).map(|i| train.label(i)).collect();
    let (kept, held) = hold_back(&labels, classes, options).map_err(lonely)?;
    notes.push(held_back_note(held.len(), options));
    Ok([kept, held].map(|members| -> Arc<dyn Split> { Arc::new(Part { whole: Arc::clone(&train), members }) }))
}

/// Refuses a split (as a person calls it) that has no image of some class.
pub(super) fn check_classes(path: &Path, split: &str, labels: &[u32], classes: &[String]) -> Result<()> {
    match (0..classes.len()).find(|label| !labels.contains(&(*label as u32))) {
        None => Ok(()),
        Some(label) => Err(Error::data(
            path,
            format!("class `{}` has no image in the {split}", classes[label]),
            "an image of every class in every split, or --classes with the classes that are there",
        )),
    }
}

/// What to tell about a validation split that was made.
fn held_back_note(count: usize, options: &Options) -> String {
    let share = options.validation_split.unwrap_or(DEFAULT_VALIDATION_SPLIT);
    let origin = if options.validation_split.is_some() { "" } else { ", the default of --validation-split" };
    format!("the data has no validation split: {count} training images ({share} of each class{origin}) are held back")
}

/// What to tell if a validation split was asked for and the data has its own.
pub(super) fn unused_split_note(options: &Options) -> Option<String> {
    options
        .validation_split
        .map(|_| "--validation-split has no effect: the data has its own validation split".to_string())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn each_class_gives_the_same_share() {
        let labels: Vec<u32> = (0..120).map(|i| u32::from(i % 3 == 0)).collect();
        let classes = ["a".to_string(), "b".to_string()];
        let options = Options { validation_split: Some(0.25), seed: 5, ..Options::default() };
        let (train, validation) = hold_back(&labels, &classes, &options).unwrap();
        let count = |side: &[u32], label| side.iter().filter(|&&i| labels[i as usize] == label).count();
        assert_eq!([count(&train, 0), count(&train, 1)], [60, 30]);
        assert_eq!([count(&validation, 0), count(&validation, 1)], [20, 10]);
        let mut all = [train, validation.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..120).collect::<Vec<u32>>());
        assert_eq!(hold_back(&labels, &classes, &options).unwrap().1, validation, "the same seed, the same choice");
        let other = Options { seed: 6, ..options };
        assert_ne!(hold_back(&labels, &classes, &other).unwrap().1, validation);
    }

    #[test]
    fn a_class_of_one_cannot_be_parted() {
        let classes = ["a".to_string(), "b".to_string()];
        assert_eq!(hold_back(&[0, 0, 1], &classes, &Options::default()).unwrap_err(), "b");
    }
}
