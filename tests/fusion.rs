//! A plan that fuses computes what the same plan does a node at a time.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::stems::{network, network_of, planned, stems};
use common::{fan_out, noise};
use fer_gpu::gpu::{Pick, Tiling};
use fer_gpu::graph::{
    At, Builder, CpuExecutor, Executor, Freeze, GpuExecutor, Graph, Mode, Options, Plan, Step, Value,
};
use fer_gpu::models::{self, Variant};
use fer_gpu::ops::batch_norm::BatchNorm;
use fer_gpu::ops::conv2d::Conv2d;
use fer_gpu::ops::dense::Dense;
use fer_gpu::ops::depthwise_conv2d::DepthwiseConv2d;
use fer_gpu::ops::dropout::Dropout;
use fer_gpu::ops::flatten::Flatten;
use fer_gpu::ops::general_conv2d::GeneralConv2d;
use fer_gpu::ops::global_avg_pool::GlobalAvgPool;
use fer_gpu::ops::leaky_relu::LeakyRelu;
use fer_gpu::ops::max_pool2d::MaxPool2d;
use fer_gpu::ops::relu::Relu;
use fer_gpu::ops::tanh::Tanh;
use fer_gpu::ops::window::Padding;
use std::sync::Arc;

const IMAGE: [usize; 3] = [9, 7, 3];

fn same(filters: usize) -> Conv2d {
    Conv2d::new(filters, 3, Padding::Same)
}

/// Every op that ends in an activation before every op that begins in one, with channels that 4 does and does not divide; an
/// activation with two consumers, and one behind a view.
fn chains() -> Vec<Graph> {
    let build = |name: &str, layers: &dyn Fn(&mut Builder) -> Value| network_of(name, IMAGE, layers);
    vec![
        build("conv_relu_conv", &|b| {
            let c = b.add(same(8), &[0]).expect("fits");
            let r = b.add(Relu, &[c]).expect("fits");
            b.add(same(5), &[r]).expect("fits")
        }),
        build("conv_tanh_strided_conv", &|b| {
            let c = b.add(same(5), &[0]).expect("fits");
            let r = b.add(Tanh, &[c]).expect("fits");
            b.add(Conv2d { stride: [2, 2], ..same(4) }, &[r]).expect("fits")
        }),
        build("conv_relu_norm_leaky_pool", &|b| {
            let c = b.add(same(8), &[0]).expect("fits");
            let r = b.add(Relu, &[c]).expect("fits");
            let n = b.add(BatchNorm::default(), &[r]).expect("fits");
            let l = b.add(LeakyRelu { slope: 0.2 }, &[n]).expect("fits");
            b.add(MaxPool2d::new(2), &[l]).expect("fits")
        }),
        build("norm_leaky_overlapping_pool", &|b| {
            let n = b.add(BatchNorm::default(), &[0]).expect("fits");
            let l = b.add(LeakyRelu { slope: 0.2 }, &[n]).expect("fits");
            let pool = MaxPool2d { window: [3, 3], stride: [1, 1], padding: Padding::Same };
            b.add(pool, &[l]).expect("fits")
        }),
        // Windows side by side, with pixels past the last whole one: the pool's gradient is read by the batch norm's backward.
        build("norm_leaky_pool_dropout_conv", &|b| {
            let n = b.add(BatchNorm { scale: false, ..BatchNorm::default() }, &[0]).expect("fits");
            let l = b.add(LeakyRelu { slope: 0.2 }, &[n]).expect("fits");
            let p = b.add(MaxPool2d { stride: [3, 2], window: [3, 2], padding: Padding::Valid }, &[l]).expect("fits");
            let d = b.add(Dropout { rate: 0.25 }, &[p]).expect("fits");
            b.add(same(8), &[d]).expect("fits")
        }),
        // A flatten hands a slope on, an addition cannot take one: the first pool leaves it to the dense layer, the second does not.
        build("norm_tanh_pools", &|b| {
            let c = b.add(same(8), &[0]).expect("fits");
            let r = b.add(Relu, &[c]).expect("fits");
            let n = b.add(BatchNorm::default(), &[r]).expect("fits");
            let t = b.add(Tanh, &[n]).expect("fits");
            let p = b.add(MaxPool2d { padding: Padding::Same, ..MaxPool2d::new(2) }, &[t]).expect("fits");
            let n = b.add(BatchNorm::default(), &[p]).expect("fits");
            let t = b.add(Tanh, &[n]).expect("fits");
            let q = b.add(MaxPool2d { padding: Padding::Same, ..MaxPool2d::new(2) }, &[t]).expect("fits");
            b.add(fer_gpu::ops::add::Add, &[q, q]).expect("fits")
        }),
        build("conv_relu_average", &|b| {
            let c = b.add(same(8), &[0]).expect("fits");
            let r = b.add(Relu, &[c]).expect("fits");
            b.add(GlobalAvgPool, &[r]).expect("fits")
        }),
        build("two_consumers_and_a_view", &|b| {
            let c = b.add(same(8), &[0]).expect("fits");
            let r = b.add(Relu, &[c]).expect("fits");
            let p = b.add(MaxPool2d::new(2), &[r]).expect("fits");
            let a = b.add(GlobalAvgPool, &[r]).expect("fits");
            let a = b.add(Dense::new(3 * 4 * 8), &[a]).expect("fits");
            let a = b.add(Tanh, &[a]).expect("fits");
            let f = b.add(Flatten, &[p]).expect("fits");
            let sum = b.add(fer_gpu::ops::add::Add, &[a, f]).expect("fits");
            let r = b.add(Relu, &[sum]).expect("fits");
            b.add(Dropout { rate: 0.25 }, &[r]).expect("fits")
        }),
        build("dense_relu_norm_and_dropout", &|b| {
            let f = b.add(Flatten, &[0]).expect("fits");
            let d = b.add(Dense::new(10), &[f]).expect("fits");
            let r = b.add(Relu, &[d]).expect("fits");
            let n = b.add(BatchNorm::default(), &[r]).expect("fits");
            let d = b.add(Dense::new(7), &[n]).expect("fits");
            let t = b.add(Tanh, &[d]).expect("fits");
            b.add(Dropout { rate: 0.25 }, &[t]).expect("fits")
        }),
    ]
}

/// Convolutions that fuse nothing: activations and batch norms around them have kernels of their own, or those of the layers beyond.
fn around_general_convolutions() -> Vec<Graph> {
    let build = |name: &str, layers: &dyn Fn(&mut Builder) -> Value| network_of(name, IMAGE, layers);
    vec![
        build("conv_relu_dilated_norm_leaky_grouped_tanh", &|b| {
            let c = b.add(same(8), &[0]).expect("fits");
            let r = b.add(Relu, &[c]).expect("fits");
            let d = GeneralConv2d { bias: false, ..GeneralConv2d::dilated(12, 3, 2, Padding::Same) };
            let d = b.add(d, &[r]).expect("fits");
            let n = b.add(BatchNorm::default(), &[d]).expect("fits");
            let l = b.add(LeakyRelu { slope: 0.2 }, &[n]).expect("fits");
            let g = GeneralConv2d { stride: [2, 1], ..GeneralConv2d::grouped(6, 3, 3, Padding::Same) };
            let g = b.add(g, &[l]).expect("fits");
            b.add(Tanh, &[g]).expect("fits")
        }),
        build("relu_dilated_depthwise_relu", &|b| {
            let c = b.add(same(4), &[0]).expect("fits");
            let r = b.add(Relu, &[c]).expect("fits");
            let d = b.add(DepthwiseConv2d { dilation: [3, 2], ..DepthwiseConv2d::new(3, Padding::Same) }, &[r]);
            b.add(Relu, &[d.expect("fits")]).expect("fits")
        }),
    ]
}

/// The steps that a graph's activations still have of their own: forward and backward.
fn own_steps(graph: &Graph, fused: bool) -> [usize; 2] {
    let plan = planned(graph, Mode::Train, fused);
    let activation = |node: &usize| graph.nodes[*node].op.activation().is_some();
    let count = |wanted: &dyn Fn(&Step) -> bool| plan.steps.iter().filter(|s| wanted(s)).count();
    [
        count(&|s| matches!(s, Step::Forward { node, .. } if activation(node))),
        count(&|s| matches!(s, Step::Backward { node, .. } if activation(node))),
    ]
}

#[test]
fn the_reference_agrees_with_itself() {
    for graph in chains().into_iter().chain(stems()).chain([fan_out::graph(true), fan_out::graph(false)]) {
        let samples = noise(1, 5, graph.input().elements(), graph.output().elements());
        let graph = Arc::new(graph);
        let [fused, plain] = [true, false].map(|fused| {
            let mut executor = CpuExecutor::new(Arc::clone(&graph), 5, 3).fused(fused);
            executor.gradients(&samples.batch(), At::step(4, 0.0)).expect("gradients")
        });
        assert_eq!(fused.0, plain.0, "{}", graph.name);
        assert_eq!(fused.1.len(), plain.1.len());
        for (a, b) in fused.1.iter().flatten().zip(plain.1.iter().flatten()) {
            assert_eq!(a.data, b.data, "{}", graph.name);
        }
    }
}

#[test]
fn kernels_that_fuse_agree_with_those_that_do_not() {
    let tilings = [None, Some(Tiling::Workgroup)].map(|tiling| Arc::new(common::gpu_in(tiling)));
    let graphs = || chains().into_iter().chain(stems()).chain(around_general_convolutions());
    for (gpu, graph) in tilings.iter().flat_map(|gpu| graphs().map(move |graph| (gpu, graph))) {
        let graph = Arc::new(graph);
        let samples = noise(1, 5, graph.input().elements(), graph.output().elements());
        let [fused, plain] = [true, false].map(|fused| {
            let options = Options { fused, ..Options::default() };
            let build = GpuExecutor::with(Arc::clone(gpu), Arc::clone(&graph), 5, 3, (true, options));
            let mut executor = build.expect("fits");
            executor.evaluate(&samples.batch()).expect("evaluates");
            let evaluated = executor.flush().expect("metrics");
            executor.train(&samples.batch(), At::step(0, 0.001)).expect("trains");
            let trained = executor.flush().expect("metrics");
            (evaluated.loss, trained.loss, executor.gradients().expect("gradients"))
        });
        let mut reference = CpuExecutor::new(Arc::clone(&graph), 5, 3).fused(false);
        let (_, exact) = reference.gradients(&samples.batch(), At::step(0, 0.0)).expect("gradients");
        assert!((fused.0 - plain.0).abs() <= 1e-5 * plain.0, "{}: {} {}", graph.name, fused.0, plain.0);
        assert!((fused.1 - plain.1).abs() <= 1e-5 * plain.1, "{}: {} {}", graph.name, fused.1, plain.1);
        let exact: Vec<_> = exact.into_iter().flatten().collect();
        assert_eq!(exact.len(), fused.2.len(), "{}", graph.name);
        for ((a, b), r) in fused.2.iter().zip(&plain.2).zip(&exact) {
            let norm = r.data.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-4);
            for (found, which) in [(a, "fused"), (b, "plain")] {
                let error =
                    found.values.iter().zip(&r.data).map(|(f, r)| (f64::from(*f) - r).powi(2)).sum::<f64>().sqrt();
                assert!(error <= 2e-5 * norm, "{}, {}, {which}: {error} of {norm}", graph.name, a.name);
            }
        }
    }
}

/// In the adapter's own tiling, there in a larger tile too, and in that of GPUs.
#[test]
fn statistics_are_left_and_taken() {
    for (tiling, pick) in [(None, Pick::default()), (None, Pick::Nth(1)), (Some(Tiling::Workgroup), Pick::default())] {
        let mut gpu = common::gpu_in(tiling);
        gpu.tuner.pick = pick;
        let failures = common::statistics::failures(&Arc::new(gpu), common::statistics::graph());
        assert!(failures.is_empty(), "{tiling:?}, {pick:?}: {failures:#?}");
    }
}

/// In training what stands before a batch norm leaves its statistics, unless the batch norm is frozen or the plan fuses nothing.
#[test]
fn statistics_are_left_where_they_are_needed() {
    let leaves = |graph: &Graph, mode, fused| {
        planned(graph, mode, fused).steps.iter().filter(|s| matches!(s, Step::Forward { statistics: true, .. })).count()
    };
    let graph = common::statistics::graph();
    assert_eq!(leaves(&graph, Mode::Train, true), 4);
    assert_eq!(leaves(&graph, Mode::Train, false), 0);
    assert_eq!(leaves(&graph, Mode::Evaluate, true), 0);
    let mut frozen = graph;
    frozen.freeze(&Freeze::First(4)).expect("has four layers");
    assert_eq!(leaves(&frozen, Mode::Train, true), 3);
    let resnet = models::find("fer7-resnet50").expect("listed");
    let variant = Variant { freeze: Some(Freeze::Nothing), ..Variant::default() };
    assert_eq!(leaves(&resnet.variant(7, &variant).expect("builds"), Mode::Train, true), 53);
}

/// A pool behind a batch norm has no forward step of its own, and what it reads no bytes.
#[test]
fn pools_are_taken_in() {
    let pooled = |plan: &Plan| plan.steps.iter().filter(|s| matches!(s, Step::Forward { pool: Some(_), .. })).count();
    let graph = network("fer7-cnn3-bn");
    for mode in [Mode::Train, Mode::Evaluate] {
        let (fused, plain) = (planned(&graph, mode, true), planned(&graph, mode, false));
        assert_eq!((pooled(&fused), pooled(&plain)), (2, 0), "{mode:?}");
        assert!(fused.lower_bound < plain.lower_bound, "{mode:?}: {} {}", fused.lower_bound, plain.lower_bound);
    }
    // A pool that reads a convolution stays a step, and so does one whose input others read too.
    assert_eq!(pooled(&planned(&network("fer4-cnn3"), Mode::Train, true)), 0);
    assert_eq!(pooled(&planned(&network("mini-xception"), Mode::Train, true)), 4);
}

/// A batch norm's backward takes in that of a pool whose windows lie side by side, or share half in a stem, unless the pool has a slope to
/// multiply by: the largest gradient is written nowhere.
#[test]
fn backwards_of_pools_are_taken_in() {
    // Steps of pools, and of batch norms that take one in.
    let backwards = |graph: &Graph, plan: &Plan| {
        let pools =
            |step: &&Step| matches!(step, Step::Backward { node, .. } if graph.nodes[*node].op.pooling().is_some());
        let taken = |step: &&Step| matches!(step, Step::Backward { pool: Some(_), .. });
        (plan.steps.iter().filter(pools).count(), plan.steps.iter().filter(taken).count())
    };
    let chain = |name: &str| chains().into_iter().find(|g| g.name == name).expect("a chain");
    for (graph, expected) in [
        (network("fer4-cnn4-bn"), (0, 4)),
        (network("fer7-cnn3-bn"), (0, 2)),
        (network("fer4-cnn3"), (3, 0)),
        (chain("norm_leaky_pool_dropout_conv"), (0, 1)),
        (chain("norm_leaky_overlapping_pool"), (1, 0)),
        (chain("norm_tanh_pools"), (1, 1)),
    ] {
        assert_eq!(backwards(&graph, &planned(&graph, Mode::Train, true)), expected, "{}", graph.name);
        assert_eq!(backwards(&graph, &planned(&graph, Mode::Train, false)).1, 0, "{}", graph.name);
        assert_eq!(backwards(&graph, &planned(&graph, Mode::Evaluate, true)), (0, 0), "{}", graph.name);
    }
    let graph = network("fer4-cnn4-bn");
    let (fused, plain) = (planned(&graph, Mode::Train, true), planned(&graph, Mode::Train, false));
    assert!(fused.lower_bound * 10 < plain.lower_bound * 9, "{} {}", fused.lower_bound, plain.lower_bound);
    let mut frozen = graph;
    frozen.freeze(&Freeze::First(4)).expect("has four layers");
    assert_eq!(backwards(&frozen, &planned(&frozen, Mode::Train, true)), (0, 3));
}

/// Chains leave no step to an activation but where the op before or behind it cannot take it in; the nine networks none at all.
#[test]
fn activations_are_taken_in() {
    let active = |graph: &Graph| graph.nodes.iter().any(|n| n.op.activation().is_some());
    for graph in chains().into_iter().chain(stems()).filter(active) {
        let steps = own_steps(&graph, true);
        let expected = if graph.name == "two_consumers_and_a_view" { [1, 1] } else { [0, 0] };
        assert_eq!(steps, expected, "{}", graph.name);
        assert_ne!(own_steps(&graph, false), steps, "{}", graph.name);
    }
    for model in models::MODELS.iter().filter(|m| m.name.contains("cnn")) {
        let graph = model.graph(model.classes).expect("builds");
        assert_eq!(own_steps(&graph, true), [0, 0], "{}", graph.name);
    }
}
