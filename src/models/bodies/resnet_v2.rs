//! ResNet50V2, ResNet101V2 and ResNet152V2 (He, Zhang, Ren and Sun 2016): normalization and ReLU come before the convolutions, so that
//! nothing stands between the shortcuts. As in Keras, it is the last block of a stage that has the stride.

use super::resnet::{BATCH_NORM, FILTERS, stem};
use super::{at_least, relu, unbiased};
use crate::error::Result;
use crate::graph::{Builder, Value};
use crate::ops::add::Add;
use crate::ops::conv2d::Conv2d;
use crate::ops::max_pool2d::MaxPool2d;
use crate::ops::window::Padding;
use crate::ops::zero_pad2d::ZeroPad2d;

/// Activated first; 1x1 to fewer channels, padded 3x3, 1x1 to four times as many; added to `x` as it came, projected in a stage's
/// first block, thinned out under a stride.
fn bottleneck(net: &mut Builder, x: Value, name: &str, filters: usize, stride: usize, project: bool) -> Result<Value> {
    let active = net.add_named(&format!("{name}_preact_bn"), BATCH_NORM, &[x])?;
    let active = relu(net, Some(&format!("{name}_preact_relu")), active)?;
    let shortcut = if project {
        let conv = Conv2d { stride: [stride; 2], ..Conv2d::new(4 * filters, 1, Padding::Valid) };
        net.add_named(&format!("{name}_0_conv"), conv, &[active])?
    } else if stride > 1 {
        net.add(MaxPool2d { window: [1; 2], stride: [stride; 2], padding: Padding::Valid }, &[x])?
    } else {
        x
    };
    let y = net.add_named(&format!("{name}_1_conv"), unbiased(filters, [1; 2], 1, Padding::Valid), &[active])?;
    let y = net.add_named(&format!("{name}_1_bn"), BATCH_NORM, &[y])?;
    let y = relu(net, Some(&format!("{name}_1_relu")), y)?;
    let y = net.add_named(&format!("{name}_2_pad"), ZeroPad2d::new(1), &[y])?;
    let y = net.add_named(&format!("{name}_2_conv"), unbiased(filters, [3; 2], stride, Padding::Valid), &[y])?;
    let y = net.add_named(&format!("{name}_2_bn"), BATCH_NORM, &[y])?;
    let y = relu(net, Some(&format!("{name}_2_relu")), y)?;
    let y = net.add_named(&format!("{name}_3_conv"), Conv2d::new(4 * filters, 1, Padding::Valid), &[y])?;
    net.add_named(&format!("{name}_out"), Add, &[shortcut, y])
}

fn resnet_v2(net: &mut Builder, x: Value, blocks: [usize; 4]) -> Result<Value> {
    let mut x = stem(net, x, |_, x| Ok(x))?;
    for (stage, (blocks, filters)) in (2..).zip(blocks.into_iter().zip(FILTERS)) {
        for block in 1..=blocks {
            let stride = if stage < 5 && block == blocks { 2 } else { 1 };
            x = bottleneck(net, x, &format!("conv{stage}_block{block}"), filters, stride, block == 1)?;
        }
    }
    let x = net.add_named("post_bn", BATCH_NORM, &[x])?;
    relu(net, Some("post_relu"), x)
}

/// 3, 4, 6 and 3 blocks.
pub(in crate::models) fn resnet50_v2(net: &mut Builder, x: Value) -> Result<Value> {
    at_least(net, x, "ResNet50V2", 32)?;
    resnet_v2(net, x, [3, 4, 6, 3])
}

/// 3, 4, 23 and 3 blocks.
pub(in crate::models) fn resnet101_v2(net: &mut Builder, x: Value) -> Result<Value> {
    at_least(net, x, "ResNet101V2", 32)?;
    resnet_v2(net, x, [3, 4, 23, 3])
}

/// 3, 8, 36 and 3 blocks.
pub(in crate::models) fn resnet152_v2(net: &mut Builder, x: Value) -> Result<Value> {
    at_least(net, x, "ResNet152V2", 32)?;
    resnet_v2(net, x, [3, 8, 36, 3])
}
