//! Variables of a network's TOML file: values that stand in one place, and that a run or a search can set to others.
//!
//! ```toml
//! [variables]
//! filters = 32
//!
//! [[layer]]
//! class = "Conv2D"
//! filters = "${filters}"
//! ```

use crate::error::nearest;
use std::collections::{BTreeMap, BTreeSet};
use toml::{Table, Value};

/// Values of variables by name.
pub type Variables = BTreeMap<String, Value>;

/// The variables of a file with the values in effect, and which of them the layers have used.
pub(super) struct Scope {
    values: Table,
    used: BTreeSet<String>,
    /// Values that may still be put in.
    left: usize,
}

/// Values that variables may stand for in all: a list of a million numbers in each of ten thousand layers is no network.
const MOST: usize = 1_000_000;

impl Scope {
    /// The file's own values, with others for those in `given`.
    ///
    /// # Errors
    /// A name in `given` that the file does not have.
    pub(super) fn new(mut values: Table, given: &Variables) -> Result<Self, String> {
        for (name, value) in given {
            match values.get_mut(name) {
                Some(own) => own.clone_from(value),
                None => return Err(unknown(name, &values)),
            }
        }
        Ok(Self { values, used: BTreeSet::new(), left: MOST })
    }

    /// Puts values in the place of `"${name}"`, wherever it is a whole text in a layer's table.
    ///
    /// # Errors
    /// A name that the file does not have; a `${` that is not the whole text.
    pub(super) fn fill(&mut self, table: &mut Table) -> Result<(), String> {
        table.iter_mut().try_for_each(|(_, value)| self.fill_value(value))
    }

    fn fill_value(&mut self, value: &mut Value) -> Result<(), String> {
        match value {
            Value::String(text) if text.contains("${") => {
                let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
                    return Err(format!("\"{text}\": a variable stands alone, as in \"${{filters}}\""));
                };
                let found = self.values.get(name).ok_or_else(|| unknown(name, &self.values))?;
                let left = self.left.checked_sub(count(found));
                self.left = left.ok_or_else(|| format!("the variables stand for more than {MOST} values in all"))?;
                let found = found.clone();
                self.used.insert(name.to_owned());
                *value = found;
                Ok(())
            }
            Value::Array(values) => values.iter_mut().try_for_each(|value| self.fill_value(value)),
            Value::Table(table) => self.fill(table),
            _ => Ok(()),
        }
    }

    /// A variable that no layer uses: setting it would change nothing.
    pub(super) fn unused(&self) -> Option<&str> {
        self.values.keys().map(String::as_str).find(|name| !self.used.contains(*name))
    }
}

/// The numbers and texts in a value.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(count).sum::<usize>(),
        Value::Table(table) => 1 + table.iter().map(|(_, value)| count(value)).sum::<usize>(),
        Value::String(text) => 1 + text.len() / 64,
        _ => 1,
    }
}

/// The text of an error for a name that is not among the variables.
fn unknown(name: &str, values: &Table) -> String {
    let known = match (nearest(name, values.keys().map(String::as_str)), values.is_empty()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, true) => "the file has no table [variables]".to_owned(),
        (None, false) => format!("[variables] has {}", values.keys().cloned().collect::<Vec<_>>().join(", ")),
    };
    format!("no variable `{name}`; {known}")
}
