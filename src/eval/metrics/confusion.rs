//! Counts of what was taken for what, and the scores that follow from them.

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

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

pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Two classes of which one was taken for the other. A row of the list of most confused pairs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Confused {
    /// What the images are.
    pub truth: String,
    /// What they were taken for.
    pub predicted: String,
    /// How many.
    pub count: u64,
    /// The share of the true class.
    pub share: f64,
}

impl Confusion {
    /// The pairs of (true, predicted) class that were confused most often, at most `limit`. Of pairs as frequent, that with the
    /// larger share of its true class comes first.
    pub fn most_confused(&self, classes: &[String], limit: usize) -> Vec<Confused> {
        let pairs = (0..self.classes).flat_map(|t| (0..self.classes).map(move |p| (t, p)));
        let mut list: Vec<Confused> = pairs
            .filter(|&(t, p)| t != p && self.get(t, p) > 0)
            .map(|(t, p)| Confused {
                truth: classes[t].clone(),
                predicted: classes[p].clone(),
                count: self.get(t, p),
                share: self.share(t, p),
            })
            .collect();
        list.sort_by(|a, b| b.count.cmp(&a.count).then(b.share.total_cmp(&a.share)));
        list.truncate(limit);
        list
    }

    /// The share of a true class that was predicted as `predicted`; 0 for a class without samples.
    pub fn share(&self, truth: usize, predicted: usize) -> f64 {
        ratio(self.get(truth, predicted), self.support(truth))
    }
}
