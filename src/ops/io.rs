//! What an op's passes are handed, and what the reference's return.

use super::conv2d::Conv2d;
use super::elementwise::Elementwise;
use super::max_pool2d::MaxPool2d;
use crate::gpu::GpuTensor;
use crate::tensor::HostTensor;

/// What a pass is: its mode and the counters of its random numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Training mode (batch statistics, dropout) or inference.
    pub training: bool,
    /// The layer's number in its graph: its own stream of random numbers.
    pub layer: u32,
    /// Seed of the run. On the GPU it comes from the step uniform instead.
    pub seed: u64,
    /// Optimizer step, from 0. On the GPU it comes from the step uniform instead.
    pub step: u64,
}

/// Forward, on the reference: inputs and parameters in order.
#[derive(Debug)]
pub struct HostForward<'a> {
    /// Inputs, batch first.
    pub x: Vec<&'a HostTensor>,
    /// Parameters as [`Op::params`](super::Op::params) lists them.
    pub params: Vec<&'a HostTensor>,
    /// Mode and counters.
    pub pass: Pass,
}

/// What a forward pass of the reference returns.
#[derive(Debug)]
pub struct HostOutput {
    /// The output.
    pub y: HostTensor,
    /// As [`Op::saved`](super::Op::saved) lists them.
    pub saved: Vec<HostTensor>,
    /// New values of running statistics: (index into the parameters, value).
    pub statistics: Vec<(usize, HostTensor)>,
}

impl HostOutput {
    /// An output with nothing saved.
    pub fn only(y: HostTensor) -> Self {
        Self { y, saved: Vec::new(), statistics: Vec::new() }
    }
}

/// Backward, on the reference.
#[derive(Debug)]
pub struct HostBackward<'a> {
    /// Inputs.
    pub x: Vec<&'a HostTensor>,
    /// Parameters.
    pub params: Vec<&'a HostTensor>,
    /// The output.
    pub y: &'a HostTensor,
    /// What forward saved.
    pub saved: &'a [HostTensor],
    /// Gradient of the output.
    pub dy: &'a HostTensor,
    /// Mode and counters.
    pub pass: Pass,
}

/// Gradients that a backward pass of the reference returns.
#[derive(Debug, Default)]
pub struct HostGradients {
    /// Of each input.
    pub dx: Vec<HostTensor>,
    /// Of each parameter; none for running statistics.
    pub dparams: Vec<Option<HostTensor>>,
}

/// Forward, on the GPU.
#[derive(Debug)]
pub struct GpuForward<'a> {
    /// Inputs, batch first.
    pub x: &'a [GpuTensor],
    /// Parameters and statistics as [`Op::params`](super::Op::params) lists them.
    pub params: &'a [GpuTensor],
    /// Written.
    pub y: &'a GpuTensor,
    /// Written: as [`Op::saved`](super::Op::saved) lists them.
    pub saved: &'a [GpuTensor],
    /// What the output passes through; only for ops that take it ([`Fuses::activation`](super::Fuses::activation)).
    pub activation: Option<Elementwise>,
    /// Whether to leave the statistics of `y`, where the variant of its kernels can; only for ops that do
    /// ([`Fuses::leaves_statistics`](super::Fuses::leaves_statistics)).
    pub statistics: bool,
    /// The pool that the output passes through behind the activation: `y` is the pool's then; only for ops that take it
    /// ([`Fuses::pool`](super::Fuses::pool)).
    pub pool: Option<Pool<'a>>,
    /// The convolution to begin with, whose output `x` would be: it has its shape, and holds nothing; only for ops that take it
    /// ([`Fuses::stem`](super::Fuses::stem)).
    pub stem: Option<Stem<'a>>,
    /// Mode and layer number.
    pub pass: Pass,
}

/// A convolution that another op's kernels compute wherever they need its output.
#[derive(Clone, Debug)]
pub struct Stem<'a> {
    /// Its windows.
    pub op: Conv2d,
    /// Its input.
    pub x: GpuTensor,
    /// Its parameters.
    pub params: &'a [GpuTensor],
    /// Written by backward: their gradients.
    pub dparams: &'a [Option<GpuTensor>],
    /// What its output passes through.
    pub activation: Option<Elementwise>,
}

/// A pool that another op's kernel takes in.
#[derive(Clone, Copy, Debug)]
pub struct Pool<'a> {
    /// Its windows.
    pub op: MaxPool2d,
    /// What forward keeps for backward: as its [`Op::saved`](super::Op::saved) lists them, or, if its backward is taken in too and its
    /// windows lie side by side, the kernel's inputs where the maxima are, in the same shape; in such a stem nothing.
    pub saved: &'a [GpuTensor],
    /// Whether its backward is taken in too.
    pub with_backward: bool,
}

/// Backward, on the GPU. Of `x` and `y` only what [`Op::needs`](super::Op::needs) asks for holds its values.
#[derive(Debug)]
pub struct GpuBackward<'a> {
    /// Inputs.
    pub x: &'a [GpuTensor],
    /// Parameters.
    pub params: &'a [GpuTensor],
    /// The output.
    pub y: &'a GpuTensor,
    /// What forward saved.
    pub saved: &'a [GpuTensor],
    /// Gradient of the output.
    pub dy: &'a GpuTensor,
    /// Written: the gradient of each input that needs one.
    pub dx: &'a [Option<GpuTensor>],
    /// Written: the gradient of each parameter that is trained.
    pub dparams: &'a [Option<GpuTensor>],
    /// The activation, if any, that each input went through and whose slope `dx` is to be multiplied by; only for ops that take
    /// it ([`Fuses::slope`](super::Fuses::slope)).
    pub slopes: &'a [Option<Elementwise>],
    /// The pool behind the op: `dy` is the gradient of its output then; only for ops that take it ([`Fuses::pool`](super::Fuses::pool)).
    pub pool: Option<Pool<'a>>,
    /// The convolution whose output `x` would be, and whose backward follows; only for ops that take it
    /// ([`Fuses::stem`](super::Fuses::stem)).
    pub stem: Option<Stem<'a>>,
    /// Mode and layer number.
    pub pass: Pass,
}

impl GpuBackward<'_> {
    /// The activation that the only input went through, if `dx` is to be multiplied by its slope.
    pub fn slope(&self) -> Option<&Elementwise> {
        self.slopes.first().and_then(Option::as_ref)
    }
}
