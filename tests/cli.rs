//! The commands as a user runs them, one after the other.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli_support;
#[path = "cli/figures.rs"]
mod figures;
#[path = "cli/folders.rs"]
mod folders;
#[path = "cli/guide.rs"]
mod guide;
#[path = "cli/hostile.rs"]
mod hostile;
#[cfg(unix)]
#[path = "cli/kills.rs"]
mod kills;
#[path = "cli/messages.rs"]
mod messages;
#[path = "cli/optimizers.rs"]
mod optimizers;
#[path = "cli/pages.rs"]
mod pages;
#[path = "cli/photographs.rs"]
mod photographs;
#[path = "cli/pixels.rs"]
mod pixels;
#[path = "cli/readme.rs"]
mod readme;
#[path = "cli/runs.rs"]
mod runs;
#[path = "cli/settings.rs"]
mod settings;
#[path = "cli/subset.rs"]
mod subset;
#[path = "cli/tables.rs"]
mod tables;
#[path = "cli/timings.rs"]
mod timings;

use cli_support::{CLASSES, command, faces, fer, finished_run, small_run, text};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

fn keys(value: &serde_json::Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn sorted<const N: usize>(mut names: [&str; N]) -> Vec<&str> {
    names.sort_unstable();
    names.to_vec()
}

#[test]
fn train_evaluate_and_predict_agree() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let out = text(&run);
    // On the best adapter, as a user would.
    let done = fer(&["train", "--data", "synth:140", "--epochs", "1", "--batch", "20", "--out", out]);
    let done = done.expect(0, &["device: ", "epoch   1/1", "best.safetensors", "means nothing about people"]);
    assert!(done.out.starts_with("20 images: accuracy"), "{}", done.out);
    for file in [
        "best.safetensors",
        "last.safetensors",
        "results.csv",
        "metrics.json",
        "report.txt",
        "curves.svg",
        "confusion.csv",
        "confusion.svg",
        "confusion_normalised.csv",
        "confusion_normalised.svg",
        "reliability.svg",
        "config.toml",
        "env.json",
    ] {
        assert!(fs::metadata(run.join(file)).unwrap().len() > 0, "{file}");
    }
    let env: serde_json::Value = serde_json::from_slice(&fs::read(run.join("env.json")).unwrap()).unwrap();
    assert!(done.err.contains(env["adapter"].as_str().unwrap()));

    // The run's own data and seed are the defaults, so this is the same evaluation; the text is the run's report.
    let json = fer(&["evaluate", out, "--json"]).expect(0, &["the test split, 20 images"]).json();
    let wanted = [
        "data",
        "tta",
        "split",
        "n",
        "accuracy",
        "top2_accuracy",
        "loss",
        "mse",
        "macro_precision",
        "macro_recall",
        "macro_f1",
        "weighted_precision",
        "weighted_recall",
        "weighted_f1",
        "intervals",
        "per_class",
        "confusion",
        "confused",
        "calibration",
    ];
    assert_eq!(keys(&json), sorted(wanted));
    assert_eq!(keys(&json["per_class"]), sorted(CLASSES));
    let metrics: serde_json::Value = serde_json::from_slice(&fs::read(run.join("metrics.json")).unwrap()).unwrap();
    assert_eq!(json["confusion"], metrics["confusion"]);
    assert_eq!((&metrics["split"], &json["split"]), (&"test".into(), &"test".into()));
    assert_eq!(fer(&["evaluate", out]).expect(0, &[]).out, fs::read_to_string(run.join("report.txt")).unwrap());
    let train = fer(&["evaluate", out, "--split", "train", "--batch", "1000", "--json"]).json();
    assert_eq!(train["n"], 100);

    let faces_folder = folder.path().join("faces");
    faces(&faces_folder);
    let test = text(&faces_folder.join("test")).to_owned();
    let json = fer(&["predict", out, &test, "--json", "--batch", "4"]).expect(0, &[]).json();
    let rows = json.as_array().unwrap();
    assert_eq!(rows.len(), 10);
    let csv = fer(&["predict", out, &test, "--csv"]).expect(0, &[]).out;
    let table = fer(&["predict", out, &test]).expect(0, &[]).out;
    let head = format!("file,label,probability,{},x,y,width,height", CLASSES.join(","));
    assert_eq!(csv.lines().next().unwrap(), head);
    for ((row, csv), table) in rows.iter().zip(csv.lines().skip(1)).zip(table.lines().skip(1)) {
        assert_eq!(keys(row), sorted(["file", "box", "label", "probability", "probabilities"]));
        let (file, label) = (row["file"].as_str().unwrap(), row["label"].as_str().unwrap());
        assert!(csv.starts_with(&format!("{file},{label},")), "{csv}");
        assert!(table.starts_with(file) && table[file.len()..].trim_start().starts_with(label), "{table}");
        let each: Vec<f64> = CLASSES.iter().map(|c| row["probabilities"][c].as_f64().unwrap()).collect();
        assert!((each.iter().sum::<f64>() - 1.0).abs() < 1e-5);
        assert_eq!(row["probabilities"][label], row["probability"]);
        assert!(each.iter().all(|p| *p <= row["probability"].as_f64().unwrap()));
        let in_csv: Vec<f64> = csv.rsplit(',').skip(4).take(7).map(|p| p.parse().unwrap()).collect();
        assert!(in_csv.iter().rev().zip(&each).all(|(a, b)| (a - b).abs() < 1e-6), "{csv}");
    }
    assert_eq!(table.lines().count(), 11);
}

/// A tree lists its classes by the alphabet, the network has FER2013's order; its pixels are those of `synth:70`.
#[test]
fn classes_are_matched_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("faces");
    faces(&tree);
    let best = finished_run().join("best.safetensors");
    let of = |data: &str| fer(&["evaluate", text(&best), "--data", data, "--device", "cpu", "--json"]).json();
    let (drawn, files) = (of("synth:70"), of(text(&tree)));
    assert_eq!(drawn["confusion"], files["confusion"]);
    assert_eq!(drawn["per_class"], files["per_class"]);
}

#[test]
fn tables_and_their_json() {
    let models = fer(&["models", "--json"]).expect(0, &[]).json();
    let names: Vec<&str> = models.as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    let table = fer(&["models"]).expect(0, &[]).out;
    assert!(names.contains(&"fer7-small") && names.iter().all(|n| table.contains(n)));
    let wanted = ["name", "input", "layers", "total", "trainable", "non_trainable"];
    for model in models.as_array().unwrap() {
        let summary = fer(&["summary", model["name"].as_str().unwrap(), "--json"]).expect(0, &[]).json();
        assert_eq!(keys(&summary), sorted(wanted));
        assert_eq!((&summary["total"], &summary["input"]), (&model["parameters"], &model["input"]));
    }
    let summary = fer(&["summary", "fer4-cnn3", "--classes", "9"]).expect(0, &[]).out;
    assert!(summary.contains("(None, 9)") && summary.contains("Trainable params"), "{summary}");
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/networks/vgg8.toml");
    let summary = fer(&["summary", ours]).expect(0, &[]).out;
    assert!(summary.starts_with("Model: \"vgg8\"") && summary.contains("Total params: 298,023 "), "{summary}");

    let vgg = ["summary", "fer8-vgg19", "--size", "48x64"];
    let summary = fer(&[&vgg[..], &["--unfreeze-last", "10"]].concat()).expect(0, &[]).out;
    for line in
        ["(None, 48, 64, 3)", "block5_pool (MaxPooling2D)", "(None, 1, 2, 512)", ": 17,702,920 ", ": 2,325,568 "]
    {
        assert!(summary.contains(line), "{summary}");
    }
    for (flags, says) in [
        (["--freeze", "block9_conv1"], "did you mean `block"),
        (["--freeze", "99"], "24 layers"),
        (["--unfreeze-last", "99"], "22 layers"),
        (["--size", "31"], "at least 32 x 32"),
        (["--size", "4x4x4"], "96x128"),
    ] {
        fer(&[&vgg[..2], &flags[..]].concat()).expect(2, &[says]);
    }
    fer(&["summary", "fer4-cnn3", "--freeze", "body"]).expect(2, &["no pretrained body"]);

    let devices = fer(&["devices", "--json"]).expect(0, &[]).json();
    assert_eq!(devices[0]["index"], 0);
    assert!(fer(&["devices"]).out.contains(devices[0]["name"].as_str().unwrap()));

    let verify = fer(&["verify", "--op", "global_avg_pool", "--json"]).expect(0, &["against the f64 reference"]).json();
    assert_eq!(keys(&verify), sorted(["cases", "failed", "adapter", "results"]));
    let results = verify["results"].as_array().unwrap();
    assert!(!results.is_empty() && verify["cases"] == results.len() && verify["failed"] == 0);
    assert!(results.iter().all(|r| r["passed"] == true && r["case"].as_str().unwrap().starts_with("global_avg_pool/")));
    let done = fer(&["verify", "--op", "flatten"]).expect(0, &["`flatten` runs no kernel"]);
    assert!(done.out.contains("0 cases"));
    let table = fer(&["verify", "--op", "dropout"]).expect(0, &[]).out;
    assert!(table.contains("dropout/") && table.contains(", 0 failed on "), "{table}");
}

#[test]
fn help_is_short_and_has_examples() {
    let help = fer(&["help"]).expect(0, &[]).out;
    assert!(help.lines().count() <= 30, "one screen");
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let names: Vec<&str> =
        commands.lines().take_while(|l| !l.is_empty()).filter_map(|l| l.split_whitespace().next()).collect();
    for name in
        ["train", "search", "evaluate", "explain", "predict", "models", "summary", "devices", "verify", "synth", "man"]
    {
        assert!(names.contains(&name), "{names:?}");
    }
    for name in names.into_iter().filter(|n| *n != "help") {
        let help = fer(&[name, "-h"]).expect(0, &[]).out;
        assert!(help.contains("Examples:\n") && help.contains(&format!("  fer-gpu {name}")), "{help}");
        assert!(!help.contains('\u{1b}') && help.lines().count() <= 100, "{help}");
    }
    assert!(fer(&["--version"]).expect(0, &[]).out.starts_with("fer-gpu "));
}

/// Weights, smoothing and votes are kept with the run.
#[test]
fn targets_of_classes() {
    let folder = tempfile::tempdir().unwrap();
    let (tree, run) = (folder.path().join("faces"), folder.path().join("run"));
    fer(&["synth", "--out", text(&tree), "--n", "70"]).expect(0, &[]);
    let (weights, votes) = (folder.path().join("weights.csv"), folder.path().join("votes.csv"));
    fs::write(&weights, "class,weight\nhappiness,2\nsadness,0.5\n").unwrap();
    let mut table = "path,happiness,sadness\n".to_owned();
    for line in fs::read_to_string(tree.join("values.csv")).unwrap().lines().skip(1) {
        let path = line.split(',').next().unwrap();
        table += &format!("{path},{}\n", if path.contains("happy") { "8,2" } else { "3,7" });
    }
    fs::write(&votes, table).unwrap();
    let data = ["train", "--data", text(&tree), "--classes", "happy,sad", "--model", "fer7-small", "--batch", "10"];
    let flags = ["--class-weight", text(&weights), "--label-smoothing", "0.1", "--soft-labels", text(&votes)];
    let rest = ["--epochs", "1", "--out", text(&run)];
    fer(&[&data[..], &flags, &rest].concat()).expect(0, &["class weights: happy 2.0000, sad 0.5000"]);
    let settings = fs::read_to_string(run.join("config.toml")).unwrap();
    for line in ["label-smoothing = 0.1", "soft-labels = ", "happiness = 2.0", "sadness = 0.5"] {
        assert!(settings.contains(line), "{settings}");
    }
    fs::remove_file(&weights).unwrap();
    fer(&["train", "--resume", text(&run), "--epochs", "2"]).expect(0, &["class weights: happy 2.0000"]);
    fer(&["evaluate", text(&run), "--json"]).expect(0, &[]);
    fer(&[&data[..], &["--label-smoothing", "1"]].concat()).expect(2, &["--label-smoothing 1", "below 1"]);
    fer(&[&data[..], &["--class-weight", "balanse"]].concat()).expect(3, &["balanse", "`balanced`"]);
}

/// Settings that are printed are settings that can be read.
#[test]
fn printed_settings_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut flags = vec!["--model", "fer4-cnn3", "--lr", "0.25", "--classes", "sad,happy", "--on-bad-file", "skip"];
    flags.extend(["--batch", "auto", "--schedule", "cosine", "--warmup", "9", "--accumulate", "2", "--time", "2h"]);
    flags.extend(["--outputs", "valence,arousal"]);
    flags.extend(["--clip-norm", "1.5", "--weight-decay", "0.004", "--save-every", "5", "--patience", "3"]);
    let printed = fer(&[&["train", "--print-config"], &flags[..]].concat()).expect(0, &[]).out;
    for line in [
        "batch = \"auto\"",
        "kind = \"cosine\"",
        "warmup-steps = 9",
        "clip-norm = 1.5",
        "outputs = [\n    \"valence\",\n    \"arousal\",\n]",
        "model = \"fer4-cnn3\"",
        "lr = 0.25",
        "epochs = 10",
        "on-bad-file = \"skip\"",
        "\"sad\"",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
    let file = folder.path().join("settings.toml");
    fs::write(&file, &printed).unwrap();
    assert_eq!(fer(&["train", "--config", text(&file), "--print-config"]).expect(0, &[]).out, printed);
    let changed = fer(&["train", "--config", text(&file), "--epochs", "3", "--print-config"]).expect(0, &[]).out;
    assert_eq!(changed, printed.replace("epochs = 10", "epochs = 3"));
}

/// `fer-gpu models | head -1`: who stops reading, or never does, breaks nothing.
#[test]
fn closed_streams_are_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("faces");
    faces(&tree);
    let run = text(finished_run());
    for args in [
        vec!["models"],
        vec!["summary", "fer7-small", "--json"],
        vec!["predict", run, text(&tree), "--device", "cpu"],
        vec!["predict", run, text(&tree), "--device", "cpu", "--json"],
        vec!["evaluate", run, "--device", "cpu"],
    ] {
        let mut child = command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert!(child.wait().unwrap().success() && !err.contains("panicked"), "{args:?}: {err}");
    }
    let out = folder.path().join("run");
    let mut child = command(&small_run(&out)).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert!(child.wait().unwrap().success(), "training goes on when nobody watches");
    assert!(out.join("report.txt").is_file());
    if Path::new("/dev/full").exists() {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let done = command(&["models"]).stdout(full).output().unwrap();
        cli_support::Done::of(done).expect(3, &["cannot write standard output"]);
    }
}

/// Presets, a file's single settings, the sheet; what cannot be used is named.
#[test]
fn augmentation_is_set_saved_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let settings = |flags: &[&str]| fer(&[&["train", "--print-config"], flags].concat()).expect(0, &[]).out;
    assert!(!settings(&[]).contains("augment") && !settings(&["--augment", "none"]).contains("augment"));
    let light = settings(&["--augment", "light"]);
    assert!(light.contains("[augment]\n") && light.contains("rotation-range = 10"), "{light}");
    fs::write(at("light.toml"), &light).unwrap();
    assert_eq!(settings(&["--config", text(&at("light.toml"))]), light);
    fer(&["train", "--augment", "lihgt"]).expect(2, &["`lihgt` is not known; did you mean `light`"]);
    fer(&["train", "--augment", "light", "--resume", "runs/train/1"]).expect(2, &["cannot be used with"]);
    for (toml, code, words) in [
        ("rotation_range = 'far'", 3, ["line 2", "rotation_range"]),
        ("rotation-range = 360", 2, ["rotation-range 360", "0 to 180"]),
        ("flip = true", 3, ["line 2", "horizontal-flip"]),
    ] {
        fs::write(at("bad.toml"), format!("[augment]\n{toml}\n")).unwrap();
        fer(&["train", "--config", text(&at("bad.toml"))]).expect(code, &words);
    }

    let (sheet, data) = (at("sheet.png"), "synth:70");
    let preview = |flags: &[&str]| fer(&[&["data", "preview", "--data", data, "--out", text(&sheet)], flags].concat());
    preview(&["--rows", "3"]).expect(0, &["synth train image 16: ", "epochs 1 to 7"]);
    let light = fs::read(&sheet).unwrap();
    preview(&["--rows", "3", "--config", text(&at("light.toml"))]).expect(0, &[]);
    assert_eq!(fs::read(&sheet).unwrap(), light, "the sheet's default is the preset");
    preview(&["--rows", "3", "--augment", "strong"]).expect(0, &[]);
    assert_ne!(fs::read(&sheet).unwrap(), light);
    preview(&["--augment", "none"]).expect(2, &["no augmentation to show"]);
    preview(&["--rows", "0"]).expect(2, &["a sheet of no images"]);
}
