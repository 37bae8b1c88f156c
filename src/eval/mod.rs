//! How good a network is, in numbers, text and pictures.
//!
//! * [`metrics`]: confusion matrix, precision, recall, F1, loss, mse (scikit-learn's definitions), intervals, calibration.
//! * [`report`]: `report.txt` and `confusion.csv`.
//! * [`plot`]: the pictures.
//! * [`files`]: all of them in a folder.
pub mod files;
pub mod metrics;
pub mod plot;
pub mod report;
