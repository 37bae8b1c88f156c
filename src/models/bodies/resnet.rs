//! ResNet50 and ResNet101 (He, Zhang, Ren and Sun 2015): bottleneck blocks around identity shortcuts.

use super::{at_least, relu};
use crate::error::Result;
use crate::graph::{Builder, Value};
use crate::ops::add::Add;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::conv2d::Conv2d;
use crate::ops::max_pool2d::MaxPool2d;
use crate::ops::window::Padding;
use crate::ops::zero_pad2d::ZeroPad2d;

/// Keras's batch norm in ResNets of either version.
pub(super) const BATCH_NORM: BatchNorm = BatchNorm { momentum: 0.99, epsilon: 1.001e-5, scale: true };

/// Filters within the bottlenecks of each stage.
pub(super) const FILTERS: [usize; 4] = [64, 128, 256, 512];

/// A convolution that starts at the map's edge; 3x3 ones are padded to keep its size.
fn conv(filters: usize, kernel: usize, stride: usize) -> Conv2d {
    let padding = if kernel == 1 { Padding::Valid } else { Padding::Same };
    Conv2d { stride: [stride; 2], ..Conv2d::new(filters, kernel, padding) }
}

/// What both versions begin with: a padded 7x7 convolution of stride 2; `between`; a padded 3x3 max pooling of stride 2.
pub(super) fn stem(
    net: &mut Builder,
    x: Value,
    between: impl FnOnce(&mut Builder, Value) -> Result<Value>,
) -> Result<Value> {
    let x = net.add_named("conv1_pad", ZeroPad2d::new(3), &[x])?;
    let x = net.add_named("conv1_conv", Conv2d { stride: [2; 2], ..Conv2d::new(64, 7, Padding::Valid) }, &[x])?;
    let x = between(net, x)?;
    let x = net.add_named("pool1_pad", ZeroPad2d::new(1), &[x])?;
    let pool = MaxPool2d { window: [3; 2], stride: [2; 2], padding: Padding::Valid };
    net.add_named("pool1_pool", pool, &[x])
}

/// 1x1 to fewer channels, 3x3, 1x1 to four times as many; added to `x`, which is projected where its shape differs.
fn bottleneck(net: &mut Builder, x: Value, name: &str, filters: usize, stride: usize, project: bool) -> Result<Value> {
    let shortcut = if project {
        let shortcut = net.add_named(&format!("{name}_0_conv"), conv(4 * filters, 1, stride), &[x])?;
        net.add_named(&format!("{name}_0_bn"), BATCH_NORM, &[shortcut])?
    } else {
        x
    };
    let y = net.add_named(&format!("{name}_1_conv"), conv(filters, 1, stride), &[x])?;
    let y = net.add_named(&format!("{name}_1_bn"), BATCH_NORM, &[y])?;
    let y = relu(net, Some(&format!("{name}_1_relu")), y)?;
    let y = net.add_named(&format!("{name}_2_conv"), conv(filters, 3, 1), &[y])?;
    let y = net.add_named(&format!("{name}_2_bn"), BATCH_NORM, &[y])?;
    let y = relu(net, Some(&format!("{name}_2_relu")), y)?;
    let y = net.add_named(&format!("{name}_3_conv"), conv(4 * filters, 1, 1), &[y])?;
    let y = net.add_named(&format!("{name}_3_bn"), BATCH_NORM, &[y])?;
    let sum = net.add_named(&format!("{name}_add"), Add, &[shortcut, y])?;
    relu(net, Some(&format!("{name}_out")), sum)
}

fn resnet(net: &mut Builder, x: Value, blocks: [usize; 4]) -> Result<Value> {
    let mut x = stem(net, x, |net, x| {
        let x = net.add_named("conv1_bn", BATCH_NORM, &[x])?;
        relu(net, Some("conv1_relu"), x)
    })?;
    for (stage, (blocks, filters)) in (2..).zip(blocks.into_iter().zip(FILTERS)) {
        for block in 1..=blocks {
            let stride = if stage > 2 && block == 1 { 2 } else { 1 };
            x = bottleneck(net, x, &format!("conv{stage}_block{block}"), filters, stride, block == 1)?;
        }
    }
    Ok(x)
}

/// 3, 4, 6 and 3 blocks.
pub(in crate::models) fn resnet50(net: &mut Builder, x: Value) -> Result<Value> {
    at_least(net, x, "ResNet50", 32)?;
    resnet(net, x, [3, 4, 6, 3])
}

/// 3, 4, 23 and 3 blocks.
pub(in crate::models) fn resnet101(net: &mut Builder, x: Value) -> Result<Value> {
    at_least(net, x, "ResNet101", 32)?;
    resnet(net, x, [3, 4, 23, 3])
}
