//! Keras's description of a model (`model_config`, `config.json`), as Keras 2 and 3 write it, to a graph.
//!
//! A model inside a model is laid out flat. An activation that a layer carries becomes a part of it. The softmax at the end is left out: ours is in the loss and in `predict`.

use super::activation::Activation;
use super::model::{Item, MAX_DEPTH, Model};
use super::operation::{self, Equivalent};
use super::{Unreadable, survey};
use crate::graph::{Builder, Graph, MAX_LAYERS, Value};
use crate::ops::Op;
use crate::ops::add::Add;
use crate::ops::describe::{self, Config};
use crate::ops::describe_separable::separable;
use crate::ops::reshape::Reshape;
use crate::tensor::Shape;
use crate::toml_text::plain;
use serde_json::Value as Json;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A layer of Keras's that may have tensors, and the nodes that it became.
#[derive(Debug)]
pub(super) struct Owner {
    /// Its name, after those of the models that it is in.
    pub path: Vec<String>,
    /// Where `.weights.h5` keeps it: the class in snake_case, numbered within its model: `layers/conv2d_1`.
    pub key: String,
    /// In the order of its tensors.
    pub nodes: Vec<usize>,
}

/// A model that was read.
#[derive(Debug)]
pub(super) struct Network {
    /// Its layers.
    pub graph: Graph,
    /// Whose tensors go where.
    pub owners: Vec<Owner>,
    /// Whether it ends with a softmax.
    pub softmax: bool,
    /// Layers that do nothing but in training, which the graph does not have: name and class.
    pub dropped: Vec<String>,
}

/// Reads a model's description; its images are of `size` where it does not say.
pub(super) fn read(text: &str, size: Option<[usize; 2]>) -> Result<Network, Unreadable> {
    check_size(text)?;
    let json: Json = serde_json::from_str(text)
        .map_err(|e| format!("its model description is not JSON ({})", plain(&e.to_string())))?;
    let model = Model::of(&json)?;
    survey::check(&model)?;
    Ok(build(&model, size)?)
}

fn build(model: &Model<'_>, size: Option<[usize; 2]>) -> Result<Network, String> {
    let name = if model.name.is_empty() { "imported" } else { model.name };
    let builder = Builder::new(name, model.input_shape(size)?).map_err(|e| e.to_string())?;
    let mut reader = Reader { builder, owners: Vec::new(), frozen: HashSet::new(), dropped: Vec::new(), layers: 0 };
    let output = reader.model(model, &[Builder::INPUT], &Place::default())?;
    let mut graph = reader.builder.finish().map_err(|e| e.to_string())?;
    reader.frozen.iter().for_each(|node| graph.nodes[*node].set_frozen(true));
    if output != graph.nodes.len() {
        return Err(format!("layer `{}` leads to no output of the model", graph.nodes[graph.nodes.len() - 1].name));
    }
    let mut owners = reader.owners;
    let last = output - 1;
    let softmax = last > 0 && graph.nodes[last].op.name() == "softmax";
    if softmax {
        graph = graph.without(last);
        owners.iter_mut().for_each(|owner| owner.nodes.retain(|node| *node != last));
    }
    Ok(Network { graph, owners, softmax, dropped: reader.dropped })
}

/// Refuses a description that would take many times its size in memory: an object of one key in 8 bytes of JSON takes 600.
fn check_size(text: &str) -> Result<(), String> {
    let count = |wanted: &[u8]| text.bytes().filter(|b| wanted.contains(b)).count();
    let (objects, others) = (count(b"{"), count(b"[,"));
    if objects > 30 * MAX_LAYERS || others > 300 * MAX_LAYERS {
        return Err(format!("its model description has {objects} objects, more than {MAX_LAYERS} layers need"));
    }
    Ok(())
}

/// Where a model is inside the outermost.
#[derive(Default)]
struct Place {
    path: Vec<String>,
    key: String,
}

struct Reader {
    builder: Builder,
    owners: Vec<Owner>,
    /// Nodes of layers that are not to be trained.
    frozen: HashSet<usize>,
    dropped: Vec<String>,
    layers: usize,
}

impl Reader {
    /// Adds a model's layers; returns its output.
    fn model(&mut self, model: &Model<'_>, inputs: &[Value], place: &Place) -> Result<Value, String> {
        if place.path.len() >= MAX_DEPTH {
            return Err(format!("it has models inside models, more than {MAX_DEPTH} deep"));
        }
        self.layers += model.layers.len();
        if self.layers > MAX_LAYERS {
            return Err(format!("it has more than {MAX_LAYERS} layers"));
        }
        let keys = keys(model, place);
        if model.sequential {
            let [mut value] = *inputs else { return Err(format!("the model `{}` reads several tensors", model.name)) };
            for (item, key) in model.layers.iter().zip(&keys) {
                if item.class != "InputLayer" {
                    value = self.layer(item, &[value], place, key)?;
                }
            }
            return Ok(value);
        }
        self.functional(model, inputs, place, &keys)
    }

    fn functional(
        &mut self,
        model: &Model<'_>,
        inputs: &[Value],
        place: &Place,
        keys: &[String],
    ) -> Result<Value, String> {
        let names = model.ends("input_layers")?;
        let outputs = model.ends("output_layers")?;
        let list = |ends: &[(&str, &str)]| ends.iter().map(|(_, key)| *key).collect::<Vec<_>>().join(", ");
        let [(output, _)] = outputs[..] else {
            let (count, list) = (outputs.len(), list(&outputs));
            return Err(format!("the model `{}` has {count} outputs ({list}); models of one can be read", model.name));
        };
        if names.len() != inputs.len() {
            let (count, list, given) = (names.len(), list(&names), inputs.len());
            return Err(format!("the model `{}` has {count} inputs ({list}); {given} can be given to it", model.name));
        }
        let names = names.into_iter().map(|(name, _)| name);
        let mut values: HashMap<&str, Value> = names.zip(inputs.iter().copied()).collect();
        let mut waiting: Vec<(&Item<'_>, &String, Vec<&str>)> = Vec::new();
        for (item, key) in model.layers.iter().zip(keys) {
            if item.class != "InputLayer" {
                let sources = match operation::name(item) {
                    Some(name) => operation::equivalent(item, name).map_err(|e| refuse(item, &e))?.inputs,
                    None => item.sources()?,
                };
                waiting.push((item, key, sources));
            }
        }
        // A layer may be listed before one that it reads.
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut later = Vec::new();
            for (item, key, from) in waiting {
                let inputs: Option<Vec<Value>> = from.iter().map(|name| values.get(name).copied()).collect();
                match inputs {
                    None => later.push((item, key, from)),
                    Some(inputs) => {
                        let value = self.layer(item, &inputs, place, key)?;
                        values.insert(item.name, value);
                    }
                }
            }
            waiting = later;
            if waiting.len() == before {
                let (item, _, from) = &waiting[0];
                return Err(format!("layer `{}` reads {from:?}, which are not there or read it", item.name));
            }
        }
        values.get(output).copied().ok_or_else(|| format!("the model's output `{output}` is no layer"))
    }

    /// Adds one layer of Keras's; returns its output.
    fn layer(&mut self, item: &Item<'_>, inputs: &[Value], place: &Place, key: &str) -> Result<Value, String> {
        let path = [place.path.as_slice(), &[item.name.to_owned()]].concat();
        if item.is_model() {
            return self.model(&Model::of(item.json)?, inputs, &Place { path, key: key.to_owned() });
        }
        let first = self.builder.len();
        let value = if survey::is_passive(item.class) {
            let &[value] = inputs else { return Err(refuse(item, &format!("{} inputs, not 1", inputs.len()))) };
            self.dropped.push(format!("`{}` ({})", item.name, item.class));
            value
        } else {
            self.ops(item, inputs, place)?
        };
        let nodes: Vec<usize> = (first..self.builder.len()).collect();
        if item.config["trainable"] == Json::Bool(false) {
            self.frozen.extend(&nodes);
        }
        self.owners.push(Owner { path, key: key.to_owned(), nodes });
        Ok(value)
    }

    /// Adds the ops of a layer.
    fn ops(&mut self, item: &Item<'_>, inputs: &[Value], place: &Place) -> Result<Value, String> {
        let refuse = |what: String| refuse(item, &what);
        if let Some(name) = operation::name(item) {
            let Equivalent { class, config, .. } = operation::equivalent(item, name).map_err(refuse)?;
            let op = describe::build(class, &config).map_err(refuse)?;
            return self.add(op.keras_name(), item, place, op, inputs);
        }
        let mut config = item.config.as_object().cloned().unwrap_or_default();
        let shapes: Vec<&Shape> = inputs.iter().map(|v| self.builder.shape(*v)).collect();
        settle(&mut config, &shapes).map_err(refuse)?;
        let activation = config.remove("activation").map_or(Ok(Activation::Linear), |a| Activation::of(&a));
        let activation = activation.map_err(refuse)?;
        if item.class == "Activation" {
            let &[value] = inputs else { return Err(refuse(format!("{} inputs", inputs.len()))) };
            return match activation {
                Activation::Linear => Ok(value),
                Activation::Op { class, config } => {
                    let op = describe::build(&class, &config).map_err(refuse)?;
                    self.add("Activation", item, place, op, inputs)
                }
            };
        }
        let value = match item.class {
            "SeparableConv2D" => self.separable(item, inputs, place, &config)?,
            "CustomScaleLayer" => self.scaled_sum(item, inputs, place, &config)?,
            class => {
                let keepdims = class.starts_with("Global") && config.remove("keepdims") == Some(Json::Bool(true));
                let op = describe::build(class, &config).map_err(refuse)?;
                let value = self.add(op.keras_name(), item, place, op, inputs)?;
                if keepdims { self.map_of_one_pixel(value)? } else { value }
            }
        };
        match activation {
            Activation::Linear => Ok(value),
            Activation::Op { class, config } => {
                let op = describe::build(&class, &config).map_err(refuse)?;
                self.builder.extend_op(op, &[value]).map_err(|e| e.to_string())
            }
        }
    }

    fn add(
        &mut self,
        class: &'static str,
        item: &Item<'_>,
        place: &Place,
        op: Arc<dyn Op>,
        inputs: &[Value],
    ) -> Result<Value, String> {
        let name = self.free_name(item.name, place);
        self.builder.add_op(class, &name, op, inputs).map_err(|e| e.to_string())
    }

    /// A window within each channel, then 1x1 over all, with the layer's bias.
    fn separable(
        &mut self,
        item: &Item<'_>,
        inputs: &[Value],
        place: &Place,
        config: &Config,
    ) -> Result<Value, String> {
        let parts = separable(config, false).map_err(|e| refuse(item, &e))?;
        let [depthwise, pointwise] = parts.map(|(class, config)| describe::build(class, &config));
        let depthwise = depthwise.map_err(|e| refuse(item, &e))?;
        let pointwise = pointwise.map_err(|e| refuse(item, &e))?;
        let value = self.add("SeparableConv2D", item, place, depthwise, inputs)?;
        self.builder.extend_op(pointwise, &[value]).map_err(|e| e.to_string())
    }

    /// A pooled vector as the map of one pixel that `keepdims` makes of it.
    fn map_of_one_pixel(&mut self, value: Value) -> Result<Value, String> {
        let target = [&[1, 1], self.builder.shape(value).dims()].concat().into();
        self.builder.extend_op(Arc::new(Reshape { target }), &[value]).map_err(|e| e.to_string())
    }

    /// InceptionResNetV2's: the first input plus `scale` times the second.
    fn scaled_sum(
        &mut self,
        item: &Item<'_>,
        inputs: &[Value],
        place: &Place,
        config: &Config,
    ) -> Result<Value, String> {
        let refuse = |what: String| refuse(item, &what);
        let &[x, branch] = inputs else { return Err(refuse(format!("{} inputs, not 2", inputs.len()))) };
        let scale = describe::build("Rescaling", config).map_err(refuse)?;
        let scaled = self.add("CustomScaleLayer", item, place, scale, &[branch])?;
        self.builder.extend_op(Arc::new(Add), &[x, scaled]).map_err(|e| e.to_string())
    }

    /// A layer's own name, or with its model's before it if another model has a layer of this name.
    fn free_name(&self, name: &str, place: &Place) -> String {
        match place.path.last() {
            Some(model) if self.builder.has(name) => format!("{model}_{name}"),
            _ => name.to_owned(),
        }
    }
}

/// What is wrong with a layer, under its name.
fn refuse(item: &Item<'_>, what: &str) -> String {
    format!("layer `{}` ({}): {what}", item.name, item.class)
}

/// Settles what a configuration leaves to the shapes of the inputs: an axis counted from the front, a size of -1.
fn settle(config: &mut Config, inputs: &[&Shape]) -> Result<(), String> {
    let Some(input) = inputs.first() else { return Ok(()) };
    if let Some(axis) = config.get("axis") {
        let axis = axis.as_array().filter(|list| list.len() == 1).map_or(axis, |list| &list[0]);
        if axis.as_u64() == Some(input.dims().len() as u64) || axis.as_i64() == Some(-1) {
            config.insert("axis".into(), (-1).into());
        } else if let Some(axes) = axis.as_array().and_then(|list| list.iter().map(Json::as_i64).collect()) {
            let axes: Vec<i64> = axes;
            let behind = input.dims().len() as i64 + 1;
            let from_the_end = axes.into_iter().map(|axis| if axis > 0 { axis - behind } else { axis });
            config.insert("axis".into(), from_the_end.collect());
        }
    }
    if let Some(Json::Array(target)) = config.get_mut("target_shape") {
        let known: u64 = target.iter().filter_map(Json::as_u64).fold(1, u64::saturating_mul);
        for size in target.iter_mut().filter(|size| size.as_i64() == Some(-1)) {
            let rest = (input.elements() as u64).checked_div(known).ok_or("`target_shape` has a 0")?;
            *size = rest.into();
        }
    }
    Ok(())
}

/// Where `.weights.h5` keeps each layer of a model.
fn keys(model: &Model<'_>, place: &Place) -> Vec<String> {
    let parent = if place.key.is_empty() { String::new() } else { format!("{}/", place.key) };
    let mut numbered = crate::graph::Numbered::default();
    model.layers.iter().map(|item| format!("{parent}layers/{}", numbered.name(item.class))).collect()
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
