//! Which layers can be looked at, by the names that `summary` prints.

use crate::error::{Error, Result, nearest};
use crate::graph::{Graph, Value};

/// A layer whose output is a map for each of its channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its name in the graph.
    pub name: String,
    /// Its output, with the activation that belongs to it.
    pub value: Value,
    /// Rows, columns and channels of that.
    pub shape: [usize; 3],
}

/// All layers with maps, and whether each convolves.
fn with_maps(graph: &Graph) -> Vec<(Layer, bool)> {
    let layers = graph.layers().into_iter();
    layers
        .filter_map(|nodes| {
            let [height, width, channels] = *graph.shapes[nodes.end].dims() else { return None };
            let first = &graph.nodes[nodes.start];
            let convolves = matches!(first.op.name(), "conv2d" | "depthwise_conv2d" | "general_conv2d");
            Some((Layer { name: first.name.clone(), value: nodes.end, shape: [height, width, channels] }, convolves))
        })
        .collect()
}

/// The convolutions of a network, in order; none for a network without.
pub fn convolutions(graph: &Graph) -> Vec<Layer> {
    with_maps(graph).into_iter().filter(|(_, convolves)| *convolves).map(|(layer, _)| layer).collect()
}

/// An early, a middle and the last one of some layers; fewer if there are fewer.
pub fn some_of(layers: &[Layer]) -> Vec<Layer> {
    let mut places = vec![0, layers.len() / 2, layers.len().saturating_sub(1)];
    places.dedup();
    places.into_iter().filter_map(|i| layers.get(i).cloned()).collect()
}

/// The layer of a name.
///
/// # Errors
/// A name that no layer has, with the nearest; a layer without maps (a dense one).
pub fn layer_named(graph: &Graph, name: &str) -> Result<Layer> {
    let layers = with_maps(graph);
    if let Some((layer, _)) = layers.iter().find(|(layer, _)| layer.name == name) {
        return Ok(layer.clone());
    }
    let known = || layers.iter().map(|(layer, _)| layer.name.as_str());
    if graph.nodes.iter().any(|node| node.name == name) {
        let what = format!("layer `{name}` of {} gives no maps, only numbers", graph.name);
        return Err(Error::usage(what, format!("layers with maps: {}", known().collect::<Vec<_>>().join(", "))));
    }
    let near = nearest(name, known()).map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
    let hint = format!("{near}`fer-gpu summary` lists the layers");
    Err(Error::usage(format!("{} has no layer `{name}`", graph.name), hint))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::graph::Builder;
    use crate::models;
    use crate::ops::{dense::Dense, flatten::Flatten};

    #[test]
    fn convolutions_and_names() {
        let graph = models::find("fer7-cnn3-bn").unwrap().graph(7).unwrap();
        let found = convolutions(&graph);
        let names: Vec<&str> = found.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(names, ["conv2d", "conv2d_1", "conv2d_2"]);
        assert_eq!((found[0].shape, some_of(&found)), ([46, 46, 32], found.clone()));
        assert_eq!((some_of(&found[..1]), some_of(&[])), (found[..1].to_vec(), vec![]));
        assert_eq!(layer_named(&graph, "conv2d_1").unwrap(), found[1]);
        let text = layer_named(&graph, "conv2d_9").unwrap_err().to_string();
        assert!(text.contains("no layer `conv2d_9`") && text.contains("did you mean `conv2d_"), "{text}");
        let text = layer_named(&graph, "dense").unwrap_err().to_string();
        assert!(text.contains("gives no maps") && text.contains("conv2d_2"), "{text}");
        let mut b = Builder::new("flat", [4, 4, 1]).unwrap();
        let x = b.add(Flatten, &[Builder::INPUT]).unwrap();
        b.add(Dense::new(3), &[x]).unwrap();
        assert!(convolutions(&b.finish().unwrap()).is_empty());
    }
}
