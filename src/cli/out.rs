//! The two streams. A reader that has gone (`fer-gpu models | head -1`) is no fault of the command, and never a panic.

use crate::error::{Error, Result};
use crate::text::{clean, clean_lines, padding};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Arguments;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;

/// Writes text for people to stdout at once, without what a terminal would obey ([`clean_lines`]). False means that nobody
/// reads it any more: more output is pointless.
///
/// # Errors
/// [`Error::Io`] when it cannot be written for another reason, such as a full disk behind a redirection.
pub(super) fn print(text: &str) -> Result<bool> {
    print_data(&clean_lines(text))
}

/// [`print`] for what programs read (csv, JSON, TOML): every byte as it is.
///
/// # Errors
/// As [`print`].
pub(super) fn print_data(text: &str) -> Result<bool> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Error::io("write", "standard output")(e)),
    }
}

/// Writes the path of what was written: on a terminal without what it would obey, for a script as it is.
///
/// # Errors
/// As [`print`].
pub(super) fn print_path(path: &Path) -> Result<bool> {
    let line = format!("{}\n", path.display());
    if std::io::stdout().is_terminal() { print(&line) } else { print_data(&line) }
}

/// Writes a value to stdout as JSON. A number that JSON has no word for (NaN, infinity) becomes `null`.
///
/// # Errors
/// As [`print`].
pub(super) fn print_json(value: &impl Serialize) -> Result<bool> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::io("write", "standard output")(e.into()))?;
    print_data(&(text + "\n"))
}

/// Writes one line to stderr, without what a terminal would obey; the macro `say!` formats it. A line break in it came from a
/// name, and is shown as `\n`.
pub(super) fn say_line(line: Arguments<'_>) {
    say_lines(&clean(&line.to_string()));
}

/// Writes an error with its hint to stderr. `error:` is coloured where clap colours its own: on a terminal, unless `NO_COLOR` or
/// `CLICOLOR=0` forbids it, and wherever `CLICOLOR_FORCE` asks for it.
pub(super) fn say_error(text: &str) {
    let style = *clap::builder::Styles::styled().get_error();
    // There is nowhere left to report a failure of stderr to.
    let _ = writeln!(anstream::stderr(), "{style}error:{style:#} {}", clean_lines(text));
}

/// Writes text of several lines, such as a note with its hint, to stderr, without what a terminal would obey.
pub(super) fn say_lines(text: &str) {
    // There is nowhere left to report a failure of stderr to.
    let _ = writeln!(std::io::stderr(), "{}", clean_lines(text));
}

/// `eprintln!` that does not panic when stderr is closed.
macro_rules! say {
    ($($part:tt)*) => { $crate::cli::out::say_line(format_args!($($part)*)) };
}
pub(super) use say;

/// Rows as an aligned table with a line under the head; columns of `right` are aligned to the right. Cells stay on their line.
pub(super) fn table(head: &[&str], rows: &[Vec<String>], right: &[usize]) -> String {
    let head: Vec<Cow<'_, str>> = head.iter().map(|cell| clean(cell)).collect();
    let rows: Vec<Vec<Cow<'_, str>>> = rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
    let width = |c: usize| {
        let cells = rows.iter().filter_map(|row| row.get(c)).map(|cell| cell.chars().count());
        cells.chain([head[c].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (c, cell) in cells.enumerate() {
            let pad = padding(cell, widths[c]);
            let (before, after) = if right.contains(&c) { (pad.as_str(), "") } else { ("", pad.as_str()) };
            text += &format!("{before}{cell}{after}  ");
        }
        text.truncate(text.trim_end().len());
        text + "\n"
    };
    let mut text = line(&mut head.iter().map(AsRef::as_ref));
    text += &"-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1));
    text.push('\n');
    for row in &rows {
        text += &line(&mut row.iter().map(AsRef::as_ref));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align() {
        let rows = [["a", "1"], ["long", "1000"]].map(|r| r.map(str::to_owned).to_vec());
        assert_eq!(table(&["name", "n"], &rows, &[1]), "name     n\n----------\na        1\nlong  1000\n");
    }
}
