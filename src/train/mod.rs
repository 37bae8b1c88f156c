//! Training: settings, the loop, the run folder, and networks back from their checkpoints.

mod config;
mod device;
pub mod environment;
mod evaluate;
pub mod history;
mod import;
mod partial;
pub mod run;
mod saved;
mod start;
mod trainer;

pub use config::{Config, config_of};
pub use device::Device;
pub use evaluate::{Loaded, Saved, evaluate};
pub use import::{Import, import};
pub use start::Start;
pub use trainer::{Observer, Outcome, Stopped, Trainer};
