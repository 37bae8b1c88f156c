//! Splits made of other splits: parts, other labels, other targets, weights. Such a split says only what it changes.

use image::DynamicImage;

use super::{InputSpec, Origin, Split};
use crate::error::Result;

/// A split made of another, or of several. What it does not say itself is what the inner split says of the same image.
///
/// A wrapper that changes labels changes `outputs`, `label` and `target` together.
pub(super) trait Within: Send + Sync {
    /// The inner split (of several the first), which says what all images have in common.
    fn whole(&self) -> &dyn Split;

    /// Number of images.
    fn len(&self) -> usize {
        self.whole().len()
    }

    /// The split that an image is in, and its place there.
    fn place(&self, index: usize) -> (&dyn Split, usize) {
        (self.whole(), index)
    }

    /// As [`Split::outputs`].
    fn outputs(&self) -> usize {
        self.whole().outputs()
    }

    /// As [`Split::label`].
    fn label(&self, index: usize) -> u32 {
        let (split, index) = self.place(index);
        split.label(index)
    }

    /// As [`Split::target`].
    fn target(&self, index: usize, out: &mut [f32]) {
        let (split, index) = self.place(index);
        split.target(index, out);
    }

    /// As [`Split::weight`].
    fn weight(&self, index: usize) -> f32 {
        let (split, index) = self.place(index);
        split.weight(index)
    }

    /// As [`Split::read`].
    fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
        let (split, index) = self.place(index);
        split.read(index, out)
    }
}

impl<T: Within> Split for T {
    fn len(&self) -> usize {
        Within::len(self)
    }

    fn input(&self) -> InputSpec {
        self.whole().input()
    }

    fn outputs(&self) -> usize {
        Within::outputs(self)
    }

    fn label(&self, index: usize) -> u32 {
        Within::label(self, index)
    }

    fn target(&self, index: usize, out: &mut [f32]) {
        Within::target(self, index, out);
    }

    fn weight(&self, index: usize) -> f32 {
        Within::weight(self, index)
    }

    fn name(&self, index: usize) -> String {
        let (split, index) = self.place(index);
        split.name(index)
    }

    fn origin(&self, index: usize) -> Origin<'_> {
        let (split, index) = self.place(index);
        split.origin(index)
    }

    fn picture(&self, index: usize) -> Result<DynamicImage> {
        let (split, index) = self.place(index);
        split.picture(index)
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
        Within::read(self, index, out)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::{ClassWeight, Dataset, Options, Preprocess, Relabelled, matching::Matching, open};
    use super::*;
    use std::sync::Arc;

    const INPUT: InputSpec = InputSpec::new(8, 8, 1);

    /// Every wrapper around weighted images: weights and origins come through all of them.
    #[test]
    fn what_a_wrapper_does_not_change_comes_through() {
        let folder = tempfile::tempdir().unwrap();
        for (class, count) in [("happy", 6u8), ("sad", 2)] {
            let folder = folder.path().join(class);
            std::fs::create_dir(&folder).unwrap();
            (0..count).for_each(|i| {
                let grey = image::GrayImage::from_pixel(3, 5, image::Luma([51 * (i % 5)]));
                grey.save(folder.join(format!("{i}.png"))).unwrap();
            });
        }
        let votes = folder.path().join("votes.csv");
        let row = |i: usize| format!("{}/{}.png,{},{}\n", if i < 6 { "happy" } else { "sad" }, i % 6, 8 - i, i);
        std::fs::write(&votes, (0..8).fold("image,happy,sad\n".to_string(), |text, i| text + &row(i))).unwrap();
        let options = Options {
            soft_labels: Some(votes),
            class_weight: ClassWeight::Balanced,
            preprocess: Preprocess::Tf,
            validation_split: Some(0.5),
            ..Options::default()
        };
        // Preprocessed(Weighted(Voted(Part(folder)))).
        let data: Dataset = open(folder.path().to_str().unwrap(), INPUT, &options).unwrap();
        let matching = Matching::new(&data.classes, &["sad".into(), "joy".into()], &[]).unwrap();
        let other: Arc<dyn Split> =
            Arc::new(Relabelled::new(Arc::clone(&data.train), &data.classes, &matching).unwrap());
        let (mut target, mut pixels) = ([0.0; 2], [0.0; 64]);
        for i in 0..data.train.len() {
            let Origin::File(path) = data.train.origin(i) else { panic!("a file") };
            assert_eq!(other.origin(i), Origin::File(path));
            assert_eq!((other.name(i), other.weight(i)), (path.display().to_string(), data.train.weight(i)));
            assert_ne!(data.train.weight(i), 1.0);
            data.train.target(i, &mut target);
            assert!(target[0] != 1.0 || path.ends_with("happy/0.png"), "votes: {target:?}");
            assert_eq!(other.label(i), 1 - data.train.label(i));
            other.target(i, &mut target);
            assert_eq!(target[other.label(i) as usize], 1.0);
            let picture = other.picture(i).unwrap();
            assert_eq!((picture.width(), picture.height()), (3, 5), "as stored");
            other.read(i, &mut pixels).unwrap();
            let stored = f32::from(picture.to_luma8().get_pixel(0, 0).0[0]);
            assert!((pixels[0] - (stored / 127.5 - 1.0)).abs() < 1e-6, "preprocessed once");
        }
    }
}
