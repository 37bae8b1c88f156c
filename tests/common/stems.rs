//! Networks that begin with a stem, and how they are planned.

use fer_gpu::graph::{Builder, Graph, Mode, Options, Plan, Value};
use fer_gpu::models;
use fer_gpu::ops::batch_norm::BatchNorm;
use fer_gpu::ops::conv2d::Conv2d;
use fer_gpu::ops::dense::Dense;
use fer_gpu::ops::dropout::Dropout;
use fer_gpu::ops::flatten::Flatten;
use fer_gpu::ops::leaky_relu::LeakyRelu;
use fer_gpu::ops::max_pool2d::MaxPool2d;
use fer_gpu::ops::relu::Relu;
use fer_gpu::ops::tanh::Tanh;
use fer_gpu::ops::window::Padding;

/// A network of these layers and a head.
pub(crate) fn network_of(name: &str, image: [usize; 3], layers: &dyn Fn(&mut Builder) -> Value) -> Graph {
    let mut b = Builder::new(name, image).expect("an image");
    let last = layers(&mut b);
    let flat = if b.shape(last).dims().len() == 3 { b.add(Flatten, &[last]).expect("flattens") } else { last };
    b.add(Dense::new(4), &[flat]).expect("a head");
    b.finish().expect("a network")
}

pub(crate) fn planned(graph: &Graph, mode: Mode, fused: bool) -> Plan {
    Plan::with(graph, 3, mode, Options { fused, ..Options::default() }).expect("plans")
}

pub(crate) fn network(name: &str) -> Graph {
    models::find(name).expect("listed").graph(7).expect("builds")
}

/// Convolutions of few channels in front of a batch norm and a pool that covers its map, which the batch norm's kernels compute: with
/// and without biases, activations and gammas; steps, lines of windows that are not whole turns, more channels than a workgroup has lanes.
pub(crate) fn stems() -> Vec<Graph> {
    vec![
        network_of("stem_relu_leaky", [8, 32, 1], &|b| {
            let c = b.add(Conv2d::new(8, 2, Padding::Same), &[0]).expect("fits");
            let r = b.add(Relu, &[c]).expect("fits");
            let n = b.add(BatchNorm::default(), &[r]).expect("fits");
            let l = b.add(LeakyRelu { slope: 0.2 }, &[n]).expect("fits");
            let p = b.add(MaxPool2d::new(2), &[l]).expect("fits");
            b.add(Dropout { rate: 0.0 }, &[p]).expect("fits")
        }),
        network_of("stem_of_colours", [9, 10, 3], &|b| {
            let c = b.add(Conv2d::new(5, 2, Padding::Same), &[0]).expect("fits");
            let r = b.add(LeakyRelu { slope: 0.1 }, &[c]).expect("fits");
            let n = b.add(BatchNorm { scale: false, ..BatchNorm::default() }, &[r]).expect("fits");
            let l = b.add(LeakyRelu { slope: 0.3 }, &[n]).expect("fits");
            let p = b.add(MaxPool2d { window: [3, 2], stride: [3, 2], padding: Padding::Valid }, &[l]).expect("fits");
            b.add(Dropout { rate: 0.25 }, &[p]).expect("fits")
        }),
        network_of("stem_of_steps", [9, 75, 1], &|b| {
            let conv = Conv2d { stride: [2, 3], bias: false, ..Conv2d::new(140, 3, Padding::Same) };
            let c = b.add(conv, &[0]).expect("fits");
            let n = b.add(BatchNorm::default(), &[c]).expect("fits");
            b.add(MaxPool2d { window: [1, 5], stride: [1, 5], padding: Padding::Same }, &[n]).expect("fits")
        }),
        network_of("stem_of_a_pixel", [2, 2, 2], &|b| {
            let c = b.add(Conv2d::new(3, 1, Padding::Valid), &[0]).expect("fits");
            let t = b.add(Tanh, &[c]).expect("fits");
            let n = b.add(BatchNorm::default(), &[t]).expect("fits");
            let t = b.add(Tanh, &[n]).expect("fits");
            b.add(MaxPool2d::new(1), &[t]).expect("fits")
        }),
        // fer7-cnn3-bn's.
        network_of("stem_of_shared_windows", [10, 20, 1], &|b| {
            let c = b.add(Conv2d::new(8, 3, Padding::Valid), &[0]).expect("fits");
            let r = b.add(Relu, &[c]).expect("fits");
            let n = b.add(BatchNorm::default(), &[r]).expect("fits");
            let p = b.add(MaxPool2d { stride: [2, 2], ..MaxPool2d::new(4) }, &[n]).expect("fits");
            b.add(Dropout { rate: 0.25 }, &[p]).expect("fits")
        }),
        network_of("stem_of_shared_lines", [6, 9, 3], &|b| {
            let c = b.add(Conv2d { bias: false, ..Conv2d::new(5, 2, Padding::Same) }, &[0]).expect("fits");
            let n = b.add(BatchNorm::default(), &[c]).expect("fits");
            let l = b.add(LeakyRelu { slope: 0.2 }, &[n]).expect("fits");
            let p = b.add(MaxPool2d { window: [2, 3], stride: [1, 3], padding: Padding::Valid }, &[l]).expect("fits");
            b.add(Dropout { rate: 0.0 }, &[p]).expect("fits")
        }),
        network_of("stem_of_shared_columns", [6, 8, 2], &|b| {
            let c = b.add(Conv2d::new(6, 1, Padding::Valid), &[0]).expect("fits");
            let r = b.add(LeakyRelu { slope: 0.1 }, &[c]).expect("fits");
            let n = b.add(BatchNorm { scale: false, ..BatchNorm::default() }, &[r]).expect("fits");
            b.add(MaxPool2d { window: [2, 2], stride: [2, 1], padding: Padding::Valid }, &[n]).expect("fits")
        }),
    ]
}
