//! Classification metrics as scikit-learn defines them (`zero_division=0`), loss and mse as Keras does.
//!
//! | room | what |
//! |---|---|
//! | `confusion` | counts, precision, recall, F1, averages, most confused pairs |
//! | `bootstrap` | 95 % intervals |
//! | [`calibration`] | ECE, reliability, temperature |

mod bootstrap;
pub mod calibration;
mod confusion;
#[cfg(test)]
pub(crate) mod tests;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
pub use bootstrap::{Intervals, RESAMPLES};
pub use calibration::Calibration;
pub use confusion::{ClassScore, Confused, Confusion, macro_average, weighted_average};

/// Keras's epsilon: probabilities are clipped to [1e-7, 1 - 1e-7] before the logarithm.
const EPSILON: f64 = 1e-7;
/// Most confused pairs that are listed.
const CONFUSED: usize = 5;

/// The result of an evaluation. As JSON: `split`, `n`, `accuracy`, `top2_accuracy`, `loss`, `mse`, `macro_` and `weighted_`
/// `precision`, `recall` and `f1`, `macro_f1_present` where classes have no samples, `intervals`, `per_class`: `{name:
/// {"precision", "recall", "f1", "support"}}`, `confusion`: `[[...]]` (rows are true classes), `confused`, `calibration`.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Share classified rightly.
    pub accuracy: f64,
    /// Mean cross-entropy.
    pub loss: f64,
    /// Mean over samples and classes of (one-hot - probability)^2.
    pub mse: f64,
    /// Plain mean of the classes' F1.
    pub macro_f1: f64,
    /// Mean of the classes' F1 weighted by support.
    pub weighted_f1: f64,
    /// Class names, in the order of the network's outputs.
    pub classes: Vec<String>,
    /// Scores of each class, in the same order.
    pub per_class: Vec<ClassScore>,
    /// Counts of (true, predicted).
    pub confusion: Confusion,
    /// Samples.
    pub n: u64,
    /// Share whose class is among the two most probable.
    pub top2_accuracy: f64,
    /// How far accuracy and macro F1 would move with other images.
    pub intervals: Intervals,
    /// Confidence against accuracy.
    pub calibration: Calibration,
    /// Which split it was, where that is known.
    pub split: Option<String>,
    /// What was said of each sample, in their order; not part of the JSON.
    pub samples: Vec<Judged>,
}

/// What the network said of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// What it is.
    pub label: u32,
    /// The most probable class; of equals the first.
    pub predicted: u32,
    /// Its probability.
    pub confidence: f32,
    /// Whether the label is among the two most probable classes.
    pub second: bool,
}

impl Judged {
    /// Whether the label was the first choice.
    pub fn right(&self) -> bool {
        self.label == self.predicted
    }
}

impl Evaluation {
    /// Names the split that was evaluated.
    #[must_use]
    pub fn on(mut self, split: &str) -> Self {
        self.split = Some(split.to_owned());
        self
    }

    /// The pairs of classes that were confused most often.
    pub fn most_confused(&self) -> Vec<Confused> {
        self.confusion.most_confused(&self.classes, CONFUSED)
    }

    /// The macro F1 over the classes that have samples, where some have none.
    pub fn macro_f1_present(&self) -> Option<f64> {
        let present: Vec<ClassScore> = self.per_class.iter().filter(|s| s.support > 0).copied().collect();
        (present.len() < self.per_class.len()).then(|| macro_average(&present).f1)
    }

    /// Places of the samples that were classified wrongly, from the most confident on.
    pub fn worst(&self, limit: usize) -> Vec<usize> {
        let mut wrong: Vec<usize> = (0..self.samples.len()).filter(|i| !self.samples[*i].right()).collect();
        wrong.sort_by(|a, b| self.samples[*b].confidence.total_cmp(&self.samples[*a].confidence));
        wrong.truncate(limit);
        wrong
    }

    /// Evaluates all samples at once; [`Scorer`] does it batch by batch.
    ///
    /// # Errors
    /// As [`Scorer::push`] and [`Scorer::finish`].
    pub fn new(classes: &[String], labels: &[u32], probabilities: &[f32], losses: Option<&[f32]>) -> Result<Self> {
        let mut scorer = Scorer::new(classes)?;
        scorer.push(labels, probabilities, losses)?;
        scorer.finish()
    }
}

impl Serialize for Evaluation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(split) = &self.split {
            map.serialize_entry("split", split)?;
        }
        let (plain, weighted) = (macro_average(&self.per_class), weighted_average(&self.per_class));
        for (name, value) in [
            ("accuracy", self.accuracy),
            ("top2_accuracy", self.top2_accuracy),
            ("loss", self.loss),
            ("mse", self.mse),
            ("macro_precision", plain.precision),
            ("macro_recall", plain.recall),
            ("macro_f1", self.macro_f1),
            ("weighted_precision", weighted.precision),
            ("weighted_recall", weighted.recall),
            ("weighted_f1", self.weighted_f1),
        ] {
            map.serialize_entry(name, &value)?;
        }
        if let Some(f1) = self.macro_f1_present() {
            map.serialize_entry("macro_f1_present", &f1)?;
        }
        map.serialize_entry("intervals", &self.intervals)?;
        map.serialize_entry("per_class", &InOrder(&self.classes, &self.per_class))?;
        map.serialize_entry("confusion", &self.confusion)?;
        map.serialize_entry("confused", &self.most_confused())?;
        map.serialize_entry("calibration", &self.calibration)?;
        map.serialize_entry("n", &self.n)?;
        map.end()
    }
}

/// A JSON object in class order, which a sorted map would lose.
struct InOrder<'a>(&'a [String], &'a [ClassScore]);

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(self.1))
    }
}

/// The loss of each sample where the probabilities of the classes are independent, `[N, classes]`: the mean over the classes of
/// `-ln p` for the sample's class and `-ln(1 - p)` for the others, as Keras's `binary_crossentropy` of one-hot targets.
pub fn binary_cross_entropy(labels: &[u32], probabilities: &[f32]) -> Vec<f32> {
    let width = probabilities.len() / labels.len().max(1);
    let of_sample = |(label, row): (&u32, &[f32])| {
        let each = row.iter().enumerate().map(|(class, p)| {
            let p = f64::from(*p).clamp(EPSILON, 1.0 - EPSILON);
            -(if class == *label as usize { p } else { 1.0 - p }).ln()
        });
        (each.sum::<f64>() / row.len() as f64) as f32
    };
    labels.iter().zip(probabilities.chunks_exact(width.max(1))).map(of_sample).collect()
}

/// Gathers an evaluation batch by batch, in a fixed order and in f64.
#[derive(Debug, Clone)]
pub struct Scorer {
    classes: Vec<String>,
    confusion: Confusion,
    samples: Vec<Judged>,
    loss: f64,
    mse: f64,
}

impl Scorer {
    /// Starts with no samples.
    ///
    /// # Errors
    /// [`Error::Usage`] without classes or with a name twice (the JSON could not hold both).
    pub fn new(classes: &[String]) -> Result<Self> {
        let unique: std::collections::BTreeSet<_> = classes.iter().collect();
        if classes.is_empty() || unique.len() != classes.len() {
            return Err(Error::usage(format!("the class names {classes:?} are not one or more different names"), ""));
        }
        let confusion = Confusion::new(classes.len());
        Ok(Self { classes: classes.to_vec(), confusion, samples: Vec::new(), loss: 0.0, mse: 0.0 })
    }

    /// Adds a batch: `labels` `[N]`, `probabilities` `[N, classes]`, and each sample's loss `[N]` where it is known
    /// from the logits; otherwise it is -ln of the label's probability, clipped as Keras clips it. The prediction is
    /// the first largest probability.
    ///
    /// # Errors
    /// [`Error::Usage`] when lengths disagree, a label is no class, or a probability is not a number; nothing is added
    /// then.
    pub fn push(&mut self, labels: &[u32], probabilities: &[f32], losses: Option<&[f32]>) -> Result<()> {
        let width = self.classes.len();
        let lengths_agree = labels.len().checked_mul(width) == Some(probabilities.len())
            && losses.is_none_or(|l| l.len() == labels.len());
        if !lengths_agree {
            let (n, p, l) = (labels.len(), probabilities.len(), losses.map(<[f32]>::len));
            let what = format!("{n} labels of {width} classes need {} probabilities, not {p}", n.saturating_mul(width));
            return Err(Error::usage(what, l.map(|l| format!("losses given: {l}")).unwrap_or_default()));
        }
        let first = self.confusion.total();
        for (i, &label) in labels.iter().enumerate() {
            let at = first + i as u64;
            if label as usize >= width {
                return Err(Error::usage(
                    format!("sample {at} has label {label}, the classes are 0 to {}", width - 1),
                    "",
                ));
            }
            if let Some(p) = probabilities[i * width..][..width].iter().find(|p| !p.is_finite()) {
                let hint = "the parameters have diverged: use an earlier checkpoint, or train with a smaller `--lr`";
                return Err(Error::usage(format!("the network's output for sample {at} holds {p}"), hint));
            }
        }
        for (i, &label) in labels.iter().enumerate() {
            self.add(label as usize, &probabilities[i * width..][..width], losses.map(|l| l[i]));
        }
        Ok(())
    }

    fn add(&mut self, label: usize, probabilities: &[f32], loss: Option<f32>) {
        let (mut predicted, mut squares, mut before) = (0, 0.0, 0);
        for (class, &p) in probabilities.iter().enumerate() {
            if p > probabilities[predicted] {
                predicted = class;
            }
            // Of equal probabilities the first class comes first, as in the prediction.
            before += usize::from(p > probabilities[label] || (class < label && p >= probabilities[label]));
            let target = if class == label { 1.0 } else { 0.0 };
            squares += (target - f64::from(p)).powi(2);
        }
        self.confusion.add(label, predicted);
        let confidence = probabilities[predicted];
        self.samples.push(Judged { label: label as u32, predicted: predicted as u32, confidence, second: before < 2 });
        self.mse += squares / probabilities.len() as f64;
        self.loss += match loss {
            Some(loss) => f64::from(loss),
            None => -f64::from(probabilities[label]).clamp(EPSILON, 1.0 - EPSILON).ln(),
        };
    }

    /// The metrics of all samples so far.
    ///
    /// # Errors
    /// [`Error::Usage`] without samples.
    pub fn finish(self) -> Result<Evaluation> {
        let n = self.confusion.total();
        if n == 0 {
            return Err(Error::usage("there are no samples to evaluate", "choose a split that has images"));
        }
        let per_class = self.confusion.scores();
        Ok(Evaluation {
            accuracy: self.confusion.accuracy(),
            loss: self.loss / n as f64,
            mse: self.mse / n as f64,
            macro_f1: macro_average(&per_class).f1,
            weighted_f1: weighted_average(&per_class).f1,
            classes: self.classes,
            per_class,
            top2_accuracy: self.samples.iter().filter(|s| s.second).count() as f64 / n as f64,
            intervals: Intervals::of(&self.confusion),
            calibration: Calibration::of(&self.samples),
            split: None,
            confusion: self.confusion,
            samples: self.samples,
            n,
        })
    }
}
