//! What `fer-gpu explain` prints: a row for each page, or JSON.

use crate::cli::labels::{NO_FACE, Place};
use crate::cli::out::{print, print_json};
use crate::data::Task;
use crate::error::Result;
use crate::faces::FaceBox;
use crate::text::{clean, left};
use serde::Serialize;
use std::path::PathBuf;

/// What was written for an image or a face. Fields are in the order of the JSON's keys.
#[derive(Serialize)]
pub(super) struct Written {
    file: String,
    #[serde(rename = "box")]
    face: Option<FaceBox>,
    #[serde(flatten)]
    explained: Explained,
    /// Whether the probability is independent of those of the other classes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    independent: bool,
    page: Option<PathBuf>,
    maps: Vec<PathBuf>,
}

/// What was explained, and what the network says of it; none where no face was found.
#[derive(Serialize)]
#[serde(untagged)]
enum Explained {
    Class { class: Option<String>, probability: Option<f32> },
    Value { output: Option<String>, value: Option<f32> },
}

impl Written {
    /// Of a page: the class or output, and what the network says of it.
    pub(super) fn new(place: &Place, task: Task, (name, said): (String, f32), page: PathBuf) -> Self {
        let none = Self::no_face(place, task);
        Self { explained: Explained::new(task, Some(name), Some(said)), page: Some(page), ..none }
    }

    /// Of a photograph without a face, which has no page.
    pub(super) fn no_face(place: &Place, task: Task) -> Self {
        Self {
            file: place.file.display().to_string(),
            face: place.face,
            explained: Explained::new(task, None, None),
            independent: false,
            page: None,
            maps: Vec::new(),
        }
    }

    /// With the maps' files, and whether probabilities are independent.
    pub(super) fn with(self, maps: Vec<PathBuf>, independent: bool) -> Self {
        Self { maps, independent, ..self }
    }
}

impl Explained {
    fn new(task: Task, name: Option<String>, said: Option<f32>) -> Self {
        match task {
            Task::Classes => Self::Class { class: name, probability: said },
            Task::Values => Self::Value { output: name, value: said },
        }
    }

    /// The name, and what the network says.
    fn said(&self) -> Option<(&str, f32)> {
        match self {
            Self::Class { class: name, probability: said } | Self::Value { output: name, value: said } => {
                Some((name.as_deref()?, (*said)?))
            }
        }
    }
}

/// Prints rows as they come: an image takes seconds. JSON comes at the end, so that it is whole or absent.
pub(super) struct Rows {
    json: bool,
    task: Task,
    file_width: usize,
    name_width: usize,
    started: bool,
    kept: Vec<Written>,
}

impl Rows {
    /// For pages about `files`, of the network's classes or outputs.
    pub(super) fn new(json: bool, task: Task, files: &[PathBuf], names: &[String]) -> Self {
        let width = |text: &str| clean(text).chars().count();
        let file_width = files.iter().map(|file| width(&file.to_string_lossy())).max().unwrap_or(0).max("file".len());
        let name_width = names.iter().map(|name| width(name)).max().unwrap_or(0).max(NO_FACE.len());
        Self { json, task, file_width, name_width, started: false, kept: Vec::new() }
    }

    /// Prints or keeps one more. False when nobody reads any more.
    pub(super) fn push(&mut self, written: Written) -> Result<bool> {
        if self.json {
            self.kept.push(written);
            return Ok(true);
        }
        let [name, said] = match self.task {
            Task::Classes => ["class", "probability"],
            Task::Values => ["output", "value"],
        };
        let first = !std::mem::replace(&mut self.started, true);
        let head = if first { self.line("file", name, &format!("{said:>11}"), "page") } else { String::new() };
        let (name, said) = match written.explained.said() {
            Some((name, said)) => (name, format!("{said:>11.4}")),
            None => (NO_FACE, " ".repeat(11)),
        };
        let mut page = written.page.as_ref().map(|page| page.display().to_string()).unwrap_or_default();
        if let Some(FaceBox { x, y, width, height }) = written.face {
            page += &format!("  at {x},{y} {width}x{height}");
        }
        print(&(head + &self.line(&written.file, name, &said, &page)))
    }

    fn line(&self, file: &str, name: &str, said: &str, page: &str) -> String {
        let (file, name) = (left(&clean(file), self.file_width), left(&clean(name), self.name_width));
        format!("{file}  {name}  {said}  {}", clean(page)).trim_end().to_owned() + "\n"
    }

    /// Prints what was kept.
    pub(super) fn finish(self) -> Result<()> {
        if self.json {
            print_json(&self.kept)?;
        }
        Ok(())
    }
}
