//! What collections call their splits: the folder `valid`, the Usage `PublicTest`, the column value `dev` are all validation.

/// A split by what its images are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SplitName {
    /// Images to learn from.
    Train,
    /// Images to choose by.
    Validation,
    /// Images to report on.
    Test,
}

/// The names in use, in lower case, without spaces, `_` and `-`.
const NAMES: [(SplitName, &[&str]); 3] = [
    (SplitName::Train, &["train", "training", "trn", "tr"]),
    (
        SplitName::Validation,
        &[
            "validation",
            "valid",
            "val",
            "validate",
            "validating",
            "dev",
            "development",
            "eval",
            "evaluation",
            "publictest",
        ],
    ),
    (SplitName::Test, &["test", "testing", "tst", "privatetest"]),
];
/// What may follow a name: `train_set`, `test-images`.
const ENDINGS: [&str; 5] = ["set", "split", "data", "images", "faces"];

impl SplitName {
    /// Every split.
    pub(super) const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The split that a folder, a file or a table's value names, in any case: `train`, `Training`, `FER2013Valid`, `test_set`.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let plain: String = name
            .chars()
            .filter(|c| !matches!(c, '_' | '-' | '.') && !c.is_whitespace())
            .collect::<String>()
            .to_lowercase();
        let plain = plain.strip_prefix("fer2013").unwrap_or(&plain);
        let find = |word: &str| NAMES.iter().find(|(_, names)| names.contains(&word)).map(|(split, _)| *split);
        find(plain).or_else(|| ENDINGS.iter().find_map(|ending| find(plain.strip_suffix(ending)?)))
    }

    /// The names of all splits, for messages: `train, training, ...`.
    pub(super) fn known() -> String {
        NAMES.iter().flat_map(|(_, names)| *names).copied().collect::<Vec<_>>().join(", ")
    }

    /// Its place in lists of the three.
    pub(super) fn index(self) -> usize {
        self as usize
    }

    /// The name that messages and `--split` use.
    pub(super) fn name(self) -> &'static str {
        NAMES[self.index()].1[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_use() {
        for (split, names) in [
            (SplitName::Train, "train Training TRAIN train_set training-images FER2013Train Train_Data"),
            (SplitName::Validation, "val valid Validation dev eval PublicTest public_test FER2013Valid validation_set"),
            (SplitName::Test, "test Testing PrivateTest private-test FER2013Test TestSet test_images"),
        ] {
            names.split(' ').for_each(|name| assert_eq!(SplitName::parse(name), Some(split), "{name}"));
        }
        for name in ["", "happy", "set", "fer2013", "tset", "trains", "latest", "contest"] {
            assert_eq!(SplitName::parse(name), None, "{name}");
        }
        assert_eq!(SplitName::ALL.map(SplitName::index), [0, 1, 2]);
        assert_eq!(SplitName::ALL.map(SplitName::name), ["train", "validation", "test"]);
    }
}
