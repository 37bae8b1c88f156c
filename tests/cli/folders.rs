//! Trees of images as collections arrange them, and photographs, through the commands.

use crate::cli_support::{command, faces, fer, finished_run, text};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A tree whose splits are `train` and `other`, the latter with its own names of classes, in a folder that wraps it.
fn renamed(root: &Path, other: &str) {
    let drawn = root.join("drawn");
    faces(&drawn);
    let tree = root.join("wrapped/DATASET");
    fs::create_dir_all(&tree).unwrap();
    fs::rename(drawn.join("train"), tree.join("train")).unwrap();
    fs::rename(drawn.join("test"), tree.join(other)).unwrap();
    for (from, to) in [("angry", "anger"), ("happy", "Happiness")] {
        fs::rename(tree.join(other).join(from), tree.join(other).join(to)).unwrap();
    }
    fs::remove_dir_all(tree.join(other).join("disgust")).unwrap();
    let nested = tree.join("train/sad/S005");
    fs::create_dir(&nested).unwrap();
    for entry in fs::read_dir(tree.join("train/sad")).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            fs::rename(&entry, nested.join(entry.file_name().unwrap())).unwrap();
        }
    }
    fs::write(tree.join("train/sad/list.txt"), "x").unwrap();
}

#[test]
fn splits_and_classes_by_other_names() {
    let folder = tempfile::tempdir().unwrap();
    renamed(folder.path(), "Valid");
    let (data, run) = (folder.path().join("wrapped"), folder.path().join("run"));
    let notes = [
        "DATASET, which is read",
        "Happiness is happy, anger is angry",
        "ignored: 1 .txt",
        "the validation split has no image of disgust",
        "no test split",
        "50 training, 8 validation, 0 test images",
    ];
    let train =
        ["train", "--data", text(&data), "--batch", "50", "--epochs", "1", "--device", "cpu", "--out", text(&run)];
    let done = fer(&train).expect(0, &notes);
    assert!(!done.err.contains("held back"), "{}", done.err);
    let done =
        fer(&["evaluate", text(&run), "--device", "cpu", "--json"]).expect(0, &["the validation split, 8 images"]);
    assert_eq!(done.json()["per_class"]["disgust"]["support"], 0);
    let found = fer(&["data", "check", text(&data), "--json"]).expect(0, &[]).json();
    assert_eq!((&found["counts"]["train"]["sad"], &found["counts"]["validation"]["happy"]), (&7.into(), &1.into()));
    assert_eq!(found["empty"], serde_json::json!(["validation/disgust"]));
    let notes = found["notes"].to_string();
    assert!(notes.contains("no split for test") && notes.contains("1 .txt"), "{notes}");
}

#[test]
fn evaluate_needs_only_the_split_that_it_scores() {
    let folder = tempfile::tempdir().unwrap();
    faces(folder.path());
    let (data, run) = (text(folder.path()), text(finished_run()));
    fs::remove_dir_all(folder.path().join("test/disgust")).unwrap();
    for split in ["train", "validation"] {
        fs::remove_dir_all(folder.path().join(split)).unwrap();
    }
    let evaluate = |more: &[&str]| fer(&[&["evaluate", run, "--data", data, "--device", "cpu"], more].concat());
    let words = ["the test split, 8 images", "the network that the data does not have: disgust"];
    assert_eq!(evaluate(&["--json"]).expect(0, &words).json()["n"], 8);
    assert_eq!(evaluate(&["--split", "all", "--json"]).expect(0, &[]).json()["n"], 8);
    evaluate(&["--split", "validation"]).expect(2, &["has no validation split", "--split test or all"]);
    evaluate(&["--calibrate"]).expect(2, &["no validation split to fit"]);
    fer(&["train", "--data", data, "--device", "cpu"]).expect(3, &["no training split"]);
    // One class, and nothing else.
    fs::rename(folder.path().join("test/happy"), folder.path().join("happy")).unwrap();
    fs::remove_dir_all(folder.path().join("test")).unwrap();
    assert_eq!(evaluate(&["--split", "all", "--json"]).expect(0, &["does not have: angry"]).json()["n"], 1);
}

/// A colour JPEG of any size in which every block is grey: of each, three differences of nothing and three ends.
fn flat_jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let small = image::RgbImage::from_pixel(8, 8, image::Rgb([128; 3]));
    small.write_to(&mut std::io::Cursor::new(&mut jpeg), image::ImageFormat::Jpeg).unwrap();
    let marker = |marker: u8| jpeg.windows(2).position(|pair| pair == [0xff, marker]).unwrap();
    let (frame, scan) = (marker(0xc0), marker(0xda));
    let subsampled = jpeg[frame + 11] != 0x11;
    assert!(!subsampled, "the encoder subsamples colours now: blocks have other bits");
    jpeg[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    jpeg[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    let header = scan + 2 + usize::from(jpeg[scan + 3]);
    jpeg.truncate(header);
    // Brightness: 00 (no difference), 1010 (end of block); each of two colours: 00, 00. Four blocks of 14 bits are 7 bytes.
    let bits = "00101000000000".repeat(4);
    let bytes: Vec<u8> = (0..7).map(|i| u8::from_str_radix(&bits[8 * i..][..8], 2).unwrap()).collect();
    let blocks = usize::from(width).div_ceil(8) * usize::from(height).div_ceil(8);
    jpeg.extend(bytes.iter().cycle().take((blocks * 14).div_ceil(8)));
    jpeg.extend([0xff, 0xd9]);
    jpeg
}

/// 200 megapixels, which take 1.2 GB while they are decoded as they are, within 896 MiB of address space for the whole program.
#[cfg(target_os = "linux")]
#[test]
fn photographs_of_200_megapixels_take_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["a", "b"] {
        fs::create_dir(folder.path().join(class)).unwrap();
    }
    fs::write(folder.path().join("a/photo.jpg"), flat_jpeg(16320, 12240)).unwrap();
    image::GrayImage::from_pixel(5, 6, image::Luma([7])).save(folder.path().join("b/small.png")).unwrap();
    let program = command(&[]).get_program().to_owned();
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -v 917504 && exec \"$@\"", "sh"]).arg(program);
    let done = limited.args(["data", "check", text(folder.path())]).env("RAYON_NUM_THREADS", "2").output().unwrap();
    let done = crate::cli_support::Done::of(done).expect(0, &[]);
    assert!(done.out.contains("16320 x 12240 (1)") && !done.out.contains("cannot be read"), "{done:?}");
}
