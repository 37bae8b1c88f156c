//! Every command that the README or a help text shows is one that the parser takes.

use super::Cli;
use clap::{CommandFactory, Parser};

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

#[test]
fn what_the_readme_shows_is_taken() {
    let readme = include_str!("../../README.md");
    let blocks: Vec<&str> = readme.split("```").skip(1).step_by(2).collect();
    let commands: Vec<&str> = blocks.iter().flat_map(|b| b.lines()).filter(|l| arguments(l).is_some()).collect();
    assert!(commands.len() > 5, "{commands:?}");
    commands.into_iter().for_each(parses);
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
