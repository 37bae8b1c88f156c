//! mini-XCEPTION (Arriaga, Valdenegro-Toro and Plöger 2017): four residual modules of depthwise separable convolutions, and one
//! feature map a class whose mean is the class's score: no dense layer, 58,423 parameters at seven classes.

use super::{at_least, relu, unbiased};
use crate::error::Result;
use crate::graph::{Builder, Value};
use crate::ops::add::Add;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::conv2d::Conv2d;
use crate::ops::depthwise_conv2d::DepthwiseConv2d;
use crate::ops::global_avg_pool::GlobalAvgPool;
use crate::ops::max_pool2d::MaxPool2d;
use crate::ops::window::Padding;

/// `SeparableConv2D`: 3x3 within each channel, then 1x1 over all, no bias.
fn separable(net: &mut Builder, x: Value, filters: usize) -> Result<Value> {
    let depthwise = DepthwiseConv2d { bias: false, ..DepthwiseConv2d::new(3, Padding::Same) };
    let x = net.add_as("SeparableConv2D", None, depthwise, &[x])?;
    net.extend(unbiased(filters, [1; 2], 1, Padding::Same), &[x])
}

/// Two separable convolutions and a max pooling of stride 2, added to `x` under a 1x1 convolution of stride 2.
fn module(net: &mut Builder, x: Value, filters: usize) -> Result<Value> {
    let shortcut = net.add(unbiased(filters, [1; 2], 2, Padding::Same), &[x])?;
    let shortcut = net.add(BatchNorm::default(), &[shortcut])?;
    let y = separable(net, x, filters)?;
    let y = net.add(BatchNorm::default(), &[y])?;
    let y = relu(net, None, y)?;
    let y = separable(net, y, filters)?;
    let y = net.add(BatchNorm::default(), &[y])?;
    let y = net.add(MaxPool2d { window: [3; 2], stride: [2; 2], padding: Padding::Same }, &[y])?;
    net.add(Add, &[y, shortcut])
}

/// The whole network, scores and all; softmax is in the loss.
pub(in crate::models) fn mini_xception(net: &mut Builder, x: Value, classes: usize) -> Result<Value> {
    at_least(net, x, "mini-XCEPTION", 5)?;
    let mut x = x;
    for _ in 0..2 {
        x = net.add(unbiased(8, [3; 2], 1, Padding::Valid), &[x])?;
        x = net.add(BatchNorm::default(), &[x])?;
        x = relu(net, None, x)?;
    }
    for filters in [16, 32, 64, 128] {
        x = module(net, x, filters)?;
    }
    let scores = net.add(Conv2d::new(classes, 3, Padding::Same), &[x])?;
    net.add(GlobalAvgPool, &[scores])
}
