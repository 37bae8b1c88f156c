//! What a network of Keras's says at its end, by its last activation: classes by a softmax or by sigmoids, or values.

use super::import::Import;
use crate::data::{Head, Task};
use crate::error::{Error, Result};
use crate::formats::keras::Imported;
use crate::graph::{Description, Graph, Layer, NamedTensor};
use crate::ops::describe::Config;
use crate::tensor::Shape;
use serde_json::json;
use std::path::Path;

/// A network whose outputs have a meaning.
pub(super) struct Settled {
    /// Ends with scores for classes, else with the values.
    pub graph: Graph,
    /// In the graph's order.
    pub parameters: Vec<NamedTensor>,
    pub task: Task,
    pub head: Head,
    /// Of the classes or values.
    pub names: Vec<String>,
}

/// Ops that only change a sample's shape, or nothing outside of training: an activation before them is the network's end.
const SHAPES: [&str; 3] = ["flatten", "reshape", "dropout"];
/// Ops that are activations.
const ACTIVATIONS: [&str; 7] = ["leaky_relu", "relu", "relu6", "sigmoid", "silu", "softmax", "tanh"];

/// The node of the activation that a network ends with.
fn activation_at_end(graph: &Graph) -> Option<usize> {
    let last = (0..graph.nodes.len()).rev().find(|n| !SHAPES.contains(&graph.nodes[*n].op.name()))?;
    // A softmax of each row of several is no softmax of all outputs.
    let shape = &graph.shapes[last + 1];
    let whole = graph.nodes[last].op.name() != "softmax" || shape.dims().last() == Some(&shape.elements());
    (whole && ACTIVATIONS.contains(&graph.nodes[last].op.name())).then_some(last)
}

/// The name of the activation that a network ends with, such as `tanh`.
pub(super) fn ends_in(graph: &Graph) -> Option<&'static str> {
    activation_at_end(graph).map(|node| graph.nodes[node].op.name())
}

/// A network without the sigmoid, softmax or tanh that it ends with: its outputs are scores.
pub(super) fn scores(graph: Graph) -> Graph {
    match activation_at_end(&graph) {
        Some(node) if ["sigmoid", "softmax", "tanh"].contains(&graph.nodes[node].op.name()) => graph.without(node),
        _ => graph,
    }
}

/// Decides what the outputs are by the file, `--task`, `--classes` and `--outputs`.
///
/// # Errors
/// Outputs that may be classes or values and no word on which; names that do not go with the outputs.
pub(super) fn settle(path: &Path, model: Imported, options: &Import, notes: &mut Vec<String>) -> Result<Settled> {
    let Imported { graph, parameters, softmax, .. } = model;
    let end = if softmax { Some("softmax") } else { ends_in(&graph) };
    match task(path, &graph, end, options)? {
        Task::Values => {
            let names = names(&graph, "outputs", options.outputs.as_ref(), notes)?;
            Ok(Settled { graph, parameters, task: Task::Values, head: Head::Softmax, names })
        }
        Task::Classes => {
            let (graph, single) = (scores(graph), end != Some("softmax"));
            if single && graph.output().elements() == 1 {
                return two_classes(graph, parameters, options, notes);
            }
            let head = if end == Some("sigmoid") { Head::Sigmoid } else { Head::Softmax };
            match (head, end) {
                (Head::Sigmoid, _) => notes.push(format!("the model ends with sigmoids: {}", Head::INDEPENDENT)),
                (_, None) => notes
                    .push("the model does not end with a softmax: its outputs are taken as scores before one".into()),
                _ => {}
            }
            let names = names(&graph, "classes", options.classes.as_ref(), notes)?;
            Ok(Settled { graph, parameters, task: Task::Classes, head, names })
        }
    }
}

/// Whether the outputs are classes or values.
fn task(path: &Path, graph: &Graph, end: Option<&str>, options: &Import) -> Result<Task> {
    let said = match (options.task, &options.classes, &options.outputs) {
        (_, Some(_), Some(_)) => {
            return Err(Error::usage(
                "--classes and --outputs at once",
                "a network has classes, or outputs that are values",
            ));
        }
        (Some(Task::Classes), _, Some(_)) => {
            return Err(Error::usage("--outputs with --task classes", "name classes by --classes"));
        }
        (Some(Task::Values), Some(_), _) => {
            return Err(Error::usage("--classes with --task regression", "name the values by --outputs"));
        }
        (Some(task), ..) => Some(task),
        (None, Some(_), _) => Some(Task::Classes),
        (None, _, Some(_)) => Some(Task::Values),
        (None, None, None) => None,
    };
    let (file, outputs) = (path.display(), graph.output().elements());
    match (said, end) {
        (Some(Task::Values), Some("softmax")) => Err(Error::usage(
            format!("--task regression: {file} ends with a softmax, so its outputs are probabilities of classes"),
            "name them by --classes",
        )),
        (Some(Task::Values), _) => Ok(Task::Values),
        (_, Some("softmax" | "sigmoid")) | (Some(Task::Classes), None) => Ok(Task::Classes),
        (Some(Task::Classes), Some(other)) => Err(Error::usage(
            format!("the {outputs} outputs of {file} go through {other}, which gives no probabilities of classes"),
            "if they are values: --task regression --outputs NAME,NAME",
        )),
        (None, end) => Err(Error::usage(
            format!(
                "{file} ends with {}: its {outputs} outputs may be values, or scores of classes",
                end.map_or("a layer without an activation".to_owned(), |end| format!("the activation {end}"))
            ),
            match end {
                None => {
                    "values: --task regression --outputs valence,arousal; classes, where the model was trained with \
                     from_logits=True: --task classes --classes happy,sad,.."
                }
                Some(_) => {
                    "values: --task regression --outputs valence,arousal; classes need a softmax or sigmoids at the end: \
                     add one in Keras, and save the model again"
                }
            },
        )),
    }
}

/// The names of the outputs.
fn names(graph: &Graph, what: &str, given: Option<&Vec<String>>, notes: &mut Vec<String>) -> Result<Vec<String>> {
    let outputs = graph.output().elements();
    match given {
        Some(names) if names.len() == outputs => Ok(names.clone()),
        Some(names) => {
            let text =
                format!("--{what} {}: {} names, the network has {outputs} outputs", names.join(","), names.len());
            Err(Error::usage(text, format!("name the {what} in the order of the outputs")))
        }
        None => {
            let last = outputs.saturating_sub(1);
            notes.push(format!("the {what} have no names: 0 to {last}; --{what} gives them theirs"));
            Ok((0..outputs).map(|i| i.to_string()).collect())
        }
    }
}

/// A network of one score `z`, whose sigmoid is the probability of class 1, as one of two: scores `-z / 2` and `z / 2` have that
/// sigmoid and its complement as their softmax.
fn two_classes(
    graph: Graph,
    parameters: Vec<NamedTensor>,
    options: &Import,
    notes: &mut Vec<String>,
) -> Result<Settled> {
    let names = match options.classes.as_deref() {
        Some([one, two]) => vec![one.clone(), two.clone()],
        Some(names) => {
            let what = format!("--classes {}: {} names, the network has two classes", names.join(","), names.len());
            let hint =
                "its one output is the probability p of the second: name the class of 0 (1 - p), then that of 1 (p)";
            return Err(Error::usage(what, hint));
        }
        None => {
            notes.push("the classes have no names: 0 and 1; --classes gives them theirs, that of 1 - p first".into());
            vec!["0".into(), "1".into()]
        }
    };
    notes.push(format!(
        "the model has one output p for two classes: p is the probability of `{}`, 1 - p that of `{}`",
        names[1], names[0]
    ));
    let mut description = Description::of(&graph)?;
    let last = description.layers.last_mut().filter(|layer| layer.class == "Dense");
    let mut parameters = parameters;
    match last {
        Some(layer) => {
            layer.config.insert("units".into(), json!(2));
            let prefix = format!("{}/", layer.name);
            parameters.iter_mut().filter(|t| t.name.starts_with(&prefix)).for_each(mirror);
        }
        None => {
            let from = description.layers.last().map(|l| l.name.clone()).unwrap_or_default();
            let mut name = "two_classes".to_owned();
            while description.layers.iter().any(|l| l.name == name) {
                name.push('_');
            }
            let config = Config::from_iter([("units".to_owned(), json!(2)), ("use_bias".to_owned(), json!(false))]);
            let mut kernel = NamedTensor { name: format!("{name}/kernel"), shape: [1, 1].into(), values: vec![1.0] };
            mirror(&mut kernel);
            parameters.push(kernel);
            description.layers.push(Layer {
                name,
                class: "Dense".into(),
                config,
                inputs: vec![from],
                ..Layer::default()
            });
        }
    }
    let graph = description.graph(&graph.name)?;
    Ok(Settled { graph, parameters, task: Task::Classes, head: Head::Softmax, names })
}

/// Each weight `w` of one output as `-w / 2` and `w / 2`, which are exact.
fn mirror(tensor: &mut NamedTensor) {
    tensor.values = tensor.values.iter().flat_map(|w| [-0.5 * w, 0.5 * w]).collect();
    let mut dims = tensor.shape.dims().to_vec();
    if let Some(last) = dims.last_mut() {
        *last = 2;
    }
    tensor.shape = Shape::new(dims);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Builder;
    use crate::ops::{conv2d::Conv2d, flatten::Flatten, relu::Relu, softmax::Softmax, window::Padding};

    /// Scores of a map of so many pixels.
    fn graph(side: usize, softmax: bool) -> Graph {
        let mut b = Builder::new("net", [side, side, 3]).expect("input");
        let mut x = b.add(Conv2d::new(7, 1, Padding::Valid), &[Builder::INPUT]).expect("fits");
        x = if softmax { b.add(Softmax, &[x]) } else { b.add(Relu, &[x]) }.expect("fits");
        b.add(Flatten, &[x]).expect("fits");
        b.finish().expect("a classifier")
    }

    #[test]
    fn a_softmax_of_all_outputs_is_an_end_and_goes() {
        let end = graph(1, true);
        assert_eq!(ends_in(&end), Some("softmax"));
        let names: Vec<&str> = scores(end).nodes.iter().map(|n| n.op.name()).collect();
        assert_eq!(names, ["conv2d", "flatten"]);
        // Of each of four pixels, it is none of the 28 outputs.
        let each = graph(2, true);
        assert_eq!((ends_in(&each), scores(each).nodes.len()), (None, 3));
        let relu = graph(1, false);
        assert_eq!((ends_in(&relu), scores(relu).nodes.len()), (Some("relu"), 3));
    }
}
