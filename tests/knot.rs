//! The knot: whole networks on an adapter that must do what training is for, and the reference's sums at sizes that are cut into
//! slices.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{distance, noise};
use fer_gpu::graph::{CpuExecutor, Executor, GpuExecutor, Graph, NamedTensor};
use fer_gpu::models::{self, Stack};
use std::sync::Arc;

fn network(name: &str) -> Arc<Graph> {
    let model = models::find(name).expect("listed");
    Arc::new(model.graph(model.classes).expect("builds").without_dropout())
}

fn batch(graph: &Graph, n: usize) -> (Vec<f32>, Vec<u32>) {
    noise(0, n, graph.input().elements(), graph.output().elements())
}

fn loss(executor: &mut dyn Executor) -> f64 {
    let metrics = executor.flush().expect("metrics");
    assert!(!metrics.not_finite);
    metrics.loss / metrics.count
}

/// Eight pictures of noise, learnt by heart.
#[test]
fn one_batch_overfits() {
    let gpu = Arc::new(common::gpu());
    for (name, steps) in [("fer7-small", 150), ("fer7-cnn4-bn", 40), ("fer4-cnn3", 80)] {
        let graph = network(name);
        let (x, labels) = batch(&graph, 8);
        let mut executor = GpuExecutor::new(Arc::clone(&gpu), Arc::clone(&graph), 8, 1, true).expect("fits");
        let mut losses = Vec::new();
        for s in 0..steps {
            executor.train(&x, &labels, s, 0.002).expect("trains");
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
    let (x, labels) = batch(&graph, 4);
    let mut executor = GpuExecutor::new(Arc::new(common::gpu()), graph, 4, 1, true).expect("fits");
    let mut modes = |steps: std::ops::Range<u64>| {
        for s in steps {
            executor.train(&x, &labels, s, 0.0).expect("trains");
            executor.arrived().expect("metrics");
        }
        executor.flush().expect("metrics");
        executor.train(&x, &labels, 0, 0.0).expect("trains");
        let train = loss(&mut executor);
        executor.evaluate(&x, &labels).expect("evaluates");
        (train, loss(&mut executor))
    };
    let (train, infer) = modes(0..1);
    assert!((train - infer).abs() > 0.01 * train, "after a step: {train} in training, {infer} in inference");
    let (train, infer) = modes(1..1500);
    assert!((train - infer).abs() < 1e-5 * train, "in the limit: {train} in training, {infer} in inference");
}

/// A loss that is not finite stops the optimizer, on the adapter itself: the host learns of it steps later.
#[test]
fn nothing_moves_after_a_loss_that_is_not_finite() {
    let graph = network("fer4-cnn3");
    let (x, labels) = batch(&graph, 2);
    let mut bad = x.clone();
    bad[7] = f32::INFINITY;
    let mut executor = GpuExecutor::new(Arc::new(common::gpu()), Arc::clone(&graph), 2, 1, true).expect("fits");
    executor.train(&x, &labels, 0, 0.001).expect("trains");
    let before = executor.snapshot().expect("reads back");
    for (s, x) in (1..).zip([&bad, &x, &x]) {
        executor.train(x, &labels, s, 0.001).expect("queues");
    }
    assert!(executor.flush().expect("metrics").not_finite);
    assert!(executor.snapshot().expect("reads back") == before, "parameters moved");
}

/// Loss and gradients of step 0 on an adapter whose bindings hold `limit` bytes.
fn step(graph: &Arc<Graph>, n: usize, limit: Option<u64>) -> (f64, Vec<NamedTensor>) {
    let mut gpu = common::gpu();
    if let Some(limit) = limit {
        gpu.limit_binding(limit);
    }
    let (x, labels) = batch(graph, n);
    let mut executor = GpuExecutor::new(Arc::new(gpu), Arc::clone(graph), n, 1, true).expect("fits");
    executor.train(&x, &labels, 0, 0.001).expect("trains");
    (loss(&mut executor), executor.gradients().expect("gradients"))
}

/// Bindings of 640 KiB cut every large activation of a batch of 16 into slices of up to 4 samples. Sums over the batch are then
/// added in another order: 1e-5 of a gradient's norm.
#[test]
fn slices_agree_with_the_whole() {
    for name in ["fer7-small", "fer7-cnn4-bn"] {
        let model = models::find(name).expect("listed");
        // With dropout: its masks must not depend on the slices.
        let graph = Arc::new(model.graph(model.classes).expect("builds"));
        let (whole, gradients) = step(&graph, 16, None);
        let (sliced, others) = step(&graph, 16, Some(SLICED.iter().find(|s| s.0 == name).expect("listed").1));
        assert!((whole - sliced).abs() < 1e-6 * whole, "{name}: loss {whole}, sliced {sliced}");
        for (a, b) in gradients.iter().zip(&others) {
            let b = fer_gpu::tensor::HostTensor::from_f32(b.shape.clone(), &b.values);
            let (size, error) = distance(a, &b);
            assert!(error <= 1e-5 * size + 1e-7, "{name}: d {}: off by {error:e} of {size:e}", a.name);
        }
    }
}

/// Bytes of a binding that cut the first activations into at least three slices, and still hold each weight.
const SLICED: [(&str, u64); 2] = [("fer7-small", 640 << 10), ("fer7-cnn4-bn", 2 << 20)];

/// The first activation of fer4-cnn4-bn at batch 64 has 151 MB, more than a binding of lavapipe holds.
#[test]
fn an_activation_over_the_binding_limit() {
    let graph = network("fer4-cnn4-bn");
    let (loss, gradients) = step(&graph, 64, Some(128 << 20));
    let (x, labels) = batch(&graph, 64);
    let mut reference = CpuExecutor::new(Arc::clone(&graph), 64, 1);
    let (metrics, wanted) = reference.gradients(&x, &labels, 0).expect("the reference");
    let wanted_loss = metrics.loss / 64.0;
    assert!((loss - wanted_loss).abs() <= 1e-5 * wanted_loss, "loss {loss}, reference {wanted_loss}");
    for (got, want) in gradients.iter().zip(wanted.iter().flatten()) {
        let (size, error) = distance(got, want);
        println!("{}: off by {error:.1e} of {size:.1e}", got.name);
        assert!(error <= 1e-3 * size, "d {}: off by {error:e} of {size:e}", got.name);
    }
}
#[test]
fn zz_experiment() {
    let show = |what: &str, a: &[NamedTensor], b: &[fer_gpu::tensor::HostTensor]| {
        println!("{what}");
        for (got, want) in a.iter().zip(b) {
            let (size, error) = distance(got, want);
            print!(" {} {:.1e}", got.name, error / size);
        }
        println!();
    };
    let graph = network("fer4-cnn4-bn");
    for n in [8, 16] {
        let (x, labels) = batch(&graph, n);
        let mut reference = CpuExecutor::new(Arc::clone(&graph), n, 1);
        let (_, wanted) = reference.gradients(&x, &labels, 0).expect("the reference");
        let wanted: Vec<_> = wanted.into_iter().flatten().collect();
        let (_, whole) = step(&graph, n, None);
        let (_, sliced) = step(&graph, n, Some(9 << 20));
        show("whole", &whole, &wanted);
        show("sliced", &sliced, &wanted);
        let s: Vec<_> = sliced.iter().map(|t| fer_gpu::tensor::HostTensor::from_f32(t.shape.clone(), &t.values)).collect();
        show("whole to sliced", &whole, &s);
    }
}
