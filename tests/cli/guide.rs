//! The guides' examples, run as they stand: the block `sh example` at the head of each, in a folder of its own, with the files
//! that blocks `toml example NAME` give.

use crate::cli_support::{Done, command};
use std::path::{Path, PathBuf};

/// Commands that run a network; they get `--device cpu`, because the reference needs no shader compiler.
const ON_A_DEVICE: [&str; 5] = ["train", "evaluate", "predict", "explain", "search"];

fn guides() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide");
    let all = std::fs::read_dir(folder).expect("the guides").map(|e| e.expect("an entry").path());
    all.filter(|p| p.extension().is_some_and(|e| e == "md")).collect()
}

/// Fenced blocks of a text: what stands behind the fence, and the lines.
fn blocks(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'))
}

#[test]
fn every_guide_begins_with_an_example_that_runs() {
    let guides = guides();
    let modules = include_str!("../../src/guide/mod.rs");
    assert!(guides.len() > 8);
    for guide in guides {
        let name = guide.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(modules.contains(&format!("include_str!(\"{name}\")")), "{name} is no module of `guide`");
        let text = std::fs::read_to_string(&guide).expect("text");
        let (head, example) = blocks(&text).next().expect("an example");
        assert_eq!(head, "sh example", "{name}: the first block");
        let folder = tempfile::tempdir().expect("a folder");
        for (head, file) in blocks(&text) {
            if let Some(to) = head.strip_prefix("toml example ") {
                std::fs::write(folder.path().join(to), file).expect("written");
            }
        }
        for line in example.lines() {
            let words = line.strip_prefix("fer-gpu ").unwrap_or_else(|| panic!("{name}: {line}")).split_whitespace();
            let mut args: Vec<&str> = words.collect();
            if ON_A_DEVICE.contains(&args[0]) {
                args.extend(["--device", "cpu"]);
            }
            let done = Done::of(command(&args).current_dir(folder.path()).output().expect("the program starts"));
            done.expect(0, &[]);
        }
    }
}
