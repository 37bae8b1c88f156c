//! From what was seen of each image to what is worth saying.

use super::{Findings, Item, SPLITS, Seen};
use crate::error::{Error, Result};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Sizes and modes that fewer than this share of the images have stick out.
const ODD: f64 = 0.01;

/// An image of another size or mode than most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Odd {
    /// Which.
    pub image: String,
    /// Its size and mode.
    pub is: String,
}

/// Equal images.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Duplicates {
    /// Images beyond the first of each group of equal ones.
    pub copies: usize,
    /// Groups of equal images.
    pub groups: usize,
    /// Images beyond the first of each group of equal ones of one split.
    pub within: BTreeMap<String, usize>,
    /// Images of one split that another has as well.
    pub leaks: Vec<Leak>,
    /// Groups of equal images with different labels.
    pub conflicts: Vec<Group>,
    /// Images in these groups.
    pub conflicting: usize,
    /// Every group, those that cross splits first, then the largest.
    pub list: Vec<Group>,
}

/// How many images of one split stand in another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leak {
    /// Whose images.
    pub of: String,
    /// Where they stand as well.
    pub stand_in: String,
    /// How many.
    pub images: usize,
}

/// Equal images, as `split/class: name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// All of them.
    pub images: Vec<String>,
    #[serde(skip)]
    splits: usize,
}

/// Puts everything together.
pub(super) fn summarise(
    source: &str,
    items: &[Item],
    classes: Vec<String>,
    seen: Vec<Result<Seen>>,
    notes: Vec<String>,
) -> Findings {
    let mut counts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for item in items {
        counts.entry(SPLITS[item.split].to_owned()).or_default();
    }
    for split in counts.values_mut() {
        split.extend(classes.iter().map(|class| (class.clone(), 0)));
    }
    let (mut bad, mut good): (Vec<Error>, Vec<(&Item, Seen)>) = (Vec::new(), Vec::new());
    for (item, seen) in items.iter().zip(seen) {
        match seen {
            Ok(seen) => good.push((item, seen)),
            Err(error) => bad.push(error),
        }
    }
    for (item, _) in &good {
        *counts.entry(SPLITS[item.split].to_owned()).or_default().entry(classes[item.label].clone()).or_default() += 1;
    }
    let empty = counts
        .iter()
        .flat_map(|(split, of)| of.iter().filter(|(_, n)| **n == 0).map(move |(class, _)| format!("{split}/{class}")));
    let empty = empty.collect();
    let (sizes, modes) = (tally(&good, |s| s.size()), tally(&good, |s| s.mode.to_owned()));
    let rare =
        |of: &BTreeMap<String, usize>, key: &str| of.get(key).is_some_and(|n| (*n as f64) < ODD * good.len() as f64);
    let odd = good
        .iter()
        .filter(|(_, s)| rare(&sizes, &s.size()) || rare(&modes, s.mode))
        .map(|(item, s)| Odd { image: item.name.clone(), is: format!("{}, {}", s.size(), s.mode) })
        .collect();
    Findings {
        data: source.to_owned(),
        images: good.len(),
        duplicates: duplicates(&good, &classes),
        classes,
        counts,
        empty,
        bad: bad.iter().map(ToString::to_string).collect(),
        sizes,
        modes,
        odd,
        notes,
    }
}

impl Seen {
    fn size(&self) -> String {
        format!("{} x {}", self.width, self.height)
    }
}

fn tally(good: &[(&Item, Seen)], key: impl Fn(&Seen) -> String) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    good.iter().for_each(|(_, seen)| *counts.entry(key(seen)).or_default() += 1);
    counts
}

fn duplicates(good: &[(&Item, Seen)], classes: &[String]) -> Duplicates {
    let mut by_hash: HashMap<[u64; 2], Vec<&Item>> = HashMap::new();
    for (item, seen) in good {
        by_hash.entry(seen.hash).or_default().push(item);
    }
    let mut found = Duplicates::default();
    let mut leaks: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for equal in by_hash.values().filter(|equal| equal.len() > 1) {
        found.groups += 1;
        found.copies += equal.len() - 1;
        let splits: BTreeSet<usize> = equal.iter().map(|item| item.split).collect();
        for &split in &splits {
            let here = equal.iter().filter(|item| item.split == split).count();
            *found.within.entry(SPLITS[split].to_owned()).or_default() += here - 1;
            splits
                .iter()
                .filter(|other| **other < split)
                .for_each(|other| *leaks.entry((split, *other)).or_default() += here);
        }
        let name = |item: &&Item| format!("{}/{}: {}", SPLITS[item.split], classes[item.label], item.name);
        let group = Group { images: equal.iter().map(name).collect(), splits: splits.len() };
        if equal.iter().any(|item| item.label != equal[0].label) {
            found.conflicting += equal.len();
            found.conflicts.push(group.clone());
        }
        found.list.push(group);
    }
    found.within.retain(|_, n| *n > 0);
    let leak = |((of, other), images): ((usize, usize), usize)| Leak {
        of: SPLITS[of].to_owned(),
        stand_in: SPLITS[other].to_owned(),
        images,
    };
    found.leaks = leaks.into_iter().map(leak).collect();
    // A hash map has no order of its own.
    let order = |a: &Group, b: &Group| {
        b.splits.cmp(&a.splits).then(b.images.len().cmp(&a.images.len())).then_with(|| a.images.cmp(&b.images))
    };
    found.list.sort_by(order);
    found.conflicts.sort_by(order);
    found
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::check;
    use image::{GrayImage, Luma, Rgb, RgbImage};
    use std::fs;

    /// Four pictures of `a`, one of them again in colour, under another label, in the test split, and a file that is none.
    #[test]
    fn everything_that_is_wrong_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for class in ["train/a", "train/b", "test/a", "test/b"] {
            fs::create_dir_all(root.join(class)).unwrap();
        }
        let picture = |seed: u32| GrayImage::from_fn(6, 5, |x, y| Luma([(x * 31 + y * 7 + seed * 13) as u8]));
        for seed in 0..200 {
            picture(seed).save(root.join(format!("train/a/{seed:03}.png"))).unwrap();
        }
        let colour = RgbImage::from_fn(6, 5, |x, y| Rgb([picture(3).get_pixel(x, y).0[0]; 3]));
        colour.save(root.join("train/a/copy.png")).unwrap();
        picture(4).save(root.join("train/b/wrong.png")).unwrap();
        picture(3).save(root.join("test/a/leak.png")).unwrap();
        GrayImage::new(7, 5).save(root.join("test/a/wide.png")).unwrap();
        fs::write(root.join("test/b/bad.png"), "no image").unwrap();
        let found = check(root.to_str().unwrap()).unwrap();
        assert_eq!(found.images, 204);
        assert_eq!((found.counts["train"]["a"], found.counts["train"]["b"], found.counts["test"]["a"]), (201, 1, 2));
        assert_eq!(found.empty, ["test/b"]);
        assert!(found.bad.len() == 1 && found.bad[0].contains("bad.png"), "{:?}", found.bad);
        assert_eq!((found.sizes["6 x 5"], found.sizes["7 x 5"], found.modes["rgb"]), (203, 1, 1));
        let odd: Vec<&str> = found.odd.iter().map(|o| o.is.as_str()).collect();
        assert_eq!(odd, ["6 x 5, rgb", "7 x 5, grey"]);
        let d = &found.duplicates;
        assert_eq!((d.copies, d.groups, d.conflicting, d.within["train"]), (3, 2, 2, 2));
        assert_eq!((d.leaks.len(), d.leaks[0].of.as_str(), d.leaks[0].stand_in.as_str()), (1, "test", "train"));
        assert_eq!(d.leaks[0].images, 1);
        assert!(d.list[0].images.len() == 3 && d.list[0].images[2].starts_with("test/a: "), "{:?}", d.list);
        assert!(d.conflicts.len() == 1 && d.conflicts[0].images[1].contains("wrong.png"));
        assert!(found.has_faults());
    }

    /// A csv is read on after a bad row: all of them are listed, and the good ones counted.
    #[test]
    fn bad_rows_do_not_end_a_table() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let row = |emotion: usize, grey: u8| format!("{emotion},{},Training\n", vec![grey.to_string(); 2304].join(" "));
        let table = |bad: &str| format!("emotion,pixels,Usage\n{}{bad}{}8,1,Training\n", row(0, 1), row(1, 2));
        let found = check(&write("fer.csv", &table("0,1 2 x,Training\n1\n"))).unwrap();
        assert_eq!((found.images, found.counts["train"]["disgust"], found.bad.len()), (2, 1, 3));
        for (bad, word) in found.bad.iter().zip(["row 3: pixel 3", "row 4: 1 columns", "row 6: emotion `8`"]) {
            assert!(bad.contains(word), "{bad}");
        }
        assert!(found.has_faults() && found.empty.contains(&"train/happy".to_owned()), "{:?}", found.empty);
        let found = check(&write("many.csv", &table(&"1\n".repeat(1500)))).unwrap();
        assert!(found.bad.len() == 1000 && found.notes[0].contains("501 more"), "{:?}", found.notes);
        GrayImage::new(6, 5).save(folder.path().join("a.png")).unwrap();
        let found = check(&write("values.csv", "path,smile\na.png,1\na.png,wide\nb.png,0\n,1\n")).unwrap();
        assert_eq!((found.images, found.counts["train"]["images"], found.bad.len()), (1, 1, 3));
        assert!(found.bad[0].contains("row 3") && found.bad[1].contains("row 5"), "{:?}", found.bad);
        // Nothing but bad rows is an error, the first one's.
        let text = check(&write("bad.csv", "emotion,pixels,Usage\n1\n2\n")).unwrap_err().to_string();
        assert!(text.contains("row 2: 1 columns"), "{text}");
    }

    #[test]
    fn drawn_faces_are_sound() {
        let found = check("synth:70").unwrap();
        assert_eq!((found.images, found.duplicates.copies, found.sizes["48 x 48"]), (70, 0, 70));
        assert!(!found.has_faults() && found.counts["test"]["happy"] > 0);
        assert!(check("no/such").unwrap_err().to_string().contains("no such file"));
    }
}
