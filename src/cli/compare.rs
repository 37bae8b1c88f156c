//! `fer-gpu compare`.

use super::out::{print, print_data, print_json, say, table};
use crate::error::{Error, Result};
use crate::eval::plot::compare_svg;
use crate::formats::atomic::{write_json, write_text};
use crate::train::{RunSummary, summarise};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `compare`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu compare runs/train/1 runs/train/2
  fer-gpu compare runs/train/* --csv > models.csv
  fer-gpu compare runs/train/* --out comparison")]
pub(super) struct CompareArgs {
    /// Run folders
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Write table.csv, table.json, table.txt and curves.svg, the validation curves of all, to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// An array of {run, model, parameters, epochs, best_epoch, ...}
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// The same as csv
    #[arg(long)]
    csv: bool,
}

pub(super) fn run(args: &CompareArgs) -> Result<ExitCode> {
    let all: Vec<_> = args.runs.iter().map(|run| summarise(run)).collect::<Result<_>>()?;
    let rows: Vec<&RunSummary> = all.iter().map(|(row, _)| row).collect();
    if let Some(out) = &args.out {
        std::fs::create_dir_all(out).map_err(Error::io("create", out))?;
        write_text(&out.join("table.txt"), &text(&rows))?;
        write_text(&out.join("table.csv"), &csv(&rows)?)?;
        write_json(&out.join("table.json"), &rows)?;
        let curves: Vec<_> =
            all.iter().map(|(row, history)| (format!("{}: {}", row.run, row.model), history.as_slice())).collect();
        write_text(&out.join("curves.svg"), &compare_svg(&curves))?;
        say!("written to {}", out.display());
    }
    match (args.json, args.csv) {
        (true, _) => print_json(&rows)?,
        (false, true) => print_data(&csv(&rows)?)?,
        (false, false) => print(&text(&rows))?,
    };
    Ok(ExitCode::SUCCESS)
}

fn text(rows: &[&RunSummary]) -> String {
    const NONE: &str = "-";
    let number =
        |value: Option<f64>| value.filter(|v| !v.is_nan()).map_or_else(|| NONE.to_owned(), |v| format!("{v:.4}"));
    // A column's title, whether it is of numbers, and its field. Columns of values alone are left out where no run has any.
    type Column<'a> = (&'a str, bool, &'a dyn Fn(&RunSummary) -> String);
    let columns: [Column<'_>; 15] = [
        ("run", false, &|row| row.run.clone()),
        ("model", false, &|row| row.model.clone()),
        ("parameters", true, &|row| row.parameters.to_string()),
        ("epochs", true, &|row| row.epochs.to_string()),
        ("best", true, &|row| row.best_epoch.map_or_else(|| NONE.to_owned(), |epoch| epoch.to_string())),
        ("train acc", true, &|row| number(row.train_accuracy)),
        ("val acc", true, &|row| number(row.validation_accuracy)),
        ("val ccc", true, &|row| number(row.validation_ccc)),
        ("scored on", false, &|row| row.evaluated_on.clone().unwrap_or_else(|| NONE.to_owned())),
        ("accuracy", true, &|row| number(row.accuracy)),
        ("loss", true, &|row| number(row.loss)),
        ("macro F1", true, &|row| number(row.macro_f1)),
        ("rmse", true, &|row| number(row.rmse)),
        ("ccc", true, &|row| number(row.ccc)),
        ("time", true, &|row| duration(row.seconds)),
    ];
    let of_values = rows.iter().any(|row| row.validation_ccc.or(row.ccc).is_some());
    let shown: Vec<_> = columns.iter().filter(|c| of_values || !["val ccc", "rmse", "ccc"].contains(&c.0)).collect();
    let head: Vec<&str> = shown.iter().map(|(title, ..)| *title).collect();
    let right: Vec<usize> = (0..shown.len()).filter(|i| shown[*i].1).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| shown.iter().map(|(.., field)| field(row)).collect()).collect();
    table(&head, &rows, &right)
}

fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
}

fn csv(rows: &[&RunSummary]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |e: csv::Error| Error::io("write", "the table")(e.into());
    rows.iter().try_for_each(|row| writer.serialize(row)).map_err(failed)?;
    let bytes = writer.into_inner().map_err(|e| Error::io("write", "the table")(e.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
