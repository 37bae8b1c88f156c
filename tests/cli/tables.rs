//! Tables of images, by the program.

use crate::cli_support::{faces, fer, text};
use std::fs;
use std::path::Path;

const NETWORK: &str = "input = [12, 12, 1]\n[[layer]]\nclass = 'Flatten'\n[[layer]]\nclass = 'Dense'\nunits = UNITS\n";

fn network(folder: &Path, units: usize) -> std::path::PathBuf {
    let path = folder.join(format!("network{units}.toml"));
    fs::write(&path, NETWORK.replace("UNITS", &units.to_string())).unwrap();
    path
}

/// A table without splits and with bad rows is learned from; what is held back and skipped is said.
#[test]
fn a_table_of_pixels_without_usage() {
    let folder = tempfile::tempdir().unwrap();
    let network = network(folder.path(), 7);
    let (table, run) = (folder.path().join("train"), folder.path().join("run"));
    let row = |i: usize| format!("{};{}\r\n", i % 7, vec![(i * 3).to_string(); 256].join(" "));
    let rows: String = (0..70).map(row).collect();
    fs::write(&table, format!("emotion;pixels\r\n\r\n{rows}3;1 2 x\r\n")).unwrap();
    let flags = ["train", "--data", text(&table), "--model", text(&network), "--batch", "10", "--epochs", "1"];
    let flags = [&flags[..], &["--device", "cpu", "--out", text(&run)]].concat();
    fer(&flags).expect(3, &["train, row 73: pixel 3 is `x`", "--on-bad-file skip"]);
    let notes =
        ["every row is a training image", "14 training images (0.2", "skipped", "row 73", "56 training, 14 validation"];
    fer(&[&flags[..], &["--on-bad-file", "skip"]].concat()).expect(0, &notes);
    let score = ["evaluate", text(&run), "--split", "validation", "--json", "--device", "cpu"];
    assert_eq!(fer(&score).expect(0, &[]).json()["n"], 14);
    fer(&[&flags[..], &["--outputs", "pixels", "--on-bad-file", "skip"]].concat()).expect(2, &["--outputs", "classes"]);
}

/// `--outputs` is kept with the run, and by its names the checkpoint finds its columns in other tables.
#[test]
fn columns_to_learn() {
    let folder = tempfile::tempdir().unwrap();
    let network = network(folder.path(), 2);
    let (tree, run) = (folder.path().join("faces"), folder.path().join("run"));
    faces(&tree);
    let table = tree.join("boxes.csv");
    let mut lines = "Unnamed: 0;path;face_width;a;b\n".to_owned();
    let images = fs::read_to_string(tree.join("values.csv")).unwrap();
    let paths = images.lines().skip(1).map(|line| line.split(',').next().unwrap());
    paths.enumerate().for_each(|(i, path)| lines += &format!("{i};{};48;{i};0\n", path.replace('/', "\\")));
    fs::write(&table, &lines).unwrap();
    let flags = ["train", "--data", text(&table), "--model", text(&network), "--batch", "10", "--epochs", "1"];
    let flags = [&flags[..], &["--device", "cpu", "--out", text(&run)]].concat();
    fer(&flags).expect(3, &["`Unnamed: 0;path;face_width;a;b`", "`face_width`", "--outputs a,b"]);
    fer(&[&flags[..], &["--outputs", "b,a"]].concat()).expect(0, &["values b, a"]);
    let settings = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(settings.contains("outputs = [\n    \"b\",\n    \"a\",\n]"), "{settings}");
    let other = tree.join("other.csv");
    fs::write(&other, lines.replace("face_width", "expression")).unwrap();
    let best = run.join("best.safetensors");
    let score = ["evaluate", text(&best), "--data", text(&other), "--split", "all", "--device", "cpu", "--json"];
    fer(&score).expect(0, &[]);
    fs::write(&other, lines.replace(";b\n", ";c\n")).unwrap();
    fer(&score).expect(3, &["no column `b`", "Unnamed: 0;path;face_width;a;c"]);
}
