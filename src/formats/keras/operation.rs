//! Operations between layers: `x / 127.5 - 1`, `x + y`. Keras 3 writes each as a layer of a class of `keras.ops`, Keras 2 as a
//! `TFOpLambda` that names TensorFlow's function.

use super::model::{Argument, Item};
use crate::ops::describe::Config;
use serde_json::{Value as Json, json};

/// The layer that does what an operation does.
pub(super) struct Equivalent<'a> {
    pub class: &'static str,
    pub config: Config,
    /// What it reads.
    pub inputs: Vec<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// The operation's name in `keras.ops` or TensorFlow; none for a layer.
pub(super) fn name<'a>(item: &Item<'a>) -> Option<&'a str> {
    match item.class {
        "TFOpLambda" => Some(item.config["function"].as_str().unwrap_or("unknown")),
        "TensorFlowOpLayer" | "SlicingOpLambda" => Some(item.class),
        // Legacy .h5 files of Keras 3 name no module: a reshape without its target is the operation.
        "Reshape" if item.module().is_empty() && item.config["target_shape"].is_null() => Some(item.class),
        "GetItem" if item.module().is_empty() => Some(item.class),
        class => (item.module().starts_with("keras.src.ops.") || item.module() == "keras.ops").then_some(class),
    }
}

fn arithmetic(name: &str) -> Option<Arithmetic> {
    Some(match name {
        "Add" | "math.add" | "__operators__.add" => Arithmetic::Add,
        "Subtract" | "math.subtract" => Arithmetic::Subtract,
        "Multiply" | "math.multiply" => Arithmetic::Multiply,
        "TrueDivide" | "Divide" | "math.truediv" | "math.divide" => Arithmetic::Divide,
        _ => return None,
    })
}

/// Why an operation cannot be read, before its arguments are looked at.
pub(super) fn unknown(name: &str) -> Option<String> {
    if arithmetic(name).is_some() {
        return None;
    }
    let what = "an operation between layers, of which + - * / with a constant and + - * of two tensors are read";
    let instead = match name {
        "GetItem" | "SlicingOpLambda" | "__operators__.getitem" => {
            "an index or slice of a tensor (`x[..]`); Cropping2D cuts images, and is read"
        }
        "Reshape" | "reshape" => "`keras.ops.reshape` or TensorFlow's; a layer Reshape or Flatten in its place is read",
        _ => "a layer of Keras's in its place is read, if it is a known one",
    };
    Some(format!("`{name}` is {what}; {instead}"))
}

/// An operation as a layer.
pub(super) fn equivalent<'a>(item: &Item<'a>, name: &str) -> Result<Equivalent<'a>, String> {
    let operation = arithmetic(name).ok_or_else(|| unknown(name).unwrap_or_default())?;
    let both: Vec<Argument<'a>> = item
        .arguments()?
        .into_iter()
        .filter(|(key, _)| key.is_none_or(|key| ["x", "y", "x1", "x2"].contains(&key)))
        .map(|(_, argument)| argument)
        .collect();
    match both[..] {
        [Argument::Tensor(x), Argument::Tensor(y)] => {
            let class = match operation {
                Arithmetic::Add => "Add",
                Arithmetic::Subtract => "Subtract",
                Arithmetic::Multiply => "Multiply",
                Arithmetic::Divide => return Err("the quotient of two tensors is not supported".into()),
            };
            Ok(Equivalent { class, config: Config::new(), inputs: vec![x, y] })
        }
        [Argument::Tensor(x), Argument::Constant(c)] => rescaling(operation, x, c, false),
        [Argument::Constant(c), Argument::Tensor(x)] => rescaling(operation, x, c, true),
        _ => Err(format!("`{name}` of {} arguments; two are expected", both.len())),
    }
}

/// `x` and a constant as a `Rescaling`; the constant comes first if `reversed`.
fn rescaling<'a>(op: Arithmetic, x: &'a str, constant: &Json, reversed: bool) -> Result<Equivalent<'a>, String> {
    let values = numbers(constant).ok_or("its constant is neither a number nor a number for each channel")?;
    let map = |f: fn(f64) -> f64| values.iter().map(|v| f(*v)).collect::<Vec<f64>>();
    let (scale, offset) = match op {
        Arithmetic::Add => (vec![1.0], values),
        Arithmetic::Subtract if reversed => (vec![-1.0], values),
        Arithmetic::Subtract => (vec![1.0], map(|v| -v)),
        Arithmetic::Multiply => (values, vec![0.0]),
        Arithmetic::Divide if reversed => return Err("a constant divided by a tensor is not supported".into()),
        Arithmetic::Divide => (map(|v| 1.0 / v), vec![0.0]),
    };
    let config = Config::from_iter([("scale".to_owned(), json!(scale)), ("offset".to_owned(), json!(offset))]);
    Ok(Equivalent { class: "Rescaling", config, inputs: vec![x] })
}

/// A number, or those of an array with one axis longer than 1: as many as there are channels.
fn numbers(constant: &Json) -> Option<Vec<f64>> {
    let mut value = match constant {
        Json::Object(_) => &constant["config"]["value"],
        _ => constant,
    };
    // [[[1, 2, 3]]] is as good as [1, 2, 3].
    while let Some([one]) = value.as_array().map(Vec::as_slice) {
        value = one;
    }
    match value {
        Json::Array(list) if !list.is_empty() => list.iter().map(Json::as_f64).collect(),
        _ => value.as_f64().map(|v| vec![v]),
    }
}
