//! The house's laws that a test can hold: three places for an op, short files, valid shaders.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use fer_gpu::ops::TABLE;
use fer_gpu::optim::RULES;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Names in a folder, by what `keep` makes of an entry's path.
fn names(folder: &str, keep: impl Fn(&Path) -> Option<String>) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder)).expect(folder);
    entries.filter_map(|e| keep(&e.expect("entry").path())).collect()
}

fn stem(path: &Path) -> String {
    path.file_stem().expect("a name").to_string_lossy().into_owned()
}

/// Shaders that belong to no row of a table: the second kernel of convolution, and what the graph and every optimizer run.
const OTHER_SHADERS: [&str; 3] = ["accumulate", "conv2d_backward_params", "gradient_norm"];

#[test]
fn an_op_is_a_folder_a_shader_and_a_row() {
    let folders = names("src/ops", |p| p.is_dir().then(|| stem(p)));
    let rows: BTreeSet<String> = TABLE.iter().map(|r| r.name.to_owned()).collect();
    assert_eq!(folders, rows, "folders in src/ops and rows of TABLE");
    let shaders = names("shaders", |p| p.is_file().then(|| stem(p)));
    let mut named: BTreeSet<String> = TABLE.iter().filter_map(|r| r.shader).map(str::to_owned).collect();
    named.extend(OTHER_SHADERS.map(str::to_owned));
    named.extend(RULES.map(|rule| rule.name().to_owned()));
    assert_eq!(shaders, named, "files in shaders and what TABLE names");
    let order: Vec<&str> = TABLE.iter().map(|r| r.name).collect();
    assert!(order.is_sorted(), "rows in alphabetical order: {order:?}");
}

#[test]
fn every_case_is_named_after_its_op_and_once() {
    let mut seen = BTreeSet::new();
    for row in TABLE {
        for case in (row.cases)() {
            assert!(case.name.starts_with(&format!("{}/", row.name)), "{} in the row {}", case.name, row.name);
            assert!(seen.insert(case.name.clone()), "{} twice", case.name);
        }
    }
}

/// All files below `folder` with one of the endings.
fn files(folder: &Path, endings: &[&str], out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files(&path, endings, out);
        } else if path.extension().is_some_and(|e| endings.iter().any(|end| e == *end)) {
            out.push(path);
        }
    }
}

#[test]
fn files_are_short() {
    let mut all = Vec::new();
    for folder in ["src", "shaders", "tests", "benches", "tools"] {
        files(&root().join(folder), &["rs", "wgsl", "py", "sh"], &mut all);
    }
    let long: Vec<String> = all
        .iter()
        .filter_map(|p| {
            let lines = std::fs::read_to_string(p).expect("text").lines().count();
            (lines > 420).then(|| format!("{} has {lines} lines", p.display()))
        })
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}
