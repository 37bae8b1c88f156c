//! The GPU layer: adapters, one device with its error handlers, buffers, kernels and recorded programs.
//!
//! It knows nothing of ops or graphs. An op describes a dispatch as (kernel, parameters, bindings, grid) to a
//! [`Recorder`]; the recorder turns a list of them into a [`Program`] whose pipelines, bind groups and uniform ranges exist
//! before the first step, and which is replayed with one encoder and one submit.

pub mod adapter;
mod device;
pub mod grid;
mod kernel;
mod profiler;
mod program;
mod readback;
mod scratch;
mod tensor;
mod tuner;

pub(crate) use device::available_memory;
pub use device::{Gpu, Loads, Tiling};
pub(crate) use kernel::PRELUDES;
pub use kernel::{Kernel, Lanes};
pub use profiler::{Clock, Peaks, Timing};
pub use program::{Program, Recorder, StepParams};
pub use readback::StagingRing;
pub(crate) use scratch::{Lifetime, ScratchPool, Spot, no_room};
pub use tensor::GpuTensor;
pub use tuner::{Choices, Pick, Tune, Tuner};
