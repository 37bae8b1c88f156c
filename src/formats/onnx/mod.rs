//! Networks as ONNX (opset 13), for onnxruntime, tract and whatever else reads it.
//!
//! The input `pixels` is `[n, height, width, channels]` of values from 0 to 255, grey or red first: preprocessing is part of the file,
//! the filter that images are resized with and the weights of grey are in its metadata.
//! The output `probabilities` is `[n, classes]`, softmax or sigmoids included; the class names are in the metadata. Inside, images are
//! channels first, as ONNX wants them. `half` stores constants as f16 and computes in f32.

mod norms;
mod ops;
mod writer;

pub(crate) use writer::to_half;

use super::export::Network;
use crate::data::{Head, Preprocess};
use crate::error::Result;
use crate::formats::checkpoint::Meta;
use crate::graph::{Graph, Loss};
use crate::tensor::Shape;
use ops::{Translator, Value};
use std::collections::HashSet;
use writer::{Attribute, Writer};

/// The version of ONNX's operators; any reader since 2021 has it.
const OPSET: i64 = 13;
/// The names of input and output.
const INPUT: &str = "pixels";
const OUTPUT: &str = "probabilities";
/// The output's name where the network predicts values.
const VALUES: &str = "values";

/// Writes a network.
///
/// # Errors
/// An op that ONNX cannot express; a value that half precision cannot hold.
pub fn to_bytes(network: &Network<'_>) -> Result<Vec<u8>> {
    let Network { graph, meta, .. } = network;
    let mut writer = Writer::new(&graph.name, network.half);
    let first = preprocess(&mut writer, meta.preprocessing, graph.input())?;
    let mut translator = Translator { writer: &mut writer, tensors: network.by_name(), pooled: pooled(graph) };
    let mut values: Vec<Value> = vec![first];
    for (node, output) in graph.nodes.iter().zip(&graph.shapes[1..]) {
        let inputs: Vec<&Value> = node.inputs.iter().map(|v| &values[*v]).collect();
        let name = translator.node(node, &inputs, output)?;
        values.push(Value { name, shape: output.clone() });
    }
    let scores = values.swap_remove(graph.nodes.len()).name;
    let output = match graph.loss {
        Loss::CrossEntropy { .. } => {
            let scores = calibrated(&mut writer, scores, meta.temperature);
            writer.node("Softmax", OUTPUT, &[&scores], &[("axis", Attribute::Int(1))])
        }
        Loss::MeanSquaredError if meta.head.is_independent() => writer.node("Sigmoid", OUTPUT, &[&scores], &[]),
        Loss::MeanSquaredError => writer.node("Identity", VALUES, &[&scores], &[]),
    };
    let mut texts = vec![
        ("classes", serde_json::json!(meta.classes).to_string()),
        ("network", meta.model.clone()),
        ("input", input(meta)),
        ("resize", meta.conversion.resize.to_string()),
    ];
    if meta.head.is_independent() {
        texts.push(("output", Head::INDEPENDENT.to_owned()));
    }
    Ok(writer.finish((INPUT, graph.input().dims()), (&output, graph.output().dims()), OPSET, &texts))
}

/// What the input is, in words.
fn input(meta: &Meta) -> String {
    let channels = match meta.input[2] {
        1 => format!("grey = {}", meta.conversion.grey.describe()),
        _ => "red, green, blue".to_owned(),
    };
    format!("pixels from 0 to 255, [n, height, width, channels], {channels}")
}

/// The nodes whose output a max pooling reads.
fn pooled(graph: &Graph) -> HashSet<&str> {
    let pools = graph.nodes.iter().filter(|node| node.op.name() == "max_pool2d");
    // Value 0 is the input, value i + 1 node i's output.
    let read = pools.flat_map(|node| &node.inputs).filter_map(|v| graph.nodes.get(v.checked_sub(1)?));
    read.map(|node| node.name.as_str()).collect()
}

/// The scores divided by the temperature that the network was calibrated with, if it was.
fn calibrated(writer: &mut Writer, scores: String, temperature: Option<f64>) -> String {
    let Some(temperature) = temperature else { return scores };
    let factor = writer.exact("calibration/factor", &[1], &[(1.0 / temperature) as f32]);
    writer.node("Mul", "calibration/scores", &[&scores, &factor], &[])
}

/// What the network takes, channels first, from pixels.
fn preprocess(writer: &mut Writer, preprocess: Preprocess, shape: &Shape) -> Result<Value> {
    let affine = preprocess.affine();
    let channels = shape.dims()[2];
    let mut name = INPUT.to_owned();
    if affine.reversed {
        let order = writer.ints("preprocess/order", &[2, 1, 0]);
        name = writer.node("Gather", "preprocess/reversed", &[&name, &order], &[("axis", Attribute::Int(3))]);
    }
    for (op, what, values, nothing) in [("Mul", "scale", affine.scale, 1.0), ("Add", "offset", affine.offset, 0.0)] {
        let values: Vec<f32> = values.iter().take(channels).map(|v| *v as f32).collect();
        if values.iter().any(|v| *v != nothing) {
            // Never in half precision: 1/255 would lose the last bits of every pixel.
            let constant = writer.exact(&format!("preprocess/{what}"), &[channels], &values);
            name = writer.node(op, &format!("preprocess/{what}d"), &[&name, &constant], &[]);
        }
    }
    let name = writer.node("Transpose", "preprocess/image", &[&name], &[ops::channels_first()]);
    Ok(Value { name, shape: shape.clone() })
}
