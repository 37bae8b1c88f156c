//! Optimizers: Adam on flat arenas, on the GPU and in the reference.

mod adam;

pub use adam::{Adam, Arenas};
