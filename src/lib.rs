//! fer-gpu: a deep-learning engine on GPU compute shaders, and facial-emotion-recognition networks trained on it.
//!
//! # The way of a training step
//!
//! ```text
//! data ---- Loader threads --> batch
//! models -> graph::Graph -> graph::Plan -> GpuExecutor: programs of dispatches, recorded once
//!                                       -> CpuExecutor: the f64 reference of the same plan
//! one step: upload batch, forward, loss, backward, Adam: one encoder, one submit, nothing read back
//! every 16 steps: sums of loss, correct and mse return through a ring of staging buffers
//! every epoch: validation, checkpoint, one line
//! ```
//!
//! # The rooms, each knowing only those below it
//!
//! | room | what |
//! |---|---|
//! | [`cli`] | the command, one file a subcommand |
//! | [`search`] | random search over settings, by several processes |
//! | [`train`], [`verify`], [`explain`] | the loop, run folders; op cases against the reference and finite differences; maps of what a score depends on |
//! | [`models`], [`data`], [`faces`], [`eval`], [`formats`] | networks by name; images; faces in photographs; figures and plots; checkpoints |
//! | [`graph`] | graphs, plans, the two executors |
//! | [`ops`], [`optim`] | contract, f64 reference, GPU encoding and cases of each op; Adam |
//! | [`gpu`] | adapters, buffers, kernels, recorded programs |
//! | [`tensor`], [`philox`], [`input`] | shapes and host tensors; random numbers from a counter; files opened with limits |
//! | [`error`], [`text`] | every failure; names made safe to print |
//!
//! Kernels are WGSL in `shaders/`, under the names of their ops. An op is added in three places: a folder in `src/ops`, a file
//! in `shaders`, a row in [`ops::TABLE`]; tests, benches and `fer-gpu verify` walk the table.
//!
//! # Words
//!
//! `x` input, `y` output, `w` weight, `b` bias; `dx dy dw db` gradients of the loss; `n` samples of a batch, `h w c` height,
//! width, channels. Activations are `[n, h, w, c]`, channels last; convolution weights `[kh, kw, c_in, c_out]`, dense ones
//! `[in, out]`: Keras's layouts. Semantics are Keras 3's.
pub mod cli;
pub mod data;
pub mod error;
pub mod eval;
pub mod explain;
pub mod faces;
pub mod formats;
pub mod gpu;
pub mod graph;
pub mod input;
pub mod models;
pub mod ops;
pub mod optim;
pub mod philox;
pub mod search;
pub mod tensor;
pub mod text;
pub mod train;
pub mod verify;
pub use error::{Error, Result};
