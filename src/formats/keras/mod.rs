//! Files of Keras's, read: whole models (`.h5` of Keras 2 and 3, `.keras`) and weights alone (`keras.applications`, `.weights.h5`).
//! They are read without a line of Python and without trust: nothing in them is run, followed out of the file or believed
//! about its size. [`to_bytes`] writes a whole model.

mod activation;
mod archive;
mod config;
mod h5;
mod model;
mod operation;
mod order;
mod survey;
mod weights;
mod write;

pub use write::to_bytes;

use crate::error::{Error, Result};
use crate::graph::{Graph, NamedTensor};
use crate::input;
use h5::H5;
use std::fs::File;
use std::io::{Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use weights::{Matched, Weights};

const EXPECTED: &str = "a model or weights that Keras saved as .h5, .hdf5, .weights.h5 or .keras";

/// A whole model of a file.
#[derive(Debug)]
pub struct Imported {
    /// Its layers, without the softmax at the end.
    pub graph: Graph,
    /// Every parameter, in the graph's order.
    pub parameters: Vec<NamedTensor>,
    /// Whether it ended with a softmax. Any other activation at the end is one of the layers.
    pub softmax: bool,
    /// Layers that do nothing but in training and were left out: name and class.
    pub dropped: Vec<String>,
}

/// Why a file cannot be read.
#[derive(Debug)]
struct Unreadable {
    what: String,
    expected: String,
}

impl From<String> for Unreadable {
    fn from(what: String) -> Self {
        Self { what, expected: EXPECTED.to_owned() }
    }
}

impl From<&str> for Unreadable {
    fn from(what: &str) -> Self {
        what.to_owned().into()
    }
}

/// What a file holds.
#[derive(Debug)]
pub enum Contents {
    /// A model and its tensors.
    Model(Box<Imported>),
    /// Tensors alone.
    Weights(Loose),
}

/// Tensors without a model: of `keras.applications`, or `.weights.h5`.
#[derive(Debug)]
pub struct Loose(Weights);

/// What a network got from [`Loose`] tensors.
#[derive(Debug)]
pub struct Filled {
    /// The parameters that were found, in the graph's order.
    pub parameters: Vec<NamedTensor>,
    /// The network's last parameters, which the file does not have.
    pub missing: Vec<String>,
}

/// Reads a file of Keras's. `size` (height and width) is for a model whose input has no fixed size.
///
/// # Errors
/// [`Error::Io`]; [`Error::Data`] for a file that is cut short, damaged, hostile or not Keras's, and for a model with layers or
/// settings that no op of ours has, tensors that do not fit it, or values that are not finite: each is named.
pub fn read(path: &Path, size: Option<[usize; 2]>) -> Result<Contents> {
    let (file, magic) = open(path)?;
    guarded(path, || contents(file, &magic, size))
}

/// The file's model in JSON (`model.to_json()`) with the tensors of another file.
///
/// # Errors
/// As [`read`]; tensors of another model.
pub fn read_json(json: &Path, loose: Loose, weights: &Path, size: Option<[usize; 2]>) -> Result<Imported> {
    let text = input::read_text(json, "Keras's description of a model, as `model.to_json()` gives it")?;
    let mut network = guarded(json, || config::read(&text, size))?;
    guarded(weights, || {
        let mut loose = loose.0;
        loose.settle(&network.graph, &mut network.owners)?;
        imported(network, loose)
    })
}

/// The layers of a model in JSON (`model.to_json()`), to be trained; a softmax at the end belongs to the loss.
///
/// # Errors
/// As [`read`]; layers that do something in training alone, which no op of ours does.
pub fn read_layers(json: &Path, size: Option<[usize; 2]>) -> Result<Graph> {
    let text = input::read_text(json, "Keras's description of a model, as `model.to_json()` gives it")?;
    let network = guarded(json, || config::read(&text, size))?;
    if !network.dropped.is_empty() {
        let what = format!("layers that do something in training alone: {}", network.dropped.join(", "));
        let expected = "a model without them (--augment changes training images); `import` takes a trained one, and leaves them out";
        return Err(Error::data(json, what, expected));
    }
    Ok(network.graph)
}

/// Opens a regular file, and reads its first bytes.
fn open(path: &Path) -> Result<(File, Vec<u8>)> {
    let mut file = input::open(path, EXPECTED)?;
    let mut magic = Vec::new();
    file.by_ref().take(4).read_to_end(&mut magic).map_err(Error::io("read", path))?;
    file.rewind().map_err(Error::io("read", path))?;
    Ok((file, magic))
}

/// What panics on a damaged file is a library's mistake, not the user's; nothing outlives the closure.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, Unreadable>) -> Result<T> {
    let read = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("its reader gave up on it".into()));
    read.map_err(|Unreadable { what, expected }| Error::data(path, what, expected))
}

fn contents(file: File, magic: &[u8], size: Option<[usize; 2]>) -> Result<Contents, Unreadable> {
    let (text, h5) = match magic {
        b"PK\x03\x04" => {
            let mut budget = h5::budget(file.metadata().map_err(|e| e.to_string())?.len());
            let (config, weights) = archive::open(file, &mut budget)?;
            (Some(config), H5::from_bytes(weights, budget)?)
        }
        [] => return Err("it is empty".into()),
        _ => {
            let h5 = H5::open(file)?;
            (h5.texts("", "model_config")?.and_then(|mut texts| texts.pop()), h5)
        }
    };
    let Some(text) = text else { return Ok(Contents::Weights(Loose(weights::read(&h5)?))) };
    let mut network = config::read(&text, size)?;
    let mut weights = weights::read(&h5)?;
    if weights.form == weights::Form::Doubled {
        weights.settle(&network.graph, &mut network.owners)?;
    }
    Ok(Contents::Model(Box::new(imported(network, weights)?)))
}

/// A model with all of its tensors.
fn imported(network: config::Network, weights: Weights) -> Result<Imported, Unreadable> {
    let config::Network { graph, owners, softmax, dropped } = network;
    let matched = weights.give(&graph, &owners);
    if let Some(problems) = matched.problems() {
        return Err(format!("its tensors do not fit its layers: {problems}").into());
    }
    Ok(Imported { graph, parameters: matched.tensors, softmax, dropped })
}

impl Loose {
    /// Finds the parameters of a network as Keras's `load_weights` does: by the order of its layers, or by class and order. Every
    /// tensor of the file must be used; only the network's last layers, its head, may go without.
    ///
    /// # Errors
    /// [`Error::Data`] listing what is missing, what is left over and what has another shape. `path` is for its text.
    pub fn fill(mut self, path: &Path, graph: &Graph) -> Result<Filled> {
        let mut owners = order::owners(graph);
        let expected = format!("the tensors of {}, each exactly once", graph.name);
        self.0.settle(graph, &mut owners).map_err(|what| Error::data(path, what, &expected))?;
        let mut matched = self.0.give(graph, &owners);
        let missing = std::mem::take(&mut matched.missing);
        let head = is_head(graph, &matched, &missing);
        match (matched.problems(), head) {
            (None, true) => Ok(Filled { parameters: matched.tensors, missing }),
            _ => {
                matched.missing = missing;
                let problems = matched.problems().unwrap_or_else(|| "it has no tensor at all".into());
                Err(Error::data(path, problems, expected))
            }
        }
    }
}

/// Whether what is missing comes after everything that was found.
fn is_head(graph: &Graph, matched: &Matched, missing: &[String]) -> bool {
    let all = graph.nodes.iter().flat_map(|n| n.params.iter().map(move |p| format!("{}/{}", n.name, p.name)));
    let mut absent = all.map(|name| missing.contains(&name));
    let found = absent.by_ref().take_while(|absent| !absent).count();
    // The first absent one was consumed by `take_while`.
    found == matched.tensors.len() && found > 0 && absent.all(|absent| absent)
}
