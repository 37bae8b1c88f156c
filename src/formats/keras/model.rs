//! Keras's JSON of a model, looked at: layers, inputs, outputs, and what reads what.

use serde_json::Value as Json;

/// Models inside models inside models.
pub(super) const MAX_DEPTH: usize = 8;

/// A model's or layer's class, name and configuration.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub class: &'a str,
    pub name: &'a str,
    pub json: &'a Json,
    pub config: &'a Json,
}

impl<'a> Item<'a> {
    fn of(json: &'a Json) -> Result<Self, String> {
        let class = json["class_name"].as_str().ok_or("its model description has a layer without a class")?;
        let config = &json["config"];
        let name = config["name"].as_str().or(json["name"].as_str()).unwrap_or_default();
        Ok(Self { class, name, json, config })
    }

    /// Whether it is a model itself.
    pub(super) fn is_model(&self) -> bool {
        ["Sequential", "Functional", "Model"].contains(&self.class)
    }

    /// The layers that a layer of a functional model reads.
    pub(super) fn sources(&self) -> Result<Vec<&'a str>, String> {
        let malformed = || format!("layer `{}` does not say what it reads", self.name);
        let calls = self.json["inbound_nodes"].as_array().ok_or_else(malformed)?;
        let [call] = &calls[..] else {
            return Err(format!(
                "layer `{}` is used {} times; shared layers are not supported",
                self.name,
                calls.len()
            ));
        };
        let mut names = Vec::new();
        match call {
            // Keras 2: [["conv2d", 0, 0, {}], ...].
            Json::Array(tensors) => {
                for tensor in tensors {
                    names.push(tensor[0].as_str().ok_or_else(malformed)?);
                }
            }
            // Keras 3: {"args": [tensor or list of tensors, ...], "kwargs": {...}}.
            _ => collect_tensors(&call["args"], &mut names, 0),
        }
        if names.is_empty() { Err(malformed()) } else { Ok(names) }
    }
}

/// A sequential or functional model.
pub(super) struct Model<'a> {
    pub sequential: bool,
    pub name: &'a str,
    config: &'a Json,
    pub layers: Vec<Item<'a>>,
}

impl<'a> Model<'a> {
    /// Reads a model's list of layers.
    pub(super) fn of(json: &'a Json) -> Result<Self, String> {
        let Item { class, name, config, .. } = Item::of(json)?;
        let sequential = match class {
            "Sequential" => true,
            "Functional" | "Model" => false,
            _ => return Err(format!("its model is a {class}; Sequential and Functional models can be read")),
        };
        // The oldest sequential models are a bare list.
        let layers = config["layers"].as_array().or(config.as_array()).ok_or("its model has no list of layers")?;
        let layers = layers.iter().map(Item::of).collect::<Result<_, _>>()?;
        Ok(Self { sequential, name, config, layers })
    }

    /// Shape of an input sample.
    pub(super) fn input_shape(&self) -> Result<Vec<usize>, String> {
        let shape = self.layers.first().and_then(|first| {
            let known = [&first.config["batch_shape"], &first.config["batch_input_shape"]];
            let inner = || Model::of(first.json).ok().filter(|_| first.is_model())?.input_shape().ok();
            let own = known.into_iter().chain([&self.config["build_input_shape"]]).find_map(sample_shape);
            own.or_else(inner)
        });
        let shape = shape.ok_or("its input has no fixed shape")?;
        match shape[..] {
            [_, _, 1 | 3] => Ok(shape),
            _ => Err(format!("its input is {shape:?}, not [height, width, 1 or 3]")),
        }
    }

    /// Names of the input layers, or of the output layers.
    pub(super) fn ends(&self, key: &str) -> Result<Vec<&'a str>, String> {
        let list = self.config[key].as_array().ok_or_else(|| format!("its model has no `{key}`"))?;
        // One end may be `["name", 0, 0]` itself instead of a list of such.
        if let Some(name) = list.first().and_then(Json::as_str) {
            return Ok(vec![name]);
        }
        list.iter().map(|end| end[0].as_str().ok_or_else(|| format!("its model's `{key}` is malformed"))).collect()
    }
}

/// `[null, 48, 48, 1]` without the batch.
fn sample_shape(shape: &Json) -> Option<Vec<usize>> {
    let (_, dims) = shape.as_array()?.split_first()?;
    dims.iter().map(|d| d.as_u64().and_then(|d| u32::try_from(d).ok()).map(|d| d as usize)).collect()
}

fn collect_tensors<'a>(json: &'a Json, names: &mut Vec<&'a str>, depth: usize) {
    if let Some(list) = json.as_array().filter(|_| depth < MAX_DEPTH) {
        list.iter().for_each(|item| collect_tensors(item, names, depth + 1));
    } else if let Some(name) = json["config"]["keras_history"][0].as_str() {
        names.push(name);
    }
}
