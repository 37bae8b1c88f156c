//! The column `emotion`: FER2013's numbers 0 to 6, or names of classes.

use std::collections::BTreeMap;

use crate::data::names::canonical;
use crate::data::synth::EMOTIONS;
use crate::data::table::{Fault, shown, utf8_note};

const NUMBERS: &str = "a label 0 to 6 (angry, disgust, fear, happy, sad, surprise, neutral)";

/// What a field says.
pub(super) enum Emotion<'a> {
    Number(u32),
    Name(&'a str),
}

/// The emotions of a table while it is read.
pub(super) enum Emotions {
    /// No row was read.
    Unknown,
    /// Numbers, the first of them in this line.
    Numbers(u64),
    /// Names in the order of their first rows, which begin in this line.
    Names(u64, Vec<String>),
}

/// The classes of a table.
pub(super) struct Classes {
    pub names: Vec<String>,
    /// For each of the labels that were given, the class.
    pub of_labels: Vec<u32>,
    pub notes: Vec<String>,
}

impl Emotions {
    /// What a field of this column says.
    ///
    /// # Errors
    /// No label, a number that FER2013 does not have, a name among numbers or a number among names.
    pub(super) fn judge<'a>(&self, field: &'a [u8]) -> Result<Emotion<'a>, Fault> {
        let refuse =
            |expected: &str| Err((format!("emotion `{}`{}", shown(field, 40), utf8_note(field)), expected.to_owned()));
        let Ok(text) = std::str::from_utf8(field) else { return refuse(NUMBERS) };
        // pandas writes whole numbers as floats where a column has gaps.
        let number = text.parse::<f32>().ok();
        match (self, number) {
            _ if text.is_empty() => refuse("a label 0 to 6, or a name such as happy"),
            (Self::Names(line, _), Some(_)) => refuse(&format!("a name, as in row {line}")),
            (_, Some(number)) if number.fract() == 0.0 && (0.0..=6.0).contains(&number) => {
                Ok(Emotion::Number(number as u32))
            }
            (Self::Numbers(line), None) => refuse(&format!("{NUMBERS}, as in row {line}")),
            (_, Some(_)) => refuse(NUMBERS),
            (_, None) => Ok(Emotion::Name(text)),
        }
    }

    /// The label of a good row.
    pub(super) fn label(&mut self, emotion: &Emotion<'_>, line: u64) -> u32 {
        match emotion {
            Emotion::Number(number) => {
                if matches!(self, Self::Unknown) {
                    *self = Self::Numbers(line);
                }
                *number
            }
            Emotion::Name(name) => {
                if !matches!(self, Self::Names(..)) {
                    *self = Self::Names(line, Vec::new());
                }
                let Self::Names(_, known) = self else { return 0 };
                let found = known.iter().position(|k| k == name).unwrap_or_else(|| {
                    known.push((*name).to_owned());
                    known.len() - 1
                });
                found as u32
            }
        }
    }

    /// The classes, in FER2013's order; names that it does not have follow in the alphabet's. Names of one emotion are one class.
    pub(super) fn classes(self) -> Classes {
        let Self::Names(_, known) = self else {
            let of_labels = (0..EMOTIONS.len() as u32).collect();
            return Classes { names: EMOTIONS.map(str::to_string).to_vec(), of_labels, notes: Vec::new() };
        };
        let key = |name: &str| {
            let name = canonical(name);
            (EMOTIONS.iter().position(|e| *e == name).unwrap_or(EMOTIONS.len()), name)
        };
        let mut groups: BTreeMap<(usize, String), Vec<&String>> = BTreeMap::new();
        known.iter().for_each(|name| groups.entry(key(name)).or_default().push(name));
        let (mut names, mut notes) = (Vec::new(), Vec::new());
        for ((_, name), spelled) in &groups {
            if let [only] = spelled.as_slice() {
                names.push((*only).clone());
                continue;
            }
            let spelled: Vec<String> = spelled.iter().map(|name| format!("`{name}`")).collect();
            notes.push(format!("the names {} mean one class, `{name}`", spelled.join(", ")));
            names.push(name.clone());
        }
        let place = |name: &String| groups.keys().position(|group| *group == key(name)).unwrap_or_default() as u32;
        Classes { of_labels: known.iter().map(place).collect(), names, notes }
    }
}
