//! How good a network is, in numbers, text and pictures.
//!
//! * [`metrics`]: confusion matrix, precision, recall, F1, loss, mse; scikit-learn's definitions.
//! * [`report`]: `report.txt` and `confusion.csv`.
//! * [`plot`]: `curves.svg` and `confusion.svg`.
pub mod metrics;
pub mod plot;
pub mod report;
