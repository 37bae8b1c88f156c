//! What the images of each class count in training's loss: a class with few images can be made to count more.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::table::Table;
use super::within::Within;
use super::{Dataset, Split, names};
use crate::error::{Error, Result};
use crate::input::read_text;
use crate::toml_text::{check_finite, line_of, plain};

const EXPECTED: &str = "a csv of `class,weight` rows, or a TOML file of `class = weight` lines";

/// What each class counts. Keras's `class_weight`: a sample's loss times its class's weight, summed over the batch and divided by
/// the number of samples, in training only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub enum ClassWeight {
    /// All the same.
    #[default]
    None,
    /// `n / (k n_c)`, for `n_c` of `n` training images of one of `k` classes: all classes count the same in all, and an image
    /// counts 1 on average (scikit-learn's `class_weight="balanced"`).
    Balanced,
    /// A number for each class, by name.
    Each(BTreeMap<String, f64>),
}

/// How settings hold it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged, expecting = "`none`, `balanced`, the name of a file, or a table of a number for each class")]
enum Text {
    Word(String),
    Each(BTreeMap<String, f64>),
}

impl TryFrom<Text> for ClassWeight {
    type Error = String;

    fn try_from(text: Text) -> Result<Self, String> {
        match text {
            Text::Word(word) => Self::parse(&word).map_err(|e| e.to_string()),
            Text::Each(each) => Ok(Self::Each(each)),
        }
    }
}

impl From<ClassWeight> for Text {
    fn from(weight: ClassWeight) -> Self {
        match weight {
            ClassWeight::None => Self::Word("none".into()),
            ClassWeight::Balanced => Self::Word("balanced".into()),
            ClassWeight::Each(each) => Self::Each(each),
        }
    }
}

impl ClassWeight {
    /// `none`, `balanced`, or the name of a file, which is read: `.toml`, else csv.
    ///
    /// # Errors
    /// A file that cannot be read, by row where it has rows; a class twice.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "none" => return Ok(Self::None),
            "balanced" => return Ok(Self::Balanced),
            _ => {}
        }
        let path = Path::new(text);
        if !path.exists() {
            return Err(Error::data(path, "no such file", format!("`none`, `balanced`, or {EXPECTED}")));
        }
        let is_toml = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
        (if is_toml { read_toml(path) } else { read_csv(path) }).map(Self::Each)
    }

    /// Weights the training images of a dataset; what came of it is noted there.
    ///
    /// # Errors
    /// A class without a weight, a name that is no class, a weight that is no number from 0 up, nothing but zeros; data of values.
    pub(super) fn apply(&self, dataset: &mut Dataset) -> Result<()> {
        let weights = match self {
            Self::None => return Ok(()),
            Self::Balanced => balanced(dataset.train.as_ref(), &dataset.classes)?,
            Self::Each(each) => in_order(each, &dataset.classes)?,
        };
        let each = dataset.classes.iter().zip(&weights).map(|(class, weight)| format!("{class} {weight:.4}"));
        dataset.notes.push(format!("class weights: {}", each.collect::<Vec<_>>().join(", ")));
        let whole = Arc::clone(&dataset.train);
        dataset.train = Arc::new(Weighted { whole, weights });
        Ok(())
    }
}

fn read_toml(path: &Path) -> Result<BTreeMap<String, f64>> {
    let text = read_text(path, EXPECTED)?;
    check_finite(path, &text, EXPECTED)?;
    let refuse = |e: toml::de::Error| Error::row(path, line_of(&e, &text), plain(e.message()), EXPECTED);
    toml::from_str(&text).map_err(refuse)
}

fn read_csv(path: &Path) -> Result<BTreeMap<String, f64>> {
    let mut table = Table::open_list(path, EXPECTED)?;
    let mut weights = BTreeMap::new();
    let mut add = |line: u64, fields: &[String]| {
        let refuse = |what: String| Err(Error::row(path, line, what, EXPECTED));
        let [class, weight] = fields else { return refuse(format!("{} columns", fields.len())) };
        match weight.parse::<f64>() {
            Ok(_) if weights.contains_key(class) => refuse(format!("class `{class}` twice")),
            Ok(weight) => {
                weights.insert(class.clone(), weight);
                Ok(())
            }
            Err(_) => refuse(format!("`{weight}` is not a number")),
        }
    };
    // A header may be left out.
    if !matches!(&table.header[..], [class, weight] if class.eq_ignore_ascii_case("class") && weight.eq_ignore_ascii_case("weight"))
    {
        add(table.header_line, &table.header)?;
    }
    while table.advance()? {
        let text = |i| table.text(i).map(str::to_owned);
        let fields = (0..table.fields()).map(text).collect::<Result<Vec<_>, _>>();
        let fields = fields.map_err(|(what, expected)| Error::row(path, table.line(), what, expected))?;
        add(table.line(), &fields)?;
    }
    Ok(weights)
}

/// scikit-learn's balanced weights.
fn balanced(split: &dyn Split, classes: &[String]) -> Result<Vec<f32>> {
    let mut counts = vec![0usize; classes.len()];
    (0..split.len()).for_each(|i| counts[split.label(i) as usize] += 1);
    if let Some(class) = counts.iter().position(|count| *count == 0) {
        let what = format!("--class-weight balanced: no training image is of class `{}`", classes[class]);
        return Err(Error::usage(what, "leave the class out with --classes"));
    }
    Ok(counts.iter().map(|count| (split.len() as f64 / (classes.len() * count) as f64) as f32).collect())
}

/// The weights in the classes' order.
fn in_order(each: &BTreeMap<String, f64>, classes: &[String]) -> Result<Vec<f32>> {
    let mut weights: Vec<Option<f32>> = vec![None; classes.len()];
    for (name, weight) in each {
        let refuse = |what: String, hint: String| Err(Error::usage(format!("--class-weight: {what}"), hint));
        let Some(class) = names::find(name, classes) else {
            return refuse(format!("unknown class `{name}`"), names::hint(name, "classes", classes));
        };
        if !(weight.is_finite() && *weight >= 0.0) {
            return refuse(format!("{weight} for class `{name}`"), "a weight is a number from 0 up".into());
        }
        if weights[class].replace(*weight as f32).is_some() {
            return refuse(format!("class `{}` has two weights", classes[class]), "give each class one".into());
        }
    }
    if let Some(class) = weights.iter().position(Option::is_none) {
        let what = format!("--class-weight: no weight for class `{}`", classes[class]);
        return Err(Error::usage(what, format!("give one for each of {}", classes.join(", "))));
    }
    let weights: Vec<f32> = weights.into_iter().flatten().collect();
    if weights.iter().all(|w| *w == 0.0) {
        return Err(Error::usage("--class-weight: every weight is 0", "nothing would be learnt"));
    }
    Ok(weights)
}

/// A split whose images count by their class.
struct Weighted {
    whole: Arc<dyn Split>,
    weights: Vec<f32>,
}

impl Within for Weighted {
    fn whole(&self) -> &dyn Split {
        self.whole.as_ref()
    }

    fn weight(&self, index: usize) -> f32 {
        self.weights[self.whole.label(index) as usize] * self.whole.weight(index)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::data::{InputSpec, Options, open};

    const INPUT: InputSpec = InputSpec::new(8, 8, 1);

    fn weigh(class_weight: ClassWeight) -> Result<Dataset> {
        let classes = Some(["happy", "sad", "neutral"].map(String::from).to_vec());
        open("synth:73", INPUT, &Options { class_weight, classes, ..Options::default() })
    }

    fn file(name: &str, text: &str) -> Result<ClassWeight> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        ClassWeight::parse(path.to_str().unwrap())
    }

    /// Of 52 images 18, 17 and 17: scikit-learn's `compute_class_weight("balanced", ..)` gives these.
    #[test]
    fn balanced_as_scikit_learn() {
        let data = weigh(ClassWeight::Balanced).unwrap();
        assert_eq!(data.train.len(), 52);
        for (i, wanted) in [52.0 / 54.0, 52.0 / 51.0, 52.0 / 51.0, 52.0 / 54.0].into_iter().enumerate() {
            assert!((data.train.weight(i) - wanted as f32).abs() < 1e-6);
        }
        assert!(data.notes.iter().any(|n| n.contains("happy 0.9630")), "{:?}", data.notes);
        assert_eq!((data.validation.weight(0), data.test.unwrap().weight(1)), (1.0, 1.0));
    }

    #[test]
    fn files_and_settings() {
        for text in [
            file("w.csv", "class,weight\nhappiness, 2\nsad,0\nNeutral,1.5\n").unwrap(),
            file("w.csv", "\u{feff}Class;Weight\r\nhappiness; 2\r\n\r\nsad;0\r\nNeutral;1.5").unwrap(),
            file("w.toml", "happy = 2\nsad = 0.0\nneutral = 1.5\n").unwrap(),
        ] {
            let data = weigh(text).unwrap();
            assert_eq!([0, 1, 2].map(|i| data.train.weight(i)), [2.0, 0.0, 1.5]);
        }
        #[derive(Serialize, Deserialize)]
        struct Settings {
            class_weight: ClassWeight,
        }
        for (class_weight, word) in [
            (ClassWeight::Balanced, "class_weight = \"balanced\""),
            (ClassWeight::None, "\"none\""),
            (file("w.csv", "a,1\n").unwrap(), "[class_weight]\na = 1.0"),
        ] {
            let text = toml::to_string_pretty(&Settings { class_weight: class_weight.clone() }).unwrap();
            assert!(text.contains(word), "{text}");
            assert_eq!(toml::from_str::<Settings>(&text).unwrap().class_weight, class_weight);
        }
    }

    #[test]
    fn refuses() {
        for (name, text, word) in [
            ("w.csv", "class,weight\nhappy\n", "row 2: 1 columns"),
            ("w.csv", "class;weight\r\n\r\nhappy\r\n", "row 3: 1 columns"),
            ("w.csv", "happy,one\n", "row 1: `one` is not a number"),
            ("w.csv", "happy,1\nhappy,2\n", "row 2: class `happy` twice"),
            ("w.toml", "happy = 'a'\n", "w.toml"),
            ("w.csv", "happy,1\nsadd,2\n", "did you mean `sad`?"),
            ("w.csv", "happy,1\nhappiness,2\n", "two weights"),
            ("w.csv", "happy,1\nsad,2\n", "no weight for class `neutral`"),
            ("w.csv", "happy,-1\n", "from 0 up"),
            ("w.csv", "happy,nan\n", "from 0 up"),
            ("w.csv", "happy,0\nsad,0\nneutral,0\n", "every weight is 0"),
        ] {
            let error = file(name, text).and_then(weigh).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
        assert!(ClassWeight::parse("balancd").unwrap_err().to_string().contains("`none`, `balanced`"));
    }
}
