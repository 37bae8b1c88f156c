//! The ops: each a folder with its contract, its f64 reference, its GPU encoding and its cases, and a shader of the same
//! name. [`TABLE`] lists them; tests, benches and `verify` walk it.
//!
//! **Adding one** touches three places: a folder here, a file in `shaders/`, a row in [`TABLE`].
//!
//! An op is a pure description (`Conv2d { filters: 32, .. }`). It works on per-sample shapes when a graph is built, on
//! [`HostTensor`](crate::tensor::HostTensor)s in the reference and on [`GpuTensor`](crate::gpu::GpuTensor)s when a program is
//! recorded, and knows nothing of graphs: what it reads, writes and saves is handed to it. A gradient is *written*, never added:
//! where a tensor has several consumers the plan adds their gradients up.

pub mod add;
pub mod augment;
pub mod average;
pub mod avg_pool2d;
pub mod batch_norm;
pub mod case;
pub mod concat;
pub mod conv2d;
pub mod crop2d;
pub mod dense;
pub mod depthwise_conv2d;
pub mod describe;
mod describe_keys;
mod describe_norm;
pub mod describe_separable;
pub mod dropout;
mod elementwise;
pub mod flatten;
pub mod general_conv2d;
pub mod global_avg_pool;
pub mod global_max_pool;
pub mod group_norm;
mod init;
mod io;
pub mod layer_norm;
pub mod leaky_relu;
pub mod max_pool2d;
pub mod maximum;
pub mod mean_squared_error;
mod merge;
pub mod mul;
pub mod normalization;
pub mod permute;
pub mod relu;
pub mod relu6;
pub mod rescaling;
pub mod reshape;
pub mod sigmoid;
pub mod silu;
pub mod softmax;
pub mod softmax_cross_entropy;
pub mod stochastic_depth;
pub mod subtract;
pub mod tanh;
mod team;
pub mod upsample2d;
pub mod window;
pub mod zero_pad2d;

pub use case::{Case, Input, Subject, Tolerance};
use conv2d::Conv2d;
pub use elementwise::Elementwise;
pub use init::Init;
pub use io::{GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Pass, Pool, Stem};
use max_pool2d::MaxPool2d;

use crate::error::{Error, Result};
use crate::gpu::Recorder;
use crate::tensor::Shape;
use std::any::Any;
use std::fmt::Debug;

/// A parameter or a running statistic of an op.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSpec {
    /// Keras's name: `kernel`, `bias`, `gamma`, `beta`, `moving_mean`, `moving_variance`.
    pub name: &'static str,
    /// Its shape.
    pub shape: Shape,
    /// How it starts.
    pub init: Init,
    /// Whether the optimizer moves it; running statistics are moved by the op itself.
    pub trainable: bool,
}

impl ParamSpec {
    /// A parameter that the optimizer moves.
    pub fn trainable(name: &'static str, shape: impl Into<Shape>, init: Init) -> Self {
        Self { name, shape: shape.into(), init, trainable: true }
    }

    /// A running statistic.
    pub fn statistic(name: &'static str, shape: impl Into<Shape>, init: Init) -> Self {
        Self { name, shape: shape.into(), init, trainable: false }
    }
}

/// Which activations an op's backward reads, beside `dy` and what it saved: the plan keeps just these alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Its inputs.
    pub x: bool,
    /// Its output.
    pub y: bool,
}

/// What an op's kernels can do besides, so that another op needs none of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fuses {
    /// Forward can end in an activation: `y = activate(f(x))`. Its backward must not read `y` then.
    pub activation: bool,
    /// Backward can begin in one: where the input is an activation's output, `dx` is multiplied by that activation's slope. What
    /// backward reads for it, beside [`Op::needs`]; none if it cannot.
    pub slope: Option<Needs>,
    /// Forward can leave the statistics of its output, by strips of its rows ([`Recorder::leave_statistics`]).
    pub leaves_statistics: bool,
    /// Forward can end in a max pool, behind the activation: `y = pool(activate(f(x)))`; in training mode backward can begin with the
    /// pool's, where that [tiles](MaxPool2d::tiles) its input (in a stem, covers it). Its backward must not read `y` then.
    pub pool: bool,
    /// Each element of the output is one of the input, and has its gradient: the slope of an activation in front can be taken at the
    /// output just as well, by the ops behind.
    pub selects: bool,
    /// In training mode it needs its input's statistics, and takes what was left of them.
    pub takes_statistics: bool,
    /// Its kernels can begin with a convolution ([`Op::stem`]) whose input needs no gradient, and do that one's backward too, if a pool that
    /// [covers](MaxPool2d::covers) the map ends them.
    pub stem: bool,
}

/// One operation with its configuration. ([`Any`] lets [`describe`] tell the ops apart.)
pub trait Op: Any + Debug + Send + Sync {
    /// snake_case, the same in folder, shader, label and bench.
    fn name(&self) -> &'static str;

    /// Keras's class name, for `summary`: `Conv2D`.
    fn keras_name(&self) -> &'static str;

    /// Output shape from input shapes, both a sample (without the batch dimension).
    ///
    /// # Errors
    /// [`Error::Shape`] for shapes or settings that the op cannot take.
    fn infer(&self, inputs: &[&Shape]) -> Result<Shape>;

    /// Parameters for input shapes that `infer` took.
    fn params(&self, _inputs: &[&Shape]) -> Vec<ParamSpec> {
        Vec::new()
    }

    /// Shapes, batch included, of what forward saves for backward.
    fn saved(&self, _inputs: &[&Shape], _n: usize) -> Vec<Shape> {
        Vec::new()
    }

    /// What backward reads.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// What its kernels can take in.
    fn fuses(&self) -> Fuses {
        Fuses::default()
    }

    /// What backward reads, with an activation's slope taken in or without.
    fn needs_with(&self, slope: bool) -> Needs {
        let (needs, more) = (self.needs(), self.fuses().slope.filter(|_| slope).unwrap_or_default());
        Needs { x: needs.x || more.x, y: needs.y || more.y }
    }

    /// Its text for other ops' kernels, if it maps each element by itself, never falls where its input rises, and its slope follows from its
    /// output.
    fn activation(&self) -> Option<Elementwise> {
        None
    }

    /// Itself, if it is a pool that other ops' kernels can take in.
    fn pooling(&self) -> Option<MaxPool2d> {
        None
    }

    /// Itself, if it is a convolution whose output costs less to compute again than to keep, so that other ops' kernels can.
    fn stem(&self, _inputs: &[&Shape]) -> Option<Conv2d> {
        None
    }

    /// Whether the output is the input under another shape, without any work.
    fn is_view(&self) -> bool {
        false
    }

    /// Floating-point operations of a forward pass of one sample; 0 where memory is what counts.
    fn flops(&self, _inputs: &[&Shape]) -> u64 {
        0
    }

    /// The f64 reference of forward.
    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput;

    /// The f64 reference of backward.
    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients;

    /// Records forward.
    ///
    /// # Errors
    /// A tensor that no slicing fits to the adapter.
    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()>;

    /// Records backward: writes every `dx` and `dparams` that is there.
    ///
    /// # Errors
    /// As [`Op::forward`].
    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()>;
}

/// One row of the op table.
#[derive(Clone, Copy)]
pub struct Row {
    /// The op's name: its folder, its cases, its bench ids.
    pub name: &'static str,
    /// Its shader's stem in `shaders/`; another op's where the kernels are shared, none for a view.
    pub shader: Option<&'static str>,
    /// Its cases.
    pub cases: fn() -> Vec<Case>,
}

/// Every op.
pub const TABLE: &[Row] = &[
    Row { name: "add", shader: Some("add"), cases: add::cases },
    Row { name: "augment", shader: Some("augment"), cases: augment::cases },
    Row { name: "average", shader: Some("average"), cases: average::cases },
    Row { name: "avg_pool2d", shader: Some("avg_pool2d"), cases: avg_pool2d::cases },
    Row { name: "batch_norm", shader: Some("batch_norm"), cases: batch_norm::cases },
    Row { name: "concat", shader: Some("concat"), cases: concat::cases },
    Row { name: "conv2d", shader: Some("conv2d"), cases: conv2d::cases },
    // The padding of zero_pad2d in the other direction: the same kernels.
    Row { name: "crop2d", shader: Some("zero_pad2d"), cases: crop2d::cases },
    // A dense layer is a 1 x 1 convolution over a 1 x N map: the same kernels.
    Row { name: "dense", shader: Some("conv2d"), cases: dense::cases },
    Row { name: "depthwise_conv2d", shader: Some("depthwise_conv2d"), cases: depthwise_conv2d::cases },
    Row { name: "dropout", shader: Some("dropout"), cases: dropout::cases },
    Row { name: "flatten", shader: None, cases: flatten::cases },
    Row { name: "general_conv2d", shader: Some("general_conv2d"), cases: general_conv2d::cases },
    Row { name: "global_avg_pool", shader: Some("global_avg_pool"), cases: global_avg_pool::cases },
    Row { name: "global_max_pool", shader: Some("global_max_pool"), cases: global_max_pool::cases },
    Row { name: "group_norm", shader: Some("group_norm"), cases: group_norm::cases },
    // One group of one pixel: the same kernels.
    Row { name: "layer_norm", shader: Some("group_norm"), cases: layer_norm::cases },
    Row { name: "leaky_relu", shader: Some("leaky_relu"), cases: leaky_relu::cases },
    Row { name: "max_pool2d", shader: Some("max_pool2d"), cases: max_pool2d::cases },
    Row { name: "maximum", shader: Some("maximum"), cases: maximum::cases },
    Row { name: "mean_squared_error", shader: Some("mean_squared_error"), cases: mean_squared_error::cases },
    Row { name: "mul", shader: Some("mul"), cases: mul::cases },
    Row { name: "normalization", shader: Some("normalization"), cases: normalization::cases },
    Row { name: "permute", shader: Some("permute"), cases: permute::cases },
    Row { name: "relu", shader: Some("relu"), cases: relu::cases },
    Row { name: "relu6", shader: Some("relu6"), cases: relu6::cases },
    Row { name: "rescaling", shader: Some("rescaling"), cases: rescaling::cases },
    Row { name: "reshape", shader: None, cases: reshape::cases },
    Row { name: "sigmoid", shader: Some("sigmoid"), cases: sigmoid::cases },
    Row { name: "silu", shader: Some("silu"), cases: silu::cases },
    Row { name: "softmax", shader: Some("softmax"), cases: softmax::cases },
    Row { name: "softmax_cross_entropy", shader: Some("softmax_cross_entropy"), cases: softmax_cross_entropy::cases },
    Row { name: "stochastic_depth", shader: Some("stochastic_depth"), cases: stochastic_depth::cases },
    Row { name: "subtract", shader: Some("subtract"), cases: subtract::cases },
    Row { name: "tanh", shader: Some("tanh"), cases: tanh::cases },
    Row { name: "upsample2d", shader: Some("upsample2d"), cases: upsample2d::cases },
    Row { name: "zero_pad2d", shader: Some("zero_pad2d"), cases: zero_pad2d::cases },
];

/// Cases of one op, or of all.
///
/// # Errors
/// An unknown name, with the nearest.
pub fn cases(op: Option<&str>) -> Result<Vec<Case>> {
    let Some(name) = op else { return Ok(TABLE.iter().flat_map(|row| (row.cases)()).collect()) };
    let row = TABLE.iter().find(|row| row.name == name).ok_or_else(|| {
        let known = TABLE.iter().map(|r| r.name);
        let near =
            crate::error::nearest(name, known.clone()).map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
        let known: Vec<&str> = known.collect();
        Error::usage(format!("unknown op `{name}`"), format!("{near}ops: {}", known.join(", ")))
    })?;
    Ok((row.cases)())
}

/// The only input shape of a one-input op.
///
/// # Errors
/// Any other number of inputs.
pub(crate) fn single<'a>(op: &'static str, inputs: &[&'a Shape]) -> Result<&'a Shape> {
    match inputs {
        [x] => Ok(x),
        _ => Err(Error::shape(op, format!("takes one input, found {}", inputs.len()))),
    }
}

/// The input shapes of an op that joins two or more.
///
/// # Errors
/// Fewer than two.
pub(crate) fn several<'s, 'a>(op: &'static str, inputs: &'s [&'a Shape]) -> Result<&'s [&'a Shape]> {
    match inputs {
        [_, _, ..] => Ok(inputs),
        _ => Err(Error::shape(op, format!("takes two or more inputs, found {}", inputs.len()))),
    }
}

/// `[h, w, c]` of a per-sample image shape.
///
/// # Errors
/// Any other rank.
pub(crate) fn image_dims(op: &'static str, x: &Shape) -> Result<[usize; 3]> {
    match *x.dims() {
        [h, w, c] => Ok([h, w, c]),
        _ => Err(Error::shape(op, format!("takes images [h, w, c], found {x}"))),
    }
}
