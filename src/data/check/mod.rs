//! What is in some data, before anyone trains on it: counts, files that cannot be read, sizes and modes, copies, contradictions.
//!
//! Two images are copies if they have the same size and the same pixels (a grey image stored in colour equals the grey one;
//! transparency does not count). They are counted in two ways: copies are the images beyond the first of each group of equal ones,
//! so that leaving them out leaves each once; a leak is an image of one split that has a copy in another. FER2013 has 1,851 copies
//! by this count, and 288 of its `PrivateTest` images have a copy in `Training`.

mod gather;
mod summary;

use super::{Decoded, Split};
use crate::error::Result;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

pub use gather::check;
pub use summary::{Duplicates, Group, Leak, Odd};

/// The splits, in order.
pub const SPLITS: [&str; 3] = ["train", "validation", "test"];

/// What `data check` found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Findings {
    /// What was looked at, as typed.
    pub data: String,
    /// Images that can be read.
    pub images: usize,
    /// Class names.
    pub classes: Vec<String>,
    /// Readable images of each split, by class; splits that the data does not have are left out.
    pub counts: BTreeMap<String, BTreeMap<String, usize>>,
    /// Classes that a split does not have, as `split/class`.
    pub empty: Vec<String>,
    /// What is wrong with each file that cannot be read.
    pub bad: Vec<String>,
    /// How many images have which size, as `48 x 48` (width, height).
    pub sizes: BTreeMap<String, usize>,
    /// How many images have which mode: `grey`, `rgb`, with alpha.
    pub modes: BTreeMap<String, usize>,
    /// Images of another size or mode than most.
    pub odd: Vec<Odd>,
    /// Equal images.
    pub duplicates: Duplicates,
    /// What else a person should know.
    pub notes: Vec<String>,
}

impl Findings {
    /// Whether anything was found that training would suffer from: bad files, leaks, contradictions, classes without images.
    pub fn has_faults(&self) -> bool {
        let d = &self.duplicates;
        !(self.bad.is_empty() && self.empty.is_empty() && d.leaks.is_empty() && d.conflicts.is_empty())
    }
}

/// Where an image's pixels come from.
enum Pixels {
    File(PathBuf),
    Of(Arc<dyn Split>, usize),
}

/// An image that was found.
struct Item {
    /// A place in [`SPLITS`].
    split: usize,
    label: usize,
    name: String,
    pixels: Pixels,
}

/// What is kept of an image that was read.
struct Seen {
    width: u32,
    height: u32,
    mode: &'static str,
    hash: [u64; 2],
}

/// Reads every image, in parallel: what was seen, or what is wrong.
fn look(items: &[Item]) -> Vec<Result<Seen>> {
    items.par_iter().map(|item| item.image().map(|decoded| Seen::of(&decoded))).collect()
}

impl Item {
    fn image(&self) -> Result<Decoded> {
        match &self.pixels {
            Pixels::File(path) => super::decode::decode_sized(path),
            Pixels::Of(split, index) => {
                split.picture(*index).map(|image| Decoded { size: (image.width(), image.height()), image })
            }
        }
    }
}

impl Seen {
    fn of(Decoded { image, size: (width, height) }: &Decoded) -> Self {
        let (width, height) = (*width, *height);
        let color = image.color();
        let mode = match (color.has_color(), color.has_alpha()) {
            (false, false) => "grey",
            (false, true) => "grey with alpha",
            (true, false) => "rgb",
            (true, true) => "rgb with alpha",
        };
        let pixels = if color.has_color() {
            let rgb = image.to_rgb8().into_raw();
            let grey = rgb.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
            if grey { rgb.into_iter().step_by(3).collect() } else { rgb }
        } else {
            image.to_luma8().into_raw()
        };
        // Two hashes of 64 bits: a pair of different images with equal ones will not be met.
        let hash = [0u8, 1].map(|salt| {
            let mut hasher = DefaultHasher::new();
            (salt, width, height, &pixels).hash(&mut hasher);
            hasher.finish()
        });
        Self { width, height, mode, hash }
    }
}
