//! The tensors of Keras's files, and which layer each belongs to.
//!
//! * Legacy `.h5` (and `keras.applications`): a group a layer, with the attribute `weight_names` in Keras's order; the layers
//!   in the attribute `layer_names`. A model inside a model is one of its layers, with all tensors: the trained ones first.
//! * `.weights.h5` of Keras 3: `layers/<class in snake_case, numbered>/vars/<place in Keras's order>`; a model inside a model
//!   has `layers` of its own. Later versions of Keras 3 put the layer's name beside them: `vars` has the attribute `name`.
//!   TensorFlow 2.12 and 2.13 write `_layer_checkpoint_dependencies` for `layers`, count layers otherwise ([`super::order`]) and
//!   on Windows put backslashes into the names of groups.

use super::config::Owner;
use super::h5::H5;
use crate::formats::checkpoint::{TensorData, listing};
use crate::graph::{Graph, NamedTensor};
use std::collections::{BTreeMap, HashMap};

/// Groups inside groups.
const MAX_DEPTH: usize = 32;
/// Far more tensors than any network has.
const MAX_TENSORS: usize = 100_000;

/// The tensors of one layer of a file.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The layer's name, where the file says it.
    pub name: Option<String>,
    /// In Keras's order.
    tensors: Vec<Stored>,
}

/// A tensor of a file.
#[derive(Debug)]
struct Stored {
    /// Its path in the file, for errors.
    path: String,
    data: TensorData,
}

/// All tensors of a file.
#[derive(Debug)]
pub(super) struct Weights {
    pub form: Form,
    /// By the layer's name (legacy), or by its place (`layers/conv2d_1`).
    pub entries: BTreeMap<String, Entry>,
    /// For a legacy file: the layers that have tensors, in the file's order.
    pub order: Vec<String>,
}

/// How a file names the layers that its tensors belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// By their names.
    Legacy,
    /// By class and number.
    Numbered,
    /// By class and number, where layers with tensors count twice: TensorFlow 2.12 and 2.13.
    Doubled,
}

/// The group of a model's layers.
const LAYERS: &str = "layers";
/// The same as TensorFlow 2.12 and 2.13 call it.
const OLD_LAYERS: &str = "_layer_checkpoint_dependencies";

/// Reads the tensors of a file.
pub(super) fn read(h5: &H5) -> Result<Weights, String> {
    for root in ["", "model_weights"] {
        if h5.has_group(root)
            && let Some(layers) = h5.texts(root, "layer_names")?
        {
            return legacy(h5, root, &layers);
        }
    }
    let (groups, _) = h5.members("/")?;
    for (root, form) in [(LAYERS, Form::Numbered), (OLD_LAYERS, Form::Doubled)] {
        if groups.iter().any(|group| group.split('\\').next() == Some(root)) {
            return by_number(h5, groups, form);
        }
    }
    Err("it is HDF5, but not of Keras: it has neither the attribute `layer_names` nor a group `layers`".into())
}

fn legacy(h5: &H5, root: &str, layers: &[String]) -> Result<Weights, String> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let (mut count, mut order) = (0, Vec::new());
    for layer in layers {
        let group = if root.is_empty() { layer.clone() } else { format!("{root}/{layer}") };
        let names = h5.texts(&group, "weight_names")?.unwrap_or_default();
        count += names.len();
        if count > MAX_TENSORS {
            return Err(format!("it has more than {MAX_TENSORS} tensors"));
        }
        let mut tensors = Vec::with_capacity(names.len());
        for name in names {
            let path = format!("{group}/{name}");
            let data = h5.tensor(&path)?;
            tensors.push(Stored { path, data });
        }
        if !tensors.is_empty() {
            order.push(layer.clone());
        }
        if entries.insert(layer.clone(), Entry { name: Some(layer.clone()), tensors }).is_some() {
            return Err(format!("it has the layer `{layer}` twice"));
        }
    }
    Ok(Weights { form: Form::Legacy, entries, order })
}

fn by_number(h5: &H5, roots: Vec<String>, form: Form) -> Result<Weights, String> {
    let mut weights = Weights { form, entries: BTreeMap::new(), order: Vec::new() };
    // The groups at the root beside those of layers hold the optimizer's state.
    let mut waiting: Vec<(String, usize)> = roots.into_iter().map(|group| (group, 0)).collect();
    waiting.retain(|(group, _)| key_of(group).split('/').next() == Some(LAYERS));
    let mut count = 0;
    while let Some((path, depth)) = waiting.pop() {
        if depth > MAX_DEPTH {
            return Err(format!("its groups are more than {MAX_DEPTH} deep, at `{path}`"));
        }
        let (groups, _) = h5.members(&path)?;
        for group in groups {
            count += 1;
            if count > MAX_TENSORS {
                return Err(format!("it has more than {MAX_TENSORS} groups"));
            }
            let inner = format!("{path}/{group}");
            if group == "vars" {
                if let Some(entry) = variables(h5, &inner, &mut count)? {
                    weights.entries.insert(key_of(&path), entry);
                }
            } else if group != "seed_generator" {
                waiting.push((inner, depth + 1));
            }
        }
    }
    Ok(weights)
}

/// `layers/sequential/layers/conv2d` for the path of a group, whichever version and system wrote it.
fn key_of(path: &str) -> String {
    let parts = path.split(['/', '\\']).map(|part| if part == OLD_LAYERS { LAYERS } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// The tensors of a `vars` group in their order; none if it is empty.
fn variables(h5: &H5, path: &str, count: &mut usize) -> Result<Option<Entry>, String> {
    let (_, datasets) = h5.members(path)?;
    *count += datasets.len();
    let mut numbers = Vec::with_capacity(datasets.len());
    for name in &datasets {
        let number: usize = name.parse().map_err(|_| format!("`{path}/{name}`: a number was expected"))?;
        numbers.push(number);
    }
    numbers.sort_unstable();
    if numbers.is_empty() {
        return Ok(None);
    }
    if *count > MAX_TENSORS || numbers.iter().enumerate().any(|(i, n)| i != *n) {
        return Err(format!("`{path}` has the tensors {numbers:?}, not 0, 1, 2 ..."));
    }
    let name = h5.texts(path, "name")?.and_then(|mut names| names.pop());
    let mut tensors = Vec::with_capacity(numbers.len());
    for number in numbers {
        let path = format!("{path}/{number}");
        let data = h5.tensor(&path)?;
        tensors.push(Stored { path, data });
    }
    Ok(Some(Entry { name, tensors }))
}

/// Where the tensors of some layers go, in Keras's order: (node, parameter), what is trained first.
fn places(graph: &Graph, owners: &[&Owner]) -> Vec<(usize, usize)> {
    let (mut trained, mut rest) = (Vec::new(), Vec::new());
    for node in owners.iter().flat_map(|o| &o.nodes) {
        for (i, spec) in graph.nodes[*node].params.iter().enumerate() {
            if spec.trainable { &mut trained } else { &mut rest }.push((*node, i));
        }
    }
    [trained, rest].concat()
}

fn name_of(graph: &Graph, (node, parameter): (usize, usize)) -> String {
    let node = &graph.nodes[node];
    format!("{}/{}", node.name, node.params[parameter].name)
}

/// What came of matching a file's tensors with a network's.
#[derive(Debug, Default)]
pub(super) struct Matched {
    /// Tensors in the order of the graph's parameters, those found.
    pub tensors: Vec<NamedTensor>,
    /// Parameters that the file does not have.
    pub missing: Vec<String>,
    /// Tensors of the file that the network does not have.
    pub left_over: Vec<String>,
    /// Tensors of another shape, or another number of them in a layer.
    pub wrong: Vec<String>,
    /// Parameters with values that are not numbers.
    pub not_finite: Vec<String>,
}

impl Matched {
    /// What is wrong if every tensor must be used exactly once.
    pub(super) fn problems(&self) -> Option<String> {
        let lists = [
            ("missing", &self.missing),
            ("left over", &self.left_over),
            ("wrong shape", &self.wrong),
            ("not finite, as after training that diverged or in a damaged file", &self.not_finite),
        ];
        let texts: Vec<String> =
            lists.iter().filter(|(_, list)| !list.is_empty()).map(|(title, list)| listing(title, list)).collect();
        if texts.is_empty() { None } else { Some(texts.join("; ")) }
    }
}

impl Weights {
    /// Hands each layer its tensors.
    pub(super) fn give(mut self, graph: &Graph, owners: &[Owner]) -> Matched {
        let mut matched = Matched::default();
        let mut found: HashMap<(usize, usize), NamedTensor> = HashMap::new();
        for (key, owners) in self.groups(owners) {
            let places = places(graph, &owners);
            let stored = self.entries.remove(&key).unwrap_or_default().tensors;
            if stored.is_empty() {
                matched.missing.extend(places.iter().map(|place| name_of(graph, *place)));
            } else if stored.len() != places.len() {
                let what = format!("layer {key} has {} tensors, expected {}", stored.len(), places.len());
                matched.wrong.push(what);
            } else {
                for (place, tensor) in places.into_iter().zip(stored) {
                    let shape = &graph.nodes[place.0].params[place.1].shape;
                    let not_finite = tensor.data.values.iter().filter(|v| !v.is_finite()).count();
                    if not_finite > 0 {
                        let (name, all) = (name_of(graph, place), tensor.data.values.len());
                        matched.not_finite.push(format!("{name} ({not_finite} of {all} values)"));
                    }
                    if tensor.data.shape != shape.dims() {
                        matched.wrong.push(format!("{} is {:?}, expected {shape}", tensor.path, tensor.data.shape));
                        continue;
                    }
                    let (name, values) = (name_of(graph, place), tensor.data.values);
                    found.insert(place, NamedTensor { name, shape: shape.clone(), values });
                }
            }
        }
        let all = graph.nodes.iter().enumerate().flat_map(|(n, node)| (0..node.params.len()).map(move |p| (n, p)));
        matched.tensors = all.filter_map(|place| found.remove(&place)).collect();
        let rest = self.entries.into_values().flat_map(|e| e.tensors);
        matched.left_over = rest.map(|t| t.path).collect();
        matched
    }

    /// The layers that share a list of tensors: in a legacy file all of a model that is a layer of the outermost model.
    pub(super) fn groups<'a>(&self, owners: &'a [Owner]) -> Vec<(String, Vec<&'a Owner>)> {
        let mut groups: Vec<(String, Vec<&Owner>)> = Vec::new();
        let mut at: HashMap<&str, usize> = HashMap::new();
        for owner in owners.iter().filter(|o| !o.nodes.is_empty()) {
            let key = if self.form == Form::Legacy { owner.path[0].as_str() } else { owner.key.as_str() };
            let group = *at.entry(key).or_insert(groups.len());
            if group == groups.len() {
                groups.push((key.to_owned(), Vec::new()));
            }
            groups[group].1.push(owner);
        }
        groups
    }
}
