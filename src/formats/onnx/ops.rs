//! Each op as ONNX's nodes. Images are channels first there; vectors are the same.

use super::writer::{Attribute, Writer};
use crate::error::{Error, Result};
use crate::graph::{NamedTensor, Node};
use crate::ops::avg_pool2d::AvgPool2d;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::conv2d::Conv2d;
use crate::ops::crop2d::Crop2d;
use crate::ops::depthwise_conv2d::DepthwiseConv2d;
use crate::ops::general_conv2d::GeneralConv2d;
use crate::ops::group_norm::GroupNorm;
use crate::ops::layer_norm::LayerNorm;
use crate::ops::leaky_relu::LeakyRelu;
use crate::ops::max_pool2d::MaxPool2d;
use crate::ops::permute::Permute;
use crate::ops::rescaling::Rescaling;
use crate::ops::upsample2d::{Interpolation, Upsample2d};
use crate::ops::window::{Axis, Padding};
use crate::ops::zero_pad2d::ZeroPad2d;
use crate::tensor::Shape;
use std::any::Any;
use std::collections::{HashMap, HashSet};

/// A tensor of the graph under its ONNX name.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub name: String,
    /// Of a sample, channels last, as the graph has it.
    pub shape: Shape,
}

/// Writes the nodes of a graph.
pub(super) struct Translator<'a> {
    pub writer: &'a mut Writer,
    pub tensors: HashMap<&'a str, &'a NamedTensor>,
    /// The nodes whose output a max pooling reads.
    pub pooled: HashSet<&'a str>,
}

/// From channels last to channels first.
pub(super) fn channels_first() -> (&'static str, Attribute) {
    ("perm", Attribute::Ints(vec![0, 3, 1, 2]))
}

fn channels_last() -> (&'static str, Attribute) {
    ("perm", Attribute::Ints(vec![0, 2, 3, 1]))
}

impl Translator<'_> {
    /// Writes a node; returns the name of its output.
    pub(super) fn node(&mut self, node: &Node, inputs: &[&Value], output: &Shape) -> Result<String> {
        let (name, x) = (node.name.as_str(), inputs[0]);
        let op: &dyn Any = node.op.as_ref();
        let plain = |writer: &mut Writer, onnx: &str| writer.node(onnx, name, &[&x.name], &[]);
        Ok(match node.op.name() {
            "relu" => plain(self.writer, "Relu"),
            "sigmoid" => plain(self.writer, "Sigmoid"),
            "tanh" => plain(self.writer, "Tanh"),
            "softmax" => self.softmax(name, x),
            // Both do nothing outside training.
            "dropout" | "stochastic_depth" => plain(self.writer, "Identity"),
            "silu" => {
                let gate = self.writer.node("Sigmoid", &format!("{name}:gate"), &[&x.name], &[]);
                self.writer.node("Mul", name, &[&x.name, &gate], &[])
            }
            "relu6" => {
                let low = self.writer.exact(&format!("{name}:low"), &[], &[0.0]);
                let high = self.writer.exact(&format!("{name}:high"), &[], &[6.0]);
                self.writer.node("Clip", name, &[&x.name, &low, &high], &[])
            }
            "leaky_relu" => {
                let slope = op.downcast_ref().map_or(0.0, |op: &LeakyRelu| op.slope);
                self.writer.node("LeakyRelu", name, &[&x.name], &[("alpha", Attribute::Float(slope))])
            }
            "global_avg_pool" => self.global(name, "GlobalAveragePool", x),
            "global_max_pool" => self.global(name, "GlobalMaxPool", x),
            "flatten" | "reshape" => self.reshape(name, x, output),
            "add" => self.sum(name, inputs),
            "average" => self.joined("Mean", name, inputs),
            "maximum" => self.joined("Max", name, inputs),
            "subtract" => self.joined("Sub", name, inputs),
            "mul" => self.product(name, inputs),
            "concat" => {
                let names = names(inputs);
                self.writer.node("Concat", name, &names, &[("axis", Attribute::Int(1))])
            }
            "dense" => self.dense(node, x)?,
            "normalization" => self.normalization(node, x)?,
            _ => self.configured(node, op, x, output)?,
        })
    }

    /// Ops with settings.
    fn configured(&mut self, node: &Node, op: &dyn Any, x: &Value, output: &Shape) -> Result<String> {
        let name = node.name.as_str();
        if let Some(op) = op.downcast_ref::<Conv2d>() {
            return self.conv(node, x, &Window::new(op.kernel, op.stride, op.padding), 1);
        }
        if let Some(op) = op.downcast_ref::<GeneralConv2d>() {
            let window = Window { dilation: op.dilation, ..Window::new(op.kernel, op.stride, op.padding) };
            return self.conv(node, x, &window, op.groups);
        }
        if let Some(op) = op.downcast_ref::<DepthwiseConv2d>() {
            let window = Window { dilation: op.dilation, ..Window::new(op.kernel, op.stride, op.padding) };
            return self.conv(node, x, &window, x.shape.dims()[2]);
        }
        if let Some(op) = op.downcast_ref::<MaxPool2d>() {
            let window = Window::new(op.window, op.stride, op.padding);
            return Ok(self.writer.node("MaxPool", name, &[&x.name], &window.attributes(&x.shape)?));
        }
        if let Some(op) = op.downcast_ref::<AvgPool2d>() {
            let mut attributes = Window::new(op.window, op.stride, op.padding).attributes(&x.shape)?;
            attributes.push(("count_include_pad", Attribute::Int(0)));
            return Ok(self.writer.node("AveragePool", name, &[&x.name], &attributes));
        }
        if let Some(op) = op.downcast_ref::<BatchNorm>() {
            return self.batch_norm(node, op, x);
        }
        if let Some(op) = op.downcast_ref::<LayerNorm>() {
            return self.layer_norm(node, op, x);
        }
        if let Some(op) = op.downcast_ref::<GroupNorm>() {
            return self.group_norm(node, op, x);
        }
        if let Some(op) = op.downcast_ref::<Rescaling>() {
            return self.affine(name, x, &op.scale, &op.offset);
        }
        if let Some(op) = op.downcast_ref::<ZeroPad2d>() {
            return Ok(self.pad(name, op, x));
        }
        if let Some(op) = op.downcast_ref::<Crop2d>() {
            return Ok(self.crop(name, op, x));
        }
        if let Some(op) = op.downcast_ref::<Upsample2d>() {
            return Ok(self.upsample(name, op, x));
        }
        if let Some(op) = op.downcast_ref::<Permute>() {
            return Ok(self.permute(name, op, x, output));
        }
        Err(Error::shape(node.op.name(), "this op cannot be written as ONNX").in_layer(name))
    }

    /// A parameter of a node.
    pub(super) fn tensor(&self, node: &Node, parameter: &str) -> Result<&NamedTensor> {
        let name = format!("{}/{parameter}", node.name);
        self.tensors.get(name.as_str()).copied().ok_or_else(|| {
            Error::shape(node.op.name(), format!("its parameter `{parameter}` is missing")).in_layer(&node.name)
        })
    }

    pub(super) fn has(&self, node: &Node, parameter: &str) -> bool {
        node.params.iter().any(|p| p.name == parameter)
    }

    /// A parameter as it is.
    fn constant(&mut self, node: &Node, parameter: &str) -> Result<String> {
        let NamedTensor { name, shape, values } = self.tensor(node, parameter)?.clone();
        self.writer.floats(&name, shape.dims(), &values)
    }

    /// A convolution in `groups` groups of channels.
    fn conv(&mut self, node: &Node, x: &Value, window: &Window, groups: usize) -> Result<String> {
        let NamedTensor { name, shape, values } = self.tensor(node, "kernel")?.clone();
        let [kh, kw, a, b] = *shape.dims() else {
            return Err(Error::shape(node.op.name(), format!("a kernel of shape {shape}")).in_layer(&node.name));
        };
        // [kh, kw, c_in, c_out] to [c_out, c_in, kh, kw], c_in being those of a group. A depthwise [kh, kw, c, m] lies as [kh, kw, 1, c * m].
        let inner = x.shape.dims()[2] / groups;
        let outer = a * b / inner;
        let taps = kh * kw;
        let moved: Vec<f32> = (0..values.len())
            .map(|i| {
                let (tap, rest) = (i % taps, i / taps);
                values[(tap * inner + rest % inner) * outer + rest / inner]
            })
            .collect();
        let kernel = self.writer.floats(&name, &[outer, inner, kh, kw], &moved)?;
        let mut inputs = vec![x.name.clone(), kernel];
        if self.has(node, "bias") {
            inputs.push(self.constant(node, "bias")?);
        }
        let mut attributes = window.attributes(&x.shape)?;
        attributes.push(("group", Attribute::Int(groups as i64)));
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        Ok(self.writer.node("Conv", &node.name, &inputs, &attributes))
    }

    fn dense(&mut self, node: &Node, x: &Value) -> Result<String> {
        let mut inputs = vec![x.name.clone(), self.constant(node, "kernel")?];
        let op = if self.has(node, "bias") { "Gemm" } else { "MatMul" };
        if op == "Gemm" {
            inputs.push(self.constant(node, "bias")?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        Ok(self.writer.node(op, &node.name, &inputs, &[]))
    }

    fn batch_norm(&mut self, node: &Node, op: &BatchNorm, x: &Value) -> Result<String> {
        let gamma = if op.scale {
            self.constant(node, "gamma")?
        } else {
            let channels = x.shape.dims().last().copied().unwrap_or_default();
            self.writer.exact(&format!("{}/gamma", node.name), &[channels], &vec![1.0; channels])
        };
        let rest = [self.constant(node, "beta")?, self.constant(node, "moving_mean")?];
        let variance = self.constant(node, "moving_variance")?;
        let inputs = [&x.name, &gamma, &rest[0], &rest[1], &variance].map(String::as_str);
        Ok(self.writer.node("BatchNormalization", &node.name, &inputs, &[("epsilon", Attribute::Float(op.epsilon))]))
    }

    fn normalization(&mut self, node: &Node, x: &Value) -> Result<String> {
        let mean = self.tensor(node, "mean")?.values.clone();
        let variance = self.tensor(node, "variance")?.values.clone();
        let scale: Vec<f32> = variance.iter().map(|v| 1.0 / v.sqrt().max(1e-7)).collect();
        let offset: Vec<f32> = mean.iter().zip(&scale).map(|(m, s)| -m * s).collect();
        self.affine(&node.name, x, &scale, &offset)
    }

    /// `x * scale + offset`, one value or one a channel.
    fn affine(&mut self, name: &str, x: &Value, scale: &[f32], offset: &[f32]) -> Result<String> {
        let dims = |n: usize| if x.shape.dims().len() == 3 { vec![n, 1, 1] } else { vec![n] };
        let scale = self.writer.exact(&format!("{name}:scale"), &dims(scale.len()), scale);
        let offset = self.writer.exact(&format!("{name}:offset"), &dims(offset.len()), offset);
        let scaled = self.writer.node("Mul", &format!("{name}:scaled"), &[&x.name, &scale], &[]);
        Ok(self.writer.node("Add", name, &[&scaled, &offset], &[]))
    }

    /// A pooling of the whole map, to a vector.
    fn global(&mut self, name: &str, onnx: &str, x: &Value) -> String {
        let map = self.writer.node(onnx, &format!("{name}:map"), &[&x.name], &[]);
        self.writer.node("Flatten", name, &[&map], &[("axis", Attribute::Int(1))])
    }

    /// Another shape of the same elements, which are in the order of channels last.
    fn reshape(&mut self, name: &str, x: &Value, output: &Shape) -> String {
        let mut from = x.name.clone();
        if x.shape.dims().len() == 3 {
            from = self.writer.node("Transpose", &format!("{name}:last"), &[&from], &[channels_last()]);
        }
        // A 0 keeps the batch.
        let dims: Vec<i64> = std::iter::once(0).chain(output.dims().iter().map(|d| *d as i64)).collect();
        let shape = self.writer.ints(&format!("{name}:shape"), &dims);
        if output.dims().len() != 3 {
            return self.writer.node("Reshape", name, &[&from, &shape], &[]);
        }
        let image = self.writer.node("Reshape", &format!("{name}:image"), &[&from, &shape], &[]);
        self.writer.node("Transpose", name, &[&image], &[channels_first()])
    }

    fn pad(&mut self, name: &str, op: &ZeroPad2d, x: &Value) -> String {
        let ([top, bottom], [left, right]) = (op.rows, op.columns);
        let pads = [0, 0, top, left, 0, 0, bottom, right].map(|n| n as i64);
        let pads = self.writer.ints(&format!("{name}:pads"), &pads);
        if !self.pooled.contains(name) {
            return self.writer.node("Pad", name, &[&x.name, &pads], &[]);
        }
        // onnxruntime (1.31 at least) makes zeros before a MaxPool the pool's own padding, which counts as minus infinity: wrong
        // where all of a window is negative. It leaves any other number alone, so this is the one next to zero.
        let value = self.writer.exact(&format!("{name}:value"), &[], &[f32::MIN_POSITIVE]);
        self.writer.node("Pad", name, &[&x.name, &pads, &value], &[])
    }

    fn sum(&mut self, name: &str, inputs: &[&Value]) -> String {
        self.joined(if inputs.len() == 2 { "Add" } else { "Sum" }, name, inputs)
    }

    /// A node that reads all inputs and has no settings.
    fn joined(&mut self, onnx: &str, name: &str, inputs: &[&Value]) -> String {
        self.writer.node(onnx, name, &names(inputs), &[])
    }

    /// What is left of a map without its edges.
    fn crop(&mut self, name: &str, op: &Crop2d, x: &Value) -> String {
        let ends = [x.shape.dims()[0] - op.rows[1], x.shape.dims()[1] - op.columns[1]].map(|n| n as i64);
        let starts = self.writer.ints(&format!("{name}:starts"), &[op.rows[0], op.columns[0]].map(|n| n as i64));
        let ends = self.writer.ints(&format!("{name}:ends"), &ends);
        let axes = self.writer.ints(&format!("{name}:axes"), &[2, 3]);
        self.writer.node("Slice", name, &[&x.name, &starts, &ends, &axes], &[])
    }

    fn upsample(&mut self, name: &str, op: &Upsample2d, x: &Value) -> String {
        let (mode, place) = match op.interpolation {
            Interpolation::Nearest => ("nearest", "asymmetric"),
            Interpolation::Bilinear => ("linear", "half_pixel"),
        };
        let scales = [1.0, 1.0, op.factor[0] as f32, op.factor[1] as f32];
        let scales = self.writer.exact(&format!("{name}:scales"), &[4], &scales);
        let attributes = [
            ("mode", Attribute::Text(mode)),
            ("coordinate_transformation_mode", Attribute::Text(place)),
            ("nearest_mode", Attribute::Text("floor")),
        ];
        // The region of interest, which these modes do not read, is left out.
        self.writer.node("Resize", name, &[&x.name, "", &scales], &attributes)
    }

    /// Axes of a sample in another order; images are channels first on both sides.
    fn permute(&mut self, name: &str, op: &Permute, x: &Value, output: &Shape) -> String {
        let mut from = x.name.clone();
        if x.shape.dims().len() == 3 {
            from = self.writer.node("Transpose", &format!("{name}:last"), &[&from], &[channels_last()]);
        }
        let perm = std::iter::once(0).chain(op.axes.iter().map(|axis| *axis as i64 + 1)).collect();
        let attributes = [("perm", Attribute::Ints(perm))];
        if output.dims().len() != 3 {
            return self.writer.node("Transpose", name, &[&from], &attributes);
        }
        let moved = self.writer.node("Transpose", &format!("{name}:moved"), &[&from], &attributes);
        self.writer.node("Transpose", name, &[&moved], &[channels_first()])
    }

    /// A product; a vector becomes the gate of an image.
    fn product(&mut self, name: &str, inputs: &[&Value]) -> String {
        let image = inputs.iter().any(|v| v.shape.dims().len() == 3);
        let mut names = Vec::new();
        for (i, value) in inputs.iter().enumerate() {
            names.push(if image && value.shape.dims().len() == 1 {
                let shape = self.writer.ints(&format!("{name}:gate{i}:shape"), &[0, -1, 1, 1]);
                self.writer.node("Reshape", &format!("{name}:gate{i}"), &[&value.name, &shape], &[])
            } else {
                value.name.clone()
            });
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.writer.node("Mul", name, &names, &[])
    }
}

/// The names of several values.
fn names<'a>(inputs: &[&'a Value]) -> Vec<&'a str> {
    inputs.iter().map(|v| v.name.as_str()).collect()
}

/// A sliding window.
struct Window {
    size: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    padding: Padding,
}

impl Window {
    /// Without dilation.
    fn new(size: [usize; 2], stride: [usize; 2], padding: Padding) -> Self {
        Self { size, stride, dilation: [1; 2], padding }
    }

    fn attributes(&self, x: &Shape) -> Result<Vec<(&'static str, Attribute)>> {
        let extent = |i: usize| (self.size[i] - 1) * self.dilation[i] + 1;
        let axis = |i: usize| Axis::new("onnx", x.dims()[i], extent(i), self.stride[i], self.padding);
        let axes = [axis(0)?, axis(1)?];
        // `same` may need one line more after than before; `valid` needs none.
        let after = |a: Axis| ((a.output - 1) * a.stride + a.window).saturating_sub(a.input + a.pad);
        let pads = [axes[0].pad, axes[1].pad, after(axes[0]), after(axes[1])];
        let ints = |values: &[usize]| Attribute::Ints(values.iter().map(|v| *v as i64).collect());
        let mut attributes =
            vec![("kernel_shape", ints(&self.size)), ("strides", ints(&self.stride)), ("pads", ints(&pads))];
        // Average pools have had this attribute for a few versions only.
        if self.dilation != [1; 2] {
            attributes.push(("dilations", ints(&self.dilation)));
        }
        Ok(attributes)
    }
}
