//! Verification: every op case on an adapter against the f64 reference, and the reference against finite differences.

mod finite;
mod host;
mod kernels;
mod on_gpu;
mod optimizer;
mod passes;

pub use finite::{Slope, slope};
pub use host::{Outputs, reference};
pub use kernels::kernels;
pub use on_gpu::{GpuRun, Outcome, Prepared, outputs, prepare, run};
pub use optimizer::{OptimizerState, optimizer, prepare_optimizer};
pub use passes::{PassTime, time_passes};
