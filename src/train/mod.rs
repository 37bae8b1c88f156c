//!
//! * [`history`]: one row an epoch, and `results.csv`.
pub mod history;
