//! What `fer-gpu predict` prints: a table, csv or JSON.

use super::out::{print, print_data, print_json};
use crate::data::{Head, Task};
use crate::error::{Error, Result};
use crate::faces::FaceBox;
use crate::text::{clean, left, right};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Classes shown in the table.
const TOP: usize = 3;

/// Where something was looked at: an image, a face in a photograph, a frame of a video.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The file.
    pub(super) file: PathBuf,
    /// Seconds from the beginning of a video.
    pub(super) time: Option<f64>,
    /// The face; none for a whole image, and where no face was found.
    pub(super) face: Option<FaceBox>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        match self.face {
            Some(FaceBox { x, y, width, height }) => write!(f, ", the face at {x},{y} {width}x{height}"),
            None => Ok(()),
        }
    }
}

/// What a network says of a place. Fields are in the order of the JSON's keys.
#[derive(Debug, Serialize)]
pub(super) struct Prediction {
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<f64>,
    #[serde(rename = "box")]
    face: Option<FaceBox>,
    #[serde(flatten)]
    said: Said,
}

/// What a network says of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// Which class it is of.
    Classes {
        /// Whether the probabilities of the classes are independent.
        independent: bool,
    },
    /// Values.
    Values,
}

impl Says {
    /// By what a checkpoint says.
    pub(super) fn of(task: Task, head: Head) -> Self {
        match task {
            Task::Classes => Self::Classes { independent: head.is_independent() },
            Task::Values => Self::Values,
        }
    }
}

/// All none where no face was found.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Said {
    /// By a classifier.
    Class {
        label: Option<String>,
        probability: Option<f32>,
        #[serde(serialize_with = "as_map")]
        probabilities: Option<Vec<(String, f32)>>,
        /// Whether each is independent of the others; then they do not sum to 1.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        independent: bool,
    },
    /// By a network that predicts values.
    Values {
        #[serde(serialize_with = "as_map")]
        values: Option<Vec<(String, f32)>>,
    },
}

/// `{class: probability}` in the network's order.
fn as_map<S: Serializer>(pairs: &Option<Vec<(String, f32)>>, serializer: S) -> Result<S::Ok, S::Error> {
    match pairs {
        Some(pairs) => serializer.collect_map(pairs.iter().map(|(class, p)| (class, p))),
        None => serializer.serialize_none(),
    }
}

impl Prediction {
    /// Of finite values, one an output and at least one. Of equal probabilities the first in the network's order leads.
    pub(super) fn new(place: &Place, says: Says, names: &[String], values: &[f32]) -> Self {
        let values: Vec<(String, f32)> = names.iter().cloned().zip(values.iter().copied()).collect();
        let said = match says {
            Says::Values => Said::Values { values: Some(values) },
            Says::Classes { independent } => {
                let (label, probability) = ranked(&values).first().copied().cloned().unwrap_or_default();
                let (label, probability, probabilities) = (Some(label), Some(probability), Some(values));
                Said::Class { label, probability, probabilities, independent }
            }
        };
        Self { said, ..Self::no_face(place, says) }
    }

    /// Of a place where no face was found.
    pub(super) fn no_face(place: &Place, says: Says) -> Self {
        let said = match says {
            Says::Values => Said::Values { values: None },
            Says::Classes { independent } => {
                Said::Class { label: None, probability: None, probabilities: None, independent }
            }
        };
        Self { file: place.file.display().to_string(), time: place.time, face: place.face, said }
    }

    /// `happy 0.98`, or the values, for a face that something is said of.
    pub(super) fn caption(&self) -> Option<String> {
        match &self.said {
            Said::Class { label, probability, .. } => Some(format!("{} {:.2}", label.as_ref()?, (*probability)?)),
            Said::Values { values } => {
                let each = values.as_ref()?.iter().map(|(name, v)| format!("{name} {v:.2}"));
                Some(each.collect::<Vec<_>>().join(" "))
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
    /// Aligned columns: file, label, probability, the most probable classes, the face's box.
    Table,
    /// `file,label,probability,<classes>,x,y,width,height`, and `time` of videos.
    Csv,
    /// An array.
    Json,
}

/// Prints predictions as they come; JSON at the end, so that it is whole or absent.
pub(super) struct Printer<'a> {
    form: Form,
    says: Says,
    classes: &'a [String],
    file_width: usize,
    label_width: usize,
    /// Whether there are times to print.
    times: bool,
    started: bool,
    kept: Vec<Prediction>,
}

/// In the table, where there is nothing to label.
pub(super) const NO_FACE: &str = "no face";

impl<'a> Printer<'a> {
    /// For the predictions of these files, some of them videos.
    pub(super) fn new(
        form: Form,
        (says, classes): (Says, &'a [String]),
        files: &[PathBuf],
        is_video: impl Fn(&Path) -> bool,
    ) -> Self {
        let longest =
            |lengths: &mut dyn Iterator<Item = usize>, title: &str| lengths.max().unwrap_or(0).max(title.len());
        let width = |text: &str| clean(text).chars().count();
        let file_width = longest(&mut files.iter().map(|f| width(&f.to_string_lossy())), "file");
        let label_width = longest(&mut classes.iter().map(|c| width(c)), NO_FACE);
        let times = files.iter().any(|file| is_video(file));
        Self { form, says, classes, file_width, label_width, times, started: false, kept: Vec::new() }
    }

    /// Prints or keeps some more. False when nobody reads any more.
    pub(super) fn push(&mut self, predictions: Vec<Prediction>) -> Result<bool> {
        let first = !std::mem::replace(&mut self.started, true);
        match self.form {
            Form::Table => print(&self.rows(&predictions, first)),
            Form::Csv => print_data(&self.csv(&predictions, first)?),
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
        let time = |text: &str| if self.times { format!("{text:>9}  ") } else { String::new() };
        let names: Vec<Cow<'_, str>> = self.classes.iter().map(|name| clean(name)).collect();
        let columns = || names.iter().map(|name| (name, name.chars().count().max(8)));
        let mut text = match self.says {
            _ if !head => String::new(),
            Says::Classes { independent } => {
                let top = if independent { " (independent)" } else { "" };
                format!("{}  {}{}  probability  top {TOP}{top}\n", left("file", f), time("time"), left("label", l))
            }
            Says::Values => {
                let names: String = columns().map(|(name, width)| right(name, width) + "  ").collect();
                format!("{}  {}{}\n", left("file", f), time("time"), names.trim_end())
            }
        };
        for p in predictions {
            let at = p.time.map_or_else(String::new, |t| format!("{t:.2} s"));
            text += &format!("{}  {}", left(&clean(&p.file), f), time(&at));
            match &p.said {
                Said::Class {
                    label: Some(label), probability: Some(probability), probabilities: Some(all), ..
                } => {
                    let top: Vec<String> =
                        ranked(all).iter().take(TOP).map(|(class, p)| format!("{} {p:.4}", clean(class))).collect();
                    text += &format!("{}  {probability:>11.4}  {}", left(&clean(label), l), top.join(", "));
                }
                Said::Values { values: Some(values) } => {
                    let each = columns().zip(values).map(|((_, width), (_, v))| right(&format!("{v:.4}"), width));
                    text += &each.collect::<Vec<_>>().join("  ");
                }
                Said::Class { .. } | Said::Values { .. } => text += NO_FACE,
            }
            if let Some(FaceBox { x, y, width, height }) = p.face {
                text += &format!("  at {x},{y} {width}x{height}");
            }
            text.push('\n');
        }
        text
    }

    fn csv(&self, predictions: &[Prediction], head: bool) -> Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed = |e: csv::Error| Error::io("write", "standard output")(e.into());
        if head {
            let fixed = match self.says {
                Says::Classes { .. } => &["file", "label", "probability"][..],
                Says::Values => &["file"],
            };
            let before = fixed.iter().copied().chain(self.classes.iter().map(String::as_str));
            let after = ["x", "y", "width", "height"].into_iter().chain(self.times.then_some("time"));
            writer.write_record(before.chain(after)).map_err(failed)?;
        }
        for p in predictions {
            let mut row = vec![p.file.clone()];
            let each = match &p.said {
                Said::Class { label, probability, probabilities, .. } => {
                    row.push(label.clone().unwrap_or_default());
                    row.push(probability.map(|p| p.to_string()).unwrap_or_default());
                    probabilities
                }
                Said::Values { values } => values,
            };
            match each {
                Some(each) => row.extend(each.iter().map(|(_, v)| v.to_string())),
                None => row.extend(self.classes.iter().map(|_| String::new())),
            }
            match p.face {
                Some(face) => row.extend([face.x, face.y, face.width, face.height].map(|v| v.to_string())),
                None => row.extend([const { String::new() }; 4]),
            }
            if self.times {
                row.push(p.time.map(|t| t.to_string()).unwrap_or_default());
            }
            writer.write_record(row).map_err(failed)?;
        }
        let bytes = writer.into_inner().map_err(|e| Error::io("write", "standard output")(e.into_error()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
