//! Inception-ResNet-v2 (Szegedy, Ioffe, Vanhoucke and Alemi 2016): inception modules whose scaled output is added to their input.

use super::{at_least, conv_bn_relu, map_of, relu, unbiased};
use crate::error::Result;
use crate::graph::{Builder, Value};
use crate::ops::add::Add;
use crate::ops::avg_pool2d::AvgPool2d;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::concat::Concat;
use crate::ops::conv2d::Conv2d;
use crate::ops::max_pool2d::MaxPool2d;
use crate::ops::rescaling::Rescaling;
use crate::ops::window::Padding;

/// A convolution of a branch, followed by batch norm and ReLU.
#[derive(Clone, Copy)]
struct Conv {
    filters: usize,
    kernel: [usize; 2],
    stride: usize,
    padding: Padding,
}

/// A square window that keeps the map's size.
const fn same(filters: usize, kernel: usize) -> Conv {
    rows(filters, [kernel; 2])
}

/// Any window that keeps the map's size.
const fn rows(filters: usize, kernel: [usize; 2]) -> Conv {
    Conv { filters, kernel, stride: 1, padding: Padding::Same }
}

/// A square window without padding.
fn valid(filters: usize, kernel: usize, stride: usize) -> Conv {
    Conv { filters, kernel: [kernel; 2], stride, padding: Padding::Valid }
}

/// Convolutions one after the other.
fn chain(net: &mut Builder, x: Value, convs: &[Conv]) -> Result<Value> {
    convs.iter().try_fold(x, |x, c| conv_bn_relu(net, x, unbiased(c.filters, c.kernel, c.stride, c.padding)))
}

/// Branches that all begin at `x`.
fn branches(net: &mut Builder, x: Value, each: &[&[Conv]]) -> Result<Vec<Value>> {
    each.iter().map(|convs| chain(net, x, convs)).collect()
}

/// 3x3 max pooling of stride 2.
fn max_pool(net: &mut Builder, x: Value) -> Result<Value> {
    net.add(MaxPool2d { window: [3; 2], stride: [2; 2], padding: Padding::Valid }, &[x])
}

/// Halves the map: branches, and a pooling beside them.
fn reduction(net: &mut Builder, x: Value, name: &str, each: &[&[Conv]]) -> Result<Value> {
    let mut all = branches(net, x, each)?;
    all.push(max_pool(net, x)?);
    net.add_named(name, Concat, &all)
}

/// A kind of residual block.
struct Block {
    name: &'static str,
    branches: &'static [&'static [Conv]],
    /// What the sum is multiplied by before it is added.
    scale: f32,
}

/// Figure 10 of the paper, on the 35 x 35 map.
const BLOCK35: Block = Block {
    name: "block35",
    branches: &[&[same(32, 1)], &[same(32, 1), same(32, 3)], &[same(32, 1), same(48, 3), same(64, 3)]],
    scale: 0.17,
};

/// Figure 11, on the 17 x 17 map.
const BLOCK17: Block = Block {
    name: "block17",
    branches: &[&[same(192, 1)], &[same(128, 1), rows(160, [1, 7]), rows(192, [7, 1])]],
    scale: 0.1,
};

/// Figure 13, on the 8 x 8 map.
const BLOCK8: Block = Block {
    name: "block8",
    branches: &[&[same(192, 1)], &[same(192, 1), rows(224, [1, 3]), rows(256, [3, 1])]],
    scale: 0.2,
};

/// `relu(x + scale * conv(branches(x)))`; the last block of the network has no ReLU.
fn residual(net: &mut Builder, x: Value, block: &Block, number: usize, last: bool) -> Result<Value> {
    let name = format!("{}_{number}", block.name);
    let [_, _, channels] = map_of(net, x)?;
    let all = branches(net, x, block.branches)?;
    let mixed = net.add_named(&format!("{name}_mixed"), Concat, &all)?;
    let up = net.add_named(&format!("{name}_conv"), Conv2d::new(channels, 1, Padding::Same), &[mixed])?;
    let scale = if last { 1.0 } else { block.scale };
    let scaled = net.add_as("CustomScaleLayer", None, Rescaling::new(scale, 0.0), &[up])?;
    let sum = net.extend(Add, &[x, scaled])?;
    if last { Ok(sum) } else { relu(net, Some(&format!("{name}_ac")), sum) }
}

/// 299 -> 35 at the paper's size, then a first module.
fn stem(net: &mut Builder, x: Value) -> Result<Value> {
    let x = chain(net, x, &[valid(32, 3, 2), valid(32, 3, 1), same(64, 3)])?;
    let x = max_pool(net, x)?;
    let x = chain(net, x, &[valid(80, 1, 1), valid(192, 3, 1)])?;
    let x = max_pool(net, x)?;
    let mut all =
        branches(net, x, &[&[same(96, 1)], &[same(48, 1), same(64, 5)], &[same(64, 1), same(96, 3), same(96, 3)]])?;
    let pool = net.add(AvgPool2d { window: [3; 2], stride: [1; 2], padding: Padding::Same }, &[x])?;
    all.push(chain(net, pool, &[same(64, 1)])?);
    net.add_named("mixed_5b", Concat, &all)
}

/// The whole body: 10, 20 and 10 blocks; 1536 channels.
pub(in crate::models) fn inception_resnet_v2(net: &mut Builder, x: Value) -> Result<Value> {
    at_least(net, x, "InceptionResNetV2", 75)?;
    let mut x = stem(net, x)?;
    for i in 1..=10 {
        x = residual(net, x, &BLOCK35, i, false)?;
    }
    x = reduction(net, x, "mixed_6a", &[&[valid(384, 3, 2)], &[same(256, 1), same(256, 3), valid(384, 3, 2)]])?;
    for i in 1..=20 {
        x = residual(net, x, &BLOCK17, i, false)?;
    }
    let narrow = same(256, 1);
    let each: &[&[Conv]] =
        &[&[narrow, valid(384, 3, 2)], &[narrow, valid(288, 3, 2)], &[narrow, same(288, 3), valid(320, 3, 2)]];
    x = reduction(net, x, "mixed_7a", each)?;
    for i in 1..=10 {
        x = residual(net, x, &BLOCK8, i, i == 10)?;
    }
    let x = net.add_named("conv_7b", unbiased(1536, [1; 2], 1, Padding::Same), &[x])?;
    let x = net.add_named("conv_7b_bn", BatchNorm { scale: false, ..BatchNorm::default() }, &[x])?;
    relu(net, Some("conv_7b_ac"), x)
}
