//! EfficientNetV2-L (Tan and Le 2021): early blocks fuse the 1x1 and the depthwise convolution into one 3x3 convolution.
//!
//! The input is bytes from 0 to 255, which the first layer brings to -1 to 1.

use super::mobile::{self, DROP, add_kernel, conv_bn, letter, pointwise, residual, silu, squeeze_excite};
use super::{at_least, unbiased};
use crate::error::Result;
use crate::graph::{Builder, Value};
use crate::ops::batch_norm::BatchNorm;
use crate::ops::depthwise_conv2d::DepthwiseConv2d;
use crate::ops::rescaling::Rescaling;
use crate::ops::window::Padding;

const MOMENTUM: f32 = 0.9;

/// Blocks of one width: how many, channels in and out, factor of the expansion, stride of the first, fused or not. The
/// windows are 3x3; blocks that are not fused have squeeze-and-excitation to a quarter of their input's channels.
struct Stage {
    repeats: usize,
    filters: [usize; 2],
    expand: usize,
    stride: usize,
    fused: bool,
}

const STAGES: [Stage; 7] = [
    Stage { repeats: 4, filters: [32, 32], expand: 1, stride: 1, fused: true },
    Stage { repeats: 7, filters: [32, 64], expand: 4, stride: 2, fused: true },
    Stage { repeats: 7, filters: [64, 96], expand: 4, stride: 2, fused: true },
    Stage { repeats: 10, filters: [96, 192], expand: 4, stride: 2, fused: false },
    Stage { repeats: 19, filters: [192, 224], expand: 6, stride: 1, fused: false },
    Stage { repeats: 25, filters: [224, 384], expand: 6, stride: 2, fused: false },
    Stage { repeats: 7, filters: [384, 640], expand: 6, stride: 1, fused: false },
];

/// 3x3, without a bias.
fn square(filters: usize, stride: usize) -> crate::ops::conv2d::Conv2d {
    unbiased(filters, [3; 2], stride, Padding::Same)
}

/// Wider by 3x3, narrower by 1x1; without an expansion just 3x3 and SiLU.
fn fused(
    net: &mut Builder,
    x: Value,
    name: &str,
    expand: usize,
    [f_in, f_out]: [usize; 2],
    stride: usize,
) -> Result<Value> {
    if expand == 1 {
        let y = conv_bn(net, x, &format!("{name}project"), square(f_out, stride), MOMENTUM)?;
        return silu(net, y, &format!("{name}project_activation"));
    }
    let y = conv_bn(net, x, &format!("{name}expand"), square(f_in * expand, stride), MOMENTUM)?;
    let y = silu(net, y, &format!("{name}expand_activation"))?;
    conv_bn(net, y, &format!("{name}project"), pointwise(f_out), MOMENTUM)
}

/// Wider by 1x1, depthwise 3x3, gated, narrower by 1x1.
fn inverted(
    net: &mut Builder,
    x: Value,
    name: &str,
    expand: usize,
    [f_in, f_out]: [usize; 2],
    stride: usize,
) -> Result<Value> {
    let y = conv_bn(net, x, &format!("{name}expand"), pointwise(f_in * expand), MOMENTUM)?;
    let y = silu(net, y, &format!("{name}expand_activation"))?;
    let depthwise = DepthwiseConv2d { stride: [stride; 2], bias: false, ..DepthwiseConv2d::new(3, Padding::Same) };
    let y = add_kernel(net, &format!("{name}dwconv2"), depthwise, y)?;
    let y = net.add_named(&format!("{name}bn"), BatchNorm { momentum: MOMENTUM, ..BatchNorm::default() }, &[y])?;
    let y = silu(net, y, &format!("{name}activation"))?;
    let y = squeeze_excite(net, y, name, f_in / 4)?;
    conv_bn(net, y, &format!("{name}project"), pointwise(f_out), MOMENTUM)
}

/// The whole body: 1280 channels.
pub(in crate::models) fn v2l(net: &mut Builder, x: Value) -> Result<Value> {
    at_least(net, x, "EfficientNetV2L", 32)?;
    let x = net.add(Rescaling::new(1.0 / 128.0, -1.0), &[x])?;
    let x = conv_bn(net, x, "stem", square(STAGES[0].filters[0], 2), MOMENTUM)?;
    let mut x = silu(net, x, "stem_activation")?;
    let blocks: usize = STAGES.iter().map(|s| s.repeats).sum();
    let mut before = 0usize;
    for (number, stage) in (1..).zip(&STAGES) {
        let [first, f_out] = stage.filters;
        for i in 0..stage.repeats {
            let (f_in, stride) = if i == 0 { (first, stage.stride) } else { (f_out, 1) };
            let name = format!("block{number}{}_", letter(i));
            let kind = if stage.fused { fused } else { inverted };
            let y = kind(net, x, &name, stage.expand, [f_in, f_out], stride)?;
            let drop = DROP * before as f64 / blocks as f64;
            x = if stride == 1 && f_in == f_out { residual(net, y, x, &name, drop)? } else { y };
            before += 1;
        }
    }
    mobile::top(net, x, 1280, MOMENTUM)
}
