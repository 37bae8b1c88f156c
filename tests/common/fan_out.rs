//! A network that is not a chain: values with two and three consumers, one node reading a value twice, a view beside another
//! consumer, and a branch that leads nowhere.

use super::step;
use fer_gpu::error::Result;
use fer_gpu::gpu::Gpu;
use fer_gpu::graph::{Builder, Graph};
use fer_gpu::ops::add::Add;
use fer_gpu::ops::batch_norm::BatchNorm;
use fer_gpu::ops::conv2d::Conv2d;
use fer_gpu::ops::dense::Dense;
use fer_gpu::ops::dropout::Dropout;
use fer_gpu::ops::flatten::Flatten;
use fer_gpu::ops::global_avg_pool::GlobalAvgPool;
use fer_gpu::ops::leaky_relu::LeakyRelu;
use fer_gpu::ops::window::Padding;
use std::sync::Arc;

/// Pixels of an image.
pub(crate) const IMAGE: usize = 6 * 6 * 2;
/// Classes.
pub(crate) const CLASSES: usize = 3;
/// The layer that leads nowhere.
pub(crate) const DEAD: &str = "dead";

/// The network; `view_first` says whether the flatten comes before the other consumer of its input.
pub(crate) fn graph(view_first: bool) -> Graph {
    let build = || -> Result<Graph> {
        let mut b = Builder::new("fan_out", [6, 6, 2])?;
        let a = b.add(Conv2d::new(4, 3, Padding::Same), &[Builder::INPUT])?;
        // `a` is read by three, `s` by one, `t` twice by one.
        let r = b.add(LeakyRelu { slope: 0.2 }, &[a])?;
        let n = b.add(BatchNorm::default(), &[a])?;
        let s = b.add(Add, &[r, n])?;
        let t = b.add(Add, &[s, a])?;
        let u = b.add(Add, &[t, t])?;
        let d = b.add(Dropout { rate: 0.25 }, &[u])?;
        // `d` is read by a view, by the mean, and by a branch that leads nowhere.
        let (flat, mean) = if view_first {
            let flat = b.add(Flatten, &[d])?;
            (flat, b.add(GlobalAvgPool, &[d])?)
        } else {
            let mean = b.add(GlobalAvgPool, &[d])?;
            (b.add(Flatten, &[d])?, mean)
        };
        b.add_named(DEAD, Conv2d::new(2, 1, Padding::Valid), &[d])?;
        let p = b.add(Dense::new(CLASSES), &[flat])?;
        let q = b.add(Dense::new(CLASSES), &[mean])?;
        b.add(Add, &[p, q])?;
        b.finish()
    };
    build().expect("shapes fit")
}

/// Where a step on an adapter differs from the reference's.
pub(crate) fn gpu_failures(gpu: Arc<Gpu>) -> Vec<String> {
    [false, true]
        .into_iter()
        .flat_map(|first| step::failures(&gpu, &format!("view first {first}"), graph(first), None, 1e-5))
        .collect()
}

/// The same of values, with linear outputs and with tanh: the whole graph under the mean squared error.
pub(crate) fn values_failures(gpu: &Arc<Gpu>) -> Vec<String> {
    let linear = graph(false).for_values().expect("three outputs");
    let tanh = graph(true).for_values().expect("three outputs").ending_in_tanh();
    [("linear", linear), ("tanh", tanh)]
        .into_iter()
        .flat_map(|(name, graph)| step::failures(gpu, name, graph, None, 1e-5))
        .collect()
}
