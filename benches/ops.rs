//! Every op at the networks' own shapes, forward and backward together, and whole training steps.
//!
//! `cargo bench` on the best adapter; throughput is in FLOP/s for convolution and dense layers (forward's FLOPs times three, the
//! convention for a training step), in bytes of the input otherwise. Each sample waits for the device.
#![expect(clippy::expect_used, reason = "a bench fails by panicking")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fer_gpu::gpu::Gpu;
use fer_gpu::gpu::adapter::DeviceChoice;
use fer_gpu::graph::{At, Executor, GpuExecutor, Samples};
use fer_gpu::ops::{self, Subject};
use fer_gpu::optim::Optimizer;
use fer_gpu::tensor::{Shape, fill};
use fer_gpu::{models, verify};
use std::sync::Arc;
use std::time::Duration;

fn gpu() -> Gpu {
    Gpu::open(&DeviceChoice::Auto, wgpu::Backends::all()).expect("benches need an adapter: README.md, Drivers")
}

fn kernels(c: &mut Criterion) {
    let gpu = gpu();
    let mut group = c.benchmark_group("ops");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    for case in ops::cases(None).expect("all").iter().filter(|case| case.bench) {
        let throughput = match &case.subject {
            Subject::Op { op, inputs, .. } => {
                let dims = inputs[0].shape.dims();
                let flops = op.flops(&[&Shape::new(&dims[1..])]) * dims[0] as u64 * 3;
                if flops > 0 {
                    Throughput::Elements(flops)
                } else {
                    Throughput::Bytes(inputs[0].shape.elements() as u64 * 4)
                }
            }
            Subject::Loss { logits: x, .. }
            | Subject::Regression { predictions: x, .. }
            | Subject::Augment { x, .. } => Throughput::Bytes(x.shape.elements() as u64 * 4),
        };
        group.throughput(throughput);
        let prepared = verify::prepare(&gpu, case).expect(&case.name);
        prepared.bind_contents(&gpu);
        group.bench_function(&case.name, |b| b.iter(|| prepared.run(&gpu).expect("runs")));
    }
    // fer7-cnn3-bn's parameters; a parameter and each slot are read and written, a gradient is read.
    let parameters = 1_048_583;
    for optimizer in [Optimizer::adam(), Optimizer::sgd(0.9, false)] {
        group.throughput(Throughput::Bytes((parameters * (12 + 8 * optimizer.slots().len())) as u64));
        let prepared = verify::prepare_optimizer(&gpu, &optimizer, parameters).expect("fits");
        let name = format!("{}/fer7", optimizer.rule.name());
        group.bench_function(&name, |b| b.iter(|| prepared.run(&gpu).expect("runs")));
    }
    group.finish();
}

fn steps(c: &mut Criterion) {
    let gpu = Arc::new(gpu());
    let mut group = c.benchmark_group("step");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(2));
    for (name, batch) in
        [("fer7-small", 32), ("fer7-cnn4-bn", 32), ("fer7-cnn3-bn", 100), ("fer4-cnn4-bn", 64), ("fer3-cnn6-bn", 32)]
    {
        let model = models::find(name).expect("listed");
        let graph = Arc::new(model.graph(model.classes).expect("builds"));
        let x: Vec<f32> = (0..graph.input().elements() * batch).map(|i| fill(1, i as u32)).collect();
        let labels: Vec<u32> = (0..batch).map(|i| (i % model.classes) as u32).collect();
        let samples = Samples::labelled(x, &labels, model.classes);
        let mut executor = GpuExecutor::new(Arc::clone(&gpu), graph, batch, 0, true).expect("fits");
        let mut step = 0;
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(format!("{name}/{batch}"), |b| {
            b.iter(|| {
                executor.train(&samples.batch(), At::step(step, 1e-3)).expect("runs");
                executor.flush().expect("runs");
                step += 1;
            });
        });
    }
    group.finish();
}

criterion_group!(benches, kernels, steps);
criterion_main!(benches);
