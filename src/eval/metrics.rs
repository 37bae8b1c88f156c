//! Classification metrics as scikit-learn defines them (`zero_division=0`), loss and mse as Keras does.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::error::{Error, Result};

/// Keras's epsilon: probabilities are clipped to [1e-7, 1 - 1e-7] before the logarithm.
const EPSILON: f64 = 1e-7;

/// Counts of (true class, predicted class).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

impl Confusion {
    /// All zero.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Counts one sample. Both indices must be below [`Confusion::classes`].
    pub fn add(&mut self, truth: usize, predicted: usize) {
        assert!(truth < self.classes && predicted < self.classes, "class index out of range");
        self.counts[truth * self.classes + predicted] += 1;
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many samples of class `truth` were predicted as `predicted`.
    pub fn get(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.classes + predicted]
    }

    /// The counts of one true class, by predicted class.
    pub fn row(&self, truth: usize) -> &[u64] {
        &self.counts[truth * self.classes..][..self.classes]
    }

    /// Samples of a true class (its support).
    pub fn support(&self, truth: usize) -> u64 {
        self.row(truth).iter().sum()
    }

    /// Samples predicted as a class.
    pub fn predicted(&self, class: usize) -> u64 {
        (0..self.classes).map(|truth| self.get(truth, class)).sum()
    }

    /// All samples.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Share of samples on the diagonal; 0 without samples.
    pub fn accuracy(&self) -> f64 {
        ratio((0..self.classes).map(|class| self.get(class, class)).sum(), self.total())
    }

    /// Scores of each class, in class order.
    pub fn scores(&self) -> Vec<ClassScore> {
        (0..self.classes)
            .map(|class| {
                let (hits, support, predicted) = (self.get(class, class), self.support(class), self.predicted(class));
                ClassScore {
                    precision: ratio(hits, predicted),
                    recall: ratio(hits, support),
                    f1: ratio(2 * hits, support + predicted),
                    support,
                }
            })
            .collect()
    }
}

impl Serialize for Confusion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.classes))?;
        for truth in 0..self.classes {
            rows.serialize_element(self.row(truth))?;
        }
        rows.end()
    }
}

/// Scores of one class, or an average over classes. A ratio with nothing below is 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ClassScore {
    /// Of those predicted as the class, the share that are it.
    pub precision: f64,
    /// Of those that are the class, the share predicted as it.
    pub recall: f64,
    /// Harmonic mean of the two: 2 hits / (support + predicted).
    pub f1: f64,
    /// Samples that are the class.
    pub support: u64,
}

/// The plain mean over all classes, those without samples included.
pub fn macro_average(scores: &[ClassScore]) -> ClassScore {
    average(scores, |_| 1.0)
}

/// The mean weighted by support.
pub fn weighted_average(scores: &[ClassScore]) -> ClassScore {
    average(scores, |score| score.support as f64)
}

fn average(scores: &[ClassScore], weight: impl Fn(&ClassScore) -> f64) -> ClassScore {
    let total: f64 = scores.iter().map(&weight).sum();
    let mean = |value: fn(&ClassScore) -> f64| {
        let sum: f64 = scores.iter().map(|s| weight(s) * value(s)).sum();
        if total == 0.0 { 0.0 } else { sum / total }
    };
    ClassScore {
        precision: mean(|s| s.precision),
        recall: mean(|s| s.recall),
        f1: mean(|s| s.f1),
        support: scores.iter().map(|s| s.support).sum(),
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The result of an evaluation. As JSON: `{"accuracy", "loss", "mse", "macro_f1", "weighted_f1", "per_class": {name:
/// {"precision", "recall", "f1", "support"}}, "confusion": [[...]], "n"}`; rows of `confusion` are true classes.
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
}

impl Evaluation {
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
        let mut map = serializer.serialize_map(Some(8))?;
        map.serialize_entry("accuracy", &self.accuracy)?;
        map.serialize_entry("loss", &self.loss)?;
        map.serialize_entry("mse", &self.mse)?;
        map.serialize_entry("macro_f1", &self.macro_f1)?;
        map.serialize_entry("weighted_f1", &self.weighted_f1)?;
        map.serialize_entry("per_class", &InOrder(&self.classes, &self.per_class))?;
        map.serialize_entry("confusion", &self.confusion)?;
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

/// Gathers an evaluation batch by batch, in a fixed order and in f64.
#[derive(Debug, Clone)]
pub struct Scorer {
    classes: Vec<String>,
    confusion: Confusion,
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
        Ok(Self { classes: classes.to_vec(), confusion, loss: 0.0, mse: 0.0 })
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
        let (mut predicted, mut squares) = (0, 0.0);
        for (class, &p) in probabilities.iter().enumerate() {
            if p > probabilities[predicted] {
                predicted = class;
            }
            let target = if class == label { 1.0 } else { 0.0 };
            squares += (target - f64::from(p)).powi(2);
        }
        self.confusion.add(label, predicted);
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
            confusion: self.confusion,
            n,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    pub(crate) fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    /// 60 samples of five classes; `disgust` is never predicted and `happy` is never true. The numbers below are
    /// scikit-learn 1.9.1's for the same formula: `P[i, c] = q / sum`, `q = 0.5 if c == 1 else 1 + (31 i + 17 c + 3
    /// (i//5)) % 13`; `t = (3 i + i//4) % 5`, 3 becomes 4, and every third sample's label is its prediction unless that
    /// is 3; `confusion_matrix`, `log_loss`, `precision_recall_fscore_support(zero_division=0)`,
    /// `classification_report(digits=4)`.
    pub(crate) fn sample() -> Evaluation {
        let (mut labels, mut probabilities) = (Vec::new(), Vec::new());
        for i in 0..60 {
            let q = |c: u32| if c == 1 { 0.5 } else { f64::from(1 + (31 * i + 17 * c + i / 5 * 3) % 13) };
            let sum: f64 = (0..5).map(q).sum();
            probabilities.extend((0..5).map(|c| (q(c) / sum) as f32));
            let predicted = (0..5).max_by(|&a, &b| q(a).total_cmp(&q(b))).unwrap();
            let label = (3 * i + i / 4) % 5;
            let agrees = i % 3 == 0 && predicted != 3;
            labels.push(if agrees {
                predicted
            } else if label == 3 {
                4
            } else {
                label
            });
        }
        Evaluation::new(&names(&["angry", "disgust", "fear", "happy", "sad"]), &labels, &probabilities, None).unwrap()
    }

    fn near(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance, "{a} is not {b}");
    }

    #[test]
    fn agrees_with_scikit_learn() {
        let e = sample();
        let rows: Vec<_> = (0..5).map(|t| e.confusion.row(t).to_vec()).collect();
        assert_eq!(
            rows,
            [[4, 0, 3, 1, 3], [3, 0, 3, 2, 1], [2, 0, 8, 0, 3], [0, 0, 0, 0, 0], [5, 0, 5, 1, 16]].map(|r| r.to_vec())
        );
        near(e.accuracy, 0.466_666_666_666_666_7, 1e-15);
        // The probabilities are f32 here and f64 there.
        near(e.loss, 1.796_959_822_967_349, 1e-7);
        near(e.mse, 0.158_311_858_431_184_56, 1e-8);
        let precision = [0.285_714_285_714_285_7, 0.0, 0.421_052_631_578_947_35, 0.0, 0.695_652_173_913_043_5];
        let recall = [0.363_636_363_636_363_65, 0.0, 0.615_384_615_384_615_4, 0.0, 0.592_592_592_592_592_6];
        let f1 = [0.32, 0.0, 0.5, 0.0, 0.64];
        for (class, score) in e.per_class.iter().enumerate() {
            near(score.precision, precision[class], 1e-15);
            near(score.recall, recall[class], 1e-15);
            near(score.f1, f1[class], 1e-15);
            assert_eq!(score.support, [11, 9, 13, 0, 27][class]);
        }
        let (plain, weighted) = (macro_average(&e.per_class), weighted_average(&e.per_class));
        near(plain.precision, 0.280_483_818_241_255_3, 1e-15);
        near(plain.recall, 0.314_322_714_322_714_36, 1e-15);
        near(e.macro_f1, 0.292, 1e-15);
        near(weighted.precision, 0.456_652_500_817_260_5, 1e-15);
        near(weighted.recall, 0.466_666_666_666_666_7, 1e-15);
        near(e.weighted_f1, 0.455, 1e-15);
    }

    #[test]
    fn json_has_the_promised_keys_in_class_order() {
        let e =
            Evaluation::new(&names(&["b", "a"]), &[0, 1, 1], &[0.9, 0.1, 0.2, 0.8, 0.5, 0.5], Some(&[0.5, 1.0, 1.5]));
        assert_eq!(
            serde_json::to_string(&e.unwrap()).unwrap().split("\"macro_f1\"").last().unwrap(),
            concat!(
                r#":0.6666666666666666,"weighted_f1":0.6666666666666666,"per_class":{"#,
                r#""b":{"precision":0.5,"recall":1.0,"f1":0.6666666666666666,"support":1},"#,
                r#""a":{"precision":1.0,"recall":0.5,"f1":0.6666666666666666,"support":2}},"#,
                r#""confusion":[[1,0],[1,1]],"n":3}"#
            )
        );
    }

    #[test]
    fn loss_is_clipped_and_batches_add_up() {
        let classes = names(&["a", "b"]);
        let e = Evaluation::new(&classes, &[0, 1], &[0.0, 1.0, 0.0, 1.0], None).unwrap();
        near(e.loss, (-(1e-7f64.ln()) - (1.0 - 1e-7f64).ln()) / 2.0, 1e-12);
        near(e.mse, 0.5, 0.0);
        let mut scorer = Scorer::new(&classes).unwrap();
        scorer.push(&[0], &[0.0, 1.0], None).unwrap();
        scorer.push(&[], &[], None).unwrap();
        scorer.push(&[1], &[0.0, 1.0], None).unwrap();
        assert_eq!(scorer.finish().unwrap(), e);
    }

    #[test]
    fn unusable_input_is_an_error() {
        let classes = names(&["a", "b"]);
        for (labels, probabilities, losses, word) in [
            (vec![0], vec![0.5], None, "need 2 probabilities, not 1"),
            (vec![0], vec![0.5, 0.5], Some(vec![]), "losses given: 0"),
            (vec![2], vec![0.5, 0.5], None, "label 2"),
            (vec![0], vec![0.5, f32::NAN], None, "holds NaN"),
            (vec![], vec![], None, "no samples"),
        ] {
            let text = Evaluation::new(&classes, &labels, &probabilities, losses.as_deref()).unwrap_err().to_string();
            assert!(text.contains(word), "{text}");
        }
        assert!(Scorer::new(&[]).is_err() && Scorer::new(&names(&["a", "a"])).is_err());
    }
}
