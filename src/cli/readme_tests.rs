//! Every command that the README, a guide or a help text shows is one that the parser accepts.

use super::Cli;
use clap::{CommandFactory, Parser};
use std::path::Path;

/// The arguments of a shown command, without what the shell does with it; nothing for another line.
fn arguments(line: &str) -> Option<Vec<&str>> {
    let line = line.trim_start().trim_start_matches("$ ");
    let rest = line.strip_prefix("fer-gpu ").or_else(|| line.strip_prefix("cargo run --release -- "))?;
    let end = [" | ", " > ", "  (", " #", " &"].iter().filter_map(|mark| rest.find(mark)).min().unwrap_or(rest.len());
    Some(rest[..end].split_whitespace().collect())
}

fn parses(line: &str) {
    let Some(args) = arguments(line) else { return };
    if let Err(e) = Cli::try_parse_from(["fer-gpu"].into_iter().chain(args)) {
        panic!("{line}\n{e}");
    }
}

/// The texts of the README and of all guides.
fn documents() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guides = std::fs::read_dir(root.join("src/guide")).expect("the guides");
    let guides = guides.map(|e| e.expect("an entry").path()).filter(|p| p.extension().is_some_and(|e| e == "md"));
    let files = guides.chain([root.join("README.md")]);
    files.map(|p| std::fs::read_to_string(p).expect("text")).collect()
}

#[test]
fn what_the_readme_and_the_guides_show_is_accepted() {
    let documents = documents();
    assert!(documents.len() > 10);
    let blocks = documents.iter().flat_map(|text| text.split("```").skip(1).step_by(2));
    let commands: Vec<&str> = blocks.flat_map(str::lines).filter(|l| arguments(l).is_some()).collect();
    assert!(commands.len() > 25, "{commands:?}");
    commands.into_iter().for_each(parses);
}

#[test]
fn the_readme_is_short() {
    let readme = include_str!("../../README.md");
    assert!(readme.lines().count() <= 160 && readme.split_whitespace().count() <= 1500);
}

#[test]
fn what_help_shows_is_taken() {
    let command = Cli::command();
    for sub in command.get_subcommands().flat_map(|s| std::iter::once(s).chain(s.get_subcommands())) {
        let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
        let (_, examples) = help.split_once("Examples:\n").unwrap_or_default();
        assert!(examples.contains("fer-gpu ") || sub.has_subcommands(), "{} has no example", sub.get_name());
        examples.lines().for_each(parses);
    }
}
