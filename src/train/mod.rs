//! Training: what a run keeps and where it keeps it.
//!
//! * [`history`]: one row an epoch, and `results.csv`.
//! * [`environment`]: the machine and the command line, for `env.json`.
//! * [`run`]: the run folder and every file in it.
pub mod environment;
pub mod history;
pub mod run;
