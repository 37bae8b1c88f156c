//! Networks whose convolutions and dense layers leave the statistics of what they write to the batch norms behind them.

use super::step;
use fer_gpu::error::Result;
use fer_gpu::gpu::Gpu;
use fer_gpu::graph::{Builder, Graph, NamedTensor, Parameters, Snapshot};
use fer_gpu::ops::add::Add;
use fer_gpu::ops::batch_norm::BatchNorm;
use fer_gpu::ops::conv2d::Conv2d;
use fer_gpu::ops::dense::Dense;
use fer_gpu::ops::flatten::Flatten;
use fer_gpu::ops::leaky_relu::LeakyRelu;
use fer_gpu::ops::max_pool2d::MaxPool2d;
use fer_gpu::ops::window::Padding;
use std::sync::Arc;

/// Channels that 4 does and does not divide, more of them than a workgroup has columns, rows that fill no tile, a stride, no bias, two
/// whose statistics are left at once, an activation in between and none.
pub(crate) fn graph() -> Graph {
    let build = || -> Result<Graph> {
        let mut b = Builder::new("statistics", [9, 7, 3])?;
        let wide = b.add(Conv2d::new(36, 3, Padding::Same), &[Builder::INPUT])?;
        let wide = b.add(LeakyRelu { slope: 0.2 }, &[wide])?;
        let wide = b.add(BatchNorm::default(), &[wide])?;
        let strided = Conv2d { stride: [2, 2], ..Conv2d::new(5, 3, Padding::Same) };
        let left = b.add(Conv2d { bias: false, ..strided }, &[wide])?;
        let right = b.add(strided, &[wide])?;
        let left = b.add(BatchNorm::default(), &[left])?;
        let right = b.add(BatchNorm::default(), &[right])?;
        let sum = b.add(Add, &[left, right])?;
        let flat = b.add(Flatten, &[sum])?;
        let dense = b.add(Dense::new(10), &[flat])?;
        let dense = b.add(BatchNorm::default(), &[dense])?;
        b.add(Dense::new(4), &[dense])?;
        b.finish()
    };
    build().expect("shapes fit")
}

/// One of each, quickly compiled, and a pool behind a batch norm; of too many channels for a stem.
pub(crate) fn small() -> Graph {
    let build = || -> Result<Graph> {
        let mut b = Builder::new("small", [6, 6, 4])?;
        let conv = b.add(Conv2d::new(4, 3, Padding::Same), &[Builder::INPUT])?;
        let conv = b.add(BatchNorm::default(), &[conv])?;
        let conv = b.add(LeakyRelu { slope: 0.2 }, &[conv])?;
        let conv = b.add(MaxPool2d::new(2), &[conv])?;
        let flat = b.add(Flatten, &[conv])?;
        let dense = b.add(Dense::new(10), &[flat])?;
        let dense = b.add(BatchNorm::default(), &[dense])?;
        b.add(Dense::new(4), &[dense])?;
        b.finish()
    };
    build().expect("shapes fit")
}

/// A convolution that the kernels of the batch norm behind it compute, with an activation on either side and a pool of such a window, which
/// moves by 2.
pub(crate) fn stem(window: usize) -> Graph {
    let build = || -> Result<Graph> {
        let mut b = Builder::new("stem", [6, 8, 1])?;
        let conv = b.add(Conv2d::new(12, 2, Padding::Same), &[Builder::INPUT])?;
        let conv = b.add(LeakyRelu { slope: 0.1 }, &[conv])?;
        let conv = b.add(BatchNorm::default(), &[conv])?;
        let conv = b.add(LeakyRelu { slope: 0.2 }, &[conv])?;
        let conv = b.add(MaxPool2d { stride: [2, 2], ..MaxPool2d::new(window) }, &[conv])?;
        let flat = b.add(Flatten, &[conv])?;
        b.add(Dense::new(4), &[flat])?;
        b.finish()
    };
    build().expect("shapes fit")
}

/// Where a step on an adapter differs from the reference's; if nowhere, where it does if the biases before batch norms make the means a
/// thousand times the deviations, of which f32 rounds a few ten thousandths away, and gammas are of either sign and none.
pub(crate) fn failures(gpu: &Arc<Gpu>, graph: Graph) -> Vec<String> {
    let failures = step::failures(gpu, "statistics", graph.clone(), None, 1e-5);
    if !failures.is_empty() {
        return failures;
    }
    let layout = Parameters::new(&graph);
    let start = layout.slots.iter().enumerate().map(|(i, slot)| {
        let mut values = layout.initial(i, 1);
        match slot.spec.name {
            "bias" if slot.name != "dense_1/bias" => values.fill(1e3),
            "beta" => values.fill(0.5),
            "gamma" => values.iter_mut().enumerate().for_each(|(i, v)| *v = [1.0, -0.5, 0.0][i % 3]),
            _ => {}
        }
        NamedTensor { name: slot.name.clone(), shape: slot.spec.shape.clone(), values }
    });
    let start = Snapshot { parameters: start.collect(), ..Snapshot::default() };
    step::failures(gpu, "large means", graph, Some(&start), 1e-3)
}
