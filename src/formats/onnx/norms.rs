//! Softmax, and the normalizations within a sample: opset 13 has none of these, so they are written as what they compute.

use super::ops::{Translator, Value};
use super::writer::Attribute;
use crate::error::Result;
use crate::graph::Node;
use crate::ops::group_norm::GroupNorm;
use crate::ops::layer_norm::LayerNorm;
use crate::tensor::Shape;

/// ONNX's axis of a sample's axis: images are channels first there.
fn axis_of(rank: usize, axis: usize) -> i64 {
    match (rank, axis) {
        (3, 2) => 1,
        (3, _) => axis as i64 + 2,
        _ => axis as i64 + 1,
    }
}

impl Translator<'_> {
    /// Over the channels.
    pub(super) fn softmax(&mut self, name: &str, x: &Value) -> String {
        let rank = x.shape.dims().len();
        self.writer.node("Softmax", name, &[&x.name], &[("axis", Attribute::Int(axis_of(rank, rank - 1)))])
    }

    pub(super) fn layer_norm(&mut self, node: &Node, op: &LayerNorm, x: &Value) -> Result<String> {
        let rank = x.shape.dims().len();
        let mut axes: Vec<i64> = (rank - op.axes..rank).map(|axis| axis_of(rank, axis)).collect();
        axes.sort_unstable();
        let xhat = self.normalized(&node.name, &x.name, axes, op.epsilon);
        self.scaled(node, xhat, rank)
    }

    pub(super) fn group_norm(&mut self, node: &Node, op: &GroupNorm, x: &Value) -> Result<String> {
        let name = node.name.as_str();
        let dims: Vec<i64> = x.shape.dims().iter().map(|d| *d as i64).collect();
        let groups = op.groups.map_or(dims[dims.len() - 1], |groups| groups as i64);
        // A 0 keeps the batch. A group's channels are neighbours: of an image, so are their maps.
        let (split, axes, whole) = match dims[..] {
            [h, w, c] => (vec![0, groups, -1], vec![2], vec![0, c, h, w]),
            [l, c] => (vec![0, l, groups, -1], vec![1, 3], vec![0, l, c]),
            _ => (vec![0, groups, -1], vec![2], vec![0, dims[0]]),
        };
        let split = self.writer.ints(&format!("{name}:split"), &split);
        let grouped = self.writer.node("Reshape", &format!("{name}:groups"), &[&x.name, &split], &[]);
        let xhat = self.normalized(name, &grouped, axes, op.epsilon);
        let whole = self.writer.ints(&format!("{name}:whole"), &whole);
        let xhat = self.writer.node("Reshape", &format!("{name}:joined"), &[&xhat, &whole], &[]);
        self.scaled(node, xhat, dims.len())
    }

    /// `(x - mean) / sqrt(variance + epsilon)` over some axes.
    fn normalized(&mut self, name: &str, x: &str, axes: Vec<i64>, epsilon: f32) -> String {
        let reduced = || [("axes", Attribute::Ints(axes.clone())), ("keepdims", Attribute::Int(1))];
        let part = |what: &str| format!("{name}:{what}");
        let epsilon = self.writer.exact(&part("epsilon"), &[], &[epsilon]);
        let mean = self.writer.node("ReduceMean", &part("mean"), &[x], &reduced());
        let difference = self.writer.node("Sub", &part("difference"), &[x, &mean], &[]);
        let square = self.writer.node("Mul", &part("square"), &[&difference, &difference], &[]);
        let variance = self.writer.node("ReduceMean", &part("variance"), &[&square], &reduced());
        let sum = self.writer.node("Add", &part("sum"), &[&variance, &epsilon], &[]);
        let deviation = self.writer.node("Sqrt", &part("deviation"), &[&sum], &[]);
        self.writer.node("Div", &part("normalized"), &[&difference, &deviation], &[])
    }

    /// `xhat * gamma + beta`, where the node has them, of samples of so many axes.
    fn scaled(&mut self, node: &Node, xhat: String, rank: usize) -> Result<String> {
        let mut value = xhat;
        for (parameter, onnx) in [("gamma", "Mul"), ("beta", "Add")] {
            if self.has(node, parameter) {
                let factor = self.per_axis(node, parameter, rank)?;
                value = self.writer.node(onnx, &format!("{}:{onnx}", node.name), &[&value, &factor], &[]);
            }
        }
        Ok(self.writer.node("Identity", &node.name, &[&value], &[]))
    }

    /// A parameter of the last axes, as what samples of `rank` axes are multiplied by.
    fn per_axis(&mut self, node: &Node, parameter: &str, rank: usize) -> Result<String> {
        let tensor = self.tensor(node, parameter)?.clone();
        let dims = tensor.shape.dims();
        if rank != 3 {
            return self.writer.floats(&tensor.name, dims, &tensor.values);
        }
        let padded = [vec![1; 3 - dims.len()], dims.to_vec()].concat();
        let [h, w, c] = padded[..] else { return self.writer.floats(&tensor.name, dims, &tensor.values) };
        let first = |i: usize| tensor.values[i % (h * w) * c + i / (h * w)];
        let values: Vec<f32> = (0..tensor.values.len()).map(first).collect();
        self.writer.floats(&tensor.name, Shape::new([c, h, w]).dims(), &values)
    }
}
