//! Every kernel text that this program can hand to a driver, without running any.

use crate::error::Result;
use crate::gpu::{Gpu, Kernel, Pick, Tiling};
use crate::graph::{Executor, GpuExecutor, Graph, Mode};
use crate::models::MODELS;
use crate::ops;
use crate::optim::Sum;
use crate::verify::prepare;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

/// Images a step for which the networks are planned here: only the texts are wanted.
const BATCH: usize = 1;

/// What no case and no network here reaches, besides sums of gradients: clipping, and the profiler's.
const OTHERS: [(&str, &str, &str); 4] = [
    ("gradient_norm", "squares", include_str!("../../shaders/gradient_norm.wgsl")),
    ("gradient_norm", "scale", include_str!("../../shaders/gradient_norm.wgsl")),
    ("gpu", "peak_arithmetic", include_str!("../../shaders/common/peak_arithmetic.wgsl")),
    ("gpu", "peak_copy", include_str!("../../shaders/common/peak_copy.wgsl")),
];

/// The kernels of every case of every op, each in the variants that `picks` (at least one) picks, and, if asked for, of the networks' training and evaluation, each
/// text and entry point once, as `gpu` in its present tiling would get them. Nothing is run.
///
/// # Errors
/// A kernel that cannot be rendered, or whatever the driver reports.
pub fn kernels(mut gpu: Gpu, picks: &[Pick], networks: bool) -> Result<Vec<Kernel>> {
    let tiling = gpu.tiling;
    let found = Arc::new(Mutex::new(HashSet::<Kernel>::new()));
    let note = Arc::clone(&found);
    gpu.rewrite_shaders(move |kernel| {
        if let Ok(mut found) = note.lock() {
            found.insert(kernel.clone());
        }
        // What is compiled matters not: an empty kernel is quick.
        Some(format!("@compute @workgroup_size(1) fn {}() {{}}", kernel.entry))
    });
    for case in ops::cases(None)? {
        // Only the tiled kernels have variants.
        let tiled = ["conv2d/", "dense/"].iter().any(|op| case.name.starts_with(op));
        for pick in &picks[..if tiled { picks.len() } else { 1 }] {
            gpu.tuner.pick = *pick;
            prepare(&gpu, &case)?;
        }
    }
    gpu.tuner.pick = Pick::default();
    gpu.tuner.as_if_large = true;
    if !networks {
        return Ok(without_doubles(&found, tiling));
    }
    let gpu = Arc::new(gpu);
    let mut graphs = MODELS.iter().map(|m| m.graph(m.classes)).collect::<Result<Vec<_>>>()?;
    graphs.sort_by_key(parameters);
    let mut seen = HashSet::new();
    for graph in graphs {
        let pairs = neighbours(&graph);
        // A larger network of the same parts has no other kernels, and takes gigabytes.
        if pairs.is_subset(&seen) {
            continue;
        }
        seen.extend(pairs);
        let mut executor = GpuExecutor::new(Arc::clone(&gpu), Arc::new(graph), BATCH, 0, true)?;
        executor.prepare(Mode::Train, BATCH)?;
        executor.prepare(Mode::Evaluate, BATCH)?;
    }
    Ok(without_doubles(&found, tiling))
}

/// What was found and what nothing reaches, in order, each text and entry point once.
fn without_doubles(found: &Mutex<HashSet<Kernel>>, tiling: Tiling) -> Vec<Kernel> {
    let mut kernels: Vec<Kernel> = found.lock().map(|found| found.iter().cloned().collect()).unwrap_or_default();
    kernels.extend(OTHERS.map(|(op, entry, source)| Kernel::new(op, entry, source).with_loads(tiling)));
    kernels.push(Sum::kernel().with_loads(tiling));
    kernels.sort_by(|a, b| (a.op, a.pass, &a.source).cmp(&(b.op, b.pass, &b.source)));
    // The same text and entry point under another name, such as a dense layer's, is the same kernel.
    let mut seen = HashSet::new();
    kernels.retain(|k| seen.insert((k.entry, k.source.clone())));
    kernels
}

fn parameters(graph: &Graph) -> usize {
    graph.nodes.iter().flat_map(|node| &node.params).map(|p| p.shape.elements()).sum()
}

/// Which op follows which, and whether over channels that 4 divides: what decides how kernels are fused and rendered.
fn neighbours(graph: &Graph) -> HashSet<(&'static str, &'static str, bool)> {
    let of = |node: &crate::graph::Node| {
        let name = node.op.name();
        let pair = |value: usize| {
            let before = value.checked_sub(1).map_or("input", |i| graph.nodes[i].op.name());
            (before, name, graph.shapes[value].dims().last().is_some_and(|c| c.is_multiple_of(4)))
        };
        node.inputs.iter().map(|value| pair(*value)).collect::<Vec<_>>()
    };
    graph.nodes.iter().flat_map(of).collect()
}
