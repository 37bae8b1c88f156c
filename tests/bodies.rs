//! The pretrained bodies against Keras (`tests/golden/bodies.json`), freezing as Keras counts layers, and the blocks that bodies are
//! made of, frozen or not, on the GPU against the reference.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{distance, noise};
use fer_gpu::error::Result;
use fer_gpu::gpu::Gpu;
use fer_gpu::graph::{At, Builder, CpuExecutor, Executor, Freeze, GpuExecutor, Graph, Parameters, Value};
use fer_gpu::models::{self, Stack, Summary, Variant};
use fer_gpu::ops::add::Add;
use fer_gpu::ops::avg_pool2d::AvgPool2d;
use fer_gpu::ops::batch_norm::BatchNorm;
use fer_gpu::ops::concat::Concat;
use fer_gpu::ops::conv2d::Conv2d;
use fer_gpu::ops::depthwise_conv2d::DepthwiseConv2d;
use fer_gpu::ops::global_avg_pool::GlobalAvgPool;
use fer_gpu::ops::max_pool2d::MaxPool2d;
use fer_gpu::ops::mul::Mul;
use fer_gpu::ops::normalization::Normalization;
use fer_gpu::ops::relu::Relu;
use fer_gpu::ops::rescaling::Rescaling;
use fer_gpu::ops::reshape::Reshape;
use fer_gpu::ops::sigmoid::Sigmoid;
use fer_gpu::ops::silu::Silu;
use fer_gpu::ops::stochastic_depth::StochasticDepth;
use fer_gpu::ops::window::Padding;
use fer_gpu::ops::zero_pad2d::ZeroPad2d;
use fer_gpu::tensor::HostTensor;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Deserialize)]
struct File {
    networks: BTreeMap<String, Body>,
}

/// A body in Keras.
#[derive(Deserialize)]
struct Body {
    /// "name class parameters".
    layers: Vec<String>,
    /// Output shapes by the input's side, runs of equal ones as "7x7x512*3".
    shapes: BTreeMap<String, String>,
}

fn variant(name: &str, variant: &Variant) -> Result<Graph> {
    let model = models::find(name)?;
    model.variant(model.classes, variant)
}

fn frozen(name: &str, freeze: Freeze) -> Result<Graph> {
    variant(name, &Variant { size: None, freeze: Some(freeze) })
}

/// Names, classes, order, parameters and shapes of every layer, at three sizes.
#[test]
fn layers_are_keras() {
    let file: File = common::golden("bodies.json");
    let with_body = models::MODELS.iter().filter(|m| !m.about.contains("ours"));
    assert!(file.networks.len() >= 16 && with_body.count() >= 27);
    for (name, body) in &file.networks {
        for (side, shapes) in &body.shapes {
            let side: usize = side.parse().expect("a side");
            let graph = variant(name, &Variant { size: Some([side; 2]), freeze: None }).expect("builds");
            let whole = !graph.nodes[0].body;
            let ours = graph.layers().into_iter().filter(|l| whole || graph.nodes[l.start].body).map(|nodes| {
                let first = &graph.nodes[nodes.start];
                let parts = &graph.nodes[nodes.clone()];
                let params: usize = parts.iter().flat_map(|n| &n.params).map(|p| p.shape.elements()).sum();
                let shape: Vec<String> = graph.shapes[nodes.end].dims().iter().map(ToString::to_string).collect();
                (format!("{} {} {params}", first.name, first.class), shape.join("x"))
            });
            let wanted = shapes.split(' ').flat_map(|run| {
                let (shape, count) = run.split_once('*').unwrap_or((run, "1"));
                std::iter::repeat_n(shape.to_owned(), count.parse().expect("a count"))
            });
            let wanted: Vec<(String, String)> = body.layers.iter().cloned().zip(wanted).collect();
            let ours: Vec<(String, String)> = ours.collect();
            for (i, (ours, keras)) in ours.iter().zip(&wanted).enumerate() {
                assert_eq!(ours, keras, "{name} at {side}: layer {i}, ours and Keras's");
            }
            assert_eq!((ours.len(), body.layers.len()), (wanted.len(), wanted.len()), "{name} at {side}");
        }
    }
}

/// Trainable and fixed parameters after freezing, as Keras counts them.
#[test]
fn freezing_counts_are_keras() {
    for (name, freeze, trainable, fixed) in [
        ("fer8-vgg19", Freeze::BodyBut(10), 17_702_920, 2_325_568),
        ("fer8-vgg19", Freeze::BodyBut(0), 4_104, 20_024_384),
        ("fer8-vgg19", Freeze::Body, 4_104, 20_024_384),
        ("fer8-vgg19", Freeze::Through("block4_conv2".into()), 14_162_952, 5_865_536),
        // 22 layers with the input: the first 13 end with block4_conv1.
        ("fer8-vgg19", Freeze::First(13), 16_522_760, 3_505_728),
        ("fer8-vgg19", Freeze::First(1), 20_028_488, 0),
        ("fer7-efficientnetv2l", Freeze::Nothing, 117_243_239, 512_576),
        ("fer4-vgg16", Freeze::Nothing, 14_887_556, 128),
        ("fer4-cnn3", Freeze::First(3), 604_740, 320),
    ] {
        let summary = Summary::new(&frozen(name, freeze.clone()).expect("freezes"));
        assert_eq!((summary.trainable, summary.non_trainable), (trainable, fixed), "{name}, {freeze}");
    }
}

#[test]
fn what_cannot_be_frozen_is_an_error() {
    for (name, freeze, says) in [
        ("fer8-vgg19", Freeze::Through("block5_conv9".into()), "did you mean `block5_conv"),
        ("fer8-vgg19", Freeze::BodyBut(23), "has 22 layers"),
        ("fer8-vgg19", Freeze::First(25), "has 24 layers"),
        ("fer8-vgg19", Freeze::First(24), "nothing to train"),
        ("fer4-cnn3", Freeze::Body, "no pretrained body"),
        ("fer4-cnn3", Freeze::BodyBut(1), "no pretrained body"),
    ] {
        let error = frozen(name, freeze.clone()).expect_err("refused").to_string();
        assert!(error.contains(says), "{name}, {freeze}: {error}");
    }
}

#[test]
fn sizes_that_a_body_cannot_take_are_errors() {
    for (name, least) in [("fer8-vgg16", 32), ("fer7-resnet50", 32), ("fer8-inceptionv3", 75), ("mini-xception", 5)] {
        let at = |side| variant(name, &Variant { size: Some([side, 300]), freeze: None });
        assert!(at(least).is_ok(), "{name}");
        let error = at(least - 1).expect_err("too small").to_string();
        assert!(error.contains(&format!("at least {least} x {least}")), "{error}");
    }
}

/// A pre-activated bottleneck: padding, a thinned shortcut, a strided convolution.
fn residual(net: &mut Builder, x: Value) -> Result<Value> {
    let active = net.add(BatchNorm { epsilon: 1.001e-5, ..BatchNorm::default() }, &[x])?;
    let active = net.add_as("Activation", None, Relu, &[active])?;
    let shortcut = net.add(MaxPool2d { window: [1; 2], stride: [2; 2], padding: Padding::Valid }, &[x])?;
    let y = net.add(Conv2d { bias: false, ..Conv2d::new(3, 1, Padding::Valid) }, &[active])?;
    let y = net.add(ZeroPad2d::new(1), &[y])?;
    let y = net.add(Conv2d { stride: [2; 2], ..Conv2d::new(5, 3, Padding::Valid) }, &[y])?;
    net.add(Add, &[shortcut, y])
}

/// An inverted residual block with squeeze-and-excitation behind EfficientNet's first layers.
fn gated(net: &mut Builder, x: Value) -> Result<Value> {
    let wide = net.add(Conv2d { bias: false, ..Conv2d::new(8, 1, Padding::Same) }, &[x])?;
    let wide = net.add_as("Activation", None, Silu, &[wide])?;
    let y = net.add(ZeroPad2d { rows: [0, 1], columns: [0, 1] }, &[wide])?;
    let depthwise = DepthwiseConv2d { bias: false, ..DepthwiseConv2d::new(3, Padding::Same) };
    let y = net.add(depthwise, &[y])?;
    let y = net.add(BatchNorm::default(), &[y])?;
    let gate = net.add(GlobalAvgPool, &[y])?;
    let gate = net.add(Reshape { target: [1, 1, 8].into() }, &[gate])?;
    let gate = net.add(Conv2d::new(2, 1, Padding::Same), &[gate])?;
    let gate = net.extend(Silu, &[gate])?;
    let gate = net.add(Conv2d::new(8, 1, Padding::Same), &[gate])?;
    let gate = net.extend(Sigmoid, &[gate])?;
    let y = net.add(Mul, &[y, gate])?;
    let dropped = net.add(StochasticDepth { rate: 0.2 }, &[y])?;
    net.add(Add, &[dropped, y])
}

/// Branches that are joined, scaled and added, as in Inception-ResNet.
fn inception(net: &mut Builder, x: Value) -> Result<Value> {
    let unscaled = BatchNorm { scale: false, ..BatchNorm::default() };
    let a = net.add(Conv2d { bias: false, ..Conv2d::new(3, 1, Padding::Same) }, &[x])?;
    let a = net.add(unscaled, &[a])?;
    let b = net.add(Conv2d { kernel: [1, 7], ..Conv2d::new(4, 1, Padding::Same) }, &[x])?;
    let b = net.add(unscaled, &[b])?;
    let c = net.add(AvgPool2d { window: [3; 2], stride: [1; 2], padding: Padding::Same }, &[x])?;
    let joined = net.add(Concat, &[a, b, c])?;
    let up = net.add(Conv2d::new(5, 1, Padding::Same), &[joined])?;
    let scaled = net.add_as("CustomScaleLayer", None, Rescaling::new(0.17, 0.0), &[up])?;
    net.extend(Add, &[x, scaled])
}

/// A block between a stem of 5 channels and a classifier, on 8x8 images.
fn around(name: &str, block: impl FnOnce(&mut Builder, Value) -> Result<Value>) -> Graph {
    Stack::new(name, [8, 8, 3])
        .then(Rescaling::new(2.0, -1.0))
        .then(Normalization)
        .body(|net, x| {
            let x = net.add(Conv2d::new(5, 3, Padding::Same), &[x])?;
            block(net, x)
        })
        .global_max_pool()
        .dense(3)
        .finish()
        .expect("shapes fit")
}

/// Loss, gradients and statistics of a training step on the GPU, against the reference.
fn agrees(gpu: &Arc<Gpu>, graph: Graph, batch: usize) {
    let graph = Arc::new(graph);
    let samples = noise(0, batch, graph.input().elements(), graph.output().elements());
    let mut reference = CpuExecutor::new(Arc::clone(&graph), batch, 1).exact();
    let (metrics, wanted) = reference.gradients(&samples.batch(), At::step(0, 0.0)).expect("the reference");
    let mut executor = GpuExecutor::new(Arc::clone(gpu), Arc::clone(&graph), batch, 1, true).expect("fits");
    executor.train(&samples.batch(), At::step(0, 0.001)).expect("trains");
    let loss = executor.flush().expect("metrics").loss;
    assert!((loss - metrics.loss).abs() <= 1e-5 * metrics.loss, "{}: {loss}, reference {}", graph.name, metrics.loss);
    let slots = Parameters::new(&graph).slots;
    let trained = slots.iter().zip(&wanted).filter(|(s, _)| s.spec.trainable);
    let got = executor.gradients().expect("gradients");
    assert_eq!(got.len(), trained.clone().count());
    for (got, (slot, want)) in got.iter().zip(trained) {
        let want = want.clone().unwrap_or_else(|| HostTensor::zeros(slot.spec.shape.clone()));
        let (size, error) = distance(got, &want);
        // Sums over a few thousand pixels behind several batch norms, which cancel; an error in a kernel shows as a whole norm.
        assert!(error <= 1e-4 * size + 1e-6, "{}: d {}: off by {error:e} of {size:e}", graph.name, got.name);
    }
    for (slot, want) in slots.iter().zip(&wanted) {
        assert!(slot.spec.trainable || want.is_none(), "{}: {} is not trained", graph.name, slot.name);
    }
    reference.train(&samples.batch(), At::step(0, 0.001)).expect("trains");
    let (got, want) = (executor.snapshot().expect("reads"), reference.snapshot().expect("reads"));
    for ((got, want), slot) in
        got.parameters.iter().zip(&want.parameters).zip(&slots).filter(|(_, s)| !s.spec.trainable)
    {
        for (g, w) in got.values.iter().zip(&want.values) {
            assert!((g - w).abs() <= 1e-5 * w.abs() + 1e-6, "{}: {}: {g}, reference {w}", graph.name, slot.name);
        }
    }
}

#[test]
fn blocks_on_the_gpu_are_the_references() {
    let gpu = Arc::new(common::gpu());
    agrees(&gpu, around("residual", residual), 4);
    agrees(&gpu, around("gated", gated), 4);
    agrees(&gpu, around("inception", inception), 4);
}

/// Frozen up to the stem's convolution, and but for the last layers: gradients pass through what follows, and no further.
#[test]
fn frozen_blocks_on_the_gpu_are_the_references() {
    let gpu = Arc::new(common::gpu());
    for (block, name) in [(residual as fn(&mut Builder, Value) -> Result<Value>, "residual"), (inception, "inception")]
    {
        for freeze in [Freeze::Through("conv2d".into()), Freeze::BodyBut(3)] {
            let mut graph = around(name, block);
            graph.freeze(&freeze).expect("freezes");
            agrees(&gpu, graph, 4);
        }
    }
}

/// What is frozen does not move, its batch norm's statistics included; what is not, does.
#[test]
fn a_frozen_body_stands_still() {
    let mut graph = around("residual", residual);
    graph.freeze(&Freeze::Body).expect("freezes");
    let graph = Arc::new(graph);
    let slots = Parameters::new(&graph).slots;
    let executors: [Box<dyn Executor>; 2] = [
        Box::new(GpuExecutor::new(Arc::new(common::gpu()), Arc::clone(&graph), 4, 1, true).expect("fits")),
        Box::new(CpuExecutor::new(Arc::clone(&graph), 4, 1)),
    ];
    for mut executor in executors {
        let before = executor.snapshot().expect("reads");
        let samples = noise(0, 4, graph.input().elements(), 3);
        executor.train(&samples.batch(), At::step(0, 0.01)).expect("trains");
        let after = executor.snapshot().expect("reads");
        let kept: Vec<usize> = after.slots.iter().map(|slot| slot.tensors.len()).collect();
        assert_eq!(kept, [2, 2], "moments of the classifier only");
        for ((a, b), slot) in before.parameters.iter().zip(&after.parameters).zip(&slots) {
            let moves = slot.name.starts_with("dense/");
            assert_eq!(a.values != b.values, moves, "{} on {}", slot.name, executor.device());
        }
    }
}
