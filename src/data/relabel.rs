//! Data under a network's labels: the images of the classes that it knows, and all splits as one.

use super::matching::Matching;
use super::within::Within;
use super::{Dataset, Split, one_hot};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A split under the labels of a network.
pub struct Relabelled {
    whole: Arc<dyn Split>,
    /// Places in the whole, and the network's label of each.
    members: Vec<(u32, u32)>,
    outputs: usize,
    /// Images that are not in it, by the data's class.
    pub left_out: BTreeMap<String, usize>,
}

impl Relabelled {
    /// The images of `whole`, whose labels are places in `classes`, that the network has a class for.
    ///
    /// # Errors
    /// No such image.
    pub fn new(whole: Arc<dyn Split>, classes: &[String], matching: &Matching) -> Result<Self> {
        let (mut members, mut left_out) = (Vec::new(), BTreeMap::new());
        for index in 0..whole.len() {
            let theirs = whole.label(index) as usize;
            match matching.labels()[theirs] {
                Some(label) => members.push((index as u32, label)),
                None => *left_out.entry(classes[theirs].clone()).or_default() += 1,
            }
        }
        if members.is_empty() {
            let what = match &matching.only {
                Some(only) => format!("no image of this split is of the classes {}", only.join(", ")),
                None => "no image of this split is of a class that the network knows".to_owned(),
            };
            return Err(Error::usage(
                what,
                "say which class is which with --map theirs=ours, or choose another --split",
            ));
        }
        Ok(Self { whole, members, outputs: matching.outputs(), left_out })
    }
}

impl Within for Relabelled {
    fn whole(&self) -> &dyn Split {
        self.whole.as_ref()
    }

    fn len(&self) -> usize {
        self.members.len()
    }

    fn place(&self, index: usize) -> (&dyn Split, usize) {
        (self.whole(), self.members[index].0 as usize)
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn label(&self, index: usize) -> u32 {
        self.members[index].1
    }

    fn target(&self, index: usize, out: &mut [f32]) {
        one_hot(self.members[index].1, out);
    }
}

/// Splits one after the other.
struct Joined(Vec<Arc<dyn Split>>);

impl Within for Joined {
    fn whole(&self) -> &dyn Split {
        self.0[0].as_ref()
    }

    fn len(&self) -> usize {
        self.0.iter().map(|part| part.len()).sum()
    }

    fn place(&self, mut index: usize) -> (&dyn Split, usize) {
        for part in &self.0 {
            if index < part.len() {
                return (part.as_ref(), index);
            }
            index -= part.len();
        }
        panic!("index {index} past the end of all splits");
    }
}

impl Dataset {
    /// Every image: training, validation and test ones.
    pub fn all(&self) -> Arc<dyn Split> {
        let splits = [Some(&self.train), Some(&self.validation), self.test.as_ref()];
        Arc::new(Joined(splits.into_iter().flatten().map(Arc::clone).collect()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::{InputSpec, Options, open};
    use super::*;

    #[test]
    fn images_keep_their_pixels_under_new_labels() {
        let input = InputSpec::new(48, 48, 1);
        let data = open("synth:70", input, &Options::default()).unwrap();
        let ours: Vec<String> = ["happiness", "anger"].map(str::to_owned).to_vec();
        let matching = Matching::new(&data.classes, &ours, &[]).unwrap();
        let all = data.all();
        assert_eq!(all.len(), 70);
        let chosen = Relabelled::new(Arc::clone(&all), &data.classes, &matching).unwrap();
        assert_eq!((Split::len(&chosen), chosen.left_out.len(), chosen.left_out["sad"]), (21, 5, 9));
        let chosen: &dyn Split = &chosen;
        let pixels = |split: &dyn Split, index: usize| {
            let mut out = vec![0.0; input.len()];
            split.read(index, &mut out).unwrap();
            out
        };
        // Angry comes first in the data and is the network's second class.
        assert_eq!((chosen.label(0), chosen.label(1)), (1, 0));
        let last = (0..70).rev().find(|&i| all.label(i) == 3).unwrap();
        let ours = (0..21).rev().find(|&i| chosen.label(i) == 0).unwrap();
        assert_eq!((all.name(last), pixels(&*all, last)), (chosen.name(ours), pixels(chosen, ours)));
        let test = data.test.unwrap();
        assert_eq!(pixels(&*all, 60), pixels(&*test, 0), "the third split follows the second");
        let none = Matching::new(&data.classes, &["neutral".to_owned()], &[]).unwrap();
        let angry =
            Relabelled { whole: Arc::clone(&all), members: vec![(0, 0)], outputs: 7, left_out: BTreeMap::new() };
        assert!(Relabelled::new(Arc::new(angry), &data.classes, &none).is_err());
    }
}
