//! What `fer-gpu predict` prints: a table, csv or JSON.

use super::out::{print, print_json};
use crate::error::{Error, Result};
use serde::{Serialize, Serializer};
use std::path::PathBuf;

/// Classes shown in the table.
const TOP: usize = 3;

/// What a network says of an image. Fields are in the order of the JSON's keys.
#[derive(Debug, Serialize)]
pub(super) struct Prediction {
    file: String,
    label: String,
    probability: f32,
    #[serde(serialize_with = "as_map")]
    probabilities: Vec<(String, f32)>,
}

/// `{class: probability}` in the network's order.
fn as_map<S: Serializer>(pairs: &[(String, f32)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(class, p)| (class, p)))
}

impl Prediction {
    /// Of finite probabilities, one a class and at least one. Of equals the first in the network's order leads.
    pub(super) fn new(file: String, classes: &[String], values: &[f32]) -> Self {
        let probabilities: Vec<(String, f32)> = classes.iter().cloned().zip(values.iter().copied()).collect();
        let (label, probability) = ranked(&probabilities).first().copied().cloned().unwrap_or_default();
        Self { file, label, probability, probabilities }
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
    /// `file,label,probability,<classes>`.
    Csv,
    /// An array.
    Json,
}

/// Prints predictions as they come; JSON at the end, so that it is whole or absent.
pub(super) struct Printer<'a> {
    form: Form,
    classes: &'a [String],
    file_width: usize,
    label_width: usize,
    started: bool,
    kept: Vec<Prediction>,
}

impl<'a> Printer<'a> {
    /// For the predictions of these files.
    pub(super) fn new(form: Form, classes: &'a [String], files: &[PathBuf]) -> Self {
        let longest =
            |lengths: &mut dyn Iterator<Item = usize>, title: &str| lengths.max().unwrap_or(0).max(title.len());
        let file_width = longest(&mut files.iter().map(|f| f.display().to_string().chars().count()), "file");
        let label_width = longest(&mut classes.iter().map(|c| c.chars().count()), "label");
        Self { form, classes, file_width, label_width, started: false, kept: Vec::new() }
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
        let mut text =
            if head { format!("{:<f$}  {:<l$}  probability  top {TOP}\n", "file", "label") } else { String::new() };
        for p in predictions {
            let top: Vec<String> =
                ranked(&p.probabilities).iter().take(TOP).map(|(class, p)| format!("{class} {p:.4}")).collect();
            text += &format!("{:<f$}  {:<l$}  {:>11.4}  {}\n", p.file, p.label, p.probability, top.join(", "));
        }
        text
    }

    fn csv(&self, predictions: &[Prediction], head: bool) -> Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed = |e: csv::Error| Error::io("write", "standard output")(e.into());
        if head {
            let fixed = ["file", "label", "probability"];
            writer.write_record(fixed.into_iter().chain(self.classes.iter().map(String::as_str))).map_err(failed)?;
        }
        for p in predictions {
            let fixed = [p.file.clone(), p.label.clone(), p.probability.to_string()];
            let each = p.probabilities.iter().map(|(_, p)| p.to_string());
            writer.write_record(fixed.into_iter().chain(each)).map_err(failed)?;
        }
        let bytes = writer.into_inner().map_err(|e| Error::io("write", "standard output")(e.into_error()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
