//! A training step on an adapter against the reference's.

use super::{distance, noise};
use fer_gpu::gpu::Gpu;
use fer_gpu::graph::{At, CpuExecutor, Executor, GpuExecutor, Graph, Parameters, Snapshot};
use fer_gpu::tensor::HostTensor;
use std::sync::Arc;

/// Images a step.
const BATCH: usize = 5;

/// Loss, gradients and new running statistics of a step on an adapter that differ from the reference's, from the starting values of
/// seed 1 or from `start`.
///
/// A tensor's gradient is a sum of up to a few hundred f32 products: 1e-5 of its norm, `tolerance`; a tenth of that for the gradients
/// that are small because large terms cancel (a batch norm's).
pub(crate) fn failures(
    gpu: &Arc<Gpu>,
    name: &str,
    graph: Graph,
    start: Option<&Snapshot>,
    tolerance: f64,
) -> Vec<String> {
    let samples = noise(0, BATCH, graph.input().elements(), graph.output().elements());
    let mut failures = Vec::new();
    let graph = Arc::new(graph);
    let mut reference = CpuExecutor::new(Arc::clone(&graph), BATCH, 1).exact();
    let mut executor = GpuExecutor::new(Arc::clone(gpu), Arc::clone(&graph), BATCH, 1, true).expect("fits");
    if let Some(start) = start {
        reference.restore(start).expect("its own names and shapes");
        executor.restore(start).expect("its own names and shapes");
    }
    let (metrics, wanted) = reference.gradients(&samples.batch(), At::step(0, 0.0)).expect("the reference");
    reference.train(&samples.batch(), At::step(0, 0.001)).expect("trains");
    executor.train(&samples.batch(), At::step(0, 0.001)).expect("trains");
    let loss = executor.flush().expect("metrics").loss;
    let off = (loss - metrics.loss).abs();
    if off > tolerance * metrics.loss || off.is_nan() {
        failures.push(format!("{name}: loss {loss}, reference {}", metrics.loss));
    }
    let slots = Parameters::new(&graph).slots;
    let trained = wanted.into_iter().zip(&slots).filter(|(_, slot)| slot.spec.trainable);
    // What leads nowhere has no gradient on the reference, and zeros here.
    let wanted = trained.map(|(want, slot)| want.unwrap_or_else(|| HostTensor::zeros(slot.spec.shape.clone())));
    let mut hold = |what: &str, got: &fer_gpu::graph::NamedTensor, want: &HostTensor| {
        let (size, error) = distance(got, want);
        if error > tolerance * (size + 0.1) || error.is_nan() {
            failures.push(format!("{name}: {what}{}: off by {error:e} of {size:e}", got.name));
        }
    };
    let gradients = executor.gradients().expect("gradients");
    let names: Vec<_> = slots.iter().filter(|s| s.spec.trainable).map(|s| &s.name).collect();
    assert_eq!(gradients.iter().map(|g| &g.name).collect::<Vec<_>>(), names);
    gradients.iter().zip(wanted).for_each(|(got, want)| hold("d ", got, &want));
    let after = executor.snapshot().expect("reads").parameters;
    for ((got, want), _) in
        after.iter().zip(reference.values_mut()).zip(&slots).filter(|(_, slot)| !slot.spec.trainable)
    {
        hold("", got, want);
    }
    failures
}
