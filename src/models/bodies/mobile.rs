//! What both EfficientNets are made of: inverted residual blocks (Sandler et al. 2018) with squeeze-and-excitation (Hu, Shen and Sun
//! 2018), SiLU, and kernels that start as in the paper.

use super::{map_of, unbiased};
use crate::error::Result;
use crate::graph::{Builder, Value};
use crate::ops::add::Add;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::conv2d::Conv2d;
use crate::ops::global_avg_pool::GlobalAvgPool;
use crate::ops::mul::Mul;
use crate::ops::reshape::Reshape;
use crate::ops::sigmoid::Sigmoid;
use crate::ops::silu::Silu;
use crate::ops::stochastic_depth::StochasticDepth;
use crate::ops::window::Padding;
use crate::ops::{Init, Op};

/// Share of the samples whose last block's branch is dropped in training; earlier blocks drop in proportion to their depth.
pub(super) const DROP: f64 = 0.2;

/// A layer with a kernel that starts from a truncated normal of variance `2 / fan_out`.
pub(super) fn add_kernel(net: &mut Builder, name: &str, op: impl Op + 'static, x: Value) -> Result<Value> {
    let value = net.add_named(name, op, &[x])?;
    net.start_kernel(Init::he_fan_out);
    Ok(value)
}

/// Convolution, batch norm of this momentum, and nothing after it: `{name}_conv`, `{name}_bn`.
pub(super) fn conv_bn(net: &mut Builder, x: Value, name: &str, conv: Conv2d, momentum: f32) -> Result<Value> {
    let x = add_kernel(net, &format!("{name}_conv"), conv, x)?;
    net.add_named(&format!("{name}_bn"), BatchNorm { momentum, ..BatchNorm::default() }, &[x])
}

/// `Activation("silu")`.
pub(super) fn silu(net: &mut Builder, x: Value, name: &str) -> Result<Value> {
    net.add_as("Activation", Some(name), Silu, &[x])
}

/// A 1x1 convolution without a bias.
pub(super) fn pointwise(filters: usize) -> Conv2d {
    unbiased(filters, [1; 2], 1, Padding::Same)
}

/// Gates each channel by what two small layers make of all channels' means. `block` ends in an underscore.
pub(super) fn squeeze_excite(net: &mut Builder, x: Value, block: &str, squeezed: usize) -> Result<Value> {
    let [_, _, channels] = map_of(net, x)?;
    let gate = net.add_named(&format!("{block}se_squeeze"), GlobalAvgPool, &[x])?;
    let gate = net.add_named(&format!("{block}se_reshape"), Reshape { target: [1, 1, channels].into() }, &[gate])?;
    let gate = add_kernel(net, &format!("{block}se_reduce"), Conv2d::new(squeezed, 1, Padding::Same), gate)?;
    let gate = net.extend(Silu, &[gate])?;
    let gate = add_kernel(net, &format!("{block}se_expand"), Conv2d::new(channels, 1, Padding::Same), gate)?;
    let gate = net.extend(Sigmoid, &[gate])?;
    net.add_named(&format!("{block}se_excite"), Mul, &[x, gate])
}

/// Adds a block's output to its input, dropped with probability `drop` where that is not 0.
pub(super) fn residual(net: &mut Builder, y: Value, x: Value, block: &str, drop: f64) -> Result<Value> {
    let y = if drop > 0.0 {
        net.add_named(&format!("{block}drop"), StochasticDepth { rate: drop as f32 }, &[y])?
    } else {
        y
    };
    net.add_named(&format!("{block}add"), Add, &[y, x])
}

/// What every EfficientNet ends in: 1x1 convolution, batch norm, SiLU.
pub(super) fn top(net: &mut Builder, x: Value, filters: usize, momentum: f32) -> Result<Value> {
    let x = conv_bn(net, x, "top", pointwise(filters), momentum)?;
    silu(net, x, "top_activation")
}

/// `a`, `b`, ... of a stage's blocks.
pub(super) fn letter(block: usize) -> char {
    char::from(b'a' + block as u8)
}
