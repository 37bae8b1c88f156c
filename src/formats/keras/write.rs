//! Networks as Keras's legacy `.h5`, which `keras.models.load_model` of Keras 2 and 3 opens. Each op becomes a layer of its own;
//! a softmax, or the sigmoid of independent probabilities, is added at the end.

use crate::data::Task;
use crate::error::{Error, Result};
use crate::formats::export::Network;
use crate::graph::{Description, Graph, Layer, NamedTensor};
use crate::ops::describe::Config;
use hdf5_writer::{AttributeBuilder, DatasetBuilder, FILTER_FLETCHER32, FilterDescription, Hdf5Builder, WriteOptions};
use serde_json::{Value as Json, json};
use std::collections::{HashMap, HashSet};

/// The group of the tensors.
const ROOT: &str = "model_weights";
/// What HDF5 lets an attribute take; Keras reads the layers from a single one.
const MAX_ATTRIBUTE_BYTES: usize = 64_000;

/// Writes a network.
///
/// # Errors
/// A network of more layers than HDF5 can describe in one attribute.
pub fn to_bytes(network: &Network<'_>) -> Result<Vec<u8>> {
    let description = with_one_axis(Description::of(network.graph)?, network.graph);
    let names = names(&description);
    let config = json!({"class_name": "Functional", "config": functional(network, &description, &names)}).to_string();
    if config.len() > MAX_ATTRIBUTE_BYTES {
        let what = format!("the layers of {} take {} bytes in an .h5 file", network.meta.model, config.len());
        let hint = format!("Keras's format has room for {MAX_ATTRIBUTE_BYTES}; export as onnx or safetensors");
        return Err(Error::usage(what, hint));
    }
    let refuse = |e: hdf5_writer::Error| Error::usage(format!("the network cannot be written as HDF5: {e}"), "");
    let mut file = Hdf5Builder::new().attribute(AttributeBuilder::fixed_string("model_config", &config));
    for (key, value) in [("backend", "tensorflow"), ("keras_version", "3.0.0")] {
        file = file.attribute(AttributeBuilder::fixed_string(key, value));
        file = file.group_attribute(ROOT, AttributeBuilder::fixed_string(key, value));
    }
    let tensors = network.by_name();
    let mut layers = Vec::new();
    for node in network.graph.nodes.iter().filter(|n| !n.params.is_empty()) {
        let layer = names[node.name.as_str()].as_str();
        let mut weights = Vec::new();
        for parameter in &node.params {
            let name = format!("{}/{}", node.name, parameter.name);
            let tensor = tensors.get(name.as_str()).ok_or_else(|| Error::usage(format!("`{name}` is missing"), ""))?;
            let weight = format!("{layer}/{}", parameter.name);
            let path = format!("{ROOT}/{layer}/{weight}");
            file = file.dataset(dataset(&path, tensor, &parameter_shape(parameter.name, tensor)).map_err(refuse)?);
            weights.push(weight);
        }
        let weights = AttributeBuilder::fixed_string_vector("weight_names", &weights).map_err(refuse)?;
        file = file.group_attribute(format!("{ROOT}/{layer}"), weights);
        layers.push(layer);
    }
    let layers = AttributeBuilder::fixed_string_vector("layer_names", &layers).map_err(refuse)?;
    let plan = file.group_attribute(ROOT, layers).into_plan().map_err(refuse)?;
    plan.encode(WriteOptions::default()).map_err(refuse)
}

/// A tensor as one chunk with HDF5's Fletcher-32 checksum, which every reader of HDF5 checks: only chunks can have one, and a single
/// number is none.
fn dataset(path: &str, tensor: &NamedTensor, dims: &[usize]) -> Result<DatasetBuilder, hdf5_writer::Error> {
    let shape: Vec<u64> = dims.iter().map(|d| *d as u64).collect();
    let plain = DatasetBuilder::typed_data(path, shape.clone(), &tensor.values)?;
    if shape.is_empty() {
        return Ok(plain);
    }
    let checksum = FilterDescription { id: FILTER_FLETCHER32, name: None, client_data: Vec::new() };
    Ok(plain.chunked(shape).filter(checksum))
}

/// The shape that a parameter has in the file: one axis where [`with_one_axis`] leaves one.
fn parameter_shape(parameter: &str, tensor: &NamedTensor) -> Vec<usize> {
    match parameter {
        "gamma" | "beta" => vec![tensor.shape.elements()],
        _ => tensor.shape.dims().to_vec(),
    }
}

/// The same network with normalizations over several axes written as ones over the last axis, between two reshapes: Keras 3 ignores
/// a list of axes when it loads an `.h5`.
fn with_one_axis(description: Description, graph: &Graph) -> Description {
    let (mut layers, mut ends) = (Vec::new(), HashMap::new());
    // The shapes are those of the input and of each node's output, as the layers of the description are.
    for (mut layer, shape) in description.layers.into_iter().zip(&graph.shapes) {
        for input in &mut layer.inputs {
            if let Some(end) = ends.get(input) {
                input.clone_from(end);
            }
        }
        let axes = layer.config.get("axis").and_then(Json::as_array).map(Vec::len);
        let Some(axes) = axes.filter(|_| layer.class == "LayerNormalization") else {
            layers.push(layer);
            continue;
        };
        let (kept, normalized) = shape.dims().split_at(shape.dims().len().saturating_sub(axes));
        let reshape = |part: &str, target: &[usize], inputs: Vec<String>| {
            let config = Config::from_iter([("target_shape".to_owned(), json!(target))]);
            let name = format!("{}/{part}", layer.name);
            Layer { name, class: "Reshape".into(), config, inputs, ..Layer::default() }
        };
        let rows = reshape("rows", &[kept, &[normalized.iter().product()]].concat(), layer.inputs.clone());
        let whole = reshape("whole", shape.dims(), vec![layer.name.clone()]);
        layer.inputs = vec![rows.name.clone()];
        layer.config.insert("axis".into(), (-1).into());
        ends.insert(layer.name.clone(), whole.name.clone());
        layers.extend([rows, layer, whole]);
    }
    Description { layers }
}

/// Names without the `/` of a layer's parts, which Keras does not take.
fn names(description: &Description) -> HashMap<&str, String> {
    let mut taken: HashSet<String> = description.layers.iter().map(|l| l.name.clone()).collect();
    let mut names = HashMap::new();
    for layer in &description.layers {
        let mut name = layer.name.replace('/', "_");
        while name != layer.name && !taken.insert(name.clone()) {
            name.push('_');
        }
        names.insert(layer.name.as_str(), name);
    }
    names
}

/// The configuration of a functional model.
fn functional(network: &Network<'_>, description: &Description, names: &HashMap<&str, String>) -> Json {
    let mut layers = Vec::new();
    for layer in &description.layers {
        let name = &names[layer.name.as_str()];
        let mut config = layer.config.clone();
        config.insert("name".into(), name.as_str().into());
        if let Some(shape) = config.remove("shape") {
            let batch = std::iter::once(Json::Null).chain(shape.as_array().cloned().unwrap_or_default());
            config.insert("batch_shape".into(), batch.collect());
        }
        let inbound: Vec<Json> = layer.inputs.iter().map(|from| json!([names[from.as_str()], 0, 0, {}])).collect();
        let inbound = if inbound.is_empty() { json!([]) } else { json!([inbound]) };
        layers.push(json!({"class_name": layer.class, "name": name, "config": config, "inbound_nodes": inbound}));
    }
    let ends = |at: usize| description.layers.get(at).map(|l| names[l.name.as_str()].as_str()).unwrap_or_default();
    let (input, scores) = (ends(0), ends(description.layers.len().saturating_sub(1)));
    let mut output = scores.to_owned();
    // Values are what the last layer says.
    if network.meta.task == Task::Classes {
        "probabilities".clone_into(&mut output);
        while names.values().any(|name| *name == output) {
            output.push('_');
        }
        let activation = if network.meta.head.is_independent() { "sigmoid" } else { "softmax" };
        layers.push(json!({"class_name": "Activation", "name": output,
            "config": {"name": output, "activation": activation}, "inbound_nodes": [[[scores, 0, 0, {}]]]}));
    }
    json!({"name": network.meta.model.replace('/', "_"), "trainable": true, "layers": layers,
        "input_layers": [[input, 0, 0]], "output_layers": [[output, 0, 0]]})
}
