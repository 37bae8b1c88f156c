//! `fer-gpu models` and `fer-gpu summary`.

use super::args::VariantArgs;
use super::out::{print, print_json, table};
use crate::error::Result;
use crate::models::{self, MODELS, Summary};
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// Flags of `models`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu models
  fer-gpu models --json")]
pub(super) struct ModelsArgs {
    /// An array of {name, input, classes, parameters, about}
    #[arg(long)]
    json: bool,
}

/// Flags of `summary`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu summary fer7-small
  fer-gpu summary fer7-cnn3-bn --classes 4 --json
  fer-gpu summary fer8-vgg19 --unfreeze-last 10
  fer-gpu summary fer8-inceptionv3 --size 75")]
pub(super) struct SummaryArgs {
    /// A name that `fer-gpu models` lists
    model: String,
    /// Classes of the data [default: the network's own]
    // Ten thousand is far over any data of faces, and far under what would overflow a tensor's size.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    classes: Option<u16>,
    #[command(flatten)]
    variant: VariantArgs,
    /// {name, input, layers, total, trainable, non_trainable}
    #[arg(long)]
    json: bool,
}

/// A network in the list.
#[derive(Serialize)]
struct Entry {
    name: &'static str,
    input: [usize; 3],
    classes: usize,
    parameters: usize,
    about: &'static str,
}

pub(super) fn list(args: &ModelsArgs) -> Result<ExitCode> {
    let entry = |m: &models::Model| -> Result<Entry> {
        let parameters = Summary::new(&m.graph(m.classes)?).total;
        Ok(Entry { name: m.name, input: m.input, classes: m.classes, parameters, about: m.about })
    };
    let entries = MODELS.iter().map(entry).collect::<Result<Vec<Entry>>>()?;
    if args.json {
        print_json(&entries)?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |e: &Entry| {
        let [h, w, c] = e.input;
        let default = if e.name == models::DEFAULT { " (default)" } else { "" };
        let about = format!("{}{default}", e.about);
        vec![e.name.to_owned(), format!("{h} x {w} x {c}"), e.classes.to_string(), e.parameters.to_string(), about]
    };
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    print(&table(&["name", "input", "classes", "parameters", "about"], &rows, &[2, 3]))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn summary(args: &SummaryArgs) -> Result<ExitCode> {
    let model = models::find(&args.model)?;
    let classes = args.classes.map_or(model.classes, usize::from);
    let summary = Summary::new(&model.variant(classes, &args.variant.variant()?)?);
    if args.json {
        print_json(&summary)?;
    } else {
        print(&summary.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}
