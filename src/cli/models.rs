//! `fer-gpu models` and `fer-gpu summary`.

use super::args::VariantArgs;
use super::out::{print, print_json, table};
use crate::data::Preprocess;
use crate::error::Result;
use crate::graph::{Budget, Graph, Options};
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
    /// An array of {name, input, classes, parameters, preprocess, about}; preprocess is how the images of the body's published
    /// weights are made
    #[arg(long)]
    json: bool,
}

/// Flags of `summary`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu summary fer7-small
  fer-gpu summary fer7-cnn3-bn --classes 4 --json
  fer-gpu summary fer8-vgg19 --unfreeze-last 10
  fer-gpu summary fer8-inceptionv3 --size 75
  fer-gpu summary fer8-vgg16 --memory --batch 64
  fer-gpu summary network.toml")]
pub(super) struct SummaryArgs {
    /// A name that `fer-gpu models` lists, a TOML file of layers, or the JSON of Keras's model.to_json()
    model: String,
    /// Classes of the data [default: the network's own]
    // Ten thousand is far over any data of faces, and far under what would overflow a tensor's size.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    classes: Option<u16>,
    #[command(flatten)]
    variant: VariantArgs,
    /// Also the memory that it needs on a device, in training and in inference
    #[arg(long)]
    memory: bool,
    /// Images a step, for --memory
    #[arg(long, value_name = "N", default_value_t = 32, requires = "memory")]
    batch: usize,
    /// {name, input, layers, total, trainable, non_trainable}, with --memory also {memory: {training, inference}}, in bytes
    #[arg(long)]
    json: bool,
}

/// What the reports of the list are.
const REPORTS: &str = "Student reports 0 to 4 are five reports on recognising facial emotions, whose networks were rebuilt layer by layer.";

/// A network in the list.
#[derive(Serialize)]
struct Entry {
    name: &'static str,
    input: [usize; 3],
    classes: usize,
    parameters: usize,
    preprocess: Preprocess,
    about: &'static str,
}

pub(super) fn list(args: &ModelsArgs) -> Result<ExitCode> {
    let entry = |m: &models::Model| -> Result<Entry> {
        let parameters = Summary::new(&m.graph(m.classes)?).total;
        let models::Model { name, input, classes, preprocess, about, .. } = *m;
        Ok(Entry { name, input, classes, parameters, preprocess, about })
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
        let numbers = [e.classes.to_string(), e.parameters.to_string(), e.preprocess.to_string()];
        let [classes, parameters, preprocess] = numbers;
        vec![e.name.to_owned(), format!("{h} x {w} x {c}"), classes, parameters, preprocess, about]
    };
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    let table = table(&["name", "input", "classes", "parameters", "weights take", "about"], &rows, &[2, 3]);
    print(&format!("{table}\n{REPORTS}\n"))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn summary(args: &SummaryArgs) -> Result<ExitCode> {
    let graph = models::graph(&args.model, args.classes.map(usize::from), &args.variant.variant()?)?;
    let summary = Summary::new(&graph);
    let memory = if args.memory { Some(Memory::new(&graph, args.batch)?) } else { None };
    if args.json {
        print_json(&WithMemory { summary, memory })?;
    } else {
        let memory = memory.map(|memory| memory.table()).unwrap_or_default();
        print(&format!("{summary}{memory}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A summary, and what was asked for beside it.
#[derive(Serialize)]
struct WithMemory {
    #[serde(flatten)]
    summary: Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
}

/// What a network needs on a device.
#[derive(Serialize)]
struct Memory {
    training: Budget,
    inference: Budget,
}

impl Memory {
    fn new(graph: &Graph, batch: usize) -> Result<Self> {
        let budget = |train| Budget::new(graph, batch, train, Options::default());
        Ok(Self { training: budget(true)?, inference: budget(false)? })
    }

    /// MiB, a column a use.
    fn table(&self) -> String {
        let row = |what: &str, bytes: fn(&Budget) -> u64| {
            let mib = |b: &Budget| format!("{:.2}", bytes(b) as f64 / f64::from(1 << 20));
            vec![what.to_owned(), mib(&self.training), mib(&self.inference)]
        };
        let ratio = |b: &Budget| format!("{:.3}", b.tensors as f64 / b.tensors_lower_bound.max(1) as f64);
        let rows = [
            row("activations and their gradients, in shared bytes", |b| b.tensors),
            row("  the least that sharing could make of them", |b| b.tensors_lower_bound),
            vec!["  so many times that least".to_owned(), ratio(&self.training), ratio(&self.inference)],
            row("trained parameters", |b| b.weights),
            row("fixed parameters and statistics", |b| b.statistics),
            row("gradients of parameters", |b| b.gradients),
            row("what Adam keeps of them", |b| b.optimizer),
            row("labels, metrics, settings of a step", |b| b.other),
            row("total, without the kernels' scratch", |b| b.total),
        ];
        let title = format!("MiB at batch {}", self.training.batch);
        format!("\n{}", table(&[&title, "training", "inference"], &rows, &[1, 2]))
    }
}
