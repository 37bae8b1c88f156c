//! Building graphs: shapes are checked as layers are added, and errors name the layer.

use super::{Graph, Loss, Node, Value};
use crate::error::{Error, Result};
use crate::ops::{Init, Op};
use crate::tensor::Shape;
use crate::text::check_name;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A graph under construction.
#[derive(Debug)]
pub struct Builder {
    graph: Graph,
    names: Numbered,
    taken: HashSet<String>,
}

/// Keras's automatic names: the class in snake_case, with a number from the second on.
#[derive(Debug, Default)]
pub struct Numbered {
    counts: HashMap<String, usize>,
}

impl Numbered {
    /// The next name of a class: `conv2d`, `conv2d_1` ...
    pub fn name(&mut self, class: &str) -> String {
        let base = snake_case(class);
        let count = self.counts.entry(base.clone()).or_default();
        let name = if *count == 0 { base } else { format!("{base}_{count}") };
        *count += 1;
        name
    }

    /// Whether a name is one that Keras would number layers of a class by: `conv2d`, `conv2d_48`.
    pub fn is_automatic(name: &str, class: &str) -> bool {
        let number = name.strip_prefix(&snake_case(class));
        number.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('_').is_some_and(|n| n.parse::<u64>().is_ok()))
    }
}

impl Builder {
    /// The value that [`Builder::add`] calls the network's input.
    pub const INPUT: Value = 0;

    /// An empty graph over samples of shape `input`.
    ///
    /// # Errors
    /// A dimension of 0.
    pub fn new(name: &str, input: impl Into<Shape>) -> Result<Self> {
        let input = input.into();
        if input.elements() == 0 {
            return Err(Error::shape("input", format!("{input} has a dimension of 0")).in_layer(name));
        }
        let graph = Graph { name: name.to_owned(), nodes: Vec::new(), shapes: vec![input], loss: Loss::default() };
        Ok(Self { graph, names: Numbered::default(), taken: HashSet::new() })
    }

    /// Adds a layer with Keras's automatic name and returns its output.
    ///
    /// # Errors
    /// Shapes that the op refuses; the error names the layer.
    pub fn add(&mut self, op: impl Op + 'static, inputs: &[Value]) -> Result<Value> {
        self.add_as(op.keras_name(), None, op, inputs)
    }

    /// Adds a layer under a name of its own.
    ///
    /// # Errors
    /// As [`Builder::add`]; also a name that is taken, or an input that is not there yet.
    pub fn add_named(&mut self, name: &str, op: impl Op + 'static, inputs: &[Value]) -> Result<Value> {
        self.add_as(op.keras_name(), Some(name), op, inputs)
    }

    /// Adds a layer that Keras calls `class` (`Activation`), under its automatic name if it is given none.
    ///
    /// # Errors
    /// As [`Builder::add_named`].
    pub fn add_as(
        &mut self,
        class: &'static str,
        name: Option<&str>,
        op: impl Op + 'static,
        inputs: &[Value],
    ) -> Result<Value> {
        let name = name.map_or_else(|| self.names.name(class), str::to_owned);
        self.push(name, class, Arc::new(op), inputs)
    }

    /// [`Builder::add_as`] for an op that is only known when the program runs.
    ///
    /// # Errors
    /// As [`Builder::add_named`].
    pub fn add_op(&mut self, class: &'static str, name: &str, op: Arc<dyn Op>, inputs: &[Value]) -> Result<Value> {
        self.push(name.to_owned(), class, op, inputs)
    }

    /// Nodes so far.
    #[expect(clippy::len_without_is_empty, reason = "only ever asked for the number of the next node")]
    pub fn len(&self) -> usize {
        self.graph.nodes.len()
    }

    /// Whether a layer has this name.
    pub fn has(&self, name: &str) -> bool {
        self.taken.contains(name)
    }

    /// Adds a part to the layer that was added last, as `Conv2D(activation="relu")` has one: no layer of its own where layers
    /// are counted. One of the inputs must be that layer.
    ///
    /// # Errors
    /// As [`Builder::add_named`]; also inputs without the layer.
    pub fn extend(&mut self, op: impl Op + 'static, inputs: &[Value]) -> Result<Value> {
        self.extend_op(Arc::new(op), inputs)
    }

    /// [`Builder::extend`] for an op that is only known when the program runs.
    ///
    /// # Errors
    /// As [`Builder::extend`].
    pub fn extend_op(&mut self, op: Arc<dyn Op>, inputs: &[Value]) -> Result<Value> {
        let last = self.graph.nodes.len();
        let Some(of) = self.graph.nodes.iter().rfind(|n| !n.part).filter(|_| inputs.contains(&last)) else {
            return Err(Error::shape(op.name(), "is to extend the last layer, and does not read it"));
        };
        let (name, class) = (format!("{}/{}", of.name, op.name()), of.class);
        let value = self.push(name, class, op, inputs)?;
        self.graph.nodes[value - 1].part = true;
        Ok(value)
    }

    /// Starts the kernel of the layer that was added last from other values than its op's: `init` is given the kernel's shape.
    pub fn start_kernel(&mut self, init: impl FnOnce(&Shape) -> Init) {
        if let Some(kernel) = self.graph.nodes.last_mut().and_then(|n| n.params.first_mut()) {
            kernel.init = init(&kernel.shape);
        }
    }

    /// What `layers` adds is the network's pretrained body; returns its output.
    ///
    /// # Errors
    /// Those of `layers`.
    pub fn body(&mut self, layers: impl FnOnce(&mut Self) -> Result<Value>) -> Result<Value> {
        let first = self.graph.nodes.len();
        let value = layers(self)?;
        self.graph.nodes[first..].iter_mut().for_each(|n| n.body = true);
        Ok(value)
    }

    /// Shape of a sample of a value that is in the graph.
    pub fn shape(&self, value: Value) -> &Shape {
        &self.graph.shapes[value]
    }

    fn push(&mut self, name: String, class: &'static str, op: Arc<dyn Op>, inputs: &[Value]) -> Result<Value> {
        let refuse = |what: String| Error::shape(op.name(), what).in_layer(&name);
        if let Err(what) = check_name("a layer", &name) {
            return Err(Error::shape(op.name(), what).in_layer("..."));
        }
        if self.has(&name) {
            return Err(refuse("another layer has this name".into()));
        }
        if let Some(v) = inputs.iter().find(|v| **v >= self.graph.shapes.len()) {
            return Err(refuse(format!("its input {v} is not in the graph yet")));
        }
        let shapes: Vec<&Shape> = inputs.iter().map(|v| &self.graph.shapes[*v]).collect();
        let output = op.infer(&shapes).map_err(|e| e.in_layer(&name))?;
        let params = op.params(&shapes);
        let inputs = inputs.to_vec();
        self.taken.insert(name.clone());
        self.graph.nodes.push(Node { name, class, op, inputs, params, part: false, body: false, frozen: false });
        self.graph.shapes.push(output);
        Ok(self.graph.nodes.len())
    }

    /// The finished classifier: its last layer must give a vector of class scores.
    ///
    /// # Errors
    /// No layer, or an output that is not `[classes]`.
    pub fn finish(self) -> Result<Graph> {
        let output = self.graph.output().clone();
        match (self.graph.nodes.last(), output.dims()) {
            (Some(_), [_]) => Ok(self.graph),
            (Some(last), _) => {
                let what = format!("the network ends with {output}, a classifier must end with [classes]");
                Err(Error::shape(last.op.name(), what).in_layer(&last.name))
            }
            (None, _) => Err(Error::shape("input", "a network needs at least one layer").in_layer(&self.graph.name)),
        }
    }
}

/// Keras's layer names from class names: `MaxPooling2D` -> `max_pooling2d`, `LeakyReLU` -> `leaky_re_lu`.
fn snake_case(class: &str) -> String {
    let chars: Vec<char> = class.chars().collect();
    let mut out = String::new();
    for (i, c) in chars.iter().enumerate() {
        let starts_word = c.is_uppercase() && chars.get(i + 1).is_some_and(|next| next.is_lowercase());
        let after_lower = c.is_uppercase() && i > 0 && chars[i - 1].is_lowercase();
        if i > 0 && (starts_word || after_lower) {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{conv2d::Conv2d, dense::Dense, relu::Relu, window::Padding};

    #[test]
    fn keras_names() {
        for (class, name) in [
            ("Conv2D", "conv2d"),
            ("ReLU", "re_lu"),
            ("LeakyReLU", "leaky_re_lu"),
            ("BatchNormalization", "batch_normalization"),
            ("MaxPooling2D", "max_pooling2d"),
            ("GlobalAveragePooling2D", "global_average_pooling2d"),
            ("Dense", "dense"),
        ] {
            assert_eq!(snake_case(class), name);
        }
    }

    #[test]
    fn errors_name_the_layer_and_the_shapes() {
        let mut b = Builder::new("net", [4, 4, 1]).expect("input");
        let x = b.add(Conv2d::new(8, 3, Padding::Valid), &[Builder::INPUT]).expect("fits");
        let x = b.add(Relu, &[x]).expect("fits");
        let error = b.add(Conv2d::new(8, 3, Padding::Valid), &[x]).expect_err("3 over 2").to_string();
        assert!(error.contains("conv2d_1") && error.contains("window of 3") && error.contains('2'), "{error}");
        let error = b.add(Dense::new(4), &[x]).expect_err("an image").to_string();
        assert!(error.contains("`dense`") && error.contains("[2, 2, 8]"), "{error}");
        assert!(b.finish().expect_err("an image").to_string().contains("[classes]"));
        assert!(Builder::new("net", [0, 4, 1]).is_err());
    }
}
