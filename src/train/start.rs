//! What a run starts from: a network of the registry or of a file, and the parameters of a file, if one is given.

use super::config::Config;
use super::evaluate::graph_of;
use super::head;
use crate::data::{Conversion, Dataset, InputSpec, Preprocess, Task};
use crate::error::{Error, Result};
use crate::formats::checkpoint::{Checkpoint, Meta};
use crate::formats::keras::{self, Contents, Imported, Loose};
use crate::formats::kind::Kind;
use crate::graph::{Description, Executor, Freeze, Graph, Loss, NamedTensor};
use crate::models::{self, Model, Variant, file};
use std::path::{Path, PathBuf};

/// The sigmoid, softmax or tanh that a network ends with.
fn squeezed(graph: &Graph) -> Option<&'static str> {
    head::ends_in(graph).filter(|end| ["sigmoid", "softmax", "tanh"].contains(end))
}

/// The network of a run before it is built for the data's classes.
pub struct Start {
    /// Its name.
    pub name: String,
    /// The images that it takes.
    pub input: InputSpec,
    /// What is made of their pixels.
    pub preprocess: Preprocess,
    network: Network,
    weights: Option<(PathBuf, Source)>,
    /// The sigmoid, softmax or tanh that the file's own network ends with, if it does: classes are learnt without it.
    end: Option<&'static str>,
}

enum Network {
    Named(&'static Model, Variant),
    Described(Description, Option<Freeze>),
}

/// Parameters of a file.
enum Source {
    /// Of a whole network.
    Named(Vec<NamedTensor>),
    /// Without one.
    Loose(Loose),
}

/// A file of parameters: the network in it, if there is one, how its images are made, if it says so, and the parameters.
struct Weights {
    network: Option<(String, Graph)>,
    preprocess: Option<Preprocess>,
    conversion: Option<Conversion>,
    source: Source,
}

impl Start {
    /// The network of the settings, with the parameters of `weights`. Without a model it is the network in that file.
    ///
    /// # Errors
    /// An unknown model, a file that cannot be read, or a file without a network where no model is named.
    pub fn read(config: &Config) -> Result<Self> {
        let (mut start, conversion) = match &config.weights {
            None => {
                let own =
                    models::find(&config.model).map_or_else(|_| Preprocess::default(), |m| m.preprocessing(false));
                (Self::of_name(config, config.preprocess.unwrap_or(own), None)?, None)
            }
            Some(path) => {
                let weights = read_weights(path, config.variant()?.size)?;
                let conversion = weights.conversion;
                (Self::with_weights(config, path, weights)?, conversion)
            }
        };
        let conversion = conversion.unwrap_or_default();
        start.input.conversion = Conversion { resize: config.resize.unwrap_or(conversion.resize), ..conversion };
        Ok(start)
    }

    /// [`Start::read`] with the parameters of a file that was read.
    fn with_weights(config: &Config, path: &Path, weights: Weights) -> Result<Self> {
        let Weights { network, preprocess, source, .. } = weights;
        let said = config.preprocess.or(preprocess);
        let weights = Some((path.to_path_buf(), source));
        if file::is_file(&config.model) {
            return Self::of_name(config, said.unwrap_or_default(), weights);
        }
        let named = models::find(&config.model);
        match (named, network) {
            (Ok(model), _) => {
                let preprocess = said.unwrap_or(model.preprocessing(true));
                Self::of_model(model, config.variant()?, preprocess, weights)
            }
            (Err(_), Some((name, graph))) if config.model.is_empty() || config.model == name => {
                let Variant { size, freeze } = config.variant()?;
                if let Some([height, width]) = size.filter(|size| graph.input().dims()[..2] != *size) {
                    let value = format!("{height}x{width}: the network in {} has its own", path.display());
                    return Err(Error::setting(
                        "",
                        "size",
                        value,
                        "--size goes with a --model that `fer-gpu models` lists",
                    ));
                }
                let preprocess = said.unwrap_or(preprocessing_of(&graph).0);
                let mut start = Self::of_graph(name, &graph, preprocess, weights)?;
                start.end = squeezed(&graph);
                if let Network::Described(_, frozen) = &mut start.network {
                    *frozen = freeze;
                }
                Ok(start)
            }
            (Err(_), None) if config.model.is_empty() => {
                let what = format!("{} holds parameters, but not the network that they belong to", path.display());
                Err(Error::usage(what, "name it with --model; `fer-gpu models` lists them"))
            }
            (Err(e), _) => Err(e),
        }
    }

    /// The network of a checkpoint that is to be resumed; its parameters come with the training state.
    ///
    /// # Errors
    /// As `graph_of`.
    pub fn of_checkpoint(meta: &Meta, path: &Path) -> Result<Self> {
        let mut start = Self::of_graph(meta.model.clone(), &graph_of(meta, path)?, meta.preprocessing, None)?;
        start.input.conversion = meta.conversion;
        Ok(start)
    }

    /// The network of the registry, or of a TOML file.
    fn of_name(config: &Config, preprocess: Preprocess, weights: Option<(PathBuf, Source)>) -> Result<Self> {
        let (name, variant) = (config.model.as_str(), config.variant()?);
        if !file::is_file(name) {
            return Self::of_model(models::find(name)?, variant, preprocess, weights);
        }
        let graph = file::graph(Path::new(name), variant.size, &config.network)?;
        let mut start = Self::of_graph(file::name_of(name).to_owned(), &graph, preprocess, weights)?;
        if file::is_json(name) {
            start.end = squeezed(&graph);
        }
        if let Network::Described(_, frozen) = &mut start.network {
            *frozen = variant.freeze;
        }
        Ok(start)
    }

    fn of_model(
        model: &'static Model,
        variant: Variant,
        preprocess: Preprocess,
        weights: Option<(PathBuf, Source)>,
    ) -> Result<Self> {
        let [height, width, channels] = model.input_of(&variant);
        preprocess.check(channels)?;
        let (name, input) = (model.name.to_owned(), InputSpec::new(height, width, channels));
        Ok(Self { name, input, preprocess, network: Network::Named(model, variant), weights, end: None })
    }

    fn of_graph(
        name: String,
        graph: &Graph,
        preprocess: Preprocess,
        weights: Option<(PathBuf, Source)>,
    ) -> Result<Self> {
        let input = InputSpec::of(graph.input())?;
        preprocess.check(input.channels)?;
        let network = Network::Described(Description::of(graph)?, None);
        Ok(Self { name, input, preprocess, network, weights, end: None })
    }

    /// Builds the network for `classes` classes.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn graph(&self, classes: usize) -> Result<Graph> {
        match &self.network {
            Network::Named(model, variant) => model.variant(classes, variant),
            Network::Described(description, freeze) => {
                let mut graph = description.with_classes(classes)?.graph(&self.name)?;
                freeze.as_ref().map_or(Ok(()), |freeze| graph.freeze(freeze))?;
                Ok(graph)
            }
        }
    }

    /// Builds the network for a dataset, with the loss and the end that this and the settings ask for.
    ///
    /// # Errors
    /// Shapes that do not fit; settings that do not go with the data.
    pub fn graph_for(&self, config: &Config, dataset: &Dataset) -> Result<Graph> {
        let graph = self.graph(dataset.classes.len())?;
        // A softmax is put on scores, not on what a sigmoid has squeezed.
        let scores = self.end.is_some() && dataset.task == Task::Classes;
        config.for_task(if scores { head::scores(graph) } else { graph }, dataset.task)
    }

    /// Puts the file's parameters into an executor of the network, and says what came of it; nothing if there is no file.
    ///
    /// # Errors
    /// A file of another network, or whatever the device reports.
    pub fn fill(&mut self, graph: &Graph, executor: &mut dyn Executor) -> Result<Option<String>> {
        let Some((path, source)) = self.weights.take() else { return Ok(None) };
        let found = match source {
            Source::Loose(loose) => loose.fill(&path, graph)?.parameters,
            Source::Named(tensors) => common(tensors, &path, graph)?,
        };
        let mut snapshot = executor.snapshot()?;
        let count = found.len();
        let mut fresh = Vec::new();
        let mut found = found.into_iter().peekable();
        for parameter in &mut snapshot.parameters {
            match found.next_if(|f| f.name == parameter.name) {
                Some(tensor) => *parameter = tensor,
                None => fresh.push(parameter.name.clone()),
            }
        }
        executor.restore(&snapshot)?;
        let rest = match fresh.first() {
            Some(first) => format!("; the last {}, from {first} on, start anew", fresh.len()),
            None => String::new(),
        };
        let softmax = matches!(graph.loss, Loss::CrossEntropy { .. });
        let end = match self.end.filter(|_| softmax) {
            Some(end) => format!("; the {end} at its end is left out, as classes are learnt by a softmax"),
            None => String::new(),
        };
        let (all, preprocess) = (snapshot.parameters.len(), self.preprocess);
        Ok(Some(format!(
            "{count} of {all} tensors are those of {}{rest}{end}; preprocessing {preprocess}",
            path.display()
        )))
    }
}

/// How the images of a network that nothing more is known of are made, and why.
pub(super) fn preprocessing_of(graph: &Graph) -> (Preprocess, &'static str) {
    match graph.nodes.first().map_or("", |n| n.op.name()) {
        "rescaling" | "normalization" => (Preprocess::None, "its first layers make the inputs from pixels 0 to 255"),
        _ => (Preprocess::Unit, "inputs are taken as pixels / 255"),
    }
}

/// What a checkpoint keeps of a network beside its name, size and classes: what is frozen, if the registry builds the very same
/// from all of that, and otherwise the whole description, which says for each layer whether it is frozen.
pub(super) type Kept = (Option<Description>, Option<Freeze>);

/// See [`Kept`].
///
/// # Errors
/// An op that no file can hold.
pub(super) fn kept(graph: &Graph, freeze: Option<&Freeze>) -> Result<Kept> {
    let description = Description::of(graph)?;
    let size = graph.input().dims().get(..2).and_then(|side| side.try_into().ok());
    let variant = Variant { size, freeze: freeze.cloned() };
    let same = models::find(&graph.name)
        .and_then(|model| model.variant(graph.output().elements(), &variant))
        .and_then(|built| Description::of(&built));
    Ok(if same.is_ok_and(|built| built == description) { (None, variant.freeze) } else { (Some(description), None) })
}

/// Reads a checkpoint or a file of Keras's, by content. `size` is for a model that takes images of any.
fn read_weights(path: &Path, size: Option<[usize; 2]>) -> Result<Weights> {
    if !matches!(Kind::of(path)?, Some(Kind::Hdf5 | Kind::KerasZip)) {
        let checkpoint = Checkpoint::load(path)?;
        let (name, preprocess) = (checkpoint.meta.model.clone(), Some(checkpoint.meta.preprocessing));
        let conversion = Some(checkpoint.meta.conversion);
        let graph = graph_of(&checkpoint.meta, path)?;
        let source = Source::Named(super::saved::snapshot(checkpoint, path, &graph)?.parameters);
        return Ok(Weights { network: Some((name, graph)), preprocess, conversion, source });
    }
    Ok(match keras::read(path, size)? {
        Contents::Weights(loose) => {
            Weights { network: None, preprocess: None, conversion: None, source: Source::Loose(loose) }
        }
        Contents::Model(model) => {
            let Imported { graph, parameters, .. } = *model;
            let (network, source) = (Some((graph.name.clone(), graph)), Source::Named(parameters));
            Weights { network, preprocess: None, conversion: None, source }
        }
    })
}

/// The parameters that two networks have in common: from the first layer to the first that differs in name or shape.
fn common(tensors: Vec<NamedTensor>, path: &Path, graph: &Graph) -> Result<Vec<NamedTensor>> {
    let wanted = graph.nodes.iter().flat_map(|n| n.params.iter().map(move |p| (n, p)));
    let pairs = tensors.into_iter().zip(wanted);
    let same = pairs.take_while(|(t, (n, p))| t.name == format!("{}/{}", n.name, p.name) && t.shape == p.shape);
    let found: Vec<NamedTensor> = same.map(|(tensor, _)| tensor).collect();
    if found.is_empty() {
        let what = format!("its first layer is not that of {}", graph.name);
        return Err(Error::data(path, what, "parameters of a network that begins with the same layers"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::formats::export::Network as Exported;
    use crate::graph::Parameters;

    /// A file of Keras's says nothing of preprocessing: its network's name does, unless the settings do.
    #[test]
    fn images_are_made_as_the_weights_want_them() {
        let graph = models::find("mini-xception").unwrap().graph(7).unwrap();
        let layout = Parameters::new(&graph);
        let tensor = |(i, slot): (usize, &crate::graph::Slot)| {
            let (name, shape) = (slot.name.clone(), slot.spec.shape.clone());
            NamedTensor { name, shape, values: layout.initial(i, 0) }
        };
        let parameters: Vec<NamedTensor> = layout.slots.iter().enumerate().map(tensor).collect();
        let meta = Meta {
            model: graph.name.clone(),
            network: None,
            task: Task::Classes,
            head: crate::data::Head::Softmax,
            classes: (0..7).map(|i| i.to_string()).collect(),
            input: [64, 64, 1],
            freeze: None,
            preprocessing: Preprocess::Unit,
            conversion: Conversion::default(),
            kernels: Default::default(),
            temperature: None,
            progress: None,
        };
        let exported = Exported { graph: &graph, parameters: &parameters, meta: &meta, half: false };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mini.h5");
        std::fs::write(&path, keras::to_bytes(&exported).unwrap()).unwrap();

        let preprocess = |config: &Config| Start::read(config).unwrap().preprocess;
        let with_weights = Config { model: "mini-xception".into(), weights: Some(path), ..Config::default() };
        assert_eq!(preprocess(&with_weights), Preprocess::Tf);
        let told = Config { preprocess: Some(Preprocess::Unit), ..with_weights.clone() };
        assert_eq!(preprocess(&told), Preprocess::Unit);
        let from_scratch = Config { weights: None, ..with_weights };
        assert_eq!(preprocess(&from_scratch), Preprocess::Unit);
        let divides_itself = Config { model: "fer8-efficientnetb0".into(), ..from_scratch };
        assert_eq!(preprocess(&divides_itself), Preprocess::None);
    }
}
