//! Files of Keras's: small models in every format (`tools/keras_models.py` writes them) predict what Keras predicted, and files
//! that are cut, damaged or made to harm are errors.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "keras_files/imports.rs"]
mod imports;

use fer_gpu::data::Task;
use fer_gpu::formats::checkpoint::Checkpoint;
use fer_gpu::formats::keras::{self, Contents, Imported};
use fer_gpu::graph::{CpuExecutor, Executor, GpuExecutor, Graph, NamedTensor, Snapshot};
use fer_gpu::tensor::fill;
use fer_gpu::train::{Import, import};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Images that `expected.json` is about.
const IMAGES: usize = 3;

#[derive(Deserialize)]
struct Expected {
    scale: f32,
    probabilities: Vec<Vec<f64>>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/keras")
}

fn expected() -> BTreeMap<String, Expected> {
    common::golden("keras/expected.json")
}

fn model(file: &str) -> Imported {
    match keras::read(&folder().join(file), None) {
        Ok(Contents::Model(model)) => *model,
        Ok(Contents::Weights(_)) => panic!("{file} holds weights only"),
        Err(e) => panic!("{file}: {e}"),
    }
}

fn predict(executor: &mut dyn Executor, graph: &Graph, parameters: Vec<NamedTensor>, scale: f32) -> Vec<f32> {
    executor.restore(&Snapshot { parameters, ..Snapshot::default() }).expect("of this graph");
    let count = graph.input().elements() * IMAGES;
    let x: Vec<f32> = (0..count as u32).map(|i| scale * (0.5 * fill(7, i) + 0.5)).collect();
    executor.predict(&x, IMAGES).expect("predicts")
}

fn compare(what: &str, found: &[f32], expected: &Expected, tolerance: f64) {
    let wanted: Vec<f64> = expected.probabilities.concat();
    assert_eq!(found.len(), wanted.len(), "{what}");
    let worst = found.iter().zip(&wanted).map(|(f, w)| (f64::from(*f) - w).abs()).fold(0.0, f64::max);
    assert!(worst <= tolerance, "{what}: off by {worst:e}; {found:?}");
}

#[test]
fn whole_models_predict_what_keras_predicted() {
    let gpu = Arc::new(common::gpu());
    for (name, expected) in expected() {
        for ending in ["h5", "keras"] {
            let file = format!("{name}.{ending}");
            let Imported { graph, parameters, softmax, .. } = model(&file);
            assert_eq!(softmax, name != "nest", "{file}");
            assert_eq!(graph.name, name);
            let graph = Arc::new(graph);
            let mut reference = CpuExecutor::new(Arc::clone(&graph), IMAGES, 0);
            let found = predict(&mut reference, &graph, parameters.clone(), expected.scale);
            compare(&file, &found, &expected, 1e-5);
            let mut on_gpu = GpuExecutor::new(Arc::clone(&gpu), Arc::clone(&graph), IMAGES, 0, false).expect("fits");
            let found = predict(&mut on_gpu, &graph, parameters, expected.scale);
            compare(&format!("{file} on the GPU"), &found, &expected, 1e-4);
        }
    }
}

/// Weights alone fill the network that they belong to, whether its layers have Keras's names or others.
#[test]
fn weights_alone_fill_their_network() {
    for (name, file) in [
        ("small_sequential", "small_sequential.weights.h5"),
        ("small_functional", "small_functional.weights.h5"),
        ("small_sequential", "legacy_weights.h5"),
        ("dilated", "dilated.weights.h5"),
        ("grouped", "grouped.weights.h5"),
    ] {
        let Imported { graph, parameters, .. } = model(&format!("{name}.h5"));
        let path = folder().join(file);
        let fill = |graph: &Graph| match keras::read(&path, None) {
            Ok(Contents::Weights(loose)) => loose.fill(&path, graph),
            other => panic!("{file}: {other:?}"),
        };
        let filled = fill(&graph).expect("its own weights");
        assert!(filled.missing.is_empty());
        assert_eq!(filled.parameters, parameters, "{file}");
        let values = |tensors: &[NamedTensor]| tensors.iter().map(|t| t.values.clone()).collect::<Vec<_>>();
        // Names of which only some are the file's: tensors belong to layers by order.
        let mut other = graph.clone();
        other.nodes.iter_mut().step_by(2).for_each(|n| n.name = format!("our_{}", n.name));
        let filled = fill(&other).expect("other names");
        assert_eq!(values(&filled.parameters), values(&parameters), "{file}");
        let mut smaller = graph.clone();
        let end = smaller.nodes.iter().rposition(|n| !n.params.is_empty()).expect("has parameters");
        smaller.nodes[end].params.clear();
        let text = fill(&smaller).expect_err("too many tensors").to_string();
        assert!(text.contains("left over") && text.contains("each exactly once"), "{text}");
    }
}

#[test]
fn imported_files_are_checkpoints_that_need_nothing_more() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["small_sequential", "small_functional", "nest", "dilated", "grouped"] {
        // `nest` ends without a softmax.
        let task = (name == "nest").then_some(Task::Classes);
        let options = Import { task, ..Import::default() };
        let (checkpoint, notes) = import(&folder().join(format!("{name}.keras")), &options).expect(name);
        assert!(notes.iter().any(|n| n.contains("--classes")) && notes.iter().any(|n| n.contains("--preprocess")));
        let path = dir.path().join(name);
        checkpoint.save(&path).expect("saved");
        let read = Checkpoint::load(&path).expect("read");
        assert_eq!(read, checkpoint);
        let network = read.meta.network.expect("no name of the registry");
        let built = network.graph(&read.meta.model).expect("builds");
        assert_eq!(format!("{built:?}"), format!("{:?}", model(&format!("{name}.h5")).graph));
    }
    let classes = Some(vec!["a".to_owned(), "b".to_owned()]);
    let wrong = import(&folder().join("nest.h5"), &Import { classes, ..Import::default() });
    assert!(wrong.expect_err("two names").to_string().contains("2 names, the network has 5 outputs"));
    let text = import(&folder().join("nest.weights.h5"), &Import::default()).expect_err("no model").to_string();
    assert!(text.contains("weights, but not the model") && text.contains("--model"), "{text}");
}

/// What the reader says of bytes: never a panic, whatever they are.
fn read_bytes(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), String> {
    let path = dir.join(name);
    std::fs::write(&path, bytes).expect("written");
    let text = keras::read(&path, None).map(|_| ()).map_err(|e| e.to_string());
    assert!(text.as_ref().map_or_else(|e| e.contains(name), |()| true), "{text:?} does not name the file");
    text
}

#[test]
fn files_cut_at_every_kilobyte_are_errors() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["small_sequential.h5", "small_functional.keras", "nest.weights.h5", "small_functional.h5"] {
        let bytes = std::fs::read(folder().join(name)).expect("golden");
        for end in (0..bytes.len()).step_by(1024) {
            read_bytes(dir.path(), name, &bytes[..end]).expect_err(&format!("{name} cut at {end}"));
        }
    }
}

#[test]
fn flipped_bytes_never_abort() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["small_sequential.h5", "nest.keras", "small_functional.weights.h5"] {
        let good = std::fs::read(folder().join(name)).expect("golden");
        for round in 0..400u32 {
            let mut bytes = good.clone();
            for change in 0..3 {
                let at = (fill(90 + change, round).abs() * bytes.len() as f32) as usize;
                bytes[at.min(good.len() - 1)] ^= 1 << (round % 8);
            }
            // Most flips hit numbers, which are then just other numbers.
            let _ = read_bytes(dir.path(), name, &bytes);
        }
    }
}

#[test]
fn hostile_files_are_errors() {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder()).expect("golden") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.starts_with("hostile_") {
            let text = keras::read(&path, None).expect_err(&name).to_string();
            assert!(text.contains(&name), "{text}");
            seen += 1;
        }
    }
    assert_eq!(seen, 6, "tools/keras_models.py writes six");
}

#[test]
fn what_is_no_file_of_keras_is_an_error() {
    let dir = tempfile::tempdir().expect("a folder");
    assert!(read_bytes(dir.path(), "empty.h5", b"").expect_err("empty").contains("it is empty"));
    assert!(read_bytes(dir.path(), "text.h5", b"no such thing").expect_err("text").contains("HDF5"));
    assert!(read_bytes(dir.path(), "cut.keras", b"PK\x03\x04 and so on").expect_err("cut").contains("zip"));
    assert!(keras::read(dir.path(), None).expect_err("a folder").to_string().contains("not a file"));
    assert!(keras::read(&dir.path().join("none.h5"), None).expect_err("gone").to_string().contains("cannot read"));
}
