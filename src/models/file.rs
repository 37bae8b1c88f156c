//! Networks that a TOML file describes: layers of the ops here by Keras's class names and settings.
//!
//! ```toml
//! input = [48, 48, 1]
//!
//! [[layer]]
//! class = "Conv2D"
//! filters = 16
//! kernel_size = 3
//! activation = "relu"
//!
//! [[layer]]
//! class = "Flatten"
//!
//! [[layer]]
//! class = "Dense"
//! units = 7
//! ```
//!
//! A layer reads the one before it, or the layers that `inputs` names; `input` is the network's. `name` is Keras's automatic one if
//! absent. The last dense layer or convolution gets as many outputs as the data has classes. A table `[variables]` names values,
//! which layers take as `"${name}"` and runs may set to others.

use super::variables::{Scope, Variables};
use crate::error::{Error, Result, nearest};
use crate::formats::keras;
use crate::graph::{Description, Graph, Layer, MAX_LAYERS, Numbered};
use crate::input::read_text;
use crate::ops::describe::{self, Config};
use crate::ops::describe_separable::separable;
use crate::text;
use crate::toml_text::{self, check_finite, plain};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use toml::Spanned;

const EXPECTED: &str = "a network: `input = [height, width, channels]`, then [[layer]] tables";

/// The keys of a layer that are not its class's.
const OWN: [&str; 4] = ["class", "name", "inputs", "activation"];
/// The class that is two ops.
const SEPARABLE: &str = "SeparableConv2D";
/// What a layer calls the network's input.
const INPUT: &str = "input";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    input: Spanned<Vec<u32>>,
    #[serde(default)]
    variables: toml::Table,
    layer: Vec<Spanned<toml::Table>>,
}

/// Whether a model's name is that of a file: of layers in TOML, or of a model's JSON as Keras writes it.
pub fn is_file(model: &str) -> bool {
    Path::new(model).extension().is_some_and(|e| e == "toml") || is_json(model)
}

/// Whether a model's name is that of a file of Keras's `model.to_json()`.
pub fn is_json(model: &str) -> bool {
    Path::new(model).extension().is_some_and(|e| e == "json")
}

/// The name of the network that `model` means: a file's without folder and ending, and any other as it is.
pub fn name_of(model: &str) -> &str {
    let stem = Path::new(model).file_stem().and_then(|s| s.to_str());
    stem.filter(|_| is_file(model)).unwrap_or(model)
}

/// The network of a file, with an input of another height and width if `size` says so, and other values of the variables in `given`.
///
/// # Errors
/// An unreadable file; TOML that is none, an unknown class, setting, layer or variable, or shapes that do not fit, each with its
/// line.
pub fn graph(path: &Path, size: Option<[usize; 2]>, given: &Variables) -> Result<Graph> {
    if is_json(&path.to_string_lossy()) {
        return keras_graph(path, size, given);
    }
    read(path, size, given)?.graph(name_of(&path.to_string_lossy()))
}

/// The network of a model's JSON, under the file's name.
fn keras_graph(path: &Path, size: Option<[usize; 2]>, given: &Variables) -> Result<Graph> {
    if let Some(name) = given.keys().next() {
        let what = format!("the variable `{name}` is set, and {} has none", path.display());
        return Err(Error::usage(what, "variables belong to a network in TOML"));
    }
    let mut graph = keras::read_layers(path, size)?;
    if let Some([height, width]) = size.filter(|size| graph.input().dims()[..2] != *size) {
        let value = format!("{height}x{width}: the network in {} takes {}", path.display(), graph.input());
        return Err(Error::setting("", "size", value, "leave it out"));
    }
    name_of(&path.to_string_lossy()).clone_into(&mut graph.name);
    Ok(graph)
}

/// The variables of a file, with its own values.
///
/// # Errors
/// An unreadable file; TOML that is none.
pub fn variables(path: &Path) -> Result<Variables> {
    if is_json(&path.to_string_lossy()) {
        return Ok(Variables::new());
    }
    let text = read_text(path, EXPECTED)?;
    let refuse = |e: toml::de::Error| Error::row(path, toml_text::line_of(&e, &text), plain(e.message()), EXPECTED);
    let table: toml::Table = text.parse().map_err(refuse)?;
    let own = table.get("variables").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    Ok(own.into_iter().collect())
}

/// Reads a file, and builds the network once to see that it can be.
fn read(path: &Path, size: Option<[usize; 2]>, given: &Variables) -> Result<Description> {
    let text = read_text(path, EXPECTED)?;
    let refuse = |line: usize, what: String| Error::row(path, line as u64, what, EXPECTED);
    check_finite(path, &text, EXPECTED)?;
    let starts: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let line_of = |byte: usize| 1 + starts.partition_point(|at| *at < byte);
    let parsed = toml::from_str(&text);
    let File { input, variables, layer: tables } =
        parsed.map_err(|e: toml::de::Error| refuse(line_of(e.span().map_or(0, |s| s.start)), plain(e.message())))?;
    if tables.len() > MAX_LAYERS {
        return Err(refuse(line_of(tables[MAX_LAYERS].span().start), format!("more than {MAX_LAYERS} layers")));
    }
    let [height, width, channels] = input.get_ref()[..] else {
        let what = format!("`input` has {} sizes", input.get_ref().len());
        return Err(refuse(line_of(input.span().start), what));
    };
    let [height, width] = size.unwrap_or([height as usize, width as usize]);
    let shape = json!([height, width, channels]);
    let input = Layer {
        name: INPUT.into(),
        class: "InputLayer".into(),
        config: Config::from_iter([("shape".to_owned(), shape)]),
        ..Layer::default()
    };
    let ends = HashMap::from([(input.name.clone(), 0)]);
    let mut reader = Reader { layers: vec![input], ends, names: Numbered::default() };
    let mut lines = vec![1];
    let mut scope = Scope::new(variables, given).map_err(|what| refuse(1, what))?;
    for table in tables {
        let line = line_of(table.span().start);
        let mut table = table.into_inner();
        scope.fill(&mut table).and_then(|()| reader.layer(table)).map_err(|what| refuse(line, what))?;
        lines.resize(reader.layers.len(), line);
    }
    reader.end_in_scores().map_err(|what| refuse(lines.last().copied().unwrap_or(1), what))?;
    if let Some(name) = scope.unused() {
        return Err(refuse(1, format!("no layer uses the variable `{name}`")));
    }
    let description = Description { layers: reader.layers };
    let line_of_layer = |name: &str| description.layers.iter().position(|l| l.name == name).map_or(1, |i| lines[i]);
    match description.graph(name_of(&path.to_string_lossy())) {
        Ok(_) => Ok(description),
        Err(Error::Shape { layer, op, what }) => {
            let line = line_of_layer(&layer);
            Err(refuse(line, format!("layer `{layer}` ({op}): {what}")))
        }
        Err(e) => Err(Error::data(path, e.to_string(), "a network that can be built")),
    }
}

/// The layers so far.
struct Reader {
    layers: Vec<Layer>,
    /// By name, the layer whose output is meant: of a layer with an activation, that.
    ends: HashMap<String, usize>,
    names: Numbered,
}

impl Reader {
    /// Adds the layer of a table, and its activation; the error says what is wrong with it.
    fn layer(&mut self, table: toml::Table) -> Result<(), String> {
        let mut config: Config = match serde_json::to_value(table) {
            Ok(Value::Object(map)) => map.into_iter().map(|(key, value)| (key.replace('-', "_"), value)).collect(),
            _ => return Err("the layer is no table".into()),
        };
        let mut text = |key: &str| match config.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(other) => Err(format!("`{key}` is {other}; a text is expected")),
        };
        let (class, name) = (text("class")?, text("name")?);
        let class = class.ok_or_else(|| "a layer without a `class`, such as \"Conv2D\"".to_owned())?;
        // An Activation's is its own setting.
        let activation = if class == "Activation" { None } else { text("activation")? };
        let inputs = self.inputs(config.remove("inputs"))?;
        let refuse = |e: String| match nearest_own(&e) {
            _ if e.starts_with("the activation `") => format!("{class}: {}", with_activations(e)),
            Some(own) => format!("{class}: {e} or `{own}`"),
            None => format!("{class}: {e}"),
        };
        let name = name.unwrap_or_else(|| self.names.name(&class));
        self.check_name(&name)?;
        if class == SEPARABLE {
            let [depthwise, pointwise] = separable(&config, true).map_err(refuse)?;
            self.separable(&name, inputs, depthwise, pointwise);
        } else {
            let op = describe::build_strictly(&class, &config).map_err(refuse)?;
            let layer = (op.keras_name() != class).then_some(class.as_str()).and_then(describe::known_class);
            let layer = layer.map(str::to_owned);
            self.push(Layer { name, class: class.clone(), layer, config, inputs, ..Layer::default() });
        }
        match activation.as_deref() {
            None | Some("linear") => Ok(()),
            Some(activation) => self.activation(&class, activation),
        }
    }

    /// Leaves out a softmax at the end: the loss takes the scores before it, and makes it itself.
    fn end_in_scores(&mut self) -> Result<(), String> {
        let is_softmax = |layer: &Layer| {
            let named = layer.config.get("activation").and_then(Value::as_str) == Some("softmax");
            layer.class == "Softmax" || (layer.class == "Activation" && named)
        };
        let Some(end) = self.layers.pop_if(|layer| is_softmax(layer)) else { return Ok(()) };
        let before = self.layers.last().map(|layer| layer.name.as_str());
        match end.inputs.first().map(String::as_str) {
            from if from == before => Ok(()),
            from => Err(format!(
                "the softmax `{}` at the end reads `{}`, not the layer before it, `{}`",
                end.name,
                from.unwrap_or_default(),
                before.unwrap_or_default()
            )),
        }
    }

    /// Adds the two parts of a separable convolution.
    fn separable(&mut self, name: &str, inputs: Vec<String>, depthwise: (&str, Config), pointwise: (&str, Config)) {
        let layer = |(class, config): (&str, Config)| {
            let layer = Some(SEPARABLE.to_owned());
            Layer { name: name.to_owned(), class: class.to_owned(), layer, config, ..Layer::default() }
        };
        self.push(Layer { inputs, ..layer(depthwise) });
        let (inputs, part) = (vec![name.to_owned()], true);
        self.push(Layer { name: format!("{name}/conv2d"), inputs, part, ..layer(pointwise) });
    }

    /// Adds a layer, or a part of the one before it: who reads that reads its last part.
    fn push(&mut self, layer: Layer) {
        let whole = layer.name.split('/').next().unwrap_or_default().to_owned();
        self.ends.extend([(whole, self.layers.len()), (layer.name.clone(), self.layers.len())]);
        self.layers.push(layer);
    }

    /// Adds an activation as a part of the layer before it.
    fn activation(&mut self, class: &str, activation: &str) -> Result<(), String> {
        let op = describe::activation(activation).map_err(|e| format!("{class}: {}", with_activations(e)))?;
        let Some(config) = describe::config(op.as_ref()) else { return Err(format!("{class}: no {activation}")) };
        let of = self.layers.iter().rfind(|l| !l.part).map(|l| l.name.clone()).unwrap_or_default();
        let last = self.layers.last().map(|l| l.name.clone()).unwrap_or_default();
        let name = format!("{of}/{}", op.name());
        self.push(Layer {
            name,
            class: op.keras_name().into(),
            layer: Some(class.into()),
            config,
            inputs: vec![last],
            part: true,
            ..Layer::default()
        });
        Ok(())
    }

    /// The layers that a layer reads. A layer with an activation is read after it.
    fn inputs(&self, given: Option<Value>) -> Result<Vec<String>, String> {
        let last = self.layers.last().map(|l| l.name.clone()).unwrap_or_default();
        let names = match given {
            None => return Ok(vec![last]),
            Some(Value::Array(names)) if !names.is_empty() => names,
            Some(other) => return Err(format!("`inputs` is {other}; names of layers in brackets are expected")),
        };
        let find = |name: Value| {
            let Some(name) = name.as_str() else {
                return Err(format!("`inputs` has {name}; a layer's name is expected"));
            };
            self.ends.get(name).map(|layer| self.layers[*layer].name.clone()).ok_or_else(|| {
                let near = nearest(name, self.layers.iter().filter(|l| !l.part).map(|l| l.name.as_str()));
                let near = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                format!("reads `{name}`, no layer before it{near}")
            })
        };
        names.into_iter().map(find).collect()
    }

    fn check_name(&self, name: &str) -> Result<(), String> {
        text::check_name("a layer", name)?;
        if name.contains('/') {
            return Err(format!("the name `{name}` has a slash, which parts of layers have"));
        }
        if self.ends.contains_key(name) {
            return Err(format!("another layer before it is called `{name}`"));
        }
        Ok(())
    }
}

/// An error about an activation, with those that are known.
fn with_activations(error: String) -> String {
    let known: Vec<&str> = describe::activations().chain(["linear"]).collect();
    format!("{error} (known are {})", known.join(", "))
}

/// A key of every layer that is nearer to the unknown one in an error than the settings of its class.
fn nearest_own(error: &str) -> Option<&'static str> {
    let unknown = error.strip_prefix("it has no setting `")?.split('`').next()?;
    nearest(unknown, OWN).filter(|_| !error.contains("did you mean"))
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
