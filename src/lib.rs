//! fer-gpu: a deep-learning engine on GPU compute shaders.
pub mod error;
pub mod gpu;
pub mod ops;
pub mod tensor;
pub mod verify;
pub use error::{Error, Result};
