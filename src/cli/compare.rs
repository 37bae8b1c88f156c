//! `fer-gpu compare`.

use super::out::{print, print_json, say, table};
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
        (false, true) => print(&csv(&rows)?)?,
        (false, false) => print(&text(&rows))?,
    };
    Ok(ExitCode::SUCCESS)
}

fn text(rows: &[&RunSummary]) -> String {
    let number =
        |value: Option<f64>| value.filter(|v| !v.is_nan()).map_or_else(|| "-".to_owned(), |v| format!("{v:.4}"));
    let cells = |row: &&RunSummary| -> Vec<String> {
        vec![
            row.run.clone(),
            row.model.clone(),
            row.parameters.to_string(),
            row.epochs.to_string(),
            row.best_epoch.map_or_else(|| "-".to_owned(), |epoch| epoch.to_string()),
            number(row.train_accuracy),
            number(row.validation_accuracy),
            row.evaluated_on.clone().unwrap_or_else(|| "-".to_owned()),
            number(row.accuracy),
            number(row.loss),
            number(row.macro_f1),
            duration(row.seconds),
        ]
    };
    let head = [
        "run",
        "model",
        "parameters",
        "epochs",
        "best",
        "train acc",
        "val acc",
        "scored on",
        "accuracy",
        "loss",
        "macro F1",
        "time",
    ];
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    table(&head, &rows, &[2, 3, 4, 5, 6, 8, 9, 10, 11])
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
