//! The bodies of keras.applications (`include_top=False`) and mini-XCEPTION, one file a family.
//!
//! Each is a function that adds its layers to a [`Builder`], block by block as the paper draws them, and returns the last
//! feature map. Names, classes, order and automatic numbers are Keras's: its weights are found by name, and a layer count
//! means the same in both.

pub(super) mod efficientnet;
pub(super) mod efficientnet_v2;
pub(super) mod inception_resnet_v2;
pub(super) mod inception_v3;
pub(super) mod mini_xception;
mod mobile;
pub(super) mod resnet;
pub(super) mod resnet_v2;
pub(super) mod vgg;

use crate::error::{Error, Result};
use crate::graph::{Builder, Value};
use crate::ops::batch_norm::BatchNorm;
use crate::ops::conv2d::Conv2d;
use crate::ops::relu::Relu;
use crate::ops::window::Padding;

/// A convolution without a bias: a batch norm follows.
fn unbiased(filters: usize, kernel: [usize; 2], stride: usize, padding: Padding) -> Conv2d {
    Conv2d { filters, kernel, stride: [stride; 2], padding, bias: false }
}

/// `Activation("relu")`, under its automatic name if it is given none.
fn relu(net: &mut Builder, name: Option<&str>, x: Value) -> Result<Value> {
    net.add_as("Activation", name, Relu, &[x])
}

/// What the two Inceptions are made of: convolution, batch norm without a gamma, ReLU, all under automatic names.
fn conv_bn_relu(net: &mut Builder, x: Value, conv: Conv2d) -> Result<Value> {
    let x = net.add(conv, &[x])?;
    let x = net.add(BatchNorm { scale: false, ..BatchNorm::default() }, &[x])?;
    relu(net, None, x)
}

/// Height, width and channels of a feature map.
fn map_of(net: &Builder, x: Value) -> Result<[usize; 3]> {
    crate::ops::image_dims("input", net.shape(x))
}

/// Refuses images smaller than Keras's function for the body takes.
fn at_least(net: &Builder, x: Value, body: &str, side: usize) -> Result<()> {
    let [h, w, _] = map_of(net, x)?;
    if h.min(w) < side {
        return Err(Error::usage(
            format!("{body} on images of {h} x {w}"),
            format!("its strides need at least {side} x {side} pixels"),
        ));
    }
    Ok(())
}
