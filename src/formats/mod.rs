//! Files that outlive a run, and how they are written so that none is ever half a file.
//!
//! * [`checkpoint`]: a network, its optimizer and its progress in one `.safetensors` file. Pickle is never read.
//! * [`keras`]: models and weights of Keras's, read and written; [`onnx`]: networks for other runtimes, written; [`export`]: what
//!   both writers take.
//! * [`kind`]: what a file is by its content, where another was expected.
//! * [`tensorboard`]: the event files that TensorBoard reads, written.
//! * [`atomic`]: write beside, flush to the disk, rename. Every file of a run folder goes through it.
//! * `lock`: the right of one process to write in a folder.
//! * [`exact_float`]: floats in text that come back with the same bits, NaN included.
pub mod atomic;
pub mod checkpoint;
pub mod exact_float;
pub mod export;
pub mod keras;
pub mod kind;
pub(crate) mod lock;
pub mod onnx;
mod proto;
pub mod tensorboard;
