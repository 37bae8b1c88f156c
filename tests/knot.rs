//! The knot: whole networks on an adapter that must do what training is for, and the reference's sums at sizes that are cut into
//! slices.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{distance, noise};
use fer_gpu::gpu::Tiling;
use fer_gpu::graph::{At, Batch, CpuExecutor, Executor, GpuExecutor, Graph, NamedTensor, Options, Samples};
use fer_gpu::models::{self, Stack};
use fer_gpu::ops::batch_norm::BatchNorm;
use fer_gpu::ops::conv2d::Conv2d;
use fer_gpu::ops::dense::Dense;
use fer_gpu::ops::dropout::Dropout;
use fer_gpu::ops::global_avg_pool::GlobalAvgPool;
use fer_gpu::ops::leaky_relu::LeakyRelu;
use fer_gpu::ops::max_pool2d::MaxPool2d;
use fer_gpu::ops::relu::Relu;
use fer_gpu::ops::window::Padding;
use fer_gpu::ops::{Case, Input, Subject, Tolerance};
use fer_gpu::tensor::HostTensor;
use fer_gpu::verify;
use std::sync::Arc;

fn network(name: &str) -> Arc<Graph> {
    let model = models::find(name).expect("listed");
    Arc::new(model.graph(model.classes).expect("builds").without_dropout())
}

fn batch(graph: &Graph, n: usize) -> Samples {
    noise(0, n, graph.input().elements(), graph.output().elements())
}

fn loss(executor: &mut dyn Executor) -> f64 {
    let metrics = executor.flush().expect("metrics");
    assert!(!metrics.not_finite);
    metrics.loss / metrics.count
}

/// Four pictures of noise, learnt by heart.
#[test]
fn one_batch_overfits() {
    let gpu = Arc::new(common::gpu());
    for (name, steps) in [("fer7-small", 20), ("fer7-cnn4-bn", 60), ("fer4-cnn3", 30)] {
        let graph = network(name);
        let samples = batch(&graph, 4);
        let mut executor = GpuExecutor::new(Arc::clone(&gpu), Arc::clone(&graph), 4, 1, true).expect("fits");
        let mut losses = Vec::new();
        for s in 0..steps {
            executor.train(&samples.batch(), At::step(s, 0.002)).expect("trains");
            losses.push(loss(&mut executor));
        }
        let reached = losses.iter().position(|l| *l < 0.05);
        println!("{name}: loss {:.3} to {:.1e}, below 0.05 at {reached:?}", losses[0], losses[losses.len() - 1]);
        assert!(losses[losses.len() - 1] < 0.05, "{name}: {losses:?}");
    }
}

/// Batch norm trains on the batch's statistics and infers with moving ones, which start at 0 and 1 and keep 0.99 of themselves a
/// step: after one step the two modes are far apart, and after 1500 at a rate of 0 they agree to 0.99^1500 = 3e-7.
#[test]
fn modes_differ_for_batch_norm_and_agree_in_the_limit() {
    let net = Stack::new("tiny", [8, 8, 1]).conv_same(4, 3).batch_norm().relu().global_avg_pool().dense(3);
    let graph = Arc::new(net.finish().expect("builds"));
    let samples = batch(&graph, 4);
    let mut executor = GpuExecutor::new(Arc::new(common::gpu()), graph, 4, 1, true).expect("fits");
    let mut modes = |steps: std::ops::Range<u64>| {
        for s in steps {
            executor.train(&samples.batch(), At::step(s, 0.0)).expect("trains");
            executor.arrived().expect("metrics");
        }
        executor.flush().expect("metrics");
        executor.train(&samples.batch(), At::step(0, 0.0)).expect("trains");
        let train = loss(&mut executor);
        executor.evaluate(&samples.batch()).expect("evaluates");
        (train, loss(&mut executor))
    };
    let (train, infer) = modes(0..1);
    assert!((train - infer).abs() > 3e-3 * train, "after a step: {train} in training, {infer} in inference");
    let (train, infer) = modes(1..1500);
    assert!((train - infer).abs() < 1e-5 * train, "in the limit: {train} in training, {infer} in inference");
}

/// A loss that is not finite stops the optimizer, on the adapter itself: the host learns of it steps later.
#[test]
fn nothing_moves_after_a_loss_that_is_not_finite() {
    let graph = network("fer4-cnn3");
    let samples = batch(&graph, 2);
    let mut bad = samples.x.clone();
    bad[7] = f32::INFINITY;
    let mut executor = GpuExecutor::new(Arc::new(common::gpu()), Arc::clone(&graph), 2, 1, true).expect("fits");
    executor.train(&samples.batch(), At::step(0, 0.001)).expect("trains");
    let before = executor.snapshot().expect("reads back");
    for (s, x) in (1..).zip([&bad, &samples.x, &samples.x]) {
        executor.train(&Batch { x, ..samples.batch() }, At::step(s, 0.001)).expect("queues");
    }
    assert!(executor.flush().expect("metrics").not_finite);
    assert!(executor.snapshot().expect("reads back") == before, "parameters moved");
}

/// Loss and gradients of step 0 on an adapter, in another tiling than its own if one is given, whose bindings hold `limit` bytes. Stems
/// are not taken in: the largest activation is what is to be cut (tests/stems.rs cuts those of stems).
fn step(graph: &Arc<Graph>, n: usize, tiling: Option<Tiling>, limit: Option<u64>) -> (f64, Vec<NamedTensor>) {
    let mut gpu = common::gpu_in(tiling);
    if let Some(limit) = limit {
        gpu.limit_binding(limit);
    }
    let samples = batch(graph, n);
    let options = Options { unrolled: 0, ..Options::default() };
    let mut executor = GpuExecutor::with(Arc::new(gpu), Arc::clone(graph), n, 1, (true, options)).expect("fits");
    executor.train(&samples.batch(), At::step(0, 0.001)).expect("trains");
    (loss(&mut executor), executor.gradients().expect("gradients"))
}

/// Bytes of a binding that cut the first activations of a batch of 16 into at least three slices, and hold each weight.
const SLICED: [(&str, u64); 2] = [("fer7-small", 640 << 10), ("fer7-cnn4-bn", 2 << 20)];

/// The largest difference between two tensors of gradients relative to its norm. A bias before a batch norm has no gradient but
/// rounding: its layer's kernel is what it is small beside.
fn worst_difference(ours: &[NamedTensor], theirs: &[HostTensor]) -> (f64, String) {
    let mut kernel = 0.0;
    let mut worst = (0.0f64, String::new());
    for (a, b) in ours.iter().zip(theirs) {
        let (size, error) = distance(a, b);
        if a.name.ends_with("/kernel") {
            kernel = size;
        }
        let relative = error / if size < 1e-5 * kernel { kernel } else { size };
        println!("    d {}: off by {error:.1e} of {size:.1e}", a.name);
        if relative > worst.0 || relative.is_nan() {
            worst = (relative, a.name.clone());
        }
    }
    worst
}

/// Sums over the batch are added in another order in slices, which may turn a ReLU or move a maximum that was nearly a tie; a
/// gradient then differs by that element's share. Dropout is on: its masks must not depend on the slices.
#[test]
fn slices_agree_with_the_whole() {
    let tilings = [None, Some(Tiling::Workgroup)];
    for ((name, limit), tiling) in SLICED.into_iter().flat_map(|sliced| tilings.map(|tiling| (sliced, tiling))) {
        let model = models::find(name).expect("listed");
        let graph = Arc::new(model.graph(model.classes).expect("builds"));
        let (whole, gradients) = step(&graph, 16, tiling, None);
        let (sliced, others) = step(&graph, 16, tiling, Some(limit));
        assert!((whole - sliced).abs() < 1e-5 * whole, "{name}: loss {whole}, sliced {sliced}");
        let others: Vec<_> = others.iter().map(|t| HostTensor::from_f32(t.shape.clone(), &t.values)).collect();
        let (error, at) = worst_difference(&gradients, &others);
        assert!(error <= 1e-2, "{name}: d {at}: off by {error:e}");
    }
}

/// Every op by itself where no binding holds a whole batch: nothing chaotic here, so the cases' own tolerances.
#[test]
fn every_op_in_slices() {
    // Short, wide images: partial sums of weight gradients, a set for each line at most, fit a binding too.
    let image = || vec![Input::new([8, 4, 128, 4], 1)];
    let near = Tolerance::sum(8 * 4 * 128);
    let cases = [
        Case::new("slices", Conv2d::new(8, 2, Padding::Same), image(), near),
        Case::new("slices_1x1", Conv2d::new(8, 1, Padding::Valid), image(), near),
        Case::new("slices", Dense::new(16), vec![Input::new([256, 64], 1)], near),
        Case::new("slices", BatchNorm::default(), image(), near),
        Case::new("slices_inference", BatchNorm::default(), image(), near).inference(),
        Case::new("slices", MaxPool2d { window: [3; 2], stride: [2; 2], padding: Padding::Same }, image(), near),
        Case::new("slices", GlobalAvgPool, vec![Input::new([8, 16, 16, 64], 1)], near),
        Case::new("slices", Relu, image(), near),
        Case::new("slices", LeakyRelu { slope: 0.2 }, image(), near),
        Case::new("slices", Dropout { rate: 0.3 }, image(), near),
    ];
    for tiling in [None, Some(Tiling::Workgroup)] {
        for case in &cases {
            let Subject::Op { inputs, .. } = &case.subject else { unreachable!("all are ops") };
            let mut gpu = common::gpu_in(tiling);
            // Two fifths of the input: three slices or more.
            let limit = inputs[0].shape.elements() as u64 * 4 * 2 / 5;
            gpu.limit_binding(limit);
            let outcome = verify::run(&gpu, case).expect(&case.name);
            assert!(outcome.passed(), "{tiling:?}: {outcome:?}");
        }
    }
}

/// Compares a step of 64 images on an adapter with the reference: the loss to 1e-5, gradients to `near` of their norms.
fn agrees_at_64(graph: &Arc<Graph>, near: f64) {
    // What lavapipe really has; an adapter with larger bindings is held to it.
    let (loss, gradients) = step(graph, 64, None, Some(128 << 20));
    let samples = batch(graph, 64);
    let (metrics, wanted) = CpuExecutor::new(Arc::clone(graph), 64, 1)
        .gradients(&samples.batch(), At::step(0, 0.0))
        .expect("the reference");
    let wanted_loss = metrics.loss / 64.0;
    println!("{}: loss {loss}, reference {wanted_loss}", graph.name);
    assert!((loss - wanted_loss).abs() <= 1e-5 * wanted_loss, "{}: loss {loss}, reference {wanted_loss}", graph.name);
    let (error, at) = worst_difference(&gradients, &wanted.into_iter().flatten().collect::<Vec<_>>());
    assert!(error <= near, "{}: d {at}: off by {error:e}", graph.name);
}

/// The first activation of fer4-cnn4-bn at batch 64 has 151 MB, more than a binding of lavapipe holds. Its ReLUs and maxima turn
/// on rounding (one that turns is 1/200 of a dense layer's gradient); a network with the same first layer and no kink is held to 1e-4.
#[test]
fn an_activation_over_the_binding_limit() {
    agrees_at_64(&network("fer4-cnn4-bn"), 5e-2);
    let strided = Conv2d { filters: 8, kernel: [4; 2], stride: [4; 2], padding: Padding::Valid, bias: true };
    let net = Stack::new("smooth", [48, 48, 1]).conv_same(256, 2).batch_norm().then(strided).flatten().dense(4);
    agrees_at_64(&Arc::new(net.finish().expect("builds")), 1e-4);
}
