//! Optimizers against Keras's own (`tests/golden/adam.json`, `sgd.json`): several steps each with default settings, with gradients of
//! sizes that jump, near epsilon, of zero, with other constants, with weight decay and with clipping; gradients of several batches against those of one;
//! schedules against Keras's (`tests/golden/schedules.json`).
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::optimizers::{self, File};
use fer_gpu::gpu::Gpu;
use fer_gpu::graph::{At, CpuExecutor, Executor, NamedTensor};
use fer_gpu::models::Stack;
use fer_gpu::optim::{Clip, Decayed, Length, Optimizer, Schedule};

#[test]
fn the_reference_agrees_with_keras() {
    let failures = optimizers::reference_failures();
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Twenty updates of networks of relus and max pooling in f64. Betas of f32 would be 1e-5 and more off, for kinks amplify the error of
/// a step; the file keeps nine digits.
#[test]
fn the_reference_agrees_with_keras_on_networks_of_relus() {
    let file: File = common::golden("adam_networks.json");
    assert_eq!(file.cases.len(), 2);
    for case in file.cases {
        let error = case.error(&case.network_on_the_reference());
        assert!(error <= 1e-8, "{}: {error:e} off Keras", case.name);
    }
}

fn check(gpu: &Gpu) {
    let failures = optimizers::gpu_failures(gpu);
    assert!(failures.is_empty(), "{}: {failures:#?}", gpu.description);
}

#[test]
fn the_gpu_agrees_with_keras() {
    check(&common::gpu());
}

/// Bindings of 256 bytes cut the arenas of 35 to 200 elements into up to four slices.
#[test]
fn the_gpu_agrees_with_keras_in_slices() {
    let mut gpu = common::gpu();
    gpu.limit_binding(256);
    check(&gpu);
}

/// The norm of a group of 16,384 elements is one partial sum; here are three, and a slice's own.
#[test]
fn norms_of_many_elements() {
    let mut gpu = common::gpu();
    for limit in [1 << 27, 1 << 16] {
        gpu.limit_binding(limit);
        let elements = 40_000;
        let g: Vec<f32> = (0..elements).map(|i| 0.5 * fer_gpu::tensor::fill(3, i)).collect();
        let norm = g.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
        let adam = Optimizer { clip: Clip::Norm(norm / 8.0), ..Optimizer::adam() };
        let states = fer_gpu::verify::optimizer(&gpu, &adam, 0.001, &vec![0.0; g.len()], std::slice::from_ref(&g))
            .expect("runs");
        // m = 0.1 of the clipped gradient.
        let near = |(m, g): (&f32, &f32)| (f64::from(*m) - f64::from(*g) / 80.0).abs() <= 1e-6 * f64::from(g.abs());
        assert!(states[0].slots[0].iter().zip(&g).all(near), "limit {limit}");
    }
}

/// A norm that is not finite stops the update, and says so.
#[test]
fn a_gradient_that_is_not_finite_moves_nothing() {
    let gpu = common::gpu();
    let adam = Optimizer { clip: Clip::Norm(1.0), ..Optimizer::adam() };
    let mut g = vec![0.1; 9];
    g[4] = f32::INFINITY;
    let states = fer_gpu::verify::optimizer(&gpu, &adam, 0.1, &[2.0; 9], &[g]).expect("runs");
    assert!(states[0].p.iter().all(|p| *p == 2.0) && states[0].slots[0].iter().all(|m| *m == 0.0), "{states:?}");
}

#[test]
fn batches_that_accumulate_are_one_on_the_reference() {
    let failures = optimizers::reference_accumulation_failures();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn batches_that_accumulate_are_one_on_the_gpu() {
    let failures = optimizers::accumulation_failures(&std::sync::Arc::new(common::gpu()));
    assert!(failures.is_empty(), "{failures:#?}");
}

/// With `kernels`, biases and batch norm's parameters move as without a decay, and kernels as with one of all.
#[test]
fn what_does_not_decay_moves_as_without_a_decay() {
    let graph =
        Stack::new("small", [6, 6, 1]).conv_same(4, 3).batch_norm().relu().flatten().dense(3).finish().expect("fits");
    let graph = std::sync::Arc::new(graph);
    let moved = |weight_decay, decayed| {
        let optimizer = Optimizer { weight_decay, decayed, ..Optimizer::adam() };
        let executor = CpuExecutor::new(std::sync::Arc::clone(&graph), 2, 1);
        let mut executor = executor.optimizer(optimizer);
        executor.train(&common::noise(0, 2, 36, 3).batch(), At::step(0, 0.01)).expect("trains");
        executor.snapshot().expect("reads").parameters
    };
    let [none, all, kernels] =
        [(0.0, Decayed::All), (0.5, Decayed::All), (0.5, Decayed::Kernels)].map(|(decay, on)| moved(decay, on));
    for (i, tensor) in kernels.iter().enumerate() {
        let same = |other: &[NamedTensor]| other[i].values == tensor.values;
        assert_eq!(
            (same(&all), same(&none)),
            match tensor.name.rsplit('/').next() {
                Some("kernel") => (true, false),
                Some("gamma") => (false, true),
                // What starts at 0 does not decay in the first step, and statistics never do.
                _ => (true, true),
            },
            "{}",
            tensor.name
        );
    }
}

#[derive(serde::Deserialize)]
struct Course {
    schedule: Schedule,
    lr: f64,
    rates: Vec<(u64, f64)>,
}

/// Keras computes rates in f32, whose cosine and power keep six digits.
#[test]
fn schedules_agree_with_keras() {
    let courses: Vec<Course> = common::golden("schedules.json");
    assert!(courses.len() >= 7, "courses are missing");
    for Course { schedule, lr, rates } in courses {
        schedule.check().expect("a schedule of Keras's");
        for (step, keras) in rates {
            let ours = schedule.rate(lr, step, Length { epoch: 10, phase: 100 });
            assert!((ours - keras).abs() <= 2e-6 * lr, "{schedule:?} at {step}: {ours}, Keras {keras}");
        }
    }
}
