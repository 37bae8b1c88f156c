//! `fer-gpu data check`.

use crate::cli::out::{print, print_json, say, table};
use crate::data::check::{Findings, SPLITS, check};
use crate::error::{Error, Result};
use crate::eval::plot::{Series, bars_svg};
use crate::formats::atomic::{write_json, write_text};
use crate::text::clean;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Examples of each kind of fault that are printed; the JSON has all.
const SHOWN: usize = 5;

/// Flags of `data check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu data check fer2013.csv.gz
  fer-gpu data check faces/ --json > faces.json
  fer-gpu data check faces/ --out faces-report")]
pub(super) struct CheckArgs {
    /// synth, synth:N, FILE.csv, FILE.csv.gz, FILE.parquet, or a folder of class folders or parquet files
    #[arg(value_name = "DATA")]
    data: String,
    /// Write report.txt, check.json and counts.svg, a plot of the counts, to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Everything that was found
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CheckArgs) -> Result<ExitCode> {
    let found = check(&args.data)?;
    let text = report(&found);
    if let Some(out) = &args.out {
        std::fs::create_dir_all(out).map_err(Error::io("create", out))?;
        write_text(&out.join("report.txt"), &text)?;
        write_json(&out.join("check.json"), &found)?;
        write_text(&out.join("counts.svg"), &plot(&found))?;
        say!("written to {}", out.display());
    }
    if args.json {
        print_json(&found)?;
    } else {
        print(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The splits that the data has, and the counts of a class in each.
fn splits(found: &Findings) -> Vec<&'static str> {
    SPLITS.into_iter().filter(|split| found.counts.contains_key(*split)).collect()
}

fn count(found: &Findings, split: &str, class: &str) -> usize {
    found.counts.get(split).and_then(|of| of.get(class)).copied().unwrap_or_default()
}

fn plot(found: &Findings) -> String {
    let series = splits(found).into_iter().map(|split| Series {
        name: split.to_owned(),
        values: found.classes.iter().map(|class| count(found, split, class) as f64).collect(),
    });
    bars_svg("Images a class and split", &found.classes, &series.collect::<Vec<_>>())
}

fn report(found: &Findings) -> String {
    let splits = splits(found);
    let mut rows: Vec<Vec<String>> = found
        .classes
        .iter()
        .map(|class| {
            let counts = splits.iter().map(|split| count(found, split, class).to_string());
            [class.clone()].into_iter().chain(counts).collect()
        })
        .collect();
    let total = |split: &&str| found.classes.iter().map(|class| count(found, split, class)).sum::<usize>().to_string();
    rows.push(["all".to_owned()].into_iter().chain(splits.iter().map(total)).collect());
    let head: Vec<&str> = ["class"].into_iter().chain(splits.iter().copied()).collect();
    let right: Vec<usize> = (1..head.len()).collect();
    let mut text = table(&head, &rows, &right);
    let list = |of: &std::collections::BTreeMap<String, usize>| {
        of.iter().map(|(key, n)| format!("{key} ({n})")).collect::<Vec<_>>().join(", ")
    };
    if found.sizes.len() <= 2 * SHOWN {
        text += &format!("\nsizes: {}\n", list(&found.sizes));
    } else {
        text += &format!("\nsizes: {} different ones\n", found.sizes.len());
    }
    text += &format!("modes: {}\n", list(&found.modes));
    text += &section("images of a rare size or mode", found.odd.iter().map(|o| format!("{}: {}", o.image, o.is)));
    text += &section("files that cannot be read", found.bad.iter().cloned());
    text += &section("classes without images", found.empty.iter().cloned());
    text += &duplicates(found);
    found.notes.iter().for_each(|note| text += &format!("note: {}\n", clean(note)));
    if !found.has_faults() {
        text += "no fault found\n";
    }
    text
}

fn duplicates(found: &Findings) -> String {
    let d = &found.duplicates;
    let within: Vec<String> = d.within.iter().map(|(split, n)| format!("{n} within {split}")).collect();
    let detail = if within.is_empty() { String::new() } else { format!("; {}", within.join(", ")) };
    let mut text = format!("exact duplicates: {} images beyond the first of {} groups{detail}\n", d.copies, d.groups);
    for leak in &d.leaks {
        text += &format!("  {} {} images stand in {} as well\n", leak.images, leak.of, leak.stand_in);
    }
    let groups = |groups: &[crate::data::check::Group]| -> Vec<String> {
        groups.iter().map(|group| group.images.join(" = ")).collect()
    };
    text += &section("equal images with different labels", groups(&d.conflicts).into_iter());
    text
}

/// A title with the number of lines, and the first of them.
fn section(title: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!("{title}: {}\n", lines.len());
    lines.iter().take(SHOWN).for_each(|line| text += &format!("  {}\n", clean(line)));
    if lines.len() > SHOWN {
        text += &format!("  ... and {} more (--json has all)\n", lines.len() - SHOWN);
    }
    text
}
