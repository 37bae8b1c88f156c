//! Runs what `fer-gpu export --format onnx` writes in tract, an ONNX runtime in Rust, and compares the probabilities with those
//! of the f64 reference: every op of the table in a small network of its own, and three networks of the registry.
//!
//! ```text
//! cargo run --release --manifest-path tools/tract/Cargo.toml --target-dir target
//! ```

use fer_gpu::data::{Preprocess, Task};
use fer_gpu::formats::checkpoint::Meta;
use fer_gpu::formats::export::Network;
use fer_gpu::formats::onnx;
use fer_gpu::graph::{Builder, CpuExecutor, Executor, Graph, NamedTensor, Parameters, Snapshot};
use fer_gpu::models::{self, Variant};
use fer_gpu::ops::dense::Dense;
use fer_gpu::ops::flatten::Flatten;
use fer_gpu::ops::{Subject, TABLE};
use fer_gpu::tensor::fill;
use std::process::ExitCode;
use std::sync::Arc;
use tract_onnx::prelude::*;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Images of a batch.
const IMAGES: usize = 2;
/// How far probabilities may be apart: f32 sums in another order.
const TOLERANCE: f32 = 1e-5;
/// Cases of ops with larger inputs are left to larger networks.
const MAX_ELEMENTS: usize = 5000;

/// Networks of the registry, sides of their inputs and preprocessings: plain; batch norm, separable convolutions and residuals;
/// depthwise convolutions, squeeze and excitation.
const NETWORKS: [(&str, usize, Preprocess); 3] = [
    ("fer4-cnn3", 48, Preprocess::Unit),
    ("mini-xception", 48, Preprocess::Tf),
    ("fer8-efficientnetb0", 32, Preprocess::None),
];

fn main() -> ExitCode {
    match run() {
        Ok(count) => {
            println!("{count} exports give in tract what they give here");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<usize> {
    let mut count = 0;
    for row in TABLE {
        let mut exported = 0;
        for case in (row.cases)() {
            if let Some(graph) = graph_of(&case.name, &case.subject)? {
                compare(&case.name, graph, Preprocess::None)?;
                exported += 1;
            }
        }
        let loss = (row.cases)().iter().all(|case| !matches!(case.subject, Subject::Op { .. }));
        if exported == 0 && !loss {
            return Err(format!("no case of {} is small enough to be exported", row.name).into());
        }
        count += exported;
    }
    for (name, side, preprocess) in NETWORKS {
        let model = models::find(name)?;
        let variant = Variant { size: Some([side; 2]), ..Variant::default() };
        compare(name, model.variant(model.classes, &variant)?, preprocess)?;
    }
    Ok(count + NETWORKS.len())
}

/// A case's op between an image and four scores. Its inputs are all made of the one image that an exported network has: it must
/// have the size of each, or none is made.
fn graph_of(name: &str, subject: &Subject) -> Result<Option<Graph>> {
    let Subject::Op { op, inputs, .. } = subject else { return Ok(None) };
    let samples: Vec<&[usize]> = inputs.iter().map(|input| &input.shape.dims()[1..]).collect();
    let first = samples[0];
    let elements: usize = first.iter().product();
    if elements == 0 || elements > MAX_ELEMENTS || samples.iter().any(|s| *s != first) {
        return Ok(None);
    }
    let image = match *first {
        [h, w, c] => [h, w, c],
        [c] => [1, 1, c],
        _ => return Ok(None),
    };
    let mut net = Builder::new(name, image)?;
    let mut x = Builder::INPUT;
    if first.len() == 1 {
        x = net.add(Flatten, &[x])?;
    }
    x = net.add_op(op.keras_name(), "tested", Arc::clone(op), &vec![x; samples.len()])?;
    if net.shape(x).dims().len() == 3 {
        x = net.add_named("to_scores", Flatten, &[x])?;
    }
    net.add_named("scores", Dense { units: 4, bias: true }, &[x])?;
    Ok(Some(net.finish()?))
}

/// Parameters that leave no channel as it was: variances around 1, the rest around its own start.
fn parameters(graph: &Graph) -> Vec<NamedTensor> {
    let layout = Parameters::new(graph);
    let value = |(i, slot): (usize, &fer_gpu::graph::Slot)| {
        let values = layout.initial(i, 1).into_iter().zip(0..).map(|(v, j)| v + 0.1 * fill(100 + i as u32, j));
        NamedTensor { name: slot.name.clone(), shape: slot.spec.shape.clone(), values: values.collect() }
    };
    layout.slots.iter().enumerate().map(value).collect()
}

/// Probabilities of noise, by the reference; `pixels` are what the exported network takes.
fn here(graph: &Arc<Graph>, parameters: &[NamedTensor], preprocess: Preprocess, pixels: &[f32]) -> Result<Vec<f32>> {
    let mut executor = CpuExecutor::new(Arc::clone(graph), IMAGES, 0);
    executor.restore(&Snapshot { parameters: parameters.to_vec(), ..Snapshot::default() })?;
    let mut x: Vec<f32> = pixels.iter().map(|p| p / 255.0).collect();
    preprocess.apply(&mut x, graph.input().dims()[2]);
    Ok(executor.predict(&x, IMAGES)?)
}

/// The exported file in tract.
fn there(file: &[u8], shape: &[usize], pixels: &[f32]) -> TractResult<Vec<f32>> {
    let model = tract_onnx::onnx().model_for_read(&mut &file[..])?;
    let model = model.with_input_fact(0, InferenceFact::dt_shape(f32::datum_type(), shape))?;
    let model = model.into_optimized()?.into_runnable()?;
    let found = model.run(tvec!(Tensor::from_shape(shape, pixels)?.into()))?;
    Ok(found[0].as_slice::<f32>()?.to_vec())
}

fn compare(name: &str, graph: Graph, preprocess: Preprocess) -> Result<()> {
    let graph = Arc::new(graph);
    let mut parameters = parameters(&graph);
    let count = IMAGES * graph.input().elements();
    let pixels: Vec<f32> = (0..count as u32).map(|i| (127.5 * fill(3, i) + 127.5).floor()).collect();
    let mut wanted = here(&graph, &parameters, preprocess, &pixels)?;
    // Scores that are all alike, or so far apart that every probability is 0 or 1, would show nothing: the last layer is scaled
    // until they are about 1 apart.
    let logarithms = wanted.iter().map(|p| p.max(f32::MIN_POSITIVE).ln());
    let (low, high) = logarithms.fold((0.0f32, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
    if let Some(NamedTensor { name: last, .. }) = parameters.last() {
        let layer = last.rsplit_once('/').map_or("", |(layer, _)| layer).to_owned();
        for tensor in parameters.iter_mut().filter(|t| t.name.starts_with(&format!("{layer}/"))) {
            tensor.values.iter_mut().for_each(|v| *v *= 1.5 / (high - low).max(1e-6));
        }
        wanted = here(&graph, &parameters, preprocess, &pixels)?;
    }
    let dims = graph.input().dims();
    let classes = wanted.len() / IMAGES;
    let meta = Meta {
        model: graph.name.clone(),
        network: None,
        task: Task::Classes,
        classes: (0..classes).map(|i| i.to_string()).collect(),
        input: [dims[0], dims[1], dims[2]],
        freeze: None,
        preprocessing: preprocess,
        progress: None,
    };
    let file = onnx::to_bytes(&Network { graph: &graph, parameters: &parameters, meta: &meta, half: false })?;
    let found = there(&file, &[&[IMAGES], dims].concat(), &pixels).map_err(|e| format!("{name}: tract: {e:#}"))?;
    let spread = wanted.iter().fold(0.0f32, |most, p| most.max((p - 1.0 / classes as f32).abs()));
    let worst = found.iter().zip(&wanted).map(|(f, w)| (f - w).abs()).fold(0.0f32, f32::max);
    if found.len() != wanted.len() || !(worst <= TOLERANCE) {
        return Err(format!("{name}: tract says {found:?}, the reference {wanted:?}").into());
    }
    if !(spread > 0.01) {
        return Err(format!("{name}: the probabilities {wanted:?} are too alike to show a difference").into());
    }
    println!("{name}: off by {worst:.1e}");
    Ok(())
}
