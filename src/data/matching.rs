//! Data with other class names than a network's. Collections call the same class `angry`, `Anger` or `0_anger`; a network must be
//! scored on all of them, and never on a guess: what [`names`] does not know has to be said with `--map`.

use super::names;
use crate::error::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;

/// Which class of some data is which of a network's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Matching {
    /// The network's class of each of the data's; none where it has none.
    pub classes: BTreeMap<String, Option<String>>,
    /// Classes of the network that the data does not have.
    pub missing_in_data: Vec<String>,
    /// Classes of the data that the network does not have; their images are left out.
    pub missing_in_network: Vec<String>,
    /// The network's classes whose images are scored, where not all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<String>>,
    #[serde(skip)]
    labels: Vec<Option<u32>>,
    #[serde(skip)]
    ours: Vec<String>,
}

impl Matching {
    /// Matches `theirs`, the data's classes, with `ours`, the network's: by `map` (theirs, ours), else by the same name, else by a
    /// synonym, with a number before it or not.
    ///
    /// # Errors
    /// A name in `map` that is no class; no class in common.
    pub fn new(theirs: &[String], ours: &[String], map: &[(String, String)]) -> Result<Self> {
        for (their, our) in map {
            known("--map: the data has no class", their, theirs)?;
            known("--map: the network has no class", our, ours)?;
            if map.iter().filter(|(t, _)| t == their).count() > 1 {
                return Err(Error::usage(format!("--map names `{their}` twice"), "map each class of the data once"));
            }
        }
        let find = |their: &String| {
            let mapped = map.iter().find(|(t, _)| t == their).and_then(|(_, our)| names::find(our, ours));
            mapped.or_else(|| names::find(their, ours)).or_else(|| names::find(names::unnumbered(their), ours))
        };
        let labels: Vec<Option<u32>> = theirs.iter().map(|their| find(their).map(|our| our as u32)).collect();
        if labels.iter().all(Option::is_none) {
            let what = format!("the data's classes are {}, the network's {}", theirs.join(", "), ours.join(", "));
            return Err(Error::usage(what, "say which is which, as in --map joyful=happy,cross=angry"));
        }
        let missing = |label: usize| !labels.contains(&Some(label as u32));
        Ok(Self {
            classes: theirs
                .iter()
                .zip(&labels)
                .map(|(their, label)| (their.clone(), label.map(|label| ours[label as usize].clone())))
                .collect(),
            missing_in_data: (0..ours.len()).filter(|our| missing(*our)).map(|our| ours[our].clone()).collect(),
            missing_in_network: theirs
                .iter()
                .zip(&labels)
                .filter(|(_, l)| l.is_none())
                .map(|(t, _)| t.clone())
                .collect(),
            only: None,
            ours: ours.to_vec(),
            labels,
        })
    }

    /// With the images of these of the network's classes alone, by their places.
    #[must_use]
    pub fn only(mut self, places: &[usize]) -> Self {
        let kept = |label: Option<u32>| label.filter(|label| places.contains(&(*label as usize)));
        self.labels = self.labels.into_iter().map(kept).collect();
        let names: Vec<String> = places.iter().map(|place| self.ours[*place].clone()).collect();
        self.missing_in_data.retain(|name| names.contains(name));
        self.only = Some(names);
        self
    }

    /// The network's label of each of the data's.
    pub fn labels(&self) -> &[Option<u32>] {
        &self.labels
    }

    /// The number of the network's classes.
    pub fn outputs(&self) -> usize {
        self.ours.len()
    }

    /// What a person should know: classes of other names and classes without a partner. Nothing if all have the same names.
    pub fn notes(&self) -> Vec<String> {
        let renamed =
            self.classes.iter().filter_map(|(their, our)| our.as_ref().filter(|o| *o != their).map(|o| (their, o)));
        let renamed: Vec<String> = renamed.map(|(their, our)| format!("{their} is {our}")).collect();
        let mut notes = Vec::new();
        if let Some(only) = &self.only {
            let (all, only) = (self.ours.len(), only.join(", "));
            notes.push(format!("only images of {only} are scored, over all {all} classes of the network"));
        }
        if !renamed.is_empty() {
            notes.push(format!("classes by other names: {}", renamed.join(", ")));
        }
        if !self.missing_in_network.is_empty() {
            notes.push(format!(
                "classes that the network does not know, whose images are left out: {}",
                self.missing_in_network.join(", ")
            ));
        }
        if !self.missing_in_data.is_empty() {
            notes.push(format!(
                "classes of the network that the data does not have: {}",
                self.missing_in_data.join(", ")
            ));
        }
        notes
    }
}

fn known(what: &str, name: &str, names: &[String]) -> Result<()> {
    if names.iter().any(|n| n == name) {
        return Ok(());
    }
    Err(Error::usage(format!("{what} `{name}`"), names::hint(name, "classes", names)))
}

/// A `theirs=ours` of `--map`.
///
/// # Errors
/// Text without exactly one `=` between two names.
pub fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=').map(|(their, our)| (their.trim(), our.trim())) {
        Some((their, our)) if !their.is_empty() && !our.is_empty() && !our.contains('=') => {
            Ok((their.to_owned(), our.to_owned()))
        }
        _ => Err("expected the data's name, =, the network's name, as in Anger=angry".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn classes_find_their_partners() {
        let ours = list("angry disgust happy sad");
        let map = [("calm".to_owned(), "sad".to_owned())];
        let m = Matching::new(&list("0_Anger calm contempt happy joy"), &ours, &map).unwrap();
        assert_eq!(m.labels(), [Some(0), Some(3), None, Some(2), Some(2)]);
        assert_eq!(m.missing_in_data, ["disgust"]);
        assert_eq!(m.missing_in_network, ["contempt"]);
        let notes = m.notes().join("; ");
        assert!(notes.contains("0_Anger is angry, calm is sad, joy is happy; "), "{notes}");
        assert!(notes.contains("left out: contempt;") && notes.ends_with("does not have: disgust"), "{notes}");
        assert!(Matching::new(&ours, &ours, &[]).unwrap().notes().is_empty());
        let some = m.only(&[1, 2]);
        assert_eq!((some.labels(), some.outputs()), (&[None, None, None, Some(2), Some(2)][..], 4));
        assert!(some.notes()[0].contains("only images of disgust, happy are scored, over all 4 classes"));
        assert_eq!(some.missing_in_data, ["disgust"]);
        // The same name goes before a synonym, and what is said before both.
        let both = list("anger angry");
        assert_eq!(Matching::new(&both, &both, &[]).unwrap().labels(), [Some(0), Some(1)]);
        let map = [("anger".to_owned(), "angry".to_owned())];
        assert_eq!(Matching::new(&both, &both, &map).unwrap().labels(), [Some(1), Some(1)]);
    }

    #[test]
    fn wrong_maps_are_named() {
        let ours = list("angry happy");
        let refuse = |theirs: &str, map: &[(&str, &str)]| {
            let map: Vec<_> = map.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            Matching::new(&list(theirs), &ours, &map).unwrap_err().to_string()
        };
        let text = refuse("anger joy", &[("angr", "angry")]);
        assert!(text.contains("the data has no class `angr`") && text.contains("`anger`"), "{text}");
        let text = refuse("anger joy", &[("joy", "hapy")]);
        assert!(text.contains("the network has no class `hapy`") && text.contains("`happy`"), "{text}");
        assert!(refuse("anger joy", &[("joy", "happy"), ("joy", "angry")]).contains("`joy` twice"));
        assert!(refuse("x y", &[]).contains("--map"));
        assert_eq!(parse_pair(" a = b ").unwrap(), ("a".to_owned(), "b".to_owned()));
        assert!(["a", "a=", "=b", "a=b=c"].into_iter().all(|text| parse_pair(text).is_err()));
    }
}
