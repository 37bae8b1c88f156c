//! Completions, man pages, and what the README says that a command prints.

use crate::cli_support::{fer, text};

#[test]
fn shells_get_their_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = fer(&["completions", shell]).expect(0, &[]).out;
        for word in ["train", "evaluate", "augment", "fer-gpu"] {
            assert!(script.contains(word), "{shell} has no {word}");
        }
    }
    fer(&["completions", "dos"]).expect(2, &["dos", "bash"]);
}

#[test]
fn every_command_has_a_man_page() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("share/man/man1");
    fer(&["man", "--out", text(&out)]).expect(0, &["man pages written to"]);
    for page in ["fer-gpu.1", "fer-gpu-train.1", "fer-gpu-search.1", "fer-gpu-data-check.1"] {
        let text = std::fs::read_to_string(out.join(page)).unwrap_or_else(|e| panic!("{page}: {e}"));
        assert!(text.starts_with(".ie") && text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    fer(&["man", "--out", text(&file)]).expect(3, &["file"]);
}

/// The outputs in the guides that do not depend on a machine are what the commands print. Those of `train`, `evaluate`, `predict`,
/// `import` and `bench` do, or need files of others: `src/cli/readme_tests.rs` parses them.
#[test]
fn the_guide_shows_what_is_printed() {
    let guide = include_str!("../../src/guide/networks.md");
    let (mut compared, mut lines) = (0, guide.lines().peekable());
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("$ fer-gpu summary ") else { continue };
        let (arguments, tail) = command.split_once(" | tail -").expect("the last lines of a table");
        let shown: Vec<&str> = lines.by_ref().take_while(|l| !l.starts_with("```")).collect();
        assert_eq!(shown.len().to_string(), tail, "{command}");
        let arguments: Vec<&str> = ["summary"].into_iter().chain(arguments.split_whitespace()).collect();
        let printed = fer(&arguments).expect(0, &[]).out;
        assert!(printed.trim_end().ends_with(&shown.join("\n")), "{command}: {printed}");
        compared += 1;
    }
    assert!(compared > 0, "the guide shows no table");
}
