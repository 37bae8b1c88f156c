//! Text that others wrote (names of files, folders, classes and layers), made safe to print.
//!
//! A terminal obeys escape sequences, a carriage return hides what stands before it, and bidirectional overrides reorder
//! what follows. Messages and tables therefore show such characters as `\u{1b}`; JSON and csv keep every name as it is,
//! under their own rules.

use std::borrow::Cow;
use std::path::Path;

/// Longest name of a class or a layer, in bytes. File systems end at 255.
pub const MAX_NAME_BYTES: usize = 1024;

/// `text` on one line and without a character that a terminal would obey: each is written as Rust writes it (`\n`, `\u{1b}`).
/// A backslash stays one backslash, so that paths of Windows are as they are.
pub fn clean(text: &str) -> Cow<'_, str> {
    replaced(text, is_active)
}

/// As [`clean`], but line breaks stay: for text that is laid out in lines.
pub fn clean_lines(text: &str) -> Cow<'_, str> {
    replaced(text, |c| c != '\n' && is_active(c))
}

/// A path as messages show it.
pub fn shown(path: &Path) -> String {
    clean(&path.to_string_lossy()).into_owned()
}

/// Spaces that bring `text` to a width in characters. Formats (`{:width$}`) panic from a width of 65,536 on.
pub fn padding(text: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(text.chars().count()))
}

/// `text` with spaces after it to a width in characters.
pub fn left(text: &str, width: usize) -> String {
    text.to_owned() + &padding(text, width)
}

/// `text` with spaces before it to a width in characters.
pub fn right(text: &str, width: usize) -> String {
    padding(text, width) + text
}

/// Refuses a name that is too long to be one; `what` says whose it is.
///
/// # Errors
/// The text of what is wrong, with the beginning of the name.
pub fn check_name(what: &str, name: &str) -> Result<(), String> {
    if name.len() <= MAX_NAME_BYTES {
        return Ok(());
    }
    let start: String = name.chars().take(40).collect();
    Err(format!("the name of {what} has {} bytes (`{start}...`), more than {MAX_NAME_BYTES}", name.len()))
}

/// Characters that move the cursor, change the terminal or reorder what follows.
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{2028}' | '\u{2029}')
}

fn replaced(text: &str, is_bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_bad) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' if is_bad(c) => out += "\\n",
            '\r' if is_bad(c) => out += "\\r",
            '\t' if is_bad(c) => out += "\\t",
            c if is_bad(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        assert_eq!(clean("a\u{1b}[31m\r\nb\t\u{7f}\u{9b}"), "a\\u{1b}[31m\\r\\nb\\t\\u{7f}\\u{9b}");
        assert_eq!(clean("\u{202e}gnp.exe\u{2066}\u{2028}"), "\\u{202e}gnp.exe\\u{2066}\\u{2028}");
        assert_eq!(clean_lines("a\nb\u{1b}"), "a\nb\\u{1b}");
        for same in ["", "C:\\new\\table", "pâté 日本語 مرحبا 👩‍👩‍👧", "`a`, b"] {
            assert!(matches!(clean(same), Cow::Borrowed(text) if text == same), "{same}");
        }
        assert_eq!(shown(Path::new("a\nb.png")), "a\\nb.png");
    }

    #[test]
    fn any_width_pads() {
        assert_eq!((left("é", 3), right("é", 3), right("abcd", 3)), ("é  ".into(), "  é".into(), "abcd".into()));
        assert_eq!(left("a", 100_000).len(), 100_000);
    }

    #[test]
    fn names_have_a_limit() {
        assert!(check_name("a class", &"n".repeat(MAX_NAME_BYTES)).is_ok());
        let text = check_name("a class", &"é".repeat(MAX_NAME_BYTES)).expect_err("too long");
        assert!(text.starts_with("the name of a class has 2048 bytes (`éé") && text.len() < 200, "{text}");
    }
}
