//! fer-gpu: a deep-learning engine on GPU compute shaders.
pub mod cli;
pub mod data;
pub mod error;
pub mod eval;
pub mod formats;
pub mod gpu;
pub mod graph;
pub mod models;
pub mod ops;
pub mod optim;
pub mod philox;
pub mod tensor;
pub mod train;
pub mod verify;
pub use error::{Error, Result};
