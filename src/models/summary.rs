//! The table that Keras's `model.summary()` prints.

use crate::graph::Graph;
use crate::text::{clean, left, right};
use serde::Serialize;
use std::fmt;

/// One layer of a summary.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    /// The layer's name.
    pub name: String,
    /// Keras's class.
    pub class: &'static str,
    /// Output shape of a sample.
    pub output: Vec<usize>,
    /// Its parameters and statistics.
    pub parameters: usize,
}

/// Layers and parameter counts of a network.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The network's name.
    pub name: String,
    /// Input shape of a sample.
    pub input: Vec<usize>,
    /// In order.
    pub layers: Vec<Layer>,
    /// All parameters and statistics.
    pub total: usize,
    /// What the optimizer moves.
    pub trainable: usize,
    /// What it does not.
    pub non_trainable: usize,
}

impl Summary {
    /// Summarises a graph.
    pub fn new(graph: &Graph) -> Self {
        let layers = graph
            .layers()
            .into_iter()
            .map(|nodes| Layer {
                name: graph.nodes[nodes.start].name.clone(),
                class: graph.nodes[nodes.start].class,
                output: graph.shapes[nodes.end].dims().to_vec(),
                parameters: graph.nodes[nodes].iter().flat_map(|n| &n.params).map(|p| p.shape.elements()).sum(),
            })
            .collect();
        let count = |trainable: bool| -> usize {
            let all = graph.nodes.iter().flat_map(|n| &n.params).filter(|p| p.trainable == trainable);
            all.map(|p| p.shape.elements()).sum()
        };
        let (trainable, non_trainable) = (count(true), count(false));
        Self {
            name: graph.name.clone(),
            input: graph.input().dims().to_vec(),
            layers,
            total: trainable + non_trainable,
            trainable,
            non_trainable,
        }
    }
}

/// `1234567` as `1,234,567`.
fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

/// `(None, 46, 46, 32)`, as Keras writes a batch of any size.
fn keras_shape(dims: &[usize]) -> String {
    let dims: Vec<String> = std::iter::once("None".to_owned()).chain(dims.iter().map(ToString::to_string)).collect();
    format!("({})", dims.join(", "))
}

/// f32 parameters as Keras writes their size: `4.00 MB`.
fn size(parameters: usize) -> String {
    let bytes = parameters as f64 * 4.0;
    match bytes {
        b if b < 1024.0 => format!("{b:.2} B"),
        b if b < 1024.0 * 1024.0 => format!("{:.2} KB", b / 1024.0),
        b => format!("{:.2} MB", b / 1024.0 / 1024.0),
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[String; 3]> =
            std::iter::once(["input (InputLayer)".to_owned(), keras_shape(&self.input), "0".to_owned()])
                .chain(
                    self.layers.iter().map(|l| {
                        [format!("{} ({})", l.name, l.class), keras_shape(&l.output), thousands(l.parameters)]
                    }),
                )
                .collect();
        let rows: Vec<[String; 3]> = rows.into_iter().map(|row| row.map(|cell| clean(&cell).into_owned())).collect();
        let head = ["Layer (type)".to_owned(), "Output Shape".to_owned(), "Param #".to_owned()];
        let width = |c: usize| rows.iter().chain([&head]).map(|r| r[c].chars().count()).max().unwrap_or(0);
        let (a, b, c) = (width(0), width(1), width(2));
        writeln!(f, "Model: \"{}\"", clean(&self.name))?;
        writeln!(f, "{}  {}  {}", left(&head[0], a), left(&head[1], b), right(&head[2], c))?;
        writeln!(f, "{}", "-".repeat(a + b + c + 4))?;
        for [name, shape, parameters] in &rows {
            writeln!(f, "{}  {}  {}", left(name, a), left(shape, b), right(parameters, c))?;
        }
        writeln!(f, "{}", "-".repeat(a + b + c + 4))?;
        for (what, count) in
            [("Total", self.total), ("Trainable", self.trainable), ("Non-trainable", self.non_trainable)]
        {
            writeln!(f, "{what} params: {} ({})", thousands(count), size(count))?;
        }
        Ok(())
    }
}
