//! Every kernel text that this program can hand to a driver, without running any.

use crate::error::Result;
use crate::gpu::{Gpu, Kernel};
use crate::graph::{Executor, GpuExecutor, Mode};
use crate::models::MODELS;
use crate::ops;
use crate::verify::prepare;
use std::sync::{Arc, Mutex};

/// Images a step for which the networks are planned here: few, for only the texts are wanted.
const BATCH: usize = 2;

/// What no case and no network here reaches: the sum of the gradients of a value with several readers, and the profiler's.
const OTHERS: [(&str, &str, &str); 3] = [
    ("graph", "accumulate", include_str!("../../shaders/accumulate.wgsl")),
    ("gpu", "peak_arithmetic", include_str!("../../shaders/common/peak_arithmetic.wgsl")),
    ("gpu", "peak_copy", include_str!("../../shaders/common/peak_copy.wgsl")),
];

/// The kernels of every case of every op and of every network's training and evaluation, each text and entry point once, as
/// `gpu` in its present tiling would get them. Nothing is run.
///
/// # Errors
/// A kernel that cannot be rendered, or whatever the driver reports.
pub fn kernels(mut gpu: Gpu) -> Result<Vec<Kernel>> {
    let tiling = gpu.tiling;
    let found = Arc::new(Mutex::new(Vec::<Kernel>::new()));
    let note = Arc::clone(&found);
    gpu.rewrite_shaders(move |kernel| {
        if let Ok(mut found) = note.lock() {
            found.push(kernel.clone());
        }
        // What is compiled matters not: an empty kernel is quick.
        Some(format!("@compute @workgroup_size(1) fn {}() {{}}", kernel.entry))
    });
    for case in ops::cases(None)? {
        prepare(&gpu, &case)?;
    }
    let gpu = Arc::new(gpu);
    for model in MODELS {
        let graph = model.graph(model.classes)?;
        let mut executor = GpuExecutor::new(Arc::clone(&gpu), Arc::new(graph), BATCH, 0, true)?;
        executor.prepare(Mode::Train, BATCH)?;
        executor.prepare(Mode::Evaluate, BATCH)?;
    }
    let mut kernels = found.lock().map(|found| found.clone()).unwrap_or_default();
    kernels.extend(OTHERS.map(|(op, entry, source)| Kernel::new(op, entry, source).with_loads(tiling)));
    kernels.sort_by(|a, b| (a.op, a.pass, &a.source).cmp(&(b.op, b.pass, &b.source)));
    // The same text and entry point under another name, such as a dense layer's, is the same kernel.
    let mut seen = std::collections::HashSet::new();
    kernels.retain(|k| seen.insert((k.entry, k.source.clone())));
    Ok(kernels)
}
