//! What people are told: by help, by notes, by errors.

use crate::cli_support::{command, fer, finished_run, small_run, text};
use std::fs;

/// The run's report names every file of its folder, and what it is.
#[test]
fn every_file_that_training_writes_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let done = fer(&[&small_run(&run)[..], &["--save-every", "1"]].concat()).expect(0, &["written to"]);
    let (_, listed) = done.err.split_once("written to").unwrap();
    let files: Vec<String> =
        fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(files.len() > 14, "{files:?}");
    for file in files {
        let line = listed.lines().find(|line| line.split_whitespace().next() == Some(&*file));
        let line = line.unwrap_or_else(|| panic!("{file} is not listed: {listed}"));
        assert!(line.split_whitespace().count() > 2, "{line}: nothing is said of it");
    }
}

#[test]
fn ways_on_from_mistakes() {
    let run = text(finished_run());
    let train = |flags: &[&str]| fer(&[&["train", "--data", "synth:70", "--device", "cpu"], flags].concat());
    train(&["--batch", "51"]).expect(2, &["--batch 51 is more than the 50 training images", "--batch 50 or less"]);
    train(&["--model", "vgg16"]).expect(2, &["unknown model `vgg16`", "`fer8-vgg16`", "`fer4-vgg16`"]);
    train(&["--model", "vgg8"]).expect(2, &["unknown model `vgg8`", "did you mean", "-vgg1"]);
    for (backend, words) in [("cuda", ["not CUDA", "--backend vulkan"]), ("rocm", ["AMD", "--backend vulkan"])] {
        fer(&["devices", "--backend", backend]).expect(2, &words);
    }
    let whole =
        ["--split all is all 70 images: 50 training, 10 validation (images that are held back among them) and 10 test"];
    fer(&["evaluate", run, "--split", "all", "--device", "cpu"]).expect(0, &whole);
    let help = fer(&["train", "--help"]).expect(0, &[]).out;
    assert!(help.contains("global_clipnorm"), "{help}");
    let models = fer(&["models"]).expect(0, &[]).out;
    assert!(models.contains("student report 0, network 1: three 2x2") && models.contains("Student reports 0 to 4 are"));
    assert!(!models.contains("R0"), "{models}");
    let bare = fer(&[]);
    assert!(bare.code == 2 && bare.err.matches("\n  fer-gpu ").count() >= 2, "{}", bare.err);
    assert!(bare.err.contains("  bench ") && bare.err.contains("Exit codes: 0 success"), "{}", bare.err);
}

/// As clap's own, errors are coloured where colours are wanted, and nowhere else.
#[test]
fn errors_are_coloured_as_claps_are() {
    let said = |args: &[&str], variable: &str, value: &str| {
        let mut command = command(args);
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        String::from_utf8(command.env(variable, value).output().unwrap().stderr).unwrap()
    };
    let (ours, claps) = (["summary", "no\u{1b}[2Jmodel"], ["summary", "--no-flag"]);
    let prefix = |text: &str| text.split_inclusive("error:").next().unwrap().to_owned();
    let coloured = said(&ours, "CLICOLOR_FORCE", "1");
    assert!(coloured.starts_with("\u{1b}[") && !coloured.contains("[2J\u{1b}") && coloured.contains("\\u{1b}[2J"));
    assert_eq!(prefix(&coloured), prefix(&said(&claps, "CLICOLOR_FORCE", "1")));
    for (variable, value) in [("CLICOLOR", "1"), ("NO_COLOR", "1"), ("CLICOLOR", "0")] {
        assert!(said(&ours, variable, value).starts_with("error: unknown model"), "no terminal: {variable}={value}");
    }
}

/// What Keras's `model.to_json()` gives is a network to train; a softmax at its end is the loss's.
#[test]
fn a_models_json_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let (json, run) = (folder.path().join("small.json"), folder.path().join("run"));
    let layer = |class: &str, config: &str| {
        format!(
            "{{\"module\": \"keras.layers\", \"class_name\": \"{class}\", \"config\": {{{config}}}, \"registered_name\": null}}"
        )
    };
    let write = |more: Option<String>| {
        let input = layer("InputLayer", "\"batch_shape\": [null, 12, 12, 1], \"name\": \"in\"");
        let pool = layer(
            "MaxPooling2D",
            "\"name\": \"pool\", \"pool_size\": [2, 2], \"strides\": [2, 2], \"padding\": \"valid\"",
        );
        let flat = layer("Flatten", "\"name\": \"flat\"");
        let dense =
            layer("Dense", "\"name\": \"emotion\", \"units\": 3, \"activation\": \"softmax\", \"use_bias\": true");
        let layers = [Some(input), Some(pool), more, Some(flat), Some(dense)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", ");
        let text = format!(
            "{{\"module\": \"keras\", \"class_name\": \"Sequential\", \"config\": {{\"name\": \"s\", \"layers\": [{layers}]}}}}"
        );
        fs::write(&json, text).unwrap();
    };
    write(None);
    let summary = fer(&["summary", text(&json)]).expect(0, &[]).out;
    assert!(summary.starts_with("Model: \"small\"") && summary.contains("Total params: 111 "), "{summary}");
    let train = ["train", "--data", "synth:70", "--model", text(&json), "--epochs", "1", "--device", "cpu"];
    fer(&[&train[..], &["--out", text(&run)]].concat()).expect(0, &["model: ", "best: epoch 1"]);
    fer(&["train", "--resume", text(&run), "--epochs", "2"]).expect(0, &["best: epoch"]);
    let rows = fer(&["evaluate", text(&run), "--device", "cpu", "--json"]).expect(0, &[]).json();
    assert_eq!(rows["per_class"].as_object().unwrap().len(), 7, "the head has the data's classes");
    fer(&[&train[..], &["--size", "24"]].concat()).expect(2, &["--size 24x24", "small.json takes"]);
    write(Some(layer("GaussianNoise", "\"name\": \"noise\", \"stddev\": 0.1")));
    fer(&train).expect(3, &["small.json", "in training alone", "noise", "--augment"]);
    write(Some(layer("LSTM", "\"name\": \"lstm\", \"units\": 4")));
    fer(&train).expect(3, &["small.json", "layer `lstm` (LSTM)"]);
    fs::write(&json, "{}").unwrap();
    fer(&train).expect(3, &["small.json"]);
}
