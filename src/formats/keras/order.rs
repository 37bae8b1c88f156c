//! Which layer of a network each layer of a file with weights alone belongs to: as Keras's `load_weights` matches them, by their
//! order among the layers that have tensors (legacy), or by class and number among the layers of that class (`.weights.h5`).
//!
//! Names say nothing where Keras made them: of `Conv2D(..)(Conv2D(..)(x))` Python builds the outer layer first and calls it `conv2d`.
//! Names that a person chose are a check.

use super::config::Owner;
use super::weights::{Entry, Form, Weights};
use crate::graph::{Graph, Numbered};
use crate::ops::describe;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The layers of a graph that have tensors, in Keras's order, under the keys that `.weights.h5` has for them.
pub(super) fn owners(graph: &Graph) -> Vec<Owner> {
    let sorted = graph.clone().in_keras_order();
    let place: HashMap<&str, usize> = sorted.nodes.iter().enumerate().map(|(i, n)| (n.name.as_str(), i)).collect();
    let mut layers = graph.layers();
    layers.sort_by_key(|nodes| place.get(graph.nodes[nodes.start].name.as_str()).copied().unwrap_or(usize::MAX));
    let mut numbered = Numbered::default();
    let owner = |nodes: std::ops::Range<usize>| {
        let node = &graph.nodes[nodes.start];
        Owner {
            path: vec![node.name.clone()],
            key: format!("layers/{}", numbered.name(node.class)),
            nodes: nodes.collect(),
        }
    };
    layers.into_iter().map(owner).filter(|owner| owner.has_tensors(graph)).collect()
}

impl Weights {
    /// Puts the tensors of a file under the keys of a network's layers.
    ///
    /// # Errors
    /// A layer whose name, chosen by a person, is that of another layer of the network.
    pub(super) fn settle(&mut self, graph: &Graph, owners: &mut [Owner]) -> Result<(), String> {
        match self.form {
            Form::Legacy => self.in_order(graph, owners),
            Form::Numbered => {}
            Form::Doubled => {
                let keys = doubled(graph, owners);
                let found =
                    |keys: &mut dyn Iterator<Item = &str>| keys.filter(|k| self.entries.contains_key(*k)).count();
                // A file of this form that counts as Keras 3 does keeps its keys.
                if found(&mut keys.iter().map(String::as_str)) >= found(&mut owners.iter().map(|o| o.key.as_str())) {
                    owners.iter_mut().zip(keys).for_each(|(owner, key)| owner.key = key);
                }
            }
        }
        self.check_names(graph, owners)
    }

    /// The layers of a legacy file under the names of a network's layers, first to first. Those that are too many keep a name that
    /// no layer has.
    fn in_order(&mut self, graph: &Graph, owners: &[Owner]) {
        let groups = self.groups(owners);
        let mut with_tensors = groups.into_iter().filter(|(_, owners)| owners.iter().any(|o| o.has_tensors(graph)));
        let mut entries = std::mem::take(&mut self.entries);
        for name in &self.order {
            let Some(entry) = entries.remove(name) else { continue };
            let key = with_tensors.next().map_or_else(|| format!("/{name}"), |(key, _)| key);
            self.entries.insert(key, entry);
        }
    }

    /// Compares names that a person chose.
    fn check_names(&self, graph: &Graph, owners: &[Owner]) -> Result<(), String> {
        let names: HashSet<&str> = graph.nodes.iter().map(|n| n.name.as_str()).collect();
        for (key, owners) in self.groups(owners) {
            let Some(Entry { name: Some(theirs), .. }) = self.entries.get(&key) else { continue };
            let ours = owners.first().and_then(|o| o.path.first()).map(String::as_str).unwrap_or_default();
            if theirs != ours && !is_automatic(theirs) && names.contains(theirs.as_str()) {
                return Err(format!(
                    "its layer `{theirs}` has the place of the network's `{ours}`, and the network has a `{theirs}` elsewhere: \
                     tensors belong to layers by their order, as in Keras, and here the names contradict it"
                ));
            }
        }
        Ok(())
    }
}

impl Owner {
    fn has_tensors(&self, graph: &Graph) -> bool {
        self.nodes.iter().any(|n| !graph.nodes[*n].params.is_empty())
    }
}

/// Whether a layer has a name of Keras's making.
fn is_automatic(name: &str) -> bool {
    describe::classes().chain(describe::WRAPPERS).any(|class| Numbered::is_automatic(name, class))
}

/// The keys of layers as TensorFlow 2.12 and 2.13 count them: it lists a layer that has tensors twice and numbers by class, so the
/// next layer of the class has a number that is higher by two.
fn doubled(graph: &Graph, owners: &[Owner]) -> Vec<String> {
    // Each model's layers by class, with whether they have tensors, in order of their numbers.
    let mut siblings: BTreeMap<String, BTreeMap<usize, bool>> = BTreeMap::new();
    for owner in owners {
        let tensors = owner.has_tensors(graph);
        let mut end = 0;
        for part in owner.key.split("/layers/") {
            end += part.len();
            let (class, number) = numbered(&owner.key[..end]);
            *siblings.entry(class.to_owned()).or_default().entry(number).or_default() |= tensors;
            end += "/layers/".len();
        }
    }
    let key = |owner: &Owner| {
        let (mut end, mut key) = (0, String::new());
        for part in owner.key.split("/layers/") {
            end += part.len();
            let (class, number) = numbered(&owner.key[..end]);
            let before = siblings.get(class).into_iter().flatten().filter(|(n, _)| **n < number);
            let number: usize = before.map(|(_, tensors)| if *tensors { 2 } else { 1 }).sum();
            let class = class.rsplit("/layers/").next().unwrap_or(class);
            let separator = if key.is_empty() { "" } else { "/layers/" };
            key += separator;
            key += &if number == 0 { class.to_owned() } else { format!("{class}_{number}") };
            end += "/layers/".len();
        }
        key
    };
    owners.iter().map(key).collect()
}

/// `layers/conv2d` and 3 of `layers/conv2d_3`.
fn numbered(key: &str) -> (&str, usize) {
    match key.rsplit_once('_').and_then(|(class, number)| Some((class, number.parse().ok()?))) {
        Some(parts) => parts,
        None => (key, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::MODELS;

    /// Keras lists the layers of the bodies in the order that the networks here have: order alone can match them.
    #[test]
    fn networks_of_the_registry_are_in_keras_order() {
        for model in MODELS {
            let graph = model.graph(model.classes).expect("builds");
            let own = graph.layers().into_iter().map(|nodes| graph.nodes[nodes.start].name.clone());
            let keras: Vec<String> = owners(&graph).into_iter().map(|o| o.path[0].clone()).collect();
            let known: HashSet<&String> = keras.iter().collect();
            assert_eq!(own.filter(|name| known.contains(name)).collect::<Vec<_>>(), keras, "{}", model.name);
            assert!(!keras.is_empty());
        }
    }

    #[test]
    fn layers_with_tensors_count_twice_for_tensorflow_2_13() {
        let json = r#"{"class_name": "Sequential", "config": {"name": "net", "layers": [
            {"class_name": "InputLayer", "config": {"name": "in", "batch_shape": [null, 4, 4, 1]}},
            {"class_name": "Conv2D", "config": {"name": "a", "filters": 1, "kernel_size": 1}},
            {"class_name": "ReLU", "config": {"name": "r"}},
            {"class_name": "Conv2D", "config": {"name": "b", "filters": 1, "kernel_size": 1}},
            {"class_name": "ReLU", "config": {"name": "s"}},
            {"class_name": "Flatten", "config": {"name": "f"}}]}}"#;
        let network = super::super::config::read(json, None).expect("reads");
        let keys = doubled(&network.graph, &network.owners);
        assert_eq!(keys, ["layers/conv2d", "layers/re_lu", "layers/conv2d_2", "layers/re_lu_1", "layers/flatten"]);
    }
}
