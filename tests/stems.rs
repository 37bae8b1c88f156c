//! Kernels of a batch norm that compute the convolution in front of it.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::stems::{network, network_of, planned, stems};
use fer_gpu::gpu::Tiling;
use fer_gpu::graph::{Freeze, Graph, Mode, Step};
use fer_gpu::ops::batch_norm::BatchNorm;
use fer_gpu::ops::conv2d::Conv2d;
use fer_gpu::ops::global_avg_pool::GlobalAvgPool;
use fer_gpu::ops::max_pool2d::MaxPool2d;
use fer_gpu::ops::relu::Relu;
use fer_gpu::ops::window::Padding;
use std::sync::Arc;

/// As many products a window as a stem of colours has in most networks.
fn large_stem() -> Graph {
    network_of("large_stem", [8, 10, 3], &|b| {
        let c = b.add(Conv2d::new(6, 3, Padding::Same), &[0]).expect("fits");
        let n = b.add(BatchNorm::default(), &[c]).expect("fits");
        let r = b.add(Relu, &[n]).expect("fits");
        b.add(MaxPool2d::new(2), &[r]).expect("fits")
    })
}

/// With means a thousand times the deviations, and gammas of either sign and none.
#[test]
fn stems_agree_with_the_reference() {
    for tiling in [None, Some(Tiling::Workgroup)] {
        let gpu = Arc::new(common::gpu_in(tiling));
        // SwiftShader's compiler takes minutes for the large one, and all memory.
        let large = !matches!(common::gpu().tiling, Tiling::Subgroup { lanes: 4, .. });
        for graph in stems().into_iter().chain(large.then(large_stem)) {
            let name = graph.name.clone();
            let failures = common::statistics::failures(&gpu, graph);
            assert!(failures.is_empty(), "{name}, {tiling:?}: {failures:#?}");
        }
    }
}

/// And where no binding holds a batch, neither its images nor what the pool writes.
#[test]
fn slices_of_stems_agree_with_the_reference() {
    let graph = |window: usize| {
        network_of("sliced_stem", [16, 32, 1], &|b| {
            let c = b.add(Conv2d::new(64, 2, Padding::Same), &[0]).expect("fits");
            let r = b.add(Relu, &[c]).expect("fits");
            let n = b.add(BatchNorm::default(), &[r]).expect("fits");
            let p = b.add(MaxPool2d { stride: [2, 2], ..MaxPool2d::new(window) }, &[n]).expect("fits");
            b.add(GlobalAvgPool, &[p]).expect("fits")
        })
    };
    for (tiling, window) in [None, Some(Tiling::Workgroup)].into_iter().flat_map(|t| [(t, 2), (t, 4)]) {
        let mut gpu = common::gpu_in(tiling);
        // Two samples of the output, in steps that any device's alignment allows.
        gpu.limit_binding(64 << 10);
        let failures = common::step::failures(&Arc::new(gpu), "sliced", graph(window), None, 1e-5);
        assert!(failures.is_empty(), "{tiling:?}, {window}: {failures:#?}");
    }
}

/// A convolution in a stem has no steps, and neither its output nor the gradient of that has bytes; unless the pool leaves pixels out, the
/// convolution is frozen, others read what it writes, or there is too much to compute.
#[test]
fn stems_are_taken_in() {
    let convolutions = |graph: &Graph, mode| {
        let plan = planned(graph, mode, true);
        let of = |node: usize| graph.nodes[node].op.name() == "conv2d";
        plan.steps
            .iter()
            .filter(|s| matches!(s, Step::Forward { node, .. } | Step::Backward { node, .. } if of(*node)))
            .count()
    };
    for graph in stems() {
        let all = graph.nodes.iter().filter(|n| n.op.name() == "conv2d").count();
        assert_eq!(convolutions(&graph, Mode::Train), 2 * (all - 1), "{}", graph.name);
        assert_eq!(convolutions(&graph, Mode::Evaluate), all - 1, "{}", graph.name);
        assert_eq!(convolutions(&graph, Mode::Explain(0)), 2 * all, "{}", graph.name);
        let mut frozen = graph;
        frozen.freeze(&Freeze::First(2)).expect("an input and a convolution");
        assert_eq!(convolutions(&frozen, Mode::Train), 2 * all - 1, "{}", frozen.name);
    }
    let graph = network("fer4-cnn4-bn");
    assert_eq!(convolutions(&graph, Mode::Train), 6);
    let (fused, plain) = (planned(&graph, Mode::Train, true), planned(&graph, Mode::Train, false));
    assert!(fused.lower_bound * 3 < plain.lower_bound, "{} {}", fused.lower_bound, plain.lower_bound);
    let left = |name: &str, image: [usize; 3], pool: MaxPool2d, twice: bool| {
        let graph = network_of(name, image, &|b| {
            let c = b.add(Conv2d::new(4, 3, Padding::Same), &[0]).expect("fits");
            let n = b.add(BatchNorm::default(), &[c]).expect("fits");
            let p = b.add(pool, &[n]).expect("fits");
            if !twice {
                return p;
            }
            let q = b.add(pool, &[c]).expect("fits");
            b.add(fer_gpu::ops::add::Add, &[p, q]).expect("fits")
        });
        assert_eq!(convolutions(&graph, Mode::Train), 2, "{name}");
    };
    left("a_pixel_over", [8, 9, 1], MaxPool2d::new(2), false);
    left("a_large_window", [8, 8, 1], MaxPool2d::new(4), false);
    left("overlapping", [9, 9, 1], MaxPool2d { stride: [2, 2], ..MaxPool2d::new(3) }, false);
    left("four_channels", [8, 8, 4], MaxPool2d::new(2), false);
    left("two_consumers", [8, 8, 1], MaxPool2d::new(2), true);
}
