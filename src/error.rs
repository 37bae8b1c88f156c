//! Every way a request can fail, each saying where it happened, what was found, what was expected and what to try.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::text::{clean, clean_lines, shown};

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure that a user can act on. Its text names the file, row, layer or op that it is about; control characters in
/// what it was given, line breaks among them, are shown as [`clean`] shows them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A flag, a setting or an argument that cannot be used.
    #[error("{}{}", brief(.what), hint_line(.hint))]
    Usage {
        /// What was given and why it cannot be.
        what: String,
        /// What to type instead (may be empty).
        hint: String,
    },
    /// A setting out of its range, wherever it was given.
    #[error("{}{}", brief(&setting_text(.table, .key, .value)), hint_line(.hint))]
    Setting {
        /// The table of a settings file that it is in, empty for none; for a phase `phase` and its place from 0: `phase.1`.
        table: String,
        /// Its name in kebab case.
        key: &'static str,
        /// What it was set to.
        value: String,
        /// What it may be.
        hint: String,
    },
    /// Shapes or settings that an op or a layer cannot take; found before any GPU exists.
    #[error("layer `{}` ({op}): {}", clean(.layer), brief(.what))]
    Shape {
        /// The layer's name in its graph.
        layer: String,
        /// The op's snake_case name.
        op: &'static str,
        /// The shapes found and what was expected.
        what: String,
    },
    /// A data file that does not hold what its format promises.
    #[error("{}{}: {}; expected {}", shown(.path), row_text(.row), brief(.what), brief(.expected))]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// The row (1 is the first line of the file), where there is one.
        row: Option<u64>,
        /// What was found.
        what: String,
        /// What the format asks for.
        expected: String,
    },
    /// The operating system refused a file.
    #[error("cannot {doing} {}: {}{}", shown(.path), clean(&.source.to_string()), hint_line(io_hint(.source)))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The verb: `read`, `write`, `create` ...
        doing: &'static str,
        /// The system's own word.
        source: std::io::Error,
    },
    /// A checkpoint that is damaged or belongs to something else.
    #[error("checkpoint {}: {}{}", shown(.path), brief(.what), hint_line(.hint))]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// How to go on (may be empty).
        hint: String,
    },
    /// No adapter to compute on.
    #[error("no usable GPU adapter: {}{}", clean_lines(.what), hint_lines(.hint))]
    NoAdapter {
        /// What was looked for and what there is.
        what: String,
        /// How to get one on each system.
        hint: String,
    },
    /// The graphics driver refused or lost something.
    #[error("GPU: {}{}", clean_lines(.what), hint_lines(.hint))]
    Gpu {
        /// What was being done and the driver's word.
        what: String,
        /// What to try.
        hint: String,
    },
    /// The device went away in the middle of its work.
    #[error("GPU: the device was lost: {}{}", clean_lines(.what), hint_lines(.hint))]
    DeviceLost {
        /// The driver's word.
        what: String,
        /// The likely cause and how to go on.
        hint: String,
    },
    /// The loss or a layer became infinite or not a number.
    #[error("training stopped at epoch {epoch}, step {step}: {}{}", brief(.what), hint_line(.hint))]
    NotFinite {
        /// Epoch, counted from 1.
        epoch: usize,
        /// Step within the epoch, counted from 1.
        step: usize,
        /// The layer, and whether its output or its parameters are not finite.
        what: String,
        /// What to try, and which checkpoint is still good.
        hint: String,
    },
}

impl Error {
    /// A usage error with a hint.
    pub fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), hint: hint.into() }
    }

    /// A setting out of its range; see [`Error::Setting`].
    pub fn setting(
        table: impl Into<String>,
        key: &'static str,
        value: impl std::fmt::Display,
        hint: impl Into<String>,
    ) -> Self {
        Self::Setting { table: table.into(), key, value: value.to_string(), hint: hint.into() }
    }

    /// The same error about a setting of another table, where it is about one of none.
    #[must_use]
    pub fn in_table(mut self, name: &str) -> Self {
        if let Self::Setting { table, .. } = &mut self
            && table.is_empty()
        {
            name.clone_into(table);
        }
        self
    }

    /// A data error without a row.
    pub fn data(path: impl AsRef<Path>, what: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Data { path: path.as_ref().to_path_buf(), row: None, what: what.into(), expected: expected.into() }
    }

    /// A data error at a row of a file, counted from 1.
    pub fn row(path: impl AsRef<Path>, row: u64, what: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Data { path: path.as_ref().to_path_buf(), row: Some(row), what: what.into(), expected: expected.into() }
    }

    /// Turns an I/O error into ours: `.map_err(Error::io("read", path))`.
    pub fn io(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { path, doing, source }
    }

    /// A checkpoint error with a hint.
    pub fn checkpoint(path: impl AsRef<Path>, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Checkpoint { path: path.as_ref().to_path_buf(), what: what.into(), hint: hint.into() }
    }

    /// A GPU error with a hint.
    pub fn gpu(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Gpu { what: what.into(), hint: hint.into() }
    }

    /// A shape error of an op that does not know its layer's name yet: the graph fills it in ([`Error::in_layer`]).
    pub fn shape(op: &'static str, what: impl Into<String>) -> Self {
        Self::Shape { layer: String::new(), op, what: what.into() }
    }

    /// Names the layer in a shape error.
    #[must_use]
    pub fn in_layer(mut self, name: &str) -> Self {
        if let Self::Shape { layer, .. } = &mut self {
            name.clone_into(layer);
        }
        self
    }

    /// The command's exit code: 2 usage and shapes, 3 data and files, 4 GPU, 5 checkpoint, 6 training diverged.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } | Self::Setting { .. } | Self::Shape { .. } => 2,
            Self::Data { .. } | Self::Io { .. } => 3,
            Self::NoAdapter { .. } | Self::Gpu { .. } | Self::DeviceLost { .. } => 4,
            Self::Checkpoint { .. } => 5,
            Self::NotFinite { .. } => 6,
        }
    }
}

/// A setting as the command line has it, or with its table.
fn setting_text(table: &str, key: &str, value: &str) -> String {
    match table.split_once('.').map(|(name, place)| (name, place.parse::<usize>())) {
        Some(("phase", Ok(place))) => format!("phase {}: {key} {value}", place + 1),
        _ if table.is_empty() => format!("--{key} {value}"),
        _ => format!("[{table}] {key} {value}"),
    }
}

/// The known name nearest to a mistyped one, if any is near (Jaro-Winkler similarity over 0.7).
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(&name.to_lowercase(), &k.to_lowercase()), k))
        .filter(|(score, _)| *score > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

/// The way on from what only the user can change.
fn io_hint(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "make room there (or raise the quota or limit), then run the command again; a training run goes on by `train --resume`"
        }
        ErrorKind::ReadOnlyFilesystem => "name a folder on a disk that can be written",
        ErrorKind::PermissionDenied => "give this user the right to it, or name another place",
        _ => "",
    }
}

fn hint_line(hint: &str) -> String {
    if hint.is_empty() { String::new() } else { format!("\n  hint: {}", brief(hint)) }
}

/// The longest part of a message, in characters: a damaged file may have a field of a megabyte.
const MOST_CHARACTERS: usize = 4000;

/// A part of a message without control characters and of a length that can be read.
fn brief(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MOST_CHARACTERS) {
        None => clean(text),
        Some((end, _)) => {
            let more = text[end..].chars().count();
            format!("{}... ({more} more characters)", clean(&text[..end])).into()
        }
    }
}

/// What drivers say has line breaks of its own.
fn hint_lines(hint: &str) -> String {
    if hint.is_empty() { String::new() } else { format!("\n  hint: {}", clean_lines(hint)) }
}

fn row_text(row: &Option<u64>) -> String {
    row.map(|r| format!(", row {r}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_text_of_a_bounded_length() {
        let evil = "a\u{1b}[2J\nb";
        for error in [
            Error::usage(evil, evil),
            Error::row(evil, 3, evil, evil),
            Error::checkpoint(evil, evil, evil),
            Error::io("read", evil)(std::io::Error::other(evil)),
            Error::shape("relu", evil).in_layer(evil),
        ] {
            let text = error.to_string();
            assert!(
                text.contains("a\\u{1b}[2J\\nb") && !text.replace("\n  hint: ", "").contains(['\u{1b}', '\n']),
                "{text}"
            );
        }
        let text = Error::usage("é".repeat(1 << 20), "").to_string();
        assert!(text.ends_with("é... (1044576 more characters)"), "{}", &text[text.len() - 60..]);
    }
}
