//! Writes drawn faces as a tree of class folders, so that other tools can train on them, and a sheet to look at.
//!
//! A tree that was cut short looks like a smaller one. So everything is written in the folder `.partial` of the tree, which readers
//! of data skip, and moved to its place at the end: images before the table that names them.

use std::path::{Path, PathBuf};

use image::{DynamicImage, GrayImage};
use rayon::prelude::*;

use super::super::sheet::{png, sheet, write_png};
use super::{EMOTIONS, Known, SIDE, SPLITS, check_count, draw, known, split_counts};
use crate::error::{Error, Result};
use crate::formats::atomic::rename;

/// Pixels of a face on the sheet, along a side.
const CELL: u32 = 96;
/// Where a tree is until it is whole.
const PARTIAL: &str = ".partial";
/// The table of numbers.
const VALUES: &str = "values.csv";
/// The contact sheet.
const SHEET: &str = "sheet.png";
/// Faces of each emotion on the sheet.
const COLUMNS: usize = 12;

/// What [`write_tree`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Images of the train, validation and test folders.
    pub counts: [usize; 3],
    /// The contact sheet.
    pub sheet: PathBuf,
}

/// Writes `n` faces to `out`: `train|validation|test/<emotion>/NNNNN.png` (48 x 48, grey), the same images that
/// `--data synth:N` with that seed gives; `sheet.png`, the first twelve training images of each emotion; and `values.csv`, for
/// each image its path, its split and numbers that it was drawn by. Makes the folder if need be.
///
/// # Errors
/// A folder that is not empty, a number of images that [`parse_source`](super::parse_source) would refuse, and what
/// the system refuses.
pub fn write_tree(out: &Path, n: usize, seed: u64) -> Result<Written> {
    check_count(n)?;
    std::fs::create_dir_all(out).map_err(Error::io("create", out))?;
    let partial = out.join(PARTIAL);
    if partial.exists() {
        return Err(Error::usage(
            format!("{} holds drawn faces that are not all written", out.display()),
            format!("another process writes them, or one was stopped: then remove {}", partial.display()),
        ));
    }
    if std::fs::read_dir(out).map_err(Error::io("read", out))?.next().is_some() {
        return Err(Error::usage(
            format!("the folder {} is not empty", out.display()),
            "give a new folder, so that faces of different runs do not mix",
        ));
    }
    std::fs::create_dir(&partial).map_err(Error::io("create", &partial))?;
    let counts = split_counts(n);
    let written = write_partial(&partial, counts, seed).and_then(|()| {
        // The training images last of the images: without them nothing takes the folder for a tree.
        let mut parts = SPLITS.iter().rev().copied().chain([VALUES, SHEET]);
        parts.try_for_each(|name| {
            let to = out.join(name);
            rename(&partial.join(name), &to).map_err(Error::io("write", &to))
        })
    });
    // Best effort: the first error is the one to report.
    let removed = std::fs::remove_dir_all(&partial).map_err(Error::io("remove", &partial));
    written.and(removed)?;
    Ok(Written { counts, sheet: out.join(SHEET) })
}

/// Writes the whole tree in a folder.
fn write_partial(folder: &Path, counts: [usize; 3], seed: u64) -> Result<()> {
    for (split, count) in counts.into_iter().enumerate() {
        for emotion in EMOTIONS {
            let folder = folder.join(SPLITS[split]).join(emotion);
            std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        }
        (0..count).into_par_iter().try_for_each(|i| {
            let path = folder.join(place(split, i));
            let bytes = png(&path, &face(seed, split, i))?;
            std::fs::write(&path, bytes).map_err(Error::io("write", &path))
        })?;
    }
    write_values(&folder.join(VALUES), counts, seed)?;
    write_png(&folder.join(SHEET), &sheet(&faces(counts[0], seed), CELL))
}

/// Where an image is in the tree.
fn place(split: usize, index: usize) -> String {
    format!("{}/{}/{index:05}.png", SPLITS[split], EMOTIONS[index % EMOTIONS.len()])
}

/// Writes the table of numbers.
fn write_values(path: &Path, counts: [usize; 3], seed: u64) -> Result<()> {
    let mut text = "path,split,smile,turn\n".to_owned();
    for (split, count) in counts.into_iter().enumerate() {
        for i in 0..count {
            let Known { smile, turn } = known(seed, split, i, i % EMOTIONS.len());
            text += &format!("{},{},{smile:.4},{turn:.4}\n", place(split, i), SPLITS[split]);
        }
    }
    std::fs::write(path, text).map_err(Error::io("write", path))
}

/// One drawn face as an image.
fn face(seed: u64, split: usize, index: usize) -> DynamicImage {
    let bytes = draw(seed, split, index, index % EMOTIONS.len());
    let side = SIDE as u32;
    DynamicImage::ImageLuma8(GrayImage::from_raw(side, side, bytes).expect("a drawn face has one byte for each pixel"))
}

/// A row of training faces for each emotion.
fn faces(train: usize, seed: u64) -> Vec<Vec<DynamicImage>> {
    let row = |emotion: usize| (0..COLUMNS).map(move |column| column * EMOTIONS.len() + emotion);
    let drawn = |emotion| row(emotion).filter(|i| *i < train).map(|i| face(seed, 0, i)).collect();
    (0..EMOTIONS.len()).map(drawn).collect()
}
