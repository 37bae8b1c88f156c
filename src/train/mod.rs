//! Training: settings, the loop, the run folder, and networks back from their checkpoints.

mod config;
mod device;
pub mod environment;
mod evaluate;
pub mod history;
mod import;
mod outcome;
mod partial;
mod phase;
mod resume;
pub mod run;
mod saved;
mod start;
mod task;
mod trainer;

pub use config::Config;
pub use device::Device;
pub use evaluate::{Loaded, Saved, evaluate};
pub use import::{Import, import};
pub use outcome::{Observer, Outcome, Stopped};
pub use phase::{Phase, PhaseConfig};
pub use resume::config_of;
pub use start::Start;
pub use task::{Output, score};
pub use trainer::Trainer;
