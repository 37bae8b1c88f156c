//! An ONNX graph under construction: nodes, constants and names.

use crate::error::{Error, Result};
use crate::formats::proto::Message;
use half::f16;

/// `TensorProto.DataType`.
const FLOAT: i64 = 1;
const INT64: i64 = 7;
const FLOAT16: i64 = 10;

/// `AttributeProto.AttributeType`.
const TYPE_FLOAT: i64 = 1;
const TYPE_INT: i64 = 2;
const TYPE_STRING: i64 = 3;
const TYPE_INTS: i64 = 7;

/// An attribute's value.
pub(super) enum Attribute {
    Float(f32),
    Int(i64),
    Ints(Vec<i64>),
    Text(&'static str),
}

/// Nodes and constants so far.
pub(super) struct Writer {
    graph: Message,
    half: bool,
}

impl Writer {
    pub(super) fn new(name: &str, half: bool) -> Self {
        Self { graph: Message::default().text(2, name), half }
    }

    /// Adds a node whose output has the node's own name; returns it.
    pub(super) fn node(&mut self, op: &str, output: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let mut node = inputs.iter().fold(Message::default(), |m, input| m.text(1, input));
        node = node.text(2, output).text(3, output).text(4, op);
        for (name, value) in attributes {
            let attribute = Message::default().text(1, name);
            let attribute = match value {
                Attribute::Float(v) => attribute.float(2, *v).int(20, TYPE_FLOAT),
                Attribute::Int(v) => attribute.int(3, *v).int(20, TYPE_INT),
                Attribute::Text(text) => attribute.text(4, text).int(20, TYPE_STRING),
                Attribute::Ints(list) => list.iter().fold(attribute, |m, v| m.int(8, *v)).int(20, TYPE_INTS),
            };
            node = node.message(5, &attribute);
        }
        self.graph.push_message(1, &node);
        output.to_owned()
    }

    /// Adds a constant of f32 values; in half precision if the file is to be small: a `Cast` makes f32 of it again.
    ///
    /// # Errors
    /// A value that is too large for half precision.
    pub(super) fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> Result<String> {
        if !self.half {
            return Ok(self.exact(name, dims, values));
        }
        let bytes: Vec<u8> = to_half(name, values)?.into_iter().flat_map(f16::to_le_bytes).collect();
        let stored = format!("{name}:half");
        self.constant(&stored, dims, FLOAT16, &bytes);
        Ok(self.node("Cast", name, &[&stored], &[("to", Attribute::Int(FLOAT))]))
    }

    /// Adds a constant of f32 values, whatever the file's precision.
    pub(super) fn exact(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, dims, FLOAT, &bytes);
        name.to_owned()
    }

    /// Adds a constant of whole numbers: a shape, an index.
    pub(super) fn ints(&mut self, name: &str, values: &[i64]) -> String {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, &[values.len()], INT64, &bytes);
        name.to_owned()
    }

    fn constant(&mut self, name: &str, dims: &[usize], kind: i64, bytes: &[u8]) {
        let tensor = dims.iter().fold(Message::default(), |m, d| m.int(1, *d as i64));
        let tensor = tensor.int(2, kind).text(8, name).bytes(9, bytes);
        self.graph.push_message(5, &tensor);
    }

    /// The finished model: one input, one output, each `[n, ...]` of f32, and texts that describe it.
    pub(super) fn finish(
        self,
        input: (&str, &[usize]),
        output: (&str, &[usize]),
        opset: i64,
        texts: &[(&str, String)],
    ) -> Vec<u8> {
        let graph = self.graph.message(11, &value_info(input)).message(12, &value_info(output));
        let mut model = Message::default()
            .int(1, IR_VERSION)
            .text(2, env!("CARGO_PKG_NAME"))
            .text(3, env!("CARGO_PKG_VERSION"))
            .message(7, &graph)
            .message(8, &Message::default().text(1, "").int(2, opset));
        for (key, value) in texts {
            model = model.message(14, &Message::default().text(1, key).text(2, value));
        }
        model.into_bytes()
    }
}

/// The version of the file format that came with opset 13.
const IR_VERSION: i64 = 7;

fn value_info((name, dims): (&str, &[usize])) -> Message {
    let batch = Message::default().message(1, &Message::default().text(2, "n"));
    let shape = dims.iter().fold(batch, |m, d| m.message(1, &Message::default().int(1, *d as i64)));
    let tensor = Message::default().int(1, FLOAT).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}

/// Values in half precision.
///
/// # Errors
/// A finite value that has no finite half, with the tensor's name.
pub(crate) fn to_half(name: &str, values: &[f32]) -> Result<Vec<f16>> {
    let halves: Vec<f16> = values.iter().map(|v| f16::from_f32(*v)).collect();
    match values.iter().zip(&halves).find(|(v, h)| v.is_finite() && !h.is_finite()) {
        None => Ok(halves),
        Some((value, _)) => {
            let what = format!("tensor `{name}` holds {value}, more than half precision can ({})", f16::MAX);
            Err(Error::usage(what, "export without --half"))
        }
    }
}
