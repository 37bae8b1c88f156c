//! fer-gpu: a deep-learning engine on GPU compute shaders.
pub mod data;
pub mod error;
pub use error::{Error, Result};
pub mod philox;
