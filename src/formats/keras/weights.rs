//! The tensors of Keras's files, and which layer each belongs to.
//!
//! * Legacy `.h5` (and `keras.applications`): a group a layer, with the attribute `weight_names` in Keras's order; the layers
//!   in the attribute `layer_names`. Tensors of a model inside a model are under that model's layer.
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
    /// For a legacy file: the name of the layer that owns it, as its weight's name has it.
    owner: Option<String>,
    data: TensorData,
}

/// All tensors of a file.
#[derive(Debug)]
pub(super) struct Weights {
    legacy: bool,
    /// By the layer's name (legacy), or by its place (`layers/conv2d_1`).
    entries: BTreeMap<String, Entry>,
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
    let mut count = 0;
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
            let owner = name.rsplit('/').nth(1).map(str::to_owned);
            tensors.push(Stored { path, owner, data });
        }
        if entries.insert(layer.clone(), Entry { name: Some(layer.clone()), tensors }).is_some() {
            return Err(format!("it has the layer `{layer}` twice"));
        }
    }
    Ok(Weights { legacy: true, entries })
}

fn keras3(h5: &H5) -> Result<Weights, String> {
    let mut weights = Weights { legacy: false, entries: BTreeMap::new() };
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
        tensors.push(Stored { path, owner: None, data });
    }
    Ok(Some(Entry { name, tensors }))
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
    /// Whether the file names its layers: else only their places are known.
    fn named(&self) -> bool {
        self.legacy || self.entries.values().all(|e| e.name.is_some())
    }

    /// Hands each layer its tensors.
    pub(super) fn give(mut self, graph: &Graph, owners: &[Owner]) -> Matched {
        let mut matched = Matched::default();
        let mut found: HashMap<usize, Vec<NamedTensor>> = HashMap::new();
        for owner in owners {
            self.give_one(graph, owner, &mut matched, &mut found);
        }
        matched.tensors = (0..graph.nodes.len()).filter_map(|node| found.remove(&node)).flatten().collect();
        let rest = self.entries.into_values().flat_map(|e| e.tensors);
        matched.left_over = rest.map(|t| t.path).collect();
        matched
    }

    fn give_one(
        &mut self,
        graph: &Graph,
        owner: &Owner,
        matched: &mut Matched,
        found: &mut HashMap<usize, Vec<NamedTensor>>,
    ) {
        let expected: Vec<_> =
            owner.nodes.iter().flat_map(|node| graph.nodes[*node].params.iter().map(move |p| (*node, p))).collect();
        let name =
            |&(node, spec): &(usize, &crate::ops::ParamSpec)| format!("{}/{}", graph.nodes[node].name, spec.name);
        let mut stored = self.take(owner);
        if graph.nodes[owner.nodes[0]].op.name() == "normalization" {
            // The third is a count that only its `adapt` uses.
            stored.truncate(expected.len());
        }
        if expected.is_empty() && stored.is_empty() {
            return;
        }
        if stored.is_empty() {
            matched.missing.extend(expected.iter().map(name));
            return;
        }
        if stored.len() != expected.len() {
            let what =
                format!("layer {} has {} tensors, expected {}", owner.path.join("/"), stored.len(), expected.len());
            matched.wrong.push(what);
            return;
        }
        for (expected, tensor) in expected.iter().zip(stored) {
            let shape = &expected.1.shape;
            if tensor.data.shape != shape.dims() {
                matched.wrong.push(format!("{} is {:?}, expected {shape}", tensor.path, tensor.data.shape));
                continue;
            }
            let named = NamedTensor { name: name(expected), shape: shape.clone(), values: tensor.data.values };
            found.entry(expected.0).or_default().push(named);
        }
    }

    /// Moves the tensors of a layer out.
    fn take(&mut self, owner: &Owner) -> Vec<Stored> {
        if !self.legacy {
            return self.entries.remove(&owner.key).unwrap_or_default().tensors;
        }
        let Some(entry) = owner.path.first().and_then(|outer| self.entries.get_mut(outer)) else { return Vec::new() };
        if owner.path.len() == 1 {
            return std::mem::take(&mut entry.tensors);
        }
        let inner = owner.path.last();
        let (own, rest) = std::mem::take(&mut entry.tensors).into_iter().partition(|t| t.owner.as_ref() == inner);
        entry.tensors = rest;
        own
    }

    /// The layers of a graph as this file would know them: by name, or by class and number if it has no names.
    pub(super) fn owners(&mut self, graph: &Graph) -> Vec<Owner> {
        let names: HashSet<&str> = graph.nodes.iter().map(|n| n.name.as_str()).collect();
        let by_name =
            self.named() && self.entries.values().filter_map(|e| e.name.as_deref()).any(|name| names.contains(name));
        if by_name && !self.legacy {
            let entries = std::mem::take(&mut self.entries);
            let rename = |(key, e): (String, Entry)| (e.name.clone().unwrap_or(key), e);
            self.entries = entries.into_iter().map(rename).collect();
        }
        let mut numbered = Numbered::default();
        let layers = graph.layers().into_iter();
        let owners = layers.map(|nodes| {
            let node = &graph.nodes[nodes.start];
            let place = format!("layers/{}", numbered.name(node.class));
            let key = if by_name { node.name.clone() } else { place };
            Owner { path: vec![node.name.clone()], key, nodes: nodes.collect() }
        });
        owners.filter(|owner| owner.nodes.iter().any(|i| !graph.nodes[*i].params.is_empty())).collect()
    }
}
