//! Which words mean the same emotion: collections call one class `angry`, `anger` or `Anger`.
//!
//! Names travel as the data have them; they are compared here wherever two lists of classes meet: votes, weights of classes,
//! the network's classes and those of other data.

use crate::error::nearest;

/// Words for one emotion, in lower case; the first is the name that FER2013's classes have here.
const SYNONYMS: [&[&str]; 8] = [
    &["angry", "anger"],
    &["disgust", "disgusted"],
    &["fear", "fearful", "afraid", "scared"],
    &["happy", "happiness", "joy"],
    &["sad", "sadness"],
    &["surprise", "surprised"],
    &["neutral", "neutrality"],
    &["contempt", "contemptuous"],
];

/// The one name of an emotion: `angry` for `Anger`. Other names come back trimmed and in lower case.
pub fn canonical(name: &str) -> String {
    let name = name.trim().to_lowercase();
    let group = SYNONYMS.iter().find(|words| words.contains(&name.as_str()));
    group.map_or(name, |words| words[0].to_owned())
}

/// Whether a name, with a number before it or not, is one of an emotion that is known here.
pub fn is_emotion(name: &str) -> bool {
    let name = unnumbered(name).trim().to_lowercase();
    SYNONYMS.iter().any(|words| words.contains(&name.as_str()))
}

/// A name without the number before it: `Happiness` of `3_Happiness` or `03. Happiness`.
pub fn unnumbered(name: &str) -> &str {
    let name = name.trim().trim_start_matches(|c: char| c.is_ascii_digit());
    name.trim_start_matches(['_', '-', '.', ' '])
}

/// The place in `known` of a class by this name: the very name if it is there, else the first that means the same.
pub fn find(name: &str, known: &[String]) -> Option<usize> {
    let exact = known.iter().position(|k| k == name);
    exact.or_else(|| known.iter().position(|k| canonical(k) == canonical(name)))
}

/// What to say to someone who named a class or an output that is not known: the nearest name, if one is near, and all of them.
/// `all` is what they are together: `classes`.
pub fn hint(name: &str, all: &str, known: &[String]) -> String {
    let near = nearest(name, known.iter().map(String::as_str));
    let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    format!("{near}The {all} are {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_the_same() {
        assert_eq!([" Anger", "happiness", "Neutral", "Glee "].map(canonical), ["angry", "happy", "neutral", "glee"]);
        let known = ["happiness", "joy", "sad", "Wow"].map(String::from);
        assert_eq!(
            ["joy", "happy", "Sadness", "wow", "fear"].map(|n| find(n, &known)),
            [Some(1), Some(0), Some(2), Some(3), None]
        );
        assert!(is_emotion("03. Anger") && is_emotion("JOY") && !is_emotion("train") && !is_emotion("5"));
        assert!(
            hint("sadd", "classes", &known).contains("`sad`?")
                && hint("xyz", "classes", &known).starts_with("The classes")
        );
        let words: Vec<&str> = SYNONYMS.concat();
        let different: std::collections::BTreeSet<_> = words.iter().collect();
        assert_eq!(different.len(), words.len(), "a word is in two groups");
    }
}
