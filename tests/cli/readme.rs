//! The README's commands, run: each at the smallest size, one after the other as a new user would.

use crate::cli_support::{Done, command};
use std::collections::BTreeSet;
use std::path::Path;

/// Commands that the README's table names and that are not run here: they take long, or files of others, and have tests of their
/// own.
const ELSEWHERE: [&str; 4] = ["bench", "import", "search", "verify"];

/// What the table of commands names: the words in front, of `data` two.
fn named() -> BTreeSet<String> {
    let readme = include_str!("../../README.md");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `fer-gpu "));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    let quoted = cells.flat_map(|cell| cell.split('`').step_by(2));
    let name = |text: &str| {
        let mut words = text.split_whitespace();
        let first = words.next()?;
        Some(if first == "data" { format!("data {}", words.next()?) } else { first.to_owned() })
    };
    quoted.filter_map(name).collect()
}

#[test]
fn a_first_session() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = BTreeSet::new();
    let mut fer = |line: &str, words: &[&str]| {
        let args: Vec<&str> = line.split_whitespace().collect();
        run.insert(args[..if args[0] == "data" { 2 } else { 1 }].join(" "));
        let done = Done::of(command(&args).current_dir(folder.path()).output().expect("the program starts"));
        let done = done.expect(0, &[]);
        let missing: Vec<_> = words.iter().filter(|w| !done.out.contains(**w) && !done.err.contains(**w)).collect();
        assert!(missing.is_empty(), "{line}: missing {missing:?}: {done:#?}");
    };
    let there = |path: &str| assert!(Path::new(&folder.path().join(path)).exists(), "{path}");
    fer("models", &["fer7-cnn3-bn", "mini-xception"]);
    fer("summary fer7-cnn3-bn", &["Total params: "]);
    fer("summary fer7-cnn3-bn --memory --batch 100", &["MiB"]);
    fer("devices", &[]);
    fer("synth --out faces --n 70", &["50 training"]);
    fer("data check faces", &["no fault found", "48 x 48"]);
    fer("data preview --data faces --augment light --out sheet.png", &[]);
    there("sheet.png");
    // The reference needs no shader compiler.
    fer("train --data faces --epochs 1 --batch 25 --device cpu", &["best: epoch 1", "written to runs/train/1"]);
    there("runs/train/1/report.txt");
    fer("evaluate runs/train/1 --device cpu --out report", &["10 images: accuracy"]);
    there("report/report.txt");
    fer("predict runs/train/1 faces/test/happy --device cpu", &["probability", "faces/test/happy/"]);
    fer("predict runs/train/1 faces/test/happy --device cpu --face none --annotate drawn", &[]);
    there("drawn");
    let face = std::fs::read_dir(folder.path().join("faces/test/happy")).expect("a class").next().expect("a face");
    let face = face.expect("an entry").file_name();
    let face = format!("faces/test/happy/{}", face.to_string_lossy());
    fer(&format!("explain runs/train/1 {face} --method saliency --device cpu --out why"), &[]);
    there("why");
    for (format, file) in [("onnx", "net.onnx"), ("safetensors", "net.safetensors"), ("keras-h5", "net.h5")] {
        fer(&format!("export runs/train/1 --format {format} --out {file}"), &[]);
        there(file);
    }
    fer("compare runs/train/1", &["fer7-small"]);
    fer("completions bash", &["fer-gpu"]);
    fer("man --out man", &[]);
    run.extend(ELSEWHERE.map(str::to_owned));
    assert_eq!(run, named(), "what ran, and what the README's table names");
}
