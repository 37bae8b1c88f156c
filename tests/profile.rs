//! The profiler: what it reports adds up, and training is as if it had not been.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{gpu, noise};
use fer_gpu::graph::{At, CpuExecutor, Executor, GpuExecutor, Profile, Samples};
use fer_gpu::models;
use std::sync::Arc;

const BATCH: usize = 4;

fn check(profile: &Profile, forward: u64) {
    assert_eq!((profile.network.as_str(), profile.batch), ("fer7-small", BATCH));
    let flops: u64 = profile.dispatches.iter().map(|d| d.flops).sum();
    // Forward, weight gradients, and input gradients of all layers but the first; those count the padding's taps too.
    assert!((2 * forward..4 * forward).contains(&flops), "{flops} FLOPs, forward {forward}");
    let kernels = profile.kernels();
    for name in ["conv2d.forward", "conv2d.backward_input", "conv2d.backward_params", "dense.forward", "adam.update"] {
        let k = kernels.iter().find(|k| k.total.kernel == name).expect(name);
        assert!(k.calls > 0 && k.total.bytes > 0 && k.total.seconds > 0.0 && k.of_peak > 0.0, "{k:?}");
        assert_eq!(k.total.flops > 0, name != "adam.update", "{k:?}");
    }
    assert_eq!(kernels.iter().map(|k| k.calls).sum::<usize>(), profile.dispatches.len());
    assert!(kernels.windows(2).all(|w| w[0].total.seconds >= w[1].total.seconds));
    assert!(profile.peaks.flops_per_s > 1e8 && profile.peaks.bytes_per_s > 1e7, "{:?}", profile.peaks);
    assert!(profile.step_seconds > 0.0 && profile.kernel_seconds > 0.0 && profile.encode_seconds > 0.0);
}

#[test]
fn profiles_add_up_and_leave_training_alone() {
    let model = models::find("fer7-small").expect("listed");
    let graph = Arc::new(model.graph(model.classes).expect("builds"));
    let image = graph.input().elements();
    let gpu = Arc::new(gpu());
    let forward: u64 = graph.nodes.iter().map(|n| n.op.flops(&graph.input_shapes(n))).sum::<u64>() * BATCH as u64;
    let run = |profiled: bool| {
        let mut executor = GpuExecutor::new(Arc::clone(&gpu), Arc::clone(&graph), BATCH, 1, true).expect("fits");
        for step in 0..4 {
            let samples = noise(step, BATCH, image, model.classes);
            executor.train(&samples.batch(), At::step(u64::from(step), 0.001)).expect("trains");
            if profiled && step == 1 {
                let samples = noise(9, BATCH, image, model.classes);
                check(&executor.profile(&samples.batch()).expect("profiles"), forward);
            }
        }
        (executor.flush().expect("metrics"), executor.snapshot().expect("reads"))
    };
    let ((profiled, weights), (plain, same)) = (run(true), run(false));
    assert!(weights == same, "profiling moved something");
    // A profile reads the sums in between: the device's f32 sums are rounded at another place.
    assert!((profiled.loss - plain.loss).abs() <= 1e-6 * plain.loss, "{profiled:?} {plain:?}");
    assert_eq!((profiled.correct, profiled.count), (plain.correct, plain.count));
    let mut cpu = CpuExecutor::new(graph, BATCH, 1);
    let error = cpu.profile(&Samples::default().batch()).expect_err("no kernels").to_string();
    assert!(error.contains("no kernels to profile") && error.contains("--device"), "{error}");
}
