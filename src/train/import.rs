//! A file of Keras's as a checkpoint that `evaluate`, `predict` and `train` take.

use super::saved;
use super::start::{kept, preprocessing_of};
use crate::data::{InputSpec, Preprocess, Task};
use crate::error::{Error, Result};
use crate::formats::checkpoint::{Checkpoint, Meta};
use crate::formats::keras::{self, Contents, Imported};
use crate::graph::{Graph, NamedTensor, Parameters, Snapshot};
use crate::models;
use std::path::Path;

/// What the file does not say.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// Class names in the order of the network's outputs; numbers from 0 if absent.
    pub classes: Option<Vec<String>>,
    /// How its images were made; a guess, which is told, if absent.
    pub preprocess: Option<Preprocess>,
    /// The network of the registry that weights without a model are of.
    pub model: Option<String>,
}

/// Reads a file of Keras's. The second result is what a person should know.
///
/// # Errors
/// As [`keras::read`]; weights alone without a model to put them in; classes that are not as many as the network's outputs.
pub fn import(path: &Path, options: &Import) -> Result<(Checkpoint, Vec<String>)> {
    let mut notes = Vec::new();
    let (graph, parameters) = match (keras::read(path)?, &options.model) {
        (Contents::Model(model), None) => {
            let Imported { graph, parameters, softmax } = *model;
            if !softmax {
                notes.push("the model does not end with a softmax: its outputs are taken as scores before one".into());
            }
            (graph, parameters)
        }
        (Contents::Model(_), Some(name)) => {
            let what = format!("--model {name}: {} holds a whole model", path.display());
            return Err(Error::usage(what, "leave --model out, or use the file as `train --weights`"));
        }
        (Contents::Weights(loose), Some(name)) => {
            let model = models::find(name)?;
            let graph = model.graph(options.classes.as_ref().map_or(model.classes, Vec::len))?;
            let filled = loose.fill(path, &graph)?;
            if let Some(first) = filled.missing.first() {
                let count = filled.missing.len();
                notes.push(format!(
                    "the file has no head: {count} tensors from {first} on are at their start, untrained"
                ));
            }
            let parameters = with_initial(&graph, filled.parameters);
            (graph, parameters)
        }
        (Contents::Weights(_), None) => {
            let what = format!("{} holds weights, but not the model that they belong to", path.display());
            return Err(Error::usage(what, "name it with --model; `fer-gpu models` lists them"));
        }
    };
    let meta = meta(&graph, options, &mut notes)?;
    Ok((saved::checkpoint(meta, Snapshot { parameters, ..Snapshot::default() }), notes))
}

/// All parameters of a graph: those given, in its order, and starting values for the rest.
fn with_initial(graph: &Graph, given: Vec<NamedTensor>) -> Vec<NamedTensor> {
    let layout = Parameters::new(graph);
    let mut given = given.into_iter().peekable();
    let slots = layout.slots.iter().enumerate();
    let tensor = |(i, slot): (usize, &crate::graph::Slot)| {
        given.next_if(|t| t.name == slot.name).unwrap_or_else(|| NamedTensor {
            name: slot.name.clone(),
            shape: slot.spec.shape.clone(),
            values: layout.initial(i, 0),
        })
    };
    slots.map(tensor).collect()
}

fn meta(graph: &Graph, options: &Import, notes: &mut Vec<String>) -> Result<Meta> {
    let outputs = graph.output().elements();
    let InputSpec { height, width, channels } = InputSpec::of(graph.input())?;
    let classes = match &options.classes {
        Some(classes) if classes.len() == outputs => classes.clone(),
        Some(classes) => {
            let what =
                format!("--classes {}: {} names, the network has {outputs} outputs", classes.join(","), classes.len());
            return Err(Error::usage(what, "name the classes in the order of the outputs"));
        }
        None => {
            notes.push(format!(
                "the classes have no names: 0 to {}; --classes gives them theirs",
                outputs.saturating_sub(1)
            ));
            (0..outputs).map(|i| i.to_string()).collect()
        }
    };
    let preprocessing = match (options.preprocess, &options.model) {
        (Some(said), _) => said,
        (None, model) => {
            let (guess, why) = match model {
                Some(name) => {
                    let model = models::find(name)?;
                    (model.preprocessing(true), "inputs are made as for the published weights of its body")
                }
                None => preprocessing_of(graph),
            };
            notes.push(format!(
                "the file does not say how its images were made: {why} (`{guess}`); --preprocess says otherwise"
            ));
            guess
        }
    };
    preprocessing.check(channels)?;
    let (model, (network, freeze)) = (graph.name.clone(), kept(graph, None)?);
    let (task, input, kernels) = (Task::Classes, [height, width, channels], Default::default());
    Ok(Meta { model, network, freeze, task, classes, input, preprocessing, kernels, temperature: None, progress: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_alone_take_images_as_those_of_their_body_do() {
        let graph = models::find("fer8-vgg16").and_then(|model| model.graph(8)).expect("builds");
        let of_vgg = Import { model: Some(graph.name.clone()), ..Import::default() };
        let mut notes = Vec::new();
        assert_eq!(meta(&graph, &of_vgg, &mut notes).expect("described").preprocessing, Preprocess::Caffe);
        assert!(notes.iter().any(|n| n.contains("published weights") && n.contains("`caffe`")), "{notes:?}");
        let told = Import { preprocess: Some(Preprocess::Unit), ..of_vgg };
        assert_eq!(meta(&graph, &told, &mut Vec::new()).expect("described").preprocessing, Preprocess::Unit);
        let whole = meta(&graph, &Import::default(), &mut Vec::new()).expect("described");
        assert_eq!(whole.preprocessing, Preprocess::Unit);
    }
}
