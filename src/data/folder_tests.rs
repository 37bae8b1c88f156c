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
    super::super::open(dir.path().to_str().unwrap(), INPUT, options)
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
    assert!(data.notes[0].contains("extra") && data.notes[1].contains("1 files of other kinds"), "{:?}", data.notes);
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
    assert!(
        refuse(&tree(&[("test/a", 1), ("val/a", 1)]), &options)
            .contains("there is `test`, `validation` and no `train`")
    );
    assert!(refuse(&tree(&[("train/a", 1), ("val/a", 1), ("validation/a", 1)]), &options).contains("both `val`"));
    assert!(refuse(&tree(&[("a", 3), ("b", 0)]), &options).contains("class `b` has no image"));
    let uneven = tree(&[("train/a", 2), ("train/b", 2), ("train/c", 2), ("val/a", 1), ("val/b", 1)]);
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

#[cfg(unix)]
#[test]
fn links_in_a_circle_are_passed_over() {
    let dir = tree(&FULL);
    std::os::unix::fs::symlink(dir.path(), dir.path().join("train/loop")).unwrap();
    std::os::unix::fs::symlink("self", dir.path().join("train/self")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("train/sad"), dir.path().join("train/again")).unwrap();
    let text = refuse(&dir, &Options::default());
    assert!(text.contains("no class `again`"), "a link to a folder is a folder: {text}");
    assert_eq!(open_tree(&dir, &with_classes(&["happy", "sad"])).unwrap().train.len(), 9);
}

#[cfg(unix)]
#[test]
fn names_that_are_not_text() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tree(&FULL);
    std::fs::create_dir(dir.path().join("train").join(std::ffi::OsStr::from_bytes(b"\xff"))).unwrap();
    assert!(refuse(&dir, &Options::default()).contains("not UTF-8"));
}
