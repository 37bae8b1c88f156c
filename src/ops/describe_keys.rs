//! The keys of a layer's configuration, as [`super::describe`] reads them.

use super::describe::Config;
use super::window::Padding;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// The keys of a configuration, read one at a time. `null` is as good as an absent key.
#[derive(Debug)]
pub(super) struct Keys<'a> {
    config: &'a Config,
    /// What has been asked for: the keys that the class has.
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        Self { config, asked: RefCell::default() }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.config.get(key).filter(|v| !v.is_null())
    }

    /// Refuses keys that nothing has asked for.
    pub(super) fn all_asked(&self) -> Result<(), String> {
        let asked = self.asked.borrow();
        let Some(unknown) = self.config.keys().find(|key| !asked.contains(*key)) else { return Ok(()) };
        let near = crate::error::nearest(unknown, asked.iter().map(String::as_str));
        let near = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        Err(format!("it has no setting `{unknown}`{near}"))
    }

    pub(super) fn wrong(&self, key: &str, expected: &str) -> String {
        match self.get(key) {
            Some(found) => format!("`{key}` is {}; expected {expected}", shortened(&found.to_string())),
            None => format!("`{key}` is missing; expected {expected}"),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<&str, String> {
        self.get(key).and_then(Value::as_str).ok_or_else(|| self.wrong(key, "a name"))
    }

    pub(super) fn count(&self, key: &str) -> Result<usize, String> {
        self.get(key).and_then(whole).ok_or_else(|| self.wrong(key, "a whole number"))
    }

    /// A whole number, or the default where there is none.
    pub(super) fn count_or(&self, key: &str, default: usize) -> Result<usize, String> {
        if self.get(key).is_some() { self.count(key) } else { Ok(default) }
    }

    pub(super) fn number(&self, key: &str, default: f32) -> Result<f32, String> {
        let value = match self.get(key) {
            None => default,
            Some(value) => value.as_f64().ok_or_else(|| self.wrong(key, "a number"))? as f32,
        };
        if value.is_finite() { Ok(value) } else { Err(self.wrong(key, "a number")) }
    }

    /// The first of several keys that is there: Keras has renamed some.
    pub(super) fn either(&self, keys: &[&str], default: f32) -> Result<f32, String> {
        let key = keys.iter().find(|key| self.get(key).is_some()).unwrap_or(&keys[0]);
        self.number(key, default)
    }

    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, String> {
        self.get(key).map_or(Ok(default), |v| v.as_bool().ok_or_else(|| self.wrong(key, "true or false")))
    }

    /// `[3, 3]`, or `3` for both.
    pub(super) fn pair(&self, key: &str) -> Result<Option<[usize; 2]>, String> {
        let Some(value) = self.get(key) else { return Ok(None) };
        pair_of(value).map(Some).ok_or_else(|| self.wrong(key, "one or two whole numbers"))
    }

    /// Rows and columns at the edges of a map: `[[top, bottom], [left, right]]`, `[vertical, horizontal]`, or one number for all
    /// four sides.
    pub(super) fn sides(&self, key: &str) -> Result<[[usize; 2]; 2], String> {
        self.channels_last()?;
        let sides = match self.get(key).and_then(Value::as_array).map(Vec::as_slice) {
            Some([rows, columns]) => pair_of(rows).zip(pair_of(columns)),
            Some(_) => None,
            None => self.get(key).and_then(pair_of).map(|side| (side, side)),
        };
        sides.map(|(rows, columns)| [rows, columns]).ok_or_else(|| self.wrong(key, "[[top, bottom], [left, right]]"))
    }

    /// A list of whole numbers.
    pub(super) fn sizes(&self, key: &str) -> Result<Vec<usize>, String> {
        let list = self.get(key).and_then(Value::as_array);
        let sizes: Option<Vec<usize>> = list.and_then(|list| list.iter().map(whole).collect());
        sizes.ok_or_else(|| self.wrong(key, "whole numbers"))
    }

    pub(super) fn padding(&self) -> Result<Padding, String> {
        match self.get("padding").map(Value::as_str) {
            None | Some(Some("valid")) => Ok(Padding::Valid),
            Some(Some("same")) => Ok(Padding::Same),
            Some(_) => Err(self.wrong("padding", "\"same\" or \"valid\"")),
        }
    }

    /// Window, step and padding of a pooling layer.
    pub(super) fn pooling(&self) -> Result<([usize; 2], [usize; 2], Padding), String> {
        self.channels_last()?;
        let window = self.pair("pool_size")?.unwrap_or([2; 2]);
        Ok((window, self.pair("strides")?.unwrap_or(window), self.padding()?))
    }

    pub(super) fn global(&self) -> Result<(), String> {
        self.channels_last()?;
        self.only("keepdims", &[json!(false)])
    }

    pub(super) fn channels_last(&self) -> Result<(), String> {
        self.only("data_format", &[json!("channels_last")])
    }

    /// Refuses a key that says anything but what our op does; an absent key is fine.
    pub(super) fn only(&self, key: &str, allowed: &[Value]) -> Result<(), String> {
        match self.get(key) {
            Some(found) if !allowed.contains(found) => {
                let texts: Vec<String> = allowed.iter().take(1).map(ToString::to_string).collect();
                let expected = if texts.is_empty() { "none".to_owned() } else { texts.join("") };
                Err(self.wrong(key, &format!("{expected}, all that is supported")))
            }
            _ => Ok(()),
        }
    }
}

/// A whole number that a size may be.
fn whole(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|n| u32::try_from(n).ok()).map(|n| n as usize)
}

/// `[3, 3]`, or `3` for both.
fn pair_of(value: &Value) -> Option<[usize; 2]> {
    match value.as_array().map(Vec::as_slice) {
        Some([a, b]) => whole(a).zip(whole(b)).map(|(a, b)| [a, b]),
        Some(_) => None,
        None => whole(value).map(|n| [n; 2]),
    }
}

/// A value as an error shows it.
fn shortened(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() { short + "..." } else { short }
}
