//! What `fer-gpu predict` prints: a table, csv or JSON.

use super::out::{print, print_json};
use crate::data::Task;
use crate::error::{Error, Result};
use serde::{Serialize, Serializer};
use std::path::PathBuf;

/// Classes shown in the table.
const TOP: usize = 3;

/// What a network says of an image. Fields are in the order of the JSON's keys.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Prediction {
    /// Of a classifier.
    Class {
        file: String,
        label: String,
        probability: f32,
        #[serde(serialize_with = "as_map")]
        probabilities: Vec<(String, f32)>,
    },
    /// Of a network that predicts values.
    Values {
        file: String,
        #[serde(serialize_with = "as_map")]
        values: Vec<(String, f32)>,
    },
}

/// `{class: probability}` in the network's order.
fn as_map<S: Serializer>(pairs: &[(String, f32)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(class, p)| (class, p)))
}

impl Prediction {
    /// Of finite values, one an output and at least one. Of equal probabilities the first in the network's order leads.
    pub(super) fn new(file: String, task: Task, names: &[String], values: &[f32]) -> Self {
        let values: Vec<(String, f32)> = names.iter().cloned().zip(values.iter().copied()).collect();
        match task {
            Task::Values => Self::Values { file, values },
            Task::Classes => {
                let (label, probability) = ranked(&values).first().copied().cloned().unwrap_or_default();
                Self::Class { file, label, probability, probabilities: values }
            }
        }
    }
}

/// From the most to the least probable.
fn ranked(probabilities: &[(String, f32)]) -> Vec<&(String, f32)> {
    let mut order: Vec<&(String, f32)> = probabilities.iter().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Aligned columns: file, label, probability, the most probable classes.
    Table,
    /// `file,label,probability,<classes>`, or `file,<values>`.
    Csv,
    /// An array.
    Json,
}

/// Prints predictions as they come; JSON at the end, so that it is whole or absent.
pub(super) struct Printer<'a> {
    form: Form,
    task: Task,
    classes: &'a [String],
    file_width: usize,
    label_width: usize,
    started: bool,
    kept: Vec<Prediction>,
}

impl<'a> Printer<'a> {
    /// For the predictions of these files.
    pub(super) fn new(form: Form, (task, classes): (Task, &'a [String]), files: &[PathBuf]) -> Self {
        let longest =
            |lengths: &mut dyn Iterator<Item = usize>, title: &str| lengths.max().unwrap_or(0).max(title.len());
        let file_width = longest(&mut files.iter().map(|f| f.display().to_string().chars().count()), "file");
        let label_width = longest(&mut classes.iter().map(|c| c.chars().count()), "label");
        Self { form, task, classes, file_width, label_width, started: false, kept: Vec::new() }
    }

    /// Prints or keeps some more. False when nobody reads any more.
    pub(super) fn push(&mut self, predictions: Vec<Prediction>) -> Result<bool> {
        let first = !std::mem::replace(&mut self.started, true);
        match self.form {
            Form::Table => print(&self.rows(&predictions, first)),
            Form::Csv => print(&self.csv(&predictions, first)?),
            Form::Json => {
                self.kept.extend(predictions);
                Ok(true)
            }
        }
    }

    /// Prints what was kept.
    pub(super) fn finish(self) -> Result<()> {
        if self.form == Form::Json {
            print_json(&self.kept)?;
        }
        Ok(())
    }

    fn rows(&self, predictions: &[Prediction], head: bool) -> String {
        let (f, l) = (self.file_width, self.label_width);
        let columns = || self.classes.iter().map(|name| (name, name.chars().count().max(8)));
        let mut text = match self.task {
            _ if !head => String::new(),
            Task::Classes => format!("{:<f$}  {:<l$}  probability  top {TOP}\n", "file", "label"),
            Task::Values => {
                let names: String = columns().map(|(name, width)| format!("  {name:>width$}")).collect();
                format!("{:<f$}{names}\n", "file")
            }
        };
        for p in predictions {
            text += &match p {
                Prediction::Class { file, label, probability, probabilities } => {
                    let top = ranked(probabilities).into_iter().take(TOP).map(|(class, p)| format!("{class} {p:.4}"));
                    let top = top.collect::<Vec<_>>().join(", ");
                    format!("{file:<f$}  {label:<l$}  {probability:>11.4}  {top}\n")
                }
                Prediction::Values { file, values } => {
                    let each = columns().zip(values).map(|((_, width), (_, v))| format!("  {v:>width$.4}"));
                    format!("{file:<f$}{}\n", each.collect::<String>())
                }
            };
        }
        text
    }

    fn csv(&self, predictions: &[Prediction], head: bool) -> Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed = |e: csv::Error| Error::io("write", "standard output")(e.into());
        if head {
            let fixed = match self.task {
                Task::Classes => &["file", "label", "probability"][..],
                Task::Values => &["file"],
            };
            writer
                .write_record(fixed.iter().copied().chain(self.classes.iter().map(String::as_str)))
                .map_err(failed)?;
        }
        for p in predictions {
            let (fixed, each) = match p {
                Prediction::Class { file, label, probability, probabilities } => {
                    (vec![file.clone(), label.clone(), probability.to_string()], probabilities)
                }
                Prediction::Values { file, values } => (vec![file.clone()], values),
            };
            let each = each.iter().map(|(_, v)| v.to_string());
            writer.write_record(fixed.into_iter().chain(each)).map_err(failed)?;
        }
        let bytes = writer.into_inner().map_err(|e| Error::io("write", "standard output")(e.into_error()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
