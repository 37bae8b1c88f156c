//! fer-gpu: a deep-learning engine on GPU compute shaders, and facial-emotion-recognition networks trained on it.
//!
//! ```
//! use fer_gpu::models::Stack;
//! use fer_gpu::train::{Device, Fit, Network};
//!
//! // 64 images of 8 x 8 pixels: stripes across are class 0, stripes down class 1.
//! let pixel = |i: usize| ((if i / 64 % 2 == 0 { i / 8 } else { i }) % 2) as f32;
//! let x: Vec<f32> = (0..64 * 64).map(pixel).collect();
//! let labels: Vec<u32> = (0..64).map(|image| image % 2).collect();
//! let graph = Stack::new("stripes", [8, 8, 1]).conv_same(4, 3).relu().max_pool(2, 2).flatten().dense(2).finish()?;
//! let mut network = Network::new(graph, Device::gpu().unwrap_or(Device::Cpu), 0)?;
//! let history = network.fit(&x, &labels, &Fit { epochs: 8, lr: 0.02, ..Fit::default() })?;
//! let probabilities = network.predict(&x[..64])?; // [1, 2]
//! assert!(history[7].accuracy == 1.0 && probabilities[0] > 0.9);
//! # Ok::<(), fer_gpu::Error>(())
//! ```
//!
//! The [`guide`]s say how to use the command; what follows is about the code.
//!
//! # Data flow of a training step
//!
//! ```text
//! data ---- Loader threads --> batch
//! models -> graph::Graph -> graph::Plan -> GpuExecutor: programs of dispatches, recorded once
//!                                       -> CpuExecutor: the f64 reference of the same plan
//! one step: upload batch, forward, loss, backward, update: one encoder, one submit, nothing read back
//! every 16 steps: sums of loss, correct and mse return through a ring of staging buffers
//! every epoch: validation, checkpoint, one line
//! ```
//!
//! # Modules, each of which uses only those below it
//!
//! | module | content |
//! |---|---|
//! | [`cli`] | the command, one file for each subcommand |
//! | [`search`] | random search over settings, by several processes |
//! | [`train`], [`verify`], [`explain`] | the training loop and run folders; op cases against the reference and finite differences; maps of what a score depends on |
//! | [`models`], [`data`], [`faces`], [`eval`], [`formats`] | networks by name; images; faces in photographs; metrics and plots; checkpoints |
//! | [`graph`] | graphs, plans, the two executors |
//! | [`ops`], [`optim`] | contract, f64 reference, GPU encoding and cases of each op; Adam and SGD |
//! | [`gpu`] | adapters, buffers, kernels, recorded programs |
//! | [`tensor`], [`philox`], [`input`] | shapes and host tensors; random numbers from a counter; files opened with limits |
//! | [`error`], [`text`] | every failure; names made safe to print |
//!
//! Kernels are WGSL in `shaders/`, under the names of their ops. An op is added in three places: a folder in `src/ops`, a file
//! in `shaders`, a row in [`ops::TABLE`]; tests, benches and `fer-gpu verify` walk the table.
//!
//! # Names
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
pub mod guide;
pub mod input;
pub mod models;
pub mod ops;
pub mod optim;
pub mod philox;
pub mod search;
pub mod tensor;
pub mod text;
mod toml_text;
pub mod train;
pub mod verify;
pub use error::{Error, Result};

/// The README's example is a test as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
