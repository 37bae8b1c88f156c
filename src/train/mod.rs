//! Training: settings, the loop, the run folder, and networks back from their checkpoints.

mod auto;
mod callbacks;
mod compare;
mod config;
mod device;
pub mod environment;
mod evaluate;
mod fit;
pub mod history;
mod import;
mod order;
mod outcome;
mod partial;
mod phase;
mod resume;
pub mod run;
mod saved;
mod start;
mod task;
mod trainer;
mod tuning;

pub use callbacks::{EarlyStopping, Monitor, ReduceOnPlateau, parse_time};
pub use compare::{RunSummary, summarise};
pub(crate) use config::explained;
pub use config::{AUTO, Config};
pub use device::{Device, Opened};
pub use evaluate::{Loaded, Saved, evaluate, store_temperature};
pub use fit::{EpochMetrics, Fit, Network};
pub use import::{Import, import};
pub use outcome::{Observer, Outcome, Stopped};
pub use phase::{Phase, PhaseConfig};
pub use resume::config_of;
pub use start::Start;
pub use task::{Output, score};
pub use trainer::Trainer;
pub use tuning::{Cache, Tuning};
