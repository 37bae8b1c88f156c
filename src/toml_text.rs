//! What is wrong in a TOML file, in a user's words and with its line.

use crate::error::{Error, Result, nearest};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Words of `serde` that name types of Rust, and what they are to a user. Of words that begin alike the longer comes first.
const WORDS: [(&str, &str); 18] = [
    ("a nonzero ", "a whole number, 1 or more"),
    ("usize", "a whole number, 0 or more"),
    ("u128", "a whole number, 0 or more"),
    ("u64", "a whole number, 0 or more"),
    ("u32", "a whole number, 0 or more"),
    ("u16", "a whole number, 0 to 65535"),
    ("u8", "a whole number, 0 to 255"),
    ("isize", "a whole number"),
    ("i128", "a whole number"),
    ("i64", "a whole number"),
    ("i32", "a whole number"),
    ("f64", "a number"),
    ("f32", "a number"),
    ("a boolean", "true or false"),
    ("a sequence", "a list"),
    ("an array of length ", "a list of "),
    ("a map", "a table"),
    ("struct ", "a table"),
];

/// A message of `serde` without names of Rust: `expected usize` is `expected a whole number, 0 or more`.
pub(crate) fn plain(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(at) = rest.find("expected ") {
        let (before, after) = rest.split_at(at + "expected ".len());
        text += before;
        rest = after;
        let Some((word, means)) = WORDS.iter().find(|(word, _)| after.starts_with(word)) else { continue };
        text += means;
        rest = &after[word.len()..];
        if *word == "struct " || *word == "a nonzero " {
            rest = rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        }
    }
    text += rest;
    for (theirs, ours) in [
        ("unknown variant `", "unknown name `"),
        ("invalid type: floating point `", "invalid type: the number `"),
        ("invalid type: integer `", "invalid type: the whole number `"),
        ("invalid value: integer `", "invalid value: the whole number `"),
        ("invalid type: boolean `", "invalid type: `"),
        ("invalid type: sequence", "invalid type: a list"),
        ("invalid type: map", "invalid type: a table"),
    ] {
        text = text.replace(theirs, ours);
    }
    text
}

/// An error in the TOML of `text` on one line: where it is, the line, what is wrong and the nearest known key or name.
pub(crate) fn explained(e: &toml::de::Error, text: &str) -> String {
    let near = nearest_known(e.message()).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
    let message = plain(e.message().trim_end()).replace('\n', "; ");
    match e.span().filter(|span| span.start <= text.len()) {
        Some(span) => format!("{}: {message}{near}", place(text, span.start)),
        None => message + &near,
    }
}

/// The line of an error, from 1.
pub(crate) fn line_of(e: &toml::de::Error, text: &str) -> u64 {
    line(text, e.span().map_or(0, |span| span.start)) as u64
}

fn line(text: &str, byte: usize) -> usize {
    1 + text.as_bytes().iter().take(byte).filter(|b| **b == b'\n').count()
}

/// `line 3, column 1 (`lr = 0`)`.
fn place(text: &str, byte: usize) -> String {
    let before = text.get(..byte).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let found: String = text[start..].lines().next().unwrap_or_default().trim().chars().take(80).collect();
    format!("line {}, column {} (`{found}`)", line(text, byte), 1 + before[start..].chars().count())
}

/// The known key or name that is nearest to the unknown one of an error's text, which lists them.
fn nearest_known(message: &str) -> Option<&str> {
    let unknown = message.strip_prefix("unknown field `").or_else(|| message.strip_prefix("unknown variant `"))?;
    let (unknown, known) = unknown.split_once('`')?;
    nearest(unknown, known.split('`').skip(1).step_by(2))
}

/// Refuses `nan` and `inf`, which TOML has and no setting takes; text that is no TOML is for others to refuse.
///
/// # Errors
/// The first, with its line.
pub(crate) fn check_finite(path: &Path, text: &str, expected: &str) -> Result<()> {
    let Ok(table) = DeTable::parse(text) else { return Ok(()) };
    let Some(at) = table.get_ref().values().find_map(not_finite) else { return Ok(()) };
    let what = format!("{}: no setting can be nan or inf", place(text, at));
    Err(Error::data(path, what, expected))
}

fn not_finite(value: &Spanned<DeValue<'_>>) -> Option<usize> {
    match value.get_ref() {
        DeValue::Float(number) => {
            let finite = number.as_str().replace('_', "").parse().is_ok_and(f64::is_finite);
            (!finite).then_some(value.span().start)
        }
        DeValue::Array(values) => values.iter().find_map(not_finite),
        DeValue::Table(table) => table.values().find_map(not_finite),
        _ => None,
    }
}

/// An error about a setting with the file and the line that it stands on, in the tables `within`; other errors as they are.
pub(crate) fn traced(path: &Path, text: &str, within: &[&str], error: Error) -> Error {
    let Error::Setting { table, key, value, hint } = &error else { return error };
    let tables = within.iter().copied().chain(table.split('.').filter(|name| !name.is_empty()));
    let keys: Vec<String> = tables.chain([*key]).map(str::to_owned).collect();
    match place_of_key(text, &keys) {
        Some(place) => Error::usage(format!("{}, {place}: {key} {value}", path.display()), hint),
        None => error,
    }
}

/// Where a key stands in a file: `line 3, column 1 (`lr = 0`)`. `path` are the tables that lead to it, with a place in a list after
/// the list's name; hyphens and underscores are one.
fn place_of_key(text: &str, path: &[String]) -> Option<String> {
    let root = DeTable::parse(text).ok()?;
    let (key, tables) = path.split_last()?;
    let same = |a: &str, b: &str| a.replace('_', "-") == b.replace('_', "-");
    let mut table = root.get_ref();
    let mut list: Option<&toml::de::DeArray<'_>> = None;
    for name in tables {
        let value = match (list.take(), name.parse::<usize>()) {
            (Some(values), Ok(index)) => values.get(index),
            _ => table.iter().find(|(known, _)| same(known.get_ref(), name)).map(|(_, value)| value),
        };
        match value?.get_ref() {
            DeValue::Table(inner) => table = inner,
            DeValue::Array(values) => list = Some(values),
            _ => return None,
        }
    }
    let (known, _) = table.iter().find(|(known, _)| same(known.get_ref(), key))?;
    Some(place(text, known.span().start))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn no_names_of_rust() {
        for (theirs, ours) in [
            (
                "invalid type: string \"three\", expected usize",
                "invalid type: string \"three\", expected a whole number, 0 or more",
            ),
            (
                "invalid value: integer `-1`, expected u16",
                "invalid value: the whole number `-1`, expected a whole number, 0 to 65535",
            ),
            (
                "invalid type: floating point `1.5`, expected i64",
                "invalid type: the number `1.5`, expected a whole number",
            ),
            ("invalid type: string \"x\", expected f32", "invalid type: string \"x\", expected a number"),
            (
                "invalid type: integer `1`, expected a boolean",
                "invalid type: the whole number `1`, expected true or false",
            ),
            (
                "invalid value: integer `0`, expected a nonzero usize",
                "invalid value: the whole number `0`, expected a whole number, 1 or more",
            ),
            (
                "invalid type: integer `1`, expected struct EarlyStopping",
                "invalid type: the whole number `1`, expected a table",
            ),
            ("invalid type: map, expected a sequence", "invalid type: a table, expected a list"),
            ("invalid length 1, expected an array of length 2", "invalid length 1, expected a list of 2"),
            ("unknown variant `x`, expected one of `a`, `b`", "unknown name `x`, expected one of `a`, `b`"),
            ("missing field `epochs`", "missing field `epochs`"),
        ] {
            assert_eq!(plain(theirs), ours);
        }
    }

    #[test]
    fn numbers_are_finite() {
        for (text, line) in [
            ("a = 1.5\nb = nan\n", "line 2"),
            ("[t]\n\nx = [1.0, -inf]", "line 3"),
            ("[[l]]\ny = {z = 1e999}", "line 2"),
        ] {
            let error = check_finite(Path::new("f.toml"), text, "settings").unwrap_err().to_string();
            assert!(error.starts_with(&format!("f.toml: {line}, column")), "{error}");
        }
        check_finite(Path::new("f.toml"), "a = 'nan'\nb = 1_000.5\nc = 3", "settings").unwrap();
    }

    #[test]
    fn keys_are_found_where_they_stand() {
        let text = "lr = 0\n[early-stopping]\nmin_delta = 1.0\n[[phase]]\nlr = 1\n[[phase]]\n  lr=2 # too much\n";
        let at = |path: &[&str]| place_of_key(text, &path.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
        assert_eq!(at(&["lr"]).unwrap(), "line 1, column 1 (`lr = 0`)");
        assert_eq!(at(&["early_stopping", "min-delta"]).unwrap(), "line 3, column 1 (`min_delta = 1.0`)");
        assert_eq!(at(&["phase", "1", "lr"]).unwrap(), "line 7, column 3 (`lr=2 # too much`)");
        assert!(at(&["phase", "2", "lr"]).is_none() && at(&["epochs"]).is_none() && at(&["lr", "x"]).is_none());
    }
}
