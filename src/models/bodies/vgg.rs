//! VGG16 and VGG19 (Simonyan and Zisserman 2014), and VGGFace (Parkhi, Vedaldi and Zisserman 2015): VGG16 under names of its own.
//!
//! Five blocks of 3x3 convolutions, each ending in a 2x2 max pooling. The ReLUs are parts of their convolutions' layers.

use super::at_least;
use crate::error::Result;
use crate::graph::{Builder, Value};
use crate::ops::conv2d::Conv2d;
use crate::ops::max_pool2d::MaxPool2d;
use crate::ops::relu::Relu;
use crate::ops::window::Padding;

/// Filters of a block's convolutions.
const FILTERS: [usize; 5] = [64, 128, 256, 512, 512];

/// How a convolution (block and number in it, both from 1) and a block's pooling are called.
struct Names {
    conv: fn(usize, usize) -> String,
    pool: fn(usize) -> String,
}

const KERAS: Names =
    Names { conv: |block, i| format!("block{block}_conv{i}"), pool: |block| format!("block{block}_pool") };

const FACE: Names = Names { conv: |block, i| format!("conv{block}_{i}"), pool: |block| format!("pool{block}") };

fn vgg(net: &mut Builder, mut x: Value, convolutions: [usize; 5], names: &Names) -> Result<Value> {
    for (block, (count, filters)) in (1..).zip(convolutions.into_iter().zip(FILTERS)) {
        for i in 1..=count {
            x = net.add_named(&(names.conv)(block, i), Conv2d::new(filters, 3, Padding::Same), &[x])?;
            x = net.extend(Relu, &[x])?;
        }
        x = net.add_named(&(names.pool)(block), MaxPool2d::new(2), &[x])?;
    }
    Ok(x)
}

/// 13 convolutions.
pub(in crate::models) fn vgg16(net: &mut Builder, x: Value) -> Result<Value> {
    at_least(net, x, "VGG16", 32)?;
    vgg(net, x, [2, 2, 3, 3, 3], &KERAS)
}

/// 16 convolutions.
pub(in crate::models) fn vgg19(net: &mut Builder, x: Value) -> Result<Value> {
    at_least(net, x, "VGG19", 32)?;
    vgg(net, x, [2, 2, 4, 4, 4], &KERAS)
}

/// VGG16 under the names of the published VGGFace weights: `conv1_1` to `pool5`.
pub(in crate::models) fn vggface(net: &mut Builder, x: Value) -> Result<Value> {
    at_least(net, x, "VGGFace", 32)?;
    vgg(net, x, [2, 2, 3, 3, 3], &FACE)
}
