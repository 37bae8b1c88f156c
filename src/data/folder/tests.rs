#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use image::GrayImage;
use tempfile::TempDir;

const INPUT: InputSpec = InputSpec::new(8, 8, 1);

/// A tree with `count` images `<n>.png` of the tone `n` in each of the folders.
fn tree(folders: &[(&str, u8)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (folder, count) in folders {
        std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        for i in 0..*count {
            let picture = GrayImage::from_pixel(9, 5, image::Luma([i]));
            picture.save(dir.path().join(folder).join(format!("{i:03}.png"))).unwrap();
        }
    }
    dir
}

fn open_tree(dir: &TempDir, options: &Options) -> Result<Dataset> {
    crate::data::open(dir.path().to_str().unwrap(), INPUT, options)
}

fn refuse(dir: &TempDir, options: &Options) -> String {
    open_tree(dir, options).unwrap_err().to_string()
}

fn with_classes(names: &[&str]) -> Options {
    Options { classes: Some(names.iter().map(ToString::to_string).collect()), ..Options::default() }
}

const FULL: [(&str, u8); 6] =
    [("train/sad", 5), ("train/happy", 4), ("val/sad", 2), ("val/happy", 2), ("test/sad", 1), ("test/happy", 3)];

#[test]
fn a_full_tree() {
    let dir = tree(&FULL);
    std::fs::write(dir.path().join("train/sad/notes.txt"), "x").unwrap();
    std::fs::write(dir.path().join("train/sad/.hidden.png"), "x").unwrap();
    std::fs::create_dir(dir.path().join("extra")).unwrap();
    let data = open_tree(&dir, &Options::default()).unwrap();
    assert_eq!(data.classes, ["happy", "sad"]);
    assert_eq!((data.train.len(), data.validation.len(), data.test.as_ref().unwrap().len()), (9, 4, 4));
    assert_eq!((data.train.label(3), data.train.label(4)), (0, 1));
    assert!(data.train.name(8).ends_with("004.png"));
    let mut out = vec![f32::NAN; INPUT.len()];
    data.train.read(8, &mut out).unwrap();
    assert!(out.iter().all(|p| *p == 4.0 / 255.0));
    assert!(data.notes[0].contains("`extra`") && data.notes[1].contains("ignored: 1 .txt"), "{:?}", data.notes);
}

#[test]
fn classes_filter_and_reorder() {
    let dir = tree(&FULL);
    let data = open_tree(&dir, &with_classes(&["sad", "happy"])).unwrap();
    assert_eq!((data.train.label(0), data.train.label(5)), (0, 1));
    let text = refuse(&dir, &with_classes(&["sad", "hapy"]));
    assert!(text.contains("unknown class `hapy`") && text.contains("did you mean `happy`"), "{text}");
}

#[test]
fn splits_are_made_where_they_are_missing() {
    let dir = tree(&[("a", 10), ("b", 20)]);
    let data = open_tree(&dir, &Options::default()).unwrap();
    assert_eq!((data.train.len(), data.validation.len(), data.test.is_none()), (24, 6, true));
    assert!(data.notes[0].contains("the default of --validation-split"), "{:?}", data.notes);
    let dir = tree(&[("train/a", 10), ("train/b", 20), ("test/a", 1), ("test/b", 1)]);
    let options = Options { validation_split: Some(0.5), ..Options::default() };
    let data = open_tree(&dir, &options).unwrap();
    assert_eq!((data.train.len(), data.validation.len(), data.test.unwrap().len()), (15, 15, 2));
    let dir = tree(&[("a", 1), ("b", 2)]);
    assert!(refuse(&dir, &options).contains("a class of one image"));
    assert!(open_tree(&tree(&FULL), &options).unwrap().notes[0].contains("no effect"));
}

#[test]
fn trees_that_do_not_fit() {
    let options = Options::default();
    assert!(refuse(&tree(&[]), &options).contains("no class folder"));
    assert!(refuse(&tree(&[("train", 3)]), &options).contains("no class folder"));
    assert!(refuse(&tree(&[("only", 3)]), &options).contains("at least two classes"));
    assert!(refuse(&tree(&[("test/a", 1), ("val/a", 1)]), &options).contains("no training split"));
    let text = refuse(&tree(&[("train/a", 1), ("val/a", 1), ("validation/a", 1)]), &options);
    assert!(text.contains("both `val` and `validation` are names of the validation split"), "{text}");
    assert!(refuse(&tree(&[("a", 3), ("b", 0)]), &options).contains("class `b` has no image"));
    let uneven = tree(&[("train/a", 2), ("train/b", 2), ("val/a", 1), ("val/b", 1), ("val/c", 2)]);
    let text = refuse(&uneven, &options);
    assert!(text.contains("no class `c`: it has a, b, while") && text.contains("has a, b, c"), "{text}");
    assert_eq!(open_tree(&uneven, &with_classes(&["b", "a"])).unwrap().classes, ["b", "a"]);
}

#[test]
fn bad_files_fail_or_are_skipped() {
    let dir = tree(&[("a", 3), ("b", 30)]);
    let bad = dir.path().join("b/000.png");
    std::fs::write(&bad, "no image").unwrap();
    let text = refuse(&dir, &Options::default());
    assert!(text.contains("000.png: its content is no known image format"), "{text}");
    for i in 1..13 {
        std::fs::write(dir.path().join(format!("b/{i:03}.png")), "").unwrap();
    }
    let skip = Options { on_bad_file: OnBadFile::Skip, ..Options::default() };
    let data = open_tree(&dir, &skip).unwrap();
    assert_eq!(data.train.len() + data.validation.len(), 20);
    let skipped: Vec<&String> = data.notes.iter().filter(|n| n.starts_with("skipped")).collect();
    assert_eq!(skipped.len(), 11);
    assert!(skipped[0].contains("000.png") && skipped[10].contains("3 more files"), "{skipped:?}");
    for i in 0..3 {
        std::fs::write(dir.path().join(format!("a/{i:03}.png")), "").unwrap();
    }
    assert!(refuse(&dir, &skip).contains("class `a` has no image left: none of its 3 files"));
}

#[test]
fn a_file_that_only_decoding_shows_to_be_cut() {
    let dir = tree(&[("a", 2), ("b", 2)]);
    let path = dir.path().join("a/001.png");
    let noise = GrayImage::from_fn(50, 50, |x, y| image::Luma([((x * 57) ^ (y * 91)) as u8]));
    noise.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let data = open_tree(&dir, &Options::default()).unwrap();
    let mut out = vec![0.0; INPUT.len()];
    let splits = [&data.train, &data.validation];
    let faults: Vec<String> = splits
        .iter()
        .flat_map(|split| (0..split.len()).map(|i| split.read(i, &mut out)).collect::<Vec<_>>())
        .filter_map(|read| read.err().map(|e| e.to_string()))
        .collect();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].contains("001.png: cannot be decoded"), "{faults:?}");
    let skip = Options { on_bad_file: OnBadFile::Skip, ..Options::default() };
    assert!(refuse(&dir, &skip).contains("a class of one image"));
}

/// Counts of the three splits.
fn lengths(data: &Dataset) -> [usize; 3] {
    [data.train.len(), data.validation.len(), data.test.as_ref().map_or(0, |test| test.len())]
}

#[test]
fn splits_by_their_usual_names() {
    for [train, validation, test] in [
        ["train", "valid", "test"],
        ["Training", "PublicTest", "PrivateTest"],
        ["FER2013Train", "FER2013Valid", "FER2013Test"],
        ["TRAIN", "dev", "Testing"],
    ] {
        let folder = |split: &str, class: &str| format!("{split}/{class}");
        let names = [folder(train, "a"), folder(train, "b"), folder(validation, "a"), folder(validation, "b")];
        let mut folders: Vec<(&str, u8)> = names.iter().map(String::as_str).zip([5, 4, 2, 1]).collect();
        let names = [folder(test, "a"), folder(test, "b")];
        folders.extend(names.iter().map(String::as_str).zip([3, 3]));
        assert_eq!(lengths(&open_tree(&tree(&folders), &Options::default()).unwrap()), [9, 3, 6], "{validation}");
    }
}

#[test]
fn a_folder_that_is_no_known_split_is_refused() {
    let dir = tree(&[("train/a", 2), ("train/b", 2), ("held_out/a", 1), ("notes", 0)]);
    let text = refuse(&dir, &Options::default());
    assert!(text.contains("`held_out` beside the splits `train`") && text.contains("train, training,"), "{text}");
    assert!(!text.contains("notes"), "{text}");
}

#[test]
fn images_count_at_any_depth() {
    let dir = tree(&[("a", 2), ("a/S005/001", 3), ("b/S005", 4), ("a/@eaDir/000.png", 2), ("__MACOSX/a", 2)]);
    for dropped in ["a/._000.png", "a/Thumbs.db", "a/.DS_Store", "a/S005/notes.txt", "b/list.csv", "b/more.csv"] {
        std::fs::write(dir.path().join(dropped), "x").unwrap();
    }
    let data = open_tree(&dir, &Options::default()).unwrap();
    assert_eq!(data.classes, ["a", "b"]);
    assert_eq!(lengths(&data), [7, 2, 0]);
    let notes = data.notes.join("; ");
    assert!(notes.contains("ignored: 2 .csv, 1 .txt, 1 @eaDir/, 1 __MACOSX/"), "{notes}");
}

#[test]
fn a_folder_around_the_tree() {
    let dir =
        tree(&[("x/archive/train/a", 4), ("x/archive/train/b", 4), ("x/archive/test/a", 2), ("x/archive/test/b", 1)]);
    let data = open_tree(&dir, &Options::default()).unwrap();
    assert_eq!(lengths(&data), [6, 2, 3]);
    assert!(data.notes[1].contains("archive, which is read"), "{:?}", data.notes);
    let dir = tree(&[("faces/a", 4), ("faces/b", 4)]);
    assert_eq!(lengths(&open_tree(&dir, &Options::default()).unwrap()), [6, 2, 0]);
    let dir = tree(&[("one/train/a", 4), ("one/train/b", 4), ("two/train/a", 2)]);
    let text = refuse(&dir, &Options::default());
    assert!(text.contains("splits in each of") && text.contains("one") && text.contains("two"), "{text}");
    let dir = tree(&[("one/train/a", 4), ("one/train/b", 4), ("loose", 2)]);
    assert!(refuse(&dir, &Options::default()).contains("and images in"));
    // Splits below the classes: to read them as classes would train on the test images.
    let dir = tree(&[("happy/train", 4), ("happy/test", 4), ("sad/train", 2), ("sad/test", 2)]);
    assert!(refuse(&dir, &Options::default()).contains("splits in each of"));
}

#[test]
fn one_class_by_different_names() {
    let dir =
        tree(&[("train/angry", 3), ("train/Happy", 3), ("test/anger", 2), ("test/happy", 1), ("test/0_Happy", 1)]);
    let data = open_tree(&dir, &Options::default()).unwrap();
    assert_eq!(data.classes, ["Happy", "angry"]);
    let test = data.test.as_ref().unwrap();
    assert_eq!((0..4).map(|i| test.label(i)).collect::<Vec<_>>(), [0, 0, 1, 1]);
    let notes = data.notes.join("; ");
    assert!(notes.contains("0_Happy is Happy, anger is angry, happy is Happy"), "{notes}");
    let dir = tree(&[("Happy", 3), ("happy", 3), ("sad", 3)]);
    let data = open_tree(&dir, &Options::default()).unwrap();
    assert_eq!(data.classes.len(), 3);
    assert!(data.notes[0].contains("Happy and happy are kept as different classes"), "{:?}", data.notes);
}

#[test]
fn validation_and_test_may_lack_classes() {
    let dir = tree(&[("train/a", 3), ("train/b", 3), ("val/a", 2), ("val/b", 0), ("test/b", 1)]);
    let data = open_tree(&dir, &Options::default()).unwrap();
    assert_eq!(lengths(&data), [6, 2, 1]);
    let notes = data.notes.join("; ");
    assert!(notes.contains("the validation split has no image of b"), "{notes}");
    assert!(notes.contains("the test split has no image of a"), "{notes}");
    let dir = tree(&[("train/a", 5), ("train/b", 5), ("test/a", 0), ("test/b", 0)]);
    let data = open_tree(&dir, &Options::default()).unwrap();
    assert_eq!(lengths(&data), [8, 2, 0]);
    let notes = data.notes.join("; ");
    assert!(notes.contains("the split is ignored") && notes.contains("no test split"), "{notes}");
}

#[test]
fn scoring_needs_one_split() {
    let score = Options { purpose: Purpose::Score, ..Options::default() };
    let data = open_tree(&tree(&[("test/a", 2), ("test/b", 0)]), &score).unwrap();
    assert_eq!((lengths(&data), data.classes.len()), ([0, 0, 2], 2));
    let data = open_tree(&tree(&[("valid/a", 2)]), &score).unwrap();
    assert_eq!(lengths(&data), [0, 2, 0]);
    let data = open_tree(&tree(&[("happy", 5)]), &score).unwrap();
    assert_eq!((lengths(&data), data.classes), ([4, 1, 0], vec!["happy".to_owned()]));
    let data = open_tree(&tree(&[("a", 1), ("b", 5)]), &score).unwrap();
    assert_eq!(lengths(&data), [5, 1, 0], "a class of one image holds none back");
    let chosen = Options { purpose: Purpose::Score, ..with_classes(&["a", "c"]) };
    let data = open_tree(&tree(&[("test/a", 2), ("test/b", 2)]), &chosen).unwrap();
    assert_eq!((lengths(&data), data.classes.len()), ([0, 0, 2], 2));
    assert!(open_tree(&tree(&[("test/a", 0)]), &score).unwrap_err().to_string().contains("no image of a"));
}

#[cfg(unix)]
#[test]
fn links() {
    use std::os::unix::fs::symlink;
    let dir = tree(&FULL);
    let at = |name: &str| dir.path().join(name);
    let skip = Options { on_bad_file: OnBadFile::Skip, ..Options::default() };
    // A link to a folder is that folder, one to a folder around it is passed over.
    symlink(dir.path(), at("train/loop")).unwrap();
    symlink(at("train"), at("train/sad/up")).unwrap();
    std::fs::create_dir(at("elsewhere")).unwrap();
    std::fs::rename(at("train/happy"), at("elsewhere/.happy")).unwrap();
    symlink(at("elsewhere/.happy"), at("train/happy")).unwrap();
    let data = open_tree(&dir, &Options::default()).unwrap();
    assert_eq!(lengths(&data), [9, 4, 4]);
    assert_eq!(data.notes.iter().filter(|note| note.contains("link to a folder that it is in")).count(), 1);
    // One that leads nowhere is an image that cannot be read, or a class that cannot.
    symlink("gone.png", at("train/sad/dead.png")).unwrap();
    assert!(refuse(&dir, &Options::default()).contains("dead.png"));
    let data = open_tree(&dir, &skip).unwrap();
    assert!(lengths(&data) == [9, 4, 4] && data.notes.iter().any(|n| n.contains("skipped") && n.contains("dead.png")));
    symlink("self", at("train/self")).unwrap();
    assert!(refuse(&dir, &Options::default()).contains("self: a link that leads nowhere"));
    let data = open_tree(&dir, &skip).unwrap();
    assert!(data.notes.iter().any(|note| note.contains("skipped") && note.contains("train/self")), "{:?}", data.notes);
    let found = crate::data::check::check(dir.path().to_str().unwrap()).unwrap();
    assert_eq!(found.bad.len(), 2, "{:?}", found.bad);
}

#[cfg(unix)]
#[test]
fn names_that_are_not_text() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tree(&FULL);
    std::fs::create_dir(dir.path().join("train").join(std::ffi::OsStr::from_bytes(b"\xff"))).unwrap();
    assert!(refuse(&dir, &Options::default()).contains("not UTF-8"));
}
