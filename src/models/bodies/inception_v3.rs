//! InceptionV3 (Szegedy et al. 2015): modules of parallel branches, in which rows of 1x7 and 7x1 stand for 7x7 windows.

use super::{at_least, conv_bn_relu, unbiased};
use crate::error::Result;
use crate::graph::{Builder, Value};
use crate::ops::avg_pool2d::AvgPool2d;
use crate::ops::concat::Concat;
use crate::ops::max_pool2d::MaxPool2d;
use crate::ops::window::Padding;

/// Convolution that keeps the map's size, batch norm and ReLU.
fn conv(net: &mut Builder, x: Value, filters: usize, kernel: [usize; 2]) -> Result<Value> {
    conv_bn_relu(net, x, unbiased(filters, kernel, 1, Padding::Same))
}

/// The same without padding.
fn conv_valid(net: &mut Builder, x: Value, filters: usize, kernel: usize, stride: usize) -> Result<Value> {
    conv_bn_relu(net, x, unbiased(filters, [kernel; 2], stride, Padding::Valid))
}

/// Convolutions one after the other.
fn convs(net: &mut Builder, x: Value, filters: &[usize], kernels: &[[usize; 2]]) -> Result<Value> {
    filters.iter().zip(kernels).try_fold(x, |x, (filters, kernel)| conv(net, x, *filters, *kernel))
}

/// 3x3 max pooling of stride 2.
fn max_pool(net: &mut Builder, x: Value) -> Result<Value> {
    net.add(MaxPool2d { window: [3; 2], stride: [2; 2], padding: Padding::Valid }, &[x])
}

/// The branch of every module that keeps its size: 3x3 average pooling and a 1x1 convolution.
fn pool_branch(net: &mut Builder, x: Value, filters: usize) -> Result<Value> {
    let x = net.add(AvgPool2d { window: [3; 2], stride: [1; 2], padding: Padding::Same }, &[x])?;
    conv(net, x, filters, [1, 1])
}

/// 299 -> 35 at the paper's size: three 3x3 convolutions, a pooling, 1x1 and 3x3, a pooling.
fn stem(net: &mut Builder, x: Value) -> Result<Value> {
    let x = conv_valid(net, x, 32, 3, 2)?;
    let x = conv_valid(net, x, 32, 3, 1)?;
    let x = conv(net, x, 64, [3, 3])?;
    let x = max_pool(net, x)?;
    let x = conv_valid(net, x, 80, 1, 1)?;
    let x = conv_valid(net, x, 192, 3, 1)?;
    max_pool(net, x)
}

/// Figure 5 of the paper: 1x1; 5x5; two 3x3; pooling.
fn module_a(net: &mut Builder, x: Value, name: &str, pool: usize) -> Result<Value> {
    let a = conv(net, x, 64, [1, 1])?;
    let b = convs(net, x, &[48, 64], &[[1, 1], [5, 5]])?;
    let c = convs(net, x, &[64, 96, 96], &[[1, 1], [3, 3], [3, 3]])?;
    let d = pool_branch(net, x, pool)?;
    net.add_named(name, Concat, &[a, b, c, d])
}

/// Halves the map: 3x3; two 3x3; pooling.
fn reduction_a(net: &mut Builder, x: Value, name: &str) -> Result<Value> {
    let a = conv_valid(net, x, 384, 3, 2)?;
    let b = convs(net, x, &[64, 96], &[[1, 1], [3, 3]])?;
    let b = conv_valid(net, b, 96, 3, 2)?;
    let c = max_pool(net, x)?;
    net.add_named(name, Concat, &[a, b, c])
}

/// Figure 6: 1x1; 7x7 in two rows; 7x7 twice in four; pooling. `narrow` is the width between them.
fn module_b(net: &mut Builder, x: Value, name: &str, narrow: usize) -> Result<Value> {
    let (row, column) = ([1, 7], [7, 1]);
    let a = conv(net, x, 192, [1, 1])?;
    let b = convs(net, x, &[narrow, narrow, 192], &[[1, 1], row, column])?;
    let c = convs(net, x, &[narrow, narrow, narrow, narrow, 192], &[[1, 1], column, row, column, row])?;
    let d = pool_branch(net, x, 192)?;
    net.add_named(name, Concat, &[a, b, c, d])
}

/// Halves the map: 3x3; 7x7 in two rows and 3x3; pooling.
fn reduction_b(net: &mut Builder, x: Value, name: &str) -> Result<Value> {
    let a = conv(net, x, 192, [1, 1])?;
    let a = conv_valid(net, a, 320, 3, 2)?;
    let b = convs(net, x, &[192, 192, 192], &[[1, 1], [1, 7], [7, 1]])?;
    let b = conv_valid(net, b, 192, 3, 2)?;
    let c = max_pool(net, x)?;
    net.add_named(name, Concat, &[a, b, c])
}

/// 1x3 and 3x1 side by side.
fn split(net: &mut Builder, x: Value) -> Result<[Value; 2]> {
    Ok([conv(net, x, 384, [1, 3])?, conv(net, x, 384, [3, 1])?])
}

/// Figure 7: 1x1; 1x1 that splits; 3x3 that splits; pooling. `inner` is the name of the first split's joint.
fn module_c(net: &mut Builder, x: Value, name: &str, inner: &str) -> Result<Value> {
    let a = conv(net, x, 320, [1, 1])?;
    let b = conv(net, x, 384, [1, 1])?;
    let b = split(net, b)?;
    let b = net.add_named(inner, Concat, &b)?;
    let c = convs(net, x, &[448, 384], &[[1, 1], [3, 3]])?;
    let c = split(net, c)?;
    let c = net.add(Concat, &c)?;
    let d = pool_branch(net, x, 192)?;
    net.add_named(name, Concat, &[a, b, c, d])
}

/// The whole body: 2048 channels.
pub(in crate::models) fn inception_v3(net: &mut Builder, x: Value) -> Result<Value> {
    at_least(net, x, "InceptionV3", 75)?;
    let x = stem(net, x)?;
    let x = module_a(net, x, "mixed0", 32)?;
    let x = module_a(net, x, "mixed1", 64)?;
    let x = module_a(net, x, "mixed2", 64)?;
    let x = reduction_a(net, x, "mixed3")?;
    let x = module_b(net, x, "mixed4", 128)?;
    let x = module_b(net, x, "mixed5", 160)?;
    let x = module_b(net, x, "mixed6", 160)?;
    let x = module_b(net, x, "mixed7", 192)?;
    let x = reduction_b(net, x, "mixed8")?;
    let x = module_c(net, x, "mixed9", "mixed9_0")?;
    module_c(net, x, "mixed10", "mixed9_1")
}
