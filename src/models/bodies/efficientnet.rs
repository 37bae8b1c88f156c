//! EfficientNet B0, B3, B5 and B7 (Tan and Le 2019): one network of inverted residual blocks, scaled in width and depth.
//!
//! The input is bytes from 0 to 255. The second of the two rescalings undoes half of the normalization, as the
//! published weights were trained (keras.applications adds it with them).

use super::mobile::{self, DROP, add_kernel, conv_bn, letter, pointwise, residual, silu, squeeze_excite};
use super::{at_least, map_of, unbiased};
use crate::error::Result;
use crate::graph::{Builder, Value};
use crate::ops::batch_norm::BatchNorm;
use crate::ops::depthwise_conv2d::DepthwiseConv2d;
use crate::ops::normalization::Normalization;
use crate::ops::rescaling::Rescaling;
use crate::ops::window::Padding;
use crate::ops::zero_pad2d::ZeroPad2d;

/// Standard deviation of ImageNet's red, green and blue.
const DEVIATION: [f64; 3] = [0.229, 0.224, 0.225];

/// Keras's default.
const MOMENTUM: f32 = 0.99;

/// Blocks of one width: window, how many, channels in and out, factor of the expansion, stride of the first.
struct Stage {
    kernel: usize,
    repeats: usize,
    filters: [usize; 2],
    expand: usize,
    stride: usize,
}

/// Table 1 of the paper: B0.
const STAGES: [Stage; 7] = [
    Stage { kernel: 3, repeats: 1, filters: [32, 16], expand: 1, stride: 1 },
    Stage { kernel: 3, repeats: 2, filters: [16, 24], expand: 6, stride: 2 },
    Stage { kernel: 5, repeats: 2, filters: [24, 40], expand: 6, stride: 2 },
    Stage { kernel: 3, repeats: 3, filters: [40, 80], expand: 6, stride: 2 },
    Stage { kernel: 5, repeats: 3, filters: [80, 112], expand: 6, stride: 1 },
    Stage { kernel: 5, repeats: 4, filters: [112, 192], expand: 6, stride: 2 },
    Stage { kernel: 3, repeats: 1, filters: [192, 320], expand: 6, stride: 1 },
];

/// How much wider and deeper than B0.
struct Scale {
    name: &'static str,
    width: f64,
    depth: f64,
}

impl Scale {
    /// A multiple of 8, the nearest, but no less than nine tenths of what is asked for.
    fn filters(&self, filters: usize) -> usize {
        let wanted = filters as f64 * self.width;
        let rounded = (((wanted + 4.0) as usize) / 8 * 8).max(8);
        if (rounded as f64) < 0.9 * wanted { rounded + 8 } else { rounded }
    }

    fn repeats(&self, repeats: usize) -> usize {
        (self.depth * repeats as f64).ceil() as usize
    }
}

/// Zeros before a window of stride 2, so that it ends at the map's edge.
fn pad(net: &mut Builder, x: Value, name: &str, kernel: usize) -> Result<Value> {
    let [h, w, _] = map_of(net, x)?;
    let (half, even) = (kernel / 2, |side: usize| usize::from(side.is_multiple_of(2)));
    net.add_named(name, ZeroPad2d { rows: [half - even(h), half], columns: [half - even(w), half] }, &[x])
}

/// An inverted residual block: wider by 1x1, depthwise, gated, narrower by 1x1; added to `x` where the shape is the same.
fn block(
    net: &mut Builder,
    x: Value,
    name: &str,
    stage: &Stage,
    [filters_in, filters_out]: [usize; 2],
    stride: usize,
    drop: f64,
) -> Result<Value> {
    let mut y = x;
    if stage.expand != 1 {
        y = conv_bn(net, y, &format!("{name}expand"), pointwise(filters_in * stage.expand), MOMENTUM)?;
        y = silu(net, y, &format!("{name}expand_activation"))?;
    }
    if stride == 2 {
        y = pad(net, y, &format!("{name}dwconv_pad"), stage.kernel)?;
    }
    let padding = if stride == 2 { Padding::Valid } else { Padding::Same };
    let depthwise = DepthwiseConv2d { stride: [stride; 2], bias: false, ..DepthwiseConv2d::new(stage.kernel, padding) };
    y = add_kernel(net, &format!("{name}dwconv"), depthwise, y)?;
    y = net.add_named(&format!("{name}bn"), BatchNorm::default(), &[y])?;
    y = silu(net, y, &format!("{name}activation"))?;
    y = squeeze_excite(net, y, name, (filters_in / 4).max(1))?;
    y = conv_bn(net, y, &format!("{name}project"), pointwise(filters_out), MOMENTUM)?;
    if stride == 1 && filters_in == filters_out { residual(net, y, x, name, drop) } else { Ok(y) }
}

fn stem(net: &mut Builder, x: Value, filters: usize) -> Result<Value> {
    let x = net.add(Rescaling::new((1.0 / 255.0) as f32, 0.0), &[x])?;
    let x = net.add(Normalization, &[x])?;
    let x = net.add(Rescaling::per_channel(DEVIATION.map(|d| (1.0 / d.sqrt()) as f32)), &[x])?;
    let x = pad(net, x, "stem_conv_pad", 3)?;
    let x = conv_bn(net, x, "stem", unbiased(filters, [3; 2], 2, Padding::Valid), MOMENTUM)?;
    silu(net, x, "stem_activation")
}

fn efficientnet(net: &mut Builder, x: Value, scale: &Scale) -> Result<Value> {
    at_least(net, x, scale.name, 32)?;
    let mut x = stem(net, x, scale.filters(32))?;
    let blocks: usize = STAGES.iter().map(|s| scale.repeats(s.repeats)).sum();
    let mut before = 0usize;
    for (number, stage) in (1..).zip(&STAGES) {
        let [first, filters_out] = stage.filters.map(|f| scale.filters(f));
        for i in 0..scale.repeats(stage.repeats) {
            let (filters_in, stride) = if i == 0 { (first, stage.stride) } else { (filters_out, 1) };
            let drop = DROP * before as f64 / blocks as f64;
            let name = format!("block{number}{}_", letter(i));
            x = block(net, x, &name, stage, [filters_in, filters_out], stride, drop)?;
            before += 1;
        }
    }
    mobile::top(net, x, scale.filters(1280), MOMENTUM)
}

/// The base.
pub(in crate::models) fn b0(net: &mut Builder, x: Value) -> Result<Value> {
    efficientnet(net, x, &Scale { name: "EfficientNetB0", width: 1.0, depth: 1.0 })
}

/// 1.2 times as wide, 1.4 times as deep.
pub(in crate::models) fn b3(net: &mut Builder, x: Value) -> Result<Value> {
    efficientnet(net, x, &Scale { name: "EfficientNetB3", width: 1.2, depth: 1.4 })
}

/// 1.6 times as wide, 2.2 times as deep.
pub(in crate::models) fn b5(net: &mut Builder, x: Value) -> Result<Value> {
    efficientnet(net, x, &Scale { name: "EfficientNetB5", width: 1.6, depth: 2.2 })
}

/// 2 times as wide, 3.1 times as deep.
pub(in crate::models) fn b7(net: &mut Builder, x: Value) -> Result<Value> {
    efficientnet(net, x, &Scale { name: "EfficientNetB7", width: 2.0, depth: 3.1 })
}
