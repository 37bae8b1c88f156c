//! Paths that stand in tables and lists, which may come from another system.

use std::path::{MAIN_SEPARATOR, Path, PathBuf};

/// The file that a list in `folder` names. Backslashes, which Windows writes between folders, do so on every system, unless there
/// is a file with them in its name.
pub(crate) fn listed(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join(text);
    if MAIN_SEPARATOR == '\\' || !text.contains('\\') || path.exists() {
        return path;
    }
    folder.join(text.replace('\\', "/"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn windows_writes_backslashes() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let same = |text: &str, wanted: &str| assert_eq!(listed(root, text), root.join(wanted), "{text}");
        same("faces/0.png", "faces/0.png");
        same("faces\\happy\\0.png", "faces/happy/0.png");
        same(".\\0.png", "./0.png");
        #[cfg(unix)]
        {
            std::fs::write(root.join("odd\\name.png"), "").unwrap();
            same("odd\\name.png", "odd\\name.png");
        }
    }
}
