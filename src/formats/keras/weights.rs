//! The tensors of Keras's files, and which layer each belongs to.
//!
//! * Legacy `.h5` (and `keras.applications`): a group a layer, with the attribute `weight_names` in Keras's order; the layers
//!   in the attribute `layer_names`. A model inside a model is one of its layers, with all tensors: the trained ones first.
//! * `.weights.h5` of Keras 3: `layers/<class in snake_case, numbered>/vars/<place in Keras's order>`; a model inside a model
//!   has `layers` of its own. Later versions of Keras 3 put the layer's name beside them: `vars` has the attribute `name`.

use super::config::Owner;
use super::h5::H5;
use crate::formats::checkpoint::{TensorData, listing};
use crate::graph::{Graph, NamedTensor, Numbered};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Groups inside groups.
const MAX_DEPTH: usize = 32;
/// Far more tensors than any network has.
const MAX_TENSORS: usize = 100_000;

/// The tensors of one layer of a file.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The layer's name, where the file says it.
    name: Option<String>,
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
    legacy: bool,
    /// By the layer's name (legacy), or by its place (`layers/conv2d_1`).
    entries: BTreeMap<String, Entry>,
    /// For a legacy file: the layers that have tensors, in the file's order.
    order: Vec<String>,
}

/// Reads the tensors of a file.
pub(super) fn read(h5: &H5) -> Result<Weights, String> {
    for root in ["", "model_weights"] {
        if h5.has_group(root)
            && let Some(layers) = h5.texts(root, "layer_names")?
        {
            return legacy(h5, root, &layers);
        }
    }
    if h5.has_group("layers") || h5.has_group("_layer_checkpoint_dependencies") {
        return keras3(h5);
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
    Ok(Weights { legacy: true, entries, order })
}

fn keras3(h5: &H5) -> Result<Weights, String> {
    let mut weights = Weights { legacy: false, entries: BTreeMap::new(), order: Vec::new() };
    // Keras 3.0 and TensorFlow's first `.weights.h5` call the group otherwise.
    let root = if h5.has_group("layers") { "layers" } else { "_layer_checkpoint_dependencies" };
    let mut waiting = vec![(root.to_owned(), "layers".to_owned(), 0)];
    let mut count = 0;
    while let Some((path, key, depth)) = waiting.pop() {
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
                    weights.entries.insert(key.clone(), entry);
                }
            } else if group != "seed_generator" {
                waiting.push((inner, format!("{key}/{group}"), depth + 1));
            }
        }
    }
    Ok(weights)
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
}

impl Matched {
    /// What is wrong if every tensor must be used exactly once.
    pub(super) fn problems(&self) -> Option<String> {
        let lists = [("missing", &self.missing), ("left over", &self.left_over), ("wrong shape", &self.wrong)];
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
    fn groups<'a>(&self, owners: &'a [Owner]) -> Vec<(String, Vec<&'a Owner>)> {
        let mut groups: Vec<(String, Vec<&Owner>)> = Vec::new();
        let mut at: HashMap<&str, usize> = HashMap::new();
        for owner in owners.iter().filter(|o| !o.nodes.is_empty()) {
            let key = if self.legacy { owner.path[0].as_str() } else { owner.key.as_str() };
            let group = *at.entry(key).or_insert(groups.len());
            if group == groups.len() {
                groups.push((key.to_owned(), Vec::new()));
            }
            groups[group].1.push(owner);
        }
        groups
    }

    /// The layers of a graph as this file knows them: by name, if it knows no other names; else as Keras matches them, by order in
    /// a legacy file and by class and number in `.weights.h5`. (Automatic names depend on what else was built before a model.)
    pub(super) fn owners(&mut self, graph: &Graph) -> Vec<Owner> {
        let names: HashSet<&str> = graph.nodes.iter().map(|n| n.name.as_str()).collect();
        let mut with_tensors = self.entries.values().filter(|e| !e.tensors.is_empty());
        let by_name = with_tensors.all(|e| e.name.as_deref().is_some_and(|name| names.contains(name)));
        let mut numbered = Numbered::default();
        let mut owners: Vec<Owner> = Vec::new();
        for nodes in graph.layers() {
            let node = &graph.nodes[nodes.start];
            let place = format!("layers/{}", numbered.name(node.class));
            if nodes.clone().any(|i| !graph.nodes[i].params.is_empty()) {
                let key = if by_name { node.name.clone() } else { place };
                owners.push(Owner { path: vec![node.name.clone()], key, nodes: nodes.collect() });
            }
        }
        let entries = std::mem::take(&mut self.entries);
        self.entries = match (self.legacy, by_name) {
            (true, true) | (false, false) => entries,
            (false, true) => entries.into_iter().map(|(key, e)| (e.name.clone().unwrap_or(key), e)).collect(),
            (true, false) => in_order(entries, &self.order, &owners),
        };
        owners
    }
}

/// The layers of a legacy file under the names of a network's layers, first to first. Those that are too many keep a name that
/// no layer has.
fn in_order(mut entries: BTreeMap<String, Entry>, order: &[String], owners: &[Owner]) -> BTreeMap<String, Entry> {
    let renamed = order.iter().enumerate().filter_map(|(i, name)| {
        let to = owners.get(i).map_or_else(|| format!("/{name}"), |owner| owner.path[0].clone());
        Some((to, entries.remove(name)?))
    });
    renamed.collect()
}
