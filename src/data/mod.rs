//! Images and labels: where they come from, how they are checked, how they reach the GPU.
//!
//! [`open`] takes what the user typed after `--data` and gives a [`Dataset`] of two or three [`Split`]s:
//!
//! | source | what it is | room |
//! |---|---|---|
//! | `synth`, `synth:N` | faces that the program draws | [`synth`] |
//! | `FILE.csv`, `FILE.csv.gz`, any file that begins so | a table of pixels, such as FER2013's | `fer_csv` |
//! | a folder | a tree of class folders | `folder` |
//! | `FILE.parquet`, or a folder of such files | images and labels as Hugging Face stores them (feature `parquet`) | `parquet` |
//! | such a file with a column `path` | images with numbers | `values` |
//!
//! Classes may come with votes of several people ([`Options::soft_labels`], `votes`) and with weights ([`ClassWeight`]).
//!
//! A [`loader::Loader`] then reads a split in threads, ahead of the training step. Pixels are floats from 0 to 1
//! (the byte divided by 255), rows first, channels last, and then what [`Preprocess`] makes of them.

pub mod augment;
pub mod check;
mod class_weight;
mod codec;
mod conversion;
mod decode;
mod fer_csv;
mod folder;
mod grey;
mod head;
mod kinds;
pub mod loader;
pub mod matching;
pub mod names;
#[cfg_attr(not(feature = "parquet"), path = "no_parquet.rs")]
mod parquet;
pub(crate) mod paths;
mod preprocess;
mod relabel;
mod resize;
mod select;
mod shards;
mod sheet;
mod source;
mod split_names;
mod store;
mod survey;
pub mod synth;
mod table;
mod values;
mod votes;
mod walk;
mod within;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::DynamicImage;

pub use class_weight::ClassWeight;
pub use codec::Decoded;
pub use conversion::{Conversion, write_floats};
pub use decode::{decode, decode_sized, read_image};
pub use grey::Grey;
pub use head::Head;
pub use loader::Loader;
pub use preprocess::{Affine, Preprocess};
pub use relabel::Relabelled;
pub use resize::Resize;
pub use store::RowPlace;
pub use walk::{find_images, find_images_and};

use crate::error::{Error, Result};
use crate::tensor::Shape;
use crate::text::check_name;
use source::{Source, open_pixels};

/// Most rows or columns of an image in memory, and of a network's input: larger image files are scaled while they are decoded.
pub const MAX_SIDE: u32 = 8192;
/// Share of the training images that becomes the validation split where the data has none and none is asked for.
pub const DEFAULT_VALIDATION_SPLIT: f64 = 0.2;

/// What the network takes: every image is brought to this size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputSpec {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 for grey, 3 for red, green, blue.
    pub channels: usize,
    /// How it is brought there.
    pub conversion: Conversion,
}

impl InputSpec {
    /// Images of `height` rows, `width` columns and `channels` channels, by the default conversion.
    pub const fn new(height: usize, width: usize, channels: usize) -> Self {
        let conversion = Conversion { grey: Grey::Rec601, resize: Resize::PilBilinear };
        Self { height, width, channels, conversion }
    }

    /// The same by another conversion.
    #[must_use]
    pub fn converted(self, conversion: Conversion) -> Self {
        Self { conversion, ..self }
    }

    /// Height, width and channels.
    pub fn dims(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// The images of a network's input shape.
    ///
    /// # Errors
    /// A shape that is not `[height, width, channels]`, or one that no image can be brought to.
    pub fn of(shape: &Shape) -> Result<Self> {
        let [height, width, channels] = *shape.dims() else {
            return Err(Error::usage(format!("an input of shape {shape}"), "a network of images takes [h, w, c]"));
        };
        let input = Self::new(height, width, channels);
        input.check().map(|()| input)
    }

    /// Floats in one image.
    pub fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether an image has no pixel (which [`open`] refuses).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Refuses sizes that no image can be brought to.
    fn check(&self) -> Result<()> {
        let side = 1..=MAX_SIDE as usize;
        if side.contains(&self.height) && side.contains(&self.width) && [1, 3].contains(&self.channels) {
            return Ok(());
        }
        Err(Error::usage(
            format!("an input of {} x {} x {} (height, width, channels)", self.height, self.width, self.channels),
            format!("height and width from 1 to {MAX_SIDE}, and 1 (grey) or 3 (RGB) channels"),
        ))
    }
}

/// What to do about an image file or a row of a table that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnBadFile {
    /// Stop with an error that names it.
    #[default]
    Fail,
    /// Leave it out and name it in [`Dataset::notes`].
    Skip,
}

/// What a source is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// To learn from: every class needs training images.
    #[default]
    Train,
    /// To score a network on: splits and classes may be missing. [`Dataset::train`] and [`Dataset::validation`] may be empty.
    Score,
}

/// How to open a source.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What for. Tables are opened as for training, whatever it is.
    pub purpose: Purpose,
    /// Classes to keep, in this order (labels 0, 1, ...); all if `None`.
    pub classes: Option<Vec<String>>,
    /// Share (between 0 and 1) of each class's training images to hold back, where the data has no validation split.
    pub validation_split: Option<f64>,
    /// What to do about image files and rows of tables that cannot be read.
    pub on_bad_file: OnBadFile,
    /// Seed of the drawn faces and of the choice of the validation images.
    pub seed: u64,
    /// What is made of the pixels for the network.
    pub preprocess: Preprocess,
    /// A csv of votes beside a FER2013 csv or a folder, whose shares become the targets: see `votes`.
    pub soft_labels: Option<PathBuf>,
    /// What the training images of each class count.
    pub class_weight: ClassWeight,
    /// Columns of a table of values to learn, in this order; all that hold numbers if `None`.
    pub outputs: Option<Vec<String>>,
}

/// What a network learns from a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Which class an image is of.
    #[default]
    Classes,
    /// Numbers.
    Values,
}

impl Task {
    /// Whether it is the usual one, which files need not name.
    pub(crate) fn is_classes(&self) -> bool {
        *self == Self::Classes
    }
}

/// An opened source.
pub struct Dataset {
    /// What was opened, as typed.
    pub source: String,
    /// What there is to learn.
    pub task: Task,
    /// Class names; a label is a place in this list. For values, the outputs' names.
    pub classes: Vec<String>,
    /// Images to learn from.
    pub train: Arc<dyn Split>,
    /// Images to choose by.
    pub validation: Arc<dyn Split>,
    /// Images to report on, where the source has them.
    pub test: Option<Arc<dyn Split>>,
    /// What a person should know: skipped files, a split that was made, options that had no effect.
    pub notes: Vec<String>,
}

impl std::fmt::Debug for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dataset")
            .field("source", &self.source)
            .field("classes", &self.classes)
            .field("train", &self.train.len())
            .field("validation", &self.validation.len())
            .field("test", &self.test.as_ref().map(|t| t.len()))
            .field("notes", &self.notes)
            .finish()
    }
}

/// Where an image comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// A row of the source's table; `has_usage` if the table says which split it is of.
    Row {
        /// Which row.
        place: RowPlace,
        /// Whether the table has a column of splits.
        has_usage: bool,
    },
    /// A file.
    File(&'a Path),
    /// Neither: drawn by the program, or inside a file of many images.
    Other,
}

/// The images of one split, in a fixed order.
pub trait Split: Send + Sync {
    /// Number of images.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Size of the images that [`read`](Split::read) gives.
    fn input(&self) -> InputSpec;

    /// Numbers in a row of targets: the network's outputs.
    fn outputs(&self) -> usize;

    /// The label of an image: a place in [`Dataset::classes`]. `index` must be under `len`.
    fn label(&self, index: usize) -> u32;

    /// Writes to `out`, `outputs` long, what the network should say of the image: by default 1 for its label and 0 elsewhere.
    fn target(&self, index: usize, out: &mut [f32]) {
        one_hot(self.label(index), out);
    }

    /// What the image's loss counts in training.
    fn weight(&self, _index: usize) -> f32 {
        1.0
    }

    /// What a person would look for to find the image: a file's path, `fer2013.csv row 17`.
    fn name(&self, index: usize) -> String;

    /// Where the image comes from.
    fn origin(&self, _index: usize) -> Origin<'_> {
        Origin::Other
    }

    /// The image as it is stored, in its own size and colours.
    ///
    /// # Errors
    /// A file that cannot be read or decoded.
    fn picture(&self, index: usize) -> Result<DynamicImage>;

    /// Writes the image to `out`: height x width x channels floats from 0 to 1, rows first, channels last; of a dataset that was
    /// opened with another [`Preprocess`] than `unit`, what that makes of them.
    ///
    /// # Errors
    /// A file that cannot be read or decoded any more; an `out` of another length.
    fn read(&self, index: usize, out: &mut [f32]) -> Result<()>;
}

/// Writes 1 for a label and 0 elsewhere.
fn one_hot(label: u32, out: &mut [f32]) {
    out.fill(0.0);
    out[label as usize] = 1.0;
}

/// Opens what the user named: `synth`, `synth:N`, a FER2013 csv file (plain or gzip), a csv of paths and numbers, a parquet file, or
/// a folder of class folders or of parquet files.
///
/// # Errors
/// Names the file, row or folder and says what was expected there: see the module's table for the formats.
pub fn open(source: &str, input: InputSpec, options: &Options) -> Result<Dataset> {
    input.check()?;
    options.preprocess.check(input.channels)?;
    select::check_options(options)?;
    let mut dataset = open_pixels(source, input, options)?;
    if let Some(votes) = &options.soft_labels {
        dataset = votes::apply(votes, dataset, options)?;
    }
    for class in &dataset.classes {
        check_name("a class", class).map_err(|what| Error::data(source, what, "the name of a class or a column"))?;
    }
    options.class_weight.apply(&mut dataset)?;
    Ok(options.preprocess.of_dataset(dataset))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const INPUT: InputSpec = InputSpec::new(48, 48, 1);

    fn refuse(source: &str, input: InputSpec, options: &Options) -> String {
        open(source, input, options).unwrap_err().to_string()
    }

    #[test]
    fn sources_of_no_known_kind() {
        let text = refuse("no/such/thing", INPUT, &Options::default());
        assert!(text.contains("no/such/thing: no such file") && text.contains("synth:N"), "{text}");
        let text = refuse("Cargo.toml", INPUT, &Options::default());
        assert!(text.contains("no known kind") && text.contains(".csv.gz"), "{text}");
    }

    #[cfg(not(feature = "parquet"))]
    #[test]
    fn parquet_without_its_reader() {
        let text = refuse("tests/golden/parquet", INPUT, &Options::default());
        assert!(text.contains("this build reads no parquet") && text.contains("--features parquet"), "{text}");
    }

    #[test]
    fn impossible_inputs() {
        for input in [(0, 48, 1), (48, 48, 2), (48, 100_000, 3)] {
            let input = InputSpec::new(input.0, input.1, input.2);
            assert!(refuse("synth", input, &Options::default()).contains("1 (grey) or 3 (RGB)"));
        }
    }

    #[test]
    fn impossible_options() {
        for split in [0.0, 1.0, -0.5, f64::NAN] {
            let options = Options { validation_split: Some(split), ..Options::default() };
            assert!(refuse("synth", INPUT, &options).contains("between 0 and 1"));
        }
        let with = |names: &[&str]| {
            let classes = Some(names.iter().map(ToString::to_string).collect());
            refuse("synth", INPUT, &Options { classes, ..Options::default() })
        };
        assert!(with(&["happy", "sad", "happy"]).contains("`happy` twice"));
        assert!(with(&["happy"]).contains("at least two"));
        let text = with(&["happy", "sadd"]);
        assert!(text.contains("unknown class `sadd`") && text.contains("`sad`"), "{text}");
    }
}
