//! How good a network is, in numbers, text and pictures.
//!
//! * [`metrics`]: confusion matrix, precision, recall, F1, loss, mse (scikit-learn's definitions), intervals, calibration.
//! * [`report`]: `report.txt` and `confusion.csv`.
//! * [`values`]: root mean squared error and concordance of predicted numbers.
//! * [`plot`]: the pictures.
//! * [`files`]: all of them in a folder.

pub mod files;
pub mod metrics;
pub mod plot;
pub mod report;
pub mod values;

use serde::Serialize;

/// The figures of a network on a split.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Scores {
    /// Of a classifier.
    Classes(metrics::Evaluation),
    /// Of a network that predicts numbers.
    Values(values::ValueScores),
}

impl Scores {
    /// Notes which split they are of.
    pub fn on(self, split: &str) -> Self {
        match self {
            Self::Classes(evaluation) => Self::Classes(evaluation.on(split)),
            Self::Values(scores) => Self::Values(values::ValueScores { split: Some(split.to_owned()), ..scores }),
        }
    }

    /// `report.txt`.
    pub fn report(&self) -> String {
        match self {
            Self::Classes(evaluation) => report::report(evaluation),
            Self::Values(scores) => values::value_report(scores),
        }
    }
}
