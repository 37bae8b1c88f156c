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

/// What a layer is called with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Argument<'a> {
    /// The output of a layer.
    Tensor(&'a str),
    /// A number, a list, null ...
    Constant(&'a Json),
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

    /// The module of Keras's that the class is from, where the file says it.
    pub(super) fn module(&self) -> &'a str {
        self.json["module"].as_str().unwrap_or_default()
    }

    /// The layers whose outputs a layer of a functional model reads: arguments by position first, then those by keyword, as in
    /// `layer(inputs=x)`.
    pub(super) fn sources(&self) -> Result<Vec<&'a str>, String> {
        let tensor = |argument: Argument<'a>| match argument {
            Argument::Tensor(name) => Some(name),
            Argument::Constant(_) => None,
        };
        let names: Vec<&str> = self.arguments()?.into_iter().filter_map(|(_, a)| tensor(a)).collect();
        if names.is_empty() { Err(self.malformed()) } else { Ok(names) }
    }

    fn malformed(&self) -> String {
        format!("layer `{}` does not say what it reads", self.name)
    }

    /// What a layer of a functional model is called with, each with its keyword if it has one.
    pub(super) fn arguments(&self) -> Result<Vec<(Option<&'a str>, Argument<'a>)>, String> {
        let calls = self.json["inbound_nodes"].as_array().ok_or_else(|| self.malformed())?;
        let [call] = &calls[..] else {
            return Err(format!(
                "layer `{}` is used {} times; shared layers are not supported",
                self.name,
                calls.len()
            ));
        };
        let mut found = Vec::new();
        match call {
            // Keras 2: [["conv2d", 0, 0, {"y": 127.5}], ...].
            Json::Array(tensors) => {
                for tensor in tensors {
                    found.push((None, keras2_argument(tensor).ok_or_else(|| self.malformed())?));
                    for (key, value) in tensor[3].as_object().into_iter().flatten() {
                        found.push((Some(key.as_str()), keras2_argument(value).unwrap_or(Argument::Constant(value))));
                    }
                }
            }
            // Keras 3: {"args": [tensor or list of tensors, ...], "kwargs": {...}}.
            _ => {
                for value in call["args"].as_array().into_iter().flatten() {
                    collect(value, None, &mut found, 0);
                }
                for (key, value) in call["kwargs"].as_object().into_iter().flatten() {
                    collect(value, Some(key), &mut found, 0);
                }
            }
        }
        Ok(found)
    }
}

/// `["conv2d", 0, 0]`, or `["_CONSTANT_VALUE", -1, 2.0]` for a constant.
fn keras2_argument(json: &Json) -> Option<Argument<'_>> {
    let list = json.as_array().filter(|list| (3..=4).contains(&list.len()))?;
    let name = list[0].as_str()?;
    list[1].as_i64()?;
    Some(if name == "_CONSTANT_VALUE" { Argument::Constant(&list[2]) } else { Argument::Tensor(name) })
}

/// Tensors in lists of lists, and constants.
fn collect<'a>(json: &'a Json, key: Option<&'a str>, found: &mut Vec<(Option<&'a str>, Argument<'a>)>, depth: usize) {
    if let Some(name) = json["config"]["keras_history"][0].as_str() {
        found.push((key, Argument::Tensor(name)));
    } else if let Some(list) = json.as_array().filter(|list| depth < MAX_DEPTH && !list.iter().all(Json::is_number)) {
        list.iter().for_each(|item| collect(item, key, found, depth + 1));
    } else {
        found.push((key, Argument::Constant(json)));
    }
}

/// Why a class or function is none of Keras's own, whatever it is called. Keras 3 writes module and registered name of each class,
/// Keras 2 the name under which a class of the user's is registered: `package>Class`.
pub(super) fn foreign(json: &Json) -> Option<String> {
    let class = json["class_name"].as_str().unwrap_or_default();
    let registered = json["registered_name"].as_str();
    let ours = |module: &str| {
        let root = module.split('.').next().unwrap_or_default();
        ["keras", "keras_core", "tf_keras", "tensorflow"].contains(&root)
    };
    match json["module"].as_str() {
        _ if class.contains('>') => Some(format!("registered as `{class}`")),
        Some(module) if ours(module) => None,
        Some(module) => Some(format!("`{}` of the module `{module}`", registered.unwrap_or(class))),
        None => registered.map(|name| format!("registered as `{name}`, in no module of Keras's")),
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

    /// Shape of an input sample; its height and width are `size` where the model leaves them open.
    pub(super) fn input_shape(&self, size: Option<[usize; 2]>) -> Result<Vec<usize>, String> {
        let open = self.open_shape().ok_or("its first layer does not say the shape of its input")?;
        let [height, width, Some(channels @ (1 | 3))] = open[..] else {
            let text: Vec<String> = open.iter().map(|d| d.map_or("?".into(), |d| d.to_string())).collect();
            return Err(format!("its input is [{}], not [height, width, 1 or 3]", text.join(", ")));
        };
        let [rows, columns] = size.map_or([None; 2], |size| size.map(Some));
        match [height.or(rows), width.or(columns)] {
            [Some(height), Some(width)] => Ok(vec![height, width, channels]),
            _ => Err("its input has no fixed height and width: --size HEIGHTxWIDTH says the size of the images".into()),
        }
    }

    /// Shape of an input sample, none for a size that the model leaves open.
    fn open_shape(&self) -> Option<Vec<Option<usize>>> {
        let first = self.layers.first()?;
        let known =
            [&first.config["batch_shape"], &first.config["batch_input_shape"], &self.config["build_input_shape"]];
        let inner = || Model::of(first.json).ok().filter(|_| first.is_model())?.open_shape();
        known.into_iter().find_map(sample_shape).or_else(inner)
    }

    /// Names of the input layers, or of the output layers; each with its key where the model names them by a dictionary.
    pub(super) fn ends(&self, key: &str) -> Result<Vec<(&'a str, &'a str)>, String> {
        let malformed = || format!("its model's `{key}` is malformed");
        match &self.config[key] {
            Json::Object(named) => {
                let each = named.iter().map(|(name, end)| Some((end[0].as_str()?, name.as_str())));
                each.collect::<Option<_>>().ok_or_else(malformed)
            }
            Json::Array(list) => {
                // One end may be `["name", 0, 0]` itself instead of a list of such.
                if let Some(name) = list.first().and_then(Json::as_str) {
                    return Ok(vec![(name, name)]);
                }
                list.iter().map(|end| end[0].as_str().map(|n| (n, n)).ok_or_else(malformed)).collect()
            }
            _ => Err(format!("its model has no `{key}`")),
        }
    }
}

/// `[null, 48, 48, 1]` without the batch.
fn sample_shape(shape: &Json) -> Option<Vec<Option<usize>>> {
    let (_, dims) = shape.as_array()?.split_first()?;
    let size = |d: &Json| match d {
        Json::Null => Some(None),
        _ => d.as_u64().and_then(|d| u32::try_from(d).ok()).map(|d| Some(d as usize)),
    };
    dims.iter().map(size).collect()
}
