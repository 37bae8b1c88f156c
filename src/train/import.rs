//! A file of Keras's as a checkpoint that `evaluate`, `predict` and `train` take.

use super::head::{self, Settled};
use super::saved;
use super::start::{kept, preprocessing_of};
use crate::data::{Conversion, InputSpec, Preprocess, Resize, Task};
use crate::error::{Error, Result};
use crate::formats::checkpoint::{Checkpoint, Meta};
use crate::formats::keras::{self, Contents, Imported, Loose};
use crate::formats::kind::Kind;
use crate::graph::{Graph, NamedTensor, Parameters, Snapshot};
use crate::models::{self, Variables, Variant, file};
use std::path::{Path, PathBuf};

/// What the file does not say.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// What the outputs are, where their activation leaves it open.
    pub task: Option<Task>,
    /// Class names in the order of the network's outputs; numbers from 0 if absent.
    pub classes: Option<Vec<String>>,
    /// Names of the values that the network predicts.
    pub outputs: Option<Vec<String>>,
    /// How its images were made; a guess, which is told, if absent.
    pub preprocess: Option<Preprocess>,
    /// The filter that resized its images; the default if absent, which is told.
    pub resize: Option<Resize>,
    /// The network that weights without a model are of: a name of the registry, a TOML file of layers, or a model's JSON.
    pub model: Option<String>,
    /// Height and width of the images, for a model that takes any.
    pub size: Option<[usize; 2]>,
}

/// Reads a file of Keras's. The second result is what a person should know.
///
/// # Errors
/// As [`keras::read`]; weights alone without a model to put them in; outputs whose meaning is open; names that are not as many as
/// the network's outputs.
pub fn import(path: &Path, options: &Import) -> Result<(Checkpoint, Vec<String>)> {
    if let Some(kind) = Kind::of(path)?.filter(|kind| ![Kind::Hdf5, Kind::KerasZip, Kind::Zip].contains(kind)) {
        return Err(Error::usage(format!("{} is {kind}", path.display()), kind.way_on(path)));
    }
    let mut notes = Vec::new();
    let model = match (keras::read(path, options.size)?, &options.model) {
        (Contents::Model(model), None) => *model,
        (Contents::Model(_), Some(name)) => {
            let what = format!("--model {name}: {} holds a whole model", path.display());
            return Err(Error::usage(what, "leave --model out, or use the file as `train --weights`"));
        }
        (Contents::Weights(loose), Some(name)) => with_model(path, loose, name, options, &mut notes)?,
        (Contents::Weights(loose), None) => {
            let Some(json) = json_beside(path) else {
                let what = format!("{} holds weights, but not the model that they belong to", path.display());
                let hint = "name it with --model: a name that `fer-gpu models` lists, a TOML file of layers, or the JSON that \
                            `model.to_json()` gives";
                return Err(Error::usage(what, hint));
            };
            notes.push(format!("the layers are those of {} beside it; --model names others", json.display()));
            keras::read_json(&json, loose, path, options.size)?
        }
    };
    if let Some([height, width]) = options.size
        && model.graph.input().dims()[..2] != [height, width]
    {
        let (what, input) = (format!("--size {height}x{width}"), model.graph.input());
        return Err(Error::usage(format!("{what}: the model takes images of {input}"), "leave it out"));
    }
    if !model.dropped.is_empty() {
        notes.push(format!("left out, as they do nothing but in training: {}", model.dropped.join(", ")));
    }
    let settled = head::settle(path, model, options, &mut notes)?;
    let meta = meta(&settled, options, &mut notes)?;
    let snapshot = Snapshot { parameters: settled.parameters, ..Snapshot::default() };
    Ok((saved::checkpoint(meta, snapshot), notes))
}

/// Weights alone in the network that `--model` names.
fn with_model(path: &Path, loose: Loose, name: &str, options: &Import, notes: &mut Vec<String>) -> Result<Imported> {
    if Path::new(name).extension().is_some_and(|e| e == "json") {
        return keras::read_json(Path::new(name), loose, path, options.size);
    }
    let outputs = options.classes.as_ref().or(options.outputs.as_ref()).map(Vec::len);
    let graph = if file::is_file(name) {
        let graph = file::graph(Path::new(name), options.size, &Variables::new())?;
        match outputs {
            Some(outputs) if outputs != graph.output().elements() => {
                let (has, of) = (graph.output().elements(), name.to_owned());
                return Err(Error::usage(format!("{outputs} names, {of} has {has} outputs"), "one name an output"));
            }
            _ => graph,
        }
    } else {
        let model = models::find(name)?;
        model.variant(outputs.unwrap_or(model.classes), &Variant { size: options.size, freeze: None })?
    };
    let filled = loose.fill(path, &graph)?;
    if let Some(first) = filled.missing.first() {
        let count = filled.missing.len();
        notes.push(format!("the file has no head: {count} tensors from {first} on are at their start, untrained"));
    }
    let parameters = with_initial(&graph, filled.parameters);
    // A network of ours ends with scores: the loss and `predict` add the softmax.
    let softmax = head::ends_in(&graph).is_none();
    Ok(Imported { graph, parameters, softmax, dropped: Vec::new() })
}

/// `fer.json` of `fer.weights.h5` or `fer.h5`, if there is one.
fn json_beside(weights: &Path) -> Option<PathBuf> {
    let name = weights.file_name()?.to_str()?;
    let stem = [".weights.h5", ".h5", ".hdf5"].iter().find_map(|end| name.strip_suffix(end))?;
    Some(weights.with_file_name(format!("{stem}.json"))).filter(|json| json.is_file())
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

fn meta(settled: &Settled, options: &Import, notes: &mut Vec<String>) -> Result<Meta> {
    let Settled { graph, task, head, names, .. } = settled;
    let InputSpec { height, width, channels, .. } = InputSpec::of(graph.input())?;
    // A registered network has published weights, whose images are known.
    let published = options.model.as_deref().and_then(|name| models::find(name).ok());
    let preprocessing = options.preprocess.unwrap_or_else(|| {
        let (guess, why) = match published {
            Some(model) => (model.preprocessing(true), "inputs are made as for the published weights of its body"),
            None => preprocessing_of(graph),
        };
        notes.push(format!(
            "the file does not say how its images were made: {why} (`{guess}`); --preprocess says otherwise"
        ));
        guess
    });
    preprocessing.check(channels)?;
    let resize = options.resize.unwrap_or_else(|| {
        let default = Resize::default();
        notes.push(format!(
            "nor how they were resized: images of other sizes are by `{default}`; --resize says otherwise, tf-bilinear for Keras's \
             image_dataset_from_directory, pil-nearest for its flow_from_directory"
        ));
        default
    });
    let conversion = Conversion { resize, ..Conversion::default() };
    let (network, freeze) = kept(graph, None)?;
    Ok(Meta {
        model: graph.name.clone(),
        network,
        freeze,
        task: *task,
        head: *head,
        classes: names.clone(),
        input: [height, width, channels],
        preprocessing,
        conversion,
        kernels: Default::default(),
        temperature: None,
        progress: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Head;

    #[test]
    fn weights_alone_take_images_as_those_of_their_body_do() {
        let graph = models::find("fer8-vgg16").and_then(|model| model.graph(8)).expect("builds");
        let of_vgg = Import { model: Some(graph.name.clone()), ..Import::default() };
        let names = (0..8).map(|i| i.to_string()).collect();
        let settled = Settled { graph, parameters: Vec::new(), task: Task::Classes, head: Head::Softmax, names };
        let mut notes = Vec::new();
        assert_eq!(meta(&settled, &of_vgg, &mut notes).expect("described").preprocessing, Preprocess::Caffe);
        assert!(notes.iter().any(|n| n.contains("published weights") && n.contains("`caffe`")), "{notes:?}");
        let told = Import { preprocess: Some(Preprocess::Unit), ..of_vgg };
        assert_eq!(meta(&settled, &told, &mut Vec::new()).expect("described").preprocessing, Preprocess::Unit);
        let whole = meta(&settled, &Import::default(), &mut Vec::new()).expect("described");
        assert_eq!(whole.preprocessing, Preprocess::Unit);
        assert_eq!(whole.conversion, Conversion::default());
        let area = Import { resize: Some(Resize::Cv2Area), ..Import::default() };
        assert_eq!(meta(&settled, &area, &mut Vec::new()).expect("described").conversion.resize, Resize::Cv2Area);
    }
}
