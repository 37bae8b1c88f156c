//! Networks read from top to bottom like the reports' Keras code: chains, with bodies that branch.

use crate::error::{Error, Result};
use crate::graph::{Builder, Graph, Value};
use crate::ops::Op;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::conv2d::Conv2d;
use crate::ops::dense::Dense;
use crate::ops::dropout::Dropout;
use crate::ops::flatten::Flatten;
use crate::ops::global_avg_pool::GlobalAvgPool;
use crate::ops::global_max_pool::GlobalMaxPool;
use crate::ops::leaky_relu::LeakyRelu;
use crate::ops::max_pool2d::MaxPool2d;
use crate::ops::relu::Relu;
use crate::ops::window::Padding;

/// A chain of layers. The first layer that does not fit is remembered and reported by [`Stack::finish`].
///
/// ```
/// use fer_gpu::models::Stack;
/// let graph = Stack::new("tiny", [48, 48, 1]).conv_same(8, 3).relu().max_pool(2, 2).flatten().dense(7).finish()?;
/// assert_eq!(graph.output().dims(), [7]);
/// # Ok::<(), fer_gpu::Error>(())
/// ```
#[derive(Debug)]
pub struct Stack {
    state: Result<(Builder, Value)>,
}

impl Stack {
    /// A network over images `[height, width, channels]`.
    pub fn new(name: &str, input: [usize; 3]) -> Self {
        Self { state: Builder::new(name, input).map(|b| (b, Builder::INPUT)) }
    }

    /// Any op.
    #[must_use]
    pub fn then(self, op: impl Op + 'static) -> Self {
        self.layers(|builder, x| builder.add(op, &[x]))
    }

    /// Layers that branch: `add` is given the last layer's output and returns its own.
    #[must_use]
    pub fn layers(self, add: impl FnOnce(&mut Builder, Value) -> Result<Value>) -> Self {
        let state = self.state.and_then(|(mut builder, value)| {
            let next = add(&mut builder, value)?;
            Ok((builder, next))
        });
        Self { state }
    }

    /// The same for a pretrained body, which can be frozen by that word.
    #[must_use]
    pub fn body(self, add: impl FnOnce(&mut Builder, Value) -> Result<Value>) -> Self {
        self.layers(|builder, x| builder.body(|builder| add(builder, x)))
    }

    /// The finished graph, its layers in Keras's order.
    ///
    /// # Errors
    /// The first layer whose shapes did not fit, or an output that is not a vector of class scores.
    pub fn finish(self) -> Result<Graph, Error> {
        self.state.and_then(|(builder, _)| builder.finish()).map(Graph::in_keras_order)
    }

    /// Convolution with `same` padding, stride 1, with a bias.
    #[must_use]
    pub fn conv_same(self, filters: usize, kernel: usize) -> Self {
        self.then(Conv2d::new(filters, kernel, Padding::Same))
    }

    /// Convolution with `valid` padding, stride 1, with a bias.
    #[must_use]
    pub fn conv_valid(self, filters: usize, kernel: usize) -> Self {
        self.then(Conv2d::new(filters, kernel, Padding::Valid))
    }

    /// ReLU.
    #[must_use]
    pub fn relu(self) -> Self {
        self.then(Relu)
    }

    /// LeakyReLU.
    #[must_use]
    pub fn leaky_relu(self, slope: f32) -> Self {
        self.then(LeakyRelu { slope })
    }

    /// Batch normalization with Keras's defaults.
    #[must_use]
    pub fn batch_norm(self) -> Self {
        self.then(BatchNorm::default())
    }

    /// Max pooling, `valid`.
    #[must_use]
    pub fn max_pool(self, window: usize, stride: usize) -> Self {
        self.then(MaxPool2d { window: [window; 2], stride: [stride; 2], padding: Padding::Valid })
    }

    /// Mean over height and width.
    #[must_use]
    pub fn global_avg_pool(self) -> Self {
        self.then(GlobalAvgPool)
    }

    /// Maximum over height and width.
    #[must_use]
    pub fn global_max_pool(self) -> Self {
        self.then(GlobalMaxPool)
    }

    /// Dropout.
    #[must_use]
    pub fn dropout(self, rate: f32) -> Self {
        self.then(Dropout { rate })
    }

    /// Height, width and channels as one vector.
    #[must_use]
    pub fn flatten(self) -> Self {
        self.then(Flatten)
    }

    /// Fully connected, with a bias.
    #[must_use]
    pub fn dense(self, units: usize) -> Self {
        self.then(Dense::new(units))
    }
}
