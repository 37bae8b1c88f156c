//! fer-gpu: a deep-learning engine on GPU compute shaders.
pub mod error;
pub mod eval;
pub mod formats;
pub mod train;
pub use error::{Error, Result};
