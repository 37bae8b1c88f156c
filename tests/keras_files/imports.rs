//! `import` of what `tools/keras_import.py` writes: other ends than a softmax, layers that only training has, weights alone, zips of
//! TensorFlow 2.12 and 2.13.

use fer_gpu::data::{Head, Preprocess, Task};
use fer_gpu::error::Result;
use fer_gpu::formats::checkpoint::Checkpoint;
use fer_gpu::formats::keras::{self, Contents};
use fer_gpu::models::file;
use fer_gpu::tensor::fill;
use fer_gpu::train::{Device, Import, Saved, import};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const IMAGES: usize = 3;

#[derive(Deserialize)]
struct Expected {
    files: Vec<String>,
    outputs: Vec<Vec<f64>>,
}

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/keras_import").join(file)
}

fn expected() -> BTreeMap<String, Expected> {
    super::common::golden("keras_import/expected.json")
}

fn names(list: &str) -> Option<Vec<String>> {
    Some(list.split(',').map(str::to_owned).collect())
}

/// A file as a checkpoint that was written and read again, and the notes of its import.
fn imported(file: &str, options: Import) -> Result<(Saved, Checkpoint, String)> {
    let (checkpoint, notes) = import(&golden(file), &Import { preprocess: Some(Preprocess::None), ..options })?;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("network.safetensors");
    checkpoint.save(&path)?;
    Ok((Saved::read(&path)?, checkpoint, notes.join("\n")))
}

/// What a network says of the images of the golden files, whose values go up to `scale`.
fn outputs(saved: Saved, scale: f32) -> Vec<f32> {
    let count = saved.input().len() * IMAGES;
    let x: Vec<f32> = (0..count as u32).map(|i| scale * (0.5 * fill(7, i) + 0.5)).collect();
    saved.on(&Device::Cpu, IMAGES).and_then(|mut network| network.predict(&x, IMAGES)).expect("predicts")
}

fn compare(what: &str, found: &[f32], wanted: &[Vec<f64>], tolerance: f64) {
    let wanted = wanted.concat();
    assert_eq!(found.len(), wanted.len(), "{what}");
    let worst = found.iter().zip(&wanted).map(|(f, w)| (f64::from(*f) - w).abs()).fold(0.0, f64::max);
    assert!(worst <= tolerance, "{what}: off by {worst:e}; {found:?}");
}

#[test]
fn one_sigmoid_is_two_classes() {
    for name in ["one_sigmoid", "no_dense"] {
        let Expected { files, outputs: keras } = &expected()[name];
        let classes = names("not_happy,happy");
        let (saved, checkpoint, notes) =
            imported(&files[0], Import { classes, ..Import::default() }).expect("imported");
        assert!(notes.contains("p is the probability of `happy`, 1 - p that of `not_happy`"), "{notes}");
        assert_eq!((saved.meta().task, saved.meta().head), (Task::Classes, Head::Softmax));
        assert_eq!(checkpoint.meta.classes, ["not_happy", "happy"]);
        let wanted: Vec<Vec<f64>> = keras.iter().map(|p| vec![1.0 - p[0], p[0]]).collect();
        compare(name, &outputs(saved, 255.0), &wanted, 1e-6);
    }
    let three = imported("one_sigmoid.h5", Import { classes: names("a,b,c"), ..Import::default() });
    assert!(three.err().expect("three names").to_string().contains("3 names, the network has two classes"));
    // As a value it stays what it is.
    let value = Import { task: Some(Task::Values), outputs: names("smile"), ..Import::default() };
    let (saved, ..) = imported("one_sigmoid.h5", value).expect("imported");
    compare("value", &outputs(saved, 255.0), &expected()["one_sigmoid"].outputs, 1e-6);
}

/// Also: arithmetic between layers, calls by keyword, layers that only training has, an input of any size.
#[test]
fn several_sigmoids_are_independent_probabilities() {
    let open = imported("training_layers.keras", Import::default()).err().expect("no size").to_string();
    assert!(open.contains("--size HEIGHTxWIDTH"), "{open}");
    let size = Import { size: Some([8, 8]), ..Import::default() };
    let (saved, checkpoint, notes) = imported("training_layers.keras", size).expect("imported");
    assert_eq!((saved.meta().task, saved.meta().head), (Task::Classes, Head::Sigmoid));
    for class in ["RandomFlip", "RandomRotation", "RandomContrast", "SpatialDropout2D", "GaussianNoise"] {
        assert!(notes.contains(&format!("({class})")), "{notes}");
    }
    assert!(notes.contains("(ActivityRegularization)") && notes.contains(Head::INDEPENDENT), "{notes}");
    assert_eq!(checkpoint.meta.network.as_ref().expect("described").layers[1].class, "Rescaling");
    compare("sigmoids", &outputs(saved, 255.0), &expected()["training_layers"].outputs, 1e-5);
    let fixed = imported("tanh.keras", Import { size: Some([9, 8]), outputs: names("a,b"), ..Import::default() });
    assert!(fixed.err().expect("8 x 8").to_string().contains("takes images of [8, 8, 1]"));
}

#[test]
fn other_ends_are_values_or_must_be_said() {
    let outputs_named = || names("valence,arousal");
    for (name, file) in [("tanh", "tanh.keras"), ("linear", "linear.h5")] {
        let refused = imported(file, Import::default()).err().expect("may be both").to_string();
        assert!(refused.contains("--task regression --outputs valence,arousal") && refused.contains(file), "{refused}");
        assert_eq!(name == "linear", refused.contains("--task classes"), "{refused}");
        for task in [Some(Task::Values), None] {
            let (saved, checkpoint, _) =
                imported(file, Import { task, outputs: outputs_named(), ..Import::default() }).expect("imported");
            assert_eq!((checkpoint.meta.task, checkpoint.meta.classes.len()), (Task::Values, 2));
            compare(file, &outputs(saved, 255.0), &expected()[name].outputs, 1e-6);
        }
    }
    let classes = Import { task: Some(Task::Classes), ..Import::default() };
    let (saved, ..) = imported("linear.h5", classes.clone()).expect("scores before a softmax");
    let softmax: Vec<Vec<f64>> = expected()["linear"]
        .outputs
        .iter()
        .map(|z| {
            let sum: f64 = z.iter().map(|z| z.exp()).sum();
            z.iter().map(|z| z.exp() / sum).collect()
        })
        .collect();
    compare("scores", &outputs(saved, 255.0), &softmax, 1e-6);
    let tanh = imported("tanh.keras", classes.clone()).err().expect("no scores").to_string();
    assert!(tanh.contains("tanh, which gives no probabilities"), "{tanh}");
    for (options, words) in [
        (Import { classes: names("a,b"), outputs: outputs_named(), ..Import::default() }, "at once"),
        (Import { outputs: outputs_named(), ..classes }, "name classes by --classes"),
        (Import { task: Some(Task::Values), classes: names("a,b"), ..Import::default() }, "by --outputs"),
        (Import { outputs: names("a,b,c"), ..Import::default() }, "3 names, the network has 2 outputs"),
    ] {
        let refused = imported("linear.h5", options).err().expect(words).to_string();
        assert!(refused.contains(words), "{refused}");
    }
}

/// `conv2d` and `conv2d_1` have equal shapes; names would swap them.
#[test]
fn weights_alone_belong_to_layers_by_order() {
    let keras = &expected()["swapped"].outputs;
    let folder = tempfile::tempdir().expect("a folder");
    let toml = folder.path().join("swapped.toml");
    let layers = "input = [8, 8, 3]\n\
        [[layer]]\nclass = 'Conv2D'\nfilters = 3\nkernel_size = 3\npadding = 'same'\nactivation = 'tanh'\nFIRST\n\
        [[layer]]\nclass = 'Conv2D'\nfilters = 3\nkernel_size = 3\npadding = 'same'\nSECOND\n\
        [[layer]]\nclass = 'GlobalAveragePooling2D'\n[[layer]]\nclass = 'Dense'\nunits = 3\n";
    std::fs::write(&toml, layers.replace("FIRST", "").replace("SECOND", "")).expect("written");
    for weights in ["swapped.weights.h5", "swapped_legacy.h5"] {
        for model in [golden("swapped.json"), toml.clone()] {
            let options = Import { model: Some(model.display().to_string()), ..Import::default() };
            let (saved, ..) = imported(weights, options).expect("imported");
            compare(&format!("{weights} in {}", model.display()), &outputs(saved, 1.0), keras, 1e-6);
        }
    }
    // `train --weights` fills a network in the same way.
    let graph = file::graph(&toml, None, &Default::default()).expect("builds");
    let fill = |weights: &str, graph| match keras::read(&golden(weights), None) {
        Ok(Contents::Weights(loose)) => loose.fill(&golden(weights), graph),
        other => panic!("{weights}: {other:?}"),
    };
    let [new, legacy] = ["swapped.weights.h5", "swapped_legacy.h5"].map(|w| fill(w, &graph).expect("fits").parameters);
    assert_eq!(new, legacy);
    // The JSON of the same name beside the weights is found, and said.
    let (saved, _, notes) = imported("swapped.weights.h5", Import::default()).expect("imported");
    assert!(notes.contains("swapped.json beside it"), "{notes}");
    compare("beside", &outputs(saved, 1.0), keras, 1e-6);
    let json = imported("swapped.json", Import::default()).err().expect("no tensors").to_string();
    assert!(json.contains("is a JSON file") && json.contains("--model FILE.json"), "{json}");
}

#[test]
fn zips_of_tensorflow_2_12_and_2_13_are_read() {
    let Expected { files, outputs: keras } = &expected()["models_inside"];
    for file in files {
        let (saved, ..) = imported(file, Import::default()).expect("imported");
        compare(file, &outputs(saved, 1.0), keras, 1e-6);
    }
}

/// What a damaged archive gives is an error, or what it gave before: some bytes of a zip say nothing (dates, attributes).
#[test]
fn a_flipped_byte_never_gives_another_model() {
    let good = std::fs::read(golden("tanh.keras")).expect("golden");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flipped.keras");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        keras::read(&path, None).map(|contents| format!("{contents:?}"))
    };
    let whole = read(&good).expect("intact");
    let end = good.len() - 1000;
    let mut refused = 0;
    let positions: Vec<usize> = (0..good.len()).filter(|at| *at < 1000 || *at > end || at % 5 == 0).collect();
    for at in &positions {
        let mut bytes = good.clone();
        bytes[*at] ^= 1 << (at % 8);
        match read(&bytes) {
            Ok(contents) => assert!(contents == whole, "byte {at} changed the model"),
            Err(e) => {
                assert!(e.to_string().contains("flipped.keras"), "{e}");
                refused += 1;
            }
        }
    }
    assert!(refused + 80 >= positions.len(), "only {refused} of {} flips are refused", positions.len());
}

#[test]
fn layers_that_join_crop_and_enlarge() {
    let (saved, ..) = imported("joins.keras", Import::default()).expect("joins.keras");
    compare("joins.keras", &outputs(saved, 255.0), &expected()["joins"].outputs, 1e-6);
}

#[test]
fn softmaxes_inside_a_network() {
    let (saved, checkpoint, _) = imported("attention.keras", Import::default()).expect("attention.keras");
    assert_eq!((checkpoint.meta.task, checkpoint.meta.head), (Task::Classes, Head::Softmax));
    let layers = &checkpoint.meta.network.as_ref().expect("described").layers;
    assert_eq!(layers.iter().filter(|layer| layer.class == "Softmax").count(), 4, "but for the one at the end");
    compare("attention.keras", &outputs(saved, 255.0), &expected()["attention"].outputs, 5e-6);
}

/// Also: axes counted from the front, gamma or beta missing, no pixels; and what is exported for Keras again, which has one axis each.
#[test]
fn normalizations_within_a_sample() {
    let Expected { files, outputs: wanted } = &expected()["norms"];
    let folder = tempfile::tempdir().expect("a folder");
    let exported = folder.path().join("exported.h5");
    for file in files {
        let (saved, ..) = imported(file, Import::default()).expect(file);
        std::fs::write(&exported, keras::to_bytes(&saved.export(false)).expect("written")).expect("written");
        compare(file, &outputs(saved, 255.0), wanted, 2e-6);
        let (again, checkpoint, _) = imported(&exported.to_string_lossy(), Import::default()).expect("exported");
        let layers = &checkpoint.meta.network.as_ref().expect("described").layers;
        assert!(layers.iter().all(|layer| layer.config.get("axis").is_none_or(|axis| *axis == -1)), "{layers:?}");
        compare("exported", &outputs(again, 255.0), wanted, 2e-6);
    }
}

#[test]
fn parameters_that_are_not_finite_are_named() {
    let mut bytes = std::fs::read(golden("linear.h5")).expect("golden");
    let Ok(Contents::Model(model)) = keras::read(&golden("linear.h5"), None) else { panic!("a model") };
    let value = model.parameters[0].values[4].to_le_bytes();
    let at = bytes.windows(4).position(|window| window == value).expect("stored as it is");
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("nan.h5");
    std::fs::write(&path, bytes).expect("written");
    let text = keras::read(&path, None).expect_err("NaN").to_string();
    assert!(
        text.contains("not finite") && text.contains(&format!("{} (1 of 27 values)", model.parameters[0].name)),
        "{text}"
    );
}
