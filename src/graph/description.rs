//! A graph as data: what a checkpoint needs to rebuild a network that has no name in the registry. The form is Keras's:
//! layers with a name, a class, a configuration and the names of what they read.
//!
//! ```json
//! {"layers": [{"name": "input", "class": "InputLayer", "config": {"shape": [48, 48, 1]}},
//!             {"name": "conv2d", "class": "Conv2D", "config": {"filters": 8, "kernel_size": [3, 3]}, "inputs": ["input"]}]}
//! ```

use super::{Builder, Graph};
use crate::error::{Error, Result};
use crate::ops::describe::{self, Config};
use crate::tensor::Shape;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Keras's class of a network's input.
const INPUT_CLASS: &str = "InputLayer";
/// The layers that a description may have: more than any network here, few enough that each can be looked at.
pub(crate) const MAX_LAYERS: usize = 10_000;
/// The elements that a sample of any layer, or a parameter, may have: 4 GiB of f32.
const MAX_ELEMENTS: usize = 1 << 30;

/// One layer of a description.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Unique in its network.
    pub name: String,
    /// Keras's class of what it computes: `ReLU`.
    pub class: String,
    /// Keras's class of the layer, if that is another: `Activation`.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// By Keras's keys.
    #[serde(default)]
    pub config: Config,
    /// Names of the layers that it reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// Whether it is a part of the layer before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub part: bool,
    /// Whether it belongs to the pretrained body.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub body: bool,
    /// Whether it is frozen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
}

/// A network: its input, then its layers, each after those that it reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// In order; the last one gives the class scores.
    pub layers: Vec<Layer>,
}

impl Description {
    /// Describes a graph.
    ///
    /// # Errors
    /// An op that has no description.
    pub fn of(graph: &Graph) -> Result<Self> {
        let mut input = String::from("input");
        while graph.nodes.iter().any(|n| n.name == input) {
            input.push('_');
        }
        let shape = serde_json::json!(graph.input().dims());
        let config = Config::from_iter([("shape".to_owned(), shape)]);
        let mut layers = vec![Layer { name: input, class: INPUT_CLASS.into(), config, ..Layer::default() }];
        for node in &graph.nodes {
            let config = describe::config(node.op.as_ref()).ok_or_else(|| {
                Error::shape(node.op.name(), "this op cannot be described in a file").in_layer(&node.name)
            })?;
            let inputs = node.inputs.iter().map(|v| layers[*v].name.clone()).collect();
            let class = node.op.keras_name();
            layers.push(Layer {
                name: node.name.clone(),
                class: class.into(),
                layer: (class != node.class).then(|| node.class.into()),
                config,
                inputs,
                part: node.part,
                body: node.body,
                frozen: node.frozen,
            });
        }
        Ok(Self { layers })
    }

    /// The same network for another number of classes: the layer that gives the scores, a dense layer or a convolution before a
    /// global pooling, gets as many outputs.
    ///
    /// # Errors
    /// A network that ends otherwise.
    pub fn with_classes(&self, classes: usize) -> Result<Self> {
        let mut description = self.clone();
        let last =
            description.layers.iter_mut().rev().find(|layer| layer.class.ends_with("Dense") || layer.class == "Conv2D");
        let key = match &last {
            Some(layer) if layer.class == "Dense" => "units",
            _ => "filters",
        };
        let Some(layer) = last.filter(|_| classes > 0) else {
            return Err(Error::usage(format!("a network without a layer to give {classes} scores"), ""));
        };
        layer.config.insert(key.into(), classes.into());
        Ok(description)
    }

    /// Builds the graph again, as a network called `name`.
    ///
    /// # Errors
    /// Says which layer is of no known class, reads what is not there, does not fit what it reads or is too large.
    pub fn graph(&self, name: &str) -> Result<Graph> {
        let Some((input, layers)) = self.layers.split_first() else {
            return Err(Error::usage("the network's description has no layer", ""));
        };
        if layers.len() > MAX_LAYERS {
            return Err(Error::usage(format!("{} layers; at most {MAX_LAYERS}", layers.len()), ""));
        }
        let mut builder = Builder::new(name, input_shape(input)?)?;
        let mut values = HashMap::from([(input.name.as_str(), Builder::INPUT)]);
        for layer in layers {
            let refuse = |what: String| Error::usage(format!("layer `{}` ({}): {what}", layer.name, layer.class), "");
            let inputs = layer.inputs.iter().map(|from| {
                values.get(from.as_str()).copied().ok_or_else(|| refuse(format!("reads `{from}`, no layer before it")))
            });
            let inputs = inputs.collect::<Result<Vec<_>>>()?;
            let op = describe::build(&layer.class, &layer.config).map_err(refuse)?;
            let class = layer.layer.as_deref().map_or(Ok(op.keras_name()), |class| {
                describe::known_class(class).ok_or_else(|| refuse(format!("the class {class} is not known here")))
            })?;
            let value = builder.add_op(class, &layer.name, op, &inputs)?;
            values.insert(&layer.name, value);
        }
        let mut graph = builder.finish()?;
        for (node, layer) in graph.nodes.iter_mut().zip(layers) {
            (node.part, node.body) = (layer.part, layer.body);
            node.set_frozen(layer.frozen);
        }
        if graph.nodes.first().is_some_and(|n| n.part) {
            return Err(Error::usage("the first layer is described as a part of one before it", ""));
        }
        check_sizes(&graph)?;
        Ok(graph)
    }
}

fn input_shape(input: &Layer) -> Result<Shape> {
    let sizes = input.config.get("shape").and_then(|s| s.as_array()).filter(|_| input.class == INPUT_CLASS);
    let dims: Option<Vec<usize>> = sizes.and_then(|sizes| {
        sizes.iter().map(|v| v.as_u64().and_then(|n| u32::try_from(n).ok()).map(|n| n as usize)).collect()
    });
    dims.map(Shape::new).ok_or_else(|| {
        let what = format!("the first layer is `{}` ({}), not an {INPUT_CLASS} with a shape", input.name, input.class);
        Error::usage(what, "")
    })
}

/// Refuses what would only fail when memory is asked for it.
fn check_sizes(graph: &Graph) -> Result<()> {
    for (node, output) in graph.nodes.iter().zip(&graph.shapes[1..]) {
        let parameters = node.params.iter().map(|p| &p.shape);
        if let Some(large) = parameters.chain([output]).find(|s| s.elements() > MAX_ELEMENTS) {
            let what = format!("a tensor of shape {large}; at most {MAX_ELEMENTS} elements");
            return Err(Error::shape(node.op.name(), what).in_layer(&node.name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::MODELS;
    use serde_json::json;

    #[test]
    fn every_network_survives_its_description() {
        for model in MODELS {
            let graph = model.graph(model.classes).expect("builds");
            let text = serde_json::to_string(&Description::of(&graph).expect("described")).expect("JSON");
            let read: Description = serde_json::from_str(&text).expect("our own JSON");
            let mut again = read.graph(model.name).expect("builds again");
            // How parameters start is not described: a description stands beside their values.
            for (node, original) in again.nodes.iter_mut().zip(&graph.nodes) {
                node.params.iter_mut().zip(&original.params).for_each(|(p, original)| p.init = original.init);
            }
            assert_eq!(format!("{again:?}"), format!("{graph:?}"));
        }
    }

    #[test]
    fn bad_descriptions_are_errors() {
        let refuse = |layers: serde_json::Value, words: &[&str]| {
            let read: Description = serde_json::from_value(json!({"layers": layers})).expect("the form is right");
            let text = read.graph("net").expect_err("not a network").to_string();
            assert!(words.iter().all(|w| text.contains(w)), "{text}");
        };
        let input = json!({"name": "in", "class": "InputLayer", "config": {"shape": [4, 4, 1]}});
        let dense = |from: &str| json!({"name": "d", "class": "Dense", "config": {"units": 3}, "inputs": [from]});
        refuse(json!([]), &["no layer"]);
        refuse(json!([dense("x")]), &["InputLayer"]);
        refuse(json!([input]), &["at least one layer"]);
        refuse(json!([input, dense("x")]), &["`d`", "reads `x`"]);
        refuse(json!([input, dense("d")]), &["reads `d`"]);
        refuse(json!([input, dense("in")]), &["layer `d`", "[4, 4, 1]"]);
        refuse(json!([input, {"name": "f", "class": "Lambda", "inputs": ["in"]}]), &["`f` (Lambda)", "not known"]);
        let flat = json!({"name": "f", "class": "Flatten", "inputs": ["in"]});
        let wide = json!({"name": "d", "class": "Dense", "config": {"units": 4_000_000_000u32}, "inputs": ["f"]});
        refuse(json!([input, flat, wide]), &["layer `d`", "at most"]);
        refuse(json!([input, flat, flat]), &["another layer"]);
        let huge =
            json!({"name": "in", "class": "InputLayer", "config": {"shape": [4_000_000_000u32, 4_000_000_000u32]}});
        refuse(json!([huge, flat]), &[]);
    }
}
