//! The networks that the reports train from scratch. Each ends with class scores; softmax is in the loss.

use super::Stack;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::conv2d::Conv2d;
use crate::ops::window::Padding;

/// LeakyReLU's slope in the reports.
pub(super) const SLOPE: f32 = 0.2;

pub(super) fn fer4_cnn3(net: Stack, classes: usize) -> Stack {
    let body =
        [64, 32, 32].into_iter().fold(net, |net, filters| net.conv_same(filters, 2).relu().max_pool(2, 2).dropout(0.2));
    body.flatten().dense(512).relu().dropout(0.2).dense(classes)
}

pub(super) fn fer4_cnn4_bn(net: Stack, classes: usize) -> Stack {
    let body = [256, 128, 64, 32]
        .into_iter()
        .fold(net, |net, filters| net.conv_same(filters, 2).relu().batch_norm().leaky_relu(SLOPE).max_pool(2, 2));
    body.flatten().dense(512).relu().dense(128).relu().dense(classes)
}

pub(super) fn fer4_cnn5_bn(net: Stack, classes: usize) -> Stack {
    let body = [64, 128, 512, 512, 128].into_iter().fold(net, |net, filters| {
        net.conv_same(filters, 2).relu().batch_norm().leaky_relu(SLOPE).max_pool(2, 2).dropout(0.2)
    });
    let head = [256, 512]
        .into_iter()
        .fold(body.flatten(), |net, units| net.dense(units).relu().batch_norm().leaky_relu(SLOPE).dropout(0.2));
    head.dense(classes)
}

pub(super) fn fer7_cnn3_bn(net: Stack, classes: usize) -> Stack {
    net.conv_valid(32, 3)
        .relu()
        .batch_norm()
        .max_pool(4, 2)
        .dropout(0.25)
        .conv_same(64, 3)
        .relu()
        .batch_norm()
        .conv_same(64, 3)
        .relu()
        .batch_norm()
        .max_pool(2, 2)
        .dropout(0.25)
        .flatten()
        .dense(128)
        .relu()
        .batch_norm()
        .dropout(0.5)
        .dense(classes)
}

pub(super) fn fer7_cnn4_bn(net: Stack, classes: usize) -> Stack {
    let body = [32, 64, 128, 256]
        .into_iter()
        .fold(net, |net, filters| net.conv_valid(filters, 3).relu().batch_norm().max_pool(2, 2).dropout(0.2));
    body.flatten().dense(512).relu().batch_norm().dropout(0.2).dense(classes)
}

/// R4's three: pairs of convolutions without an activation between the two.
fn cnn6(net: Stack, classes: usize, filters: [usize; 3], normalized: bool, units: [usize; 2]) -> Stack {
    let body = filters.into_iter().fold(net, |net, filters| {
        let net = net.conv_valid(filters, 3).conv_valid(filters, 3);
        let net = if normalized { net.batch_norm() } else { net };
        net.relu().max_pool(2, 2)
    });
    body.global_avg_pool().dense(units[0]).relu().dropout(0.25).dense(units[1]).relu().dropout(0.1).dense(classes)
}

pub(super) fn fer3_cnn6(net: Stack, classes: usize) -> Stack {
    cnn6(net, classes, [64, 128, 256], false, [128, 32])
}

pub(super) fn fer3_cnn6_bn(net: Stack, classes: usize) -> Stack {
    cnn6(net, classes, [64, 128, 256], true, [128, 32])
}

pub(super) fn fer3_cnn6_tuned(net: Stack, classes: usize) -> Stack {
    cnn6(net, classes, [32, 256, 256], true, [256, 64])
}

pub(super) fn fer8_cnn5(net: Stack, classes: usize) -> Stack {
    let body =
        [16, 32, 64, 128, 256].into_iter().fold(net, |net, filters| net.conv_same(filters, 3).relu().max_pool(2, 2));
    body.flatten().dense(128).relu().dense(classes)
}

/// Ours, for a first try: a coarse first convolution makes it quick even on a software driver, and running statistics that
/// follow within tens of steps suit its short runs.
pub(super) fn fer7_small(net: Stack, classes: usize) -> Stack {
    let normalized = |net: Stack| net.then(BatchNorm { momentum: 0.9, ..BatchNorm::default() }).relu();
    let first = Conv2d { stride: [2; 2], ..Conv2d::new(16, 5, Padding::Same) };
    let net = normalized(net.then(first)).max_pool(2, 2);
    let net = normalized(net.conv_same(32, 3)).max_pool(2, 2);
    normalized(net.conv_same(64, 3)).flatten().dropout(0.3).dense(classes)
}
