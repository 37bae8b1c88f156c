//! Calibration, runs side by side, data looked at, and networks that predict values.

use crate::cli_support::{Parts, copied_run, faces, fer, finished_run, text};
use std::fs;
use std::path::Path;

/// Calibration changes how sure a network is, not what it says; the checkpoint keeps it, and everything else as it was.
#[test]
fn calibration_travels_in_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let run = copied_run(folder.path());
    let out = folder.path().join("results/other");
    let args = ["evaluate", text(&run), "--device", "cpu", "--json"];
    let before = fer(&args).expect(0, &[]).json();
    let words = ["temperature ", "on the 10 validation images loss ", "stored in ", "best.safetensors", "written to"];
    let after = fer(&[&args[..], &["--calibrate", "--out", text(&out)]].concat()).expect(0, &words).json();
    assert_eq!(before["confusion"], after["confusion"]);
    assert_ne!(before["loss"], after["loss"]);
    let again = fer(&args).expect(0, &["calibrated with temperature"]).json();
    assert_eq!(again, after, "the checkpoint remembers");
    let best = Parts::read(&run.join("best.safetensors"));
    let old = Parts::read(&finished_run().join("best.safetensors"));
    assert_eq!(best.meta()["temperature"], after["temperature"]);
    assert!(best.data == old.data && old.meta().get("temperature").is_none());
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&fs::read(out.join("metrics.json")).unwrap()).unwrap(),
        after
    );
    let report = fs::read_to_string(out.join("report.txt")).unwrap();
    assert!(report.starts_with("note: probabilities are calibrated with temperature"), "{report}");
    for file in ["confusion.csv", "confusion_normalised.svg", "reliability.svg", "worst.svg", "worst.csv"] {
        assert!(fs::metadata(out.join(file)).unwrap().len() > 0, "{file}");
    }
    // What it says of an image is the same class, with another probability.
    let tree = folder.path().join("faces");
    faces(&tree);
    let of = |run: &Path| fer(&["predict", text(run), text(&tree.join("test")), "--device", "cpu", "--json"]).json();
    let (plain, calibrated) = (of(finished_run()), of(&run));
    assert!((0..10).all(|i| plain[i]["label"] == calibrated[i]["label"]));
    assert!((0..10).all(|i| plain[i]["probability"] != calibrated[i]["probability"]));
    let all = fer(&[&args[..], &["--split", "all"]].concat()).expect(0, &["the whole split, 70 images"]).json();
    assert_eq!((&all["n"], &all["split"]), (&70.into(), &"whole".into()));
}

/// Test-time augmentation: an image and its mirror image are one to the network.
#[test]
fn mirror_images_are_averaged() {
    let folder = tempfile::tempdir().unwrap();
    let (tree, mirror) = (folder.path().join("faces"), folder.path().join("mirror.png"));
    faces(&tree);
    let image = fs::read_dir(tree.join("test/happy")).unwrap().next().unwrap().unwrap().path();
    image::open(&image).unwrap().fliph().save(&mirror).unwrap();
    let run = text(finished_run());
    let of = |flags: &[&str]| {
        let images = ["predict", run, text(&image), text(&mirror), "--device", "cpu", "--json"];
        let rows = fer(&[&images[..], flags].concat()).expect(0, &[]).json();
        let row = |i: usize| rows[i]["probabilities"].as_object().unwrap().values().map(|p| p.as_f64().unwrap());
        row(0).zip(row(1)).collect::<Vec<_>>()
    };
    let (plain, averaged) = (of(&[]), of(&["--tta"]));
    assert!(plain.iter().all(|(p, q)| p != q) && averaged.iter().all(|(p, q)| p == q), "{plain:?} {averaged:?}");
    for ((p, q), (mean, _)) in plain.iter().zip(&averaged) {
        assert!((0.5 * (p + q) - mean).abs() < 1e-6, "{p} {q} {mean}");
    }
    let args = ["evaluate", run, "--device", "cpu", "--json"];
    let [one, two] = [&args[..], &[&args[..], &["--tta"]].concat()].map(|args| fer(args).expect(0, &[]).json());
    assert_eq!((&one["tta"], &two["tta"], &two["n"]), (&false.into(), &true.into(), &one["n"]));
    assert_ne!(one["loss"], two["loss"]);
    let report = fer(&[&args[..4], &["--tta"]].concat()).expect(0, &[]).out;
    assert!(report.starts_with("note: probabilities are means over each image and its mirror image"), "{report}");
}

#[test]
fn runs_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let other = copied_run(folder.path());
    fs::remove_file(other.join("metrics.json")).unwrap();
    let out = folder.path().join("out");
    let runs = ["compare", text(finished_run()), text(&other)];
    let rows = fer(&[&runs[..], &["--json", "--out", text(&out)]].concat()).expect(0, &["written to"]).json();
    let figures = fer(&["evaluate", text(finished_run()), "--device", "cpu", "--json"]).json();
    assert_eq!((&rows[0]["accuracy"], &rows[0]["evaluated_on"]), (&figures["accuracy"], &"test".into()));
    assert_eq!((&rows[0]["model"], &rows[0]["best_epoch"]), (&"fer7-small".into(), &1.into()));
    let summary = fer(&["summary", "fer7-small", "--json"]).json();
    assert_eq!(rows[1]["parameters"], summary["total"]);
    assert!(rows[1]["accuracy"].is_null() && rows[1]["validation_accuracy"].is_f64());
    let table = fer(&runs).expect(0, &[]).out;
    assert!(table.lines().count() == 4 && table.contains("macro F1") && table.contains("fer7-small"), "{table}");
    assert_eq!(fer(&[&runs[..], &["--csv"]].concat()).out, fs::read_to_string(out.join("table.csv")).unwrap());
    assert!(fs::read_to_string(out.join("curves.svg")).unwrap().contains("fer7-small"));
    fs::write(other.join("metrics.json"), "{").unwrap();
    fer(&runs).expect(3, &["metrics.json", "`train`"]);
    fer(&["compare", text(folder.path())]).expect(5, &["last.safetensors"]);
}

#[test]
fn data_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("faces");
    faces(&tree);
    let done = fer(&["data", "check", text(&tree)]).expect(0, &[]);
    assert!(done.out.contains("no fault found") && done.out.contains("modes: grey (70)"), "{}", done.out);
    fs::copy(tree.join("train/sad/00004.png"), tree.join("test/happy/copy.png")).unwrap();
    let out = folder.path().join("out");
    let args = ["data", "check", text(&tree), "--json", "--out", text(&out)];
    let found = fer(&args).expect(0, &["written to"]).json();
    assert_eq!((&found["duplicates"]["copies"], &found["duplicates"]["leaks"][0]["images"]), (&1.into(), &1.into()));
    assert!(fs::read_to_string(out.join("report.txt")).unwrap().contains("1 test images stand in train as well"));
    assert!(fs::read_to_string(out.join("counts.svg")).unwrap().contains("happy, test: 2"));
    fer(&["data", "check", "no/such"]).expect(3, &["no/such"]);
}

/// Numbers instead of classes, through every command: concordance rises, and the values are there.
#[test]
fn values_through_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let (tree, run) = (folder.path().join("faces"), folder.path().join("run"));
    fer(&["synth", "--out", text(&tree), "--n", "420"]).expect(0, &["values.csv"]);
    let table = tree.join("values.csv");
    let train = ["train", "--data", text(&table), "--model", "fer7-small", "--batch", "20", "--lr", "0.003"];
    let flags = ["--epochs", "5", "--output", "tanh", "--out", text(&run)];
    let done = fer(&[&train[..], &flags].concat()).expect(0, &["values smile, turn", "mean concordance"]);
    assert!(done.out.contains("smile") && done.out.contains("ccc"), "{}", done.out);
    assert!(!run.join("confusion.csv").exists() && run.join("curves.svg").is_file());
    let results = fs::read_to_string(run.join("results.csv")).unwrap();
    let mut lines = results.lines();
    let at = lines.next().unwrap().split(',').position(|c| c == "val_ccc").unwrap();
    let ccc: Vec<f64> = lines.map(|l| l.split(',').nth(at).unwrap().parse().unwrap()).collect();
    let best = ccc.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    println!("mean concordance by epoch: {ccc:?}");
    assert!(best > 0.2 && best > ccc[0] + 0.1, "{ccc:?}");

    let scores = fer(&["evaluate", text(&run), "--split", "validation", "--json"]).expect(0, &[]).json();
    let evaluated = scores["ccc"].as_f64().unwrap();
    assert!((evaluated - best).abs() < 1e-6, "{evaluated} on the best checkpoint, {best} in its epoch");
    assert_eq!(scores["outputs"][1]["name"], "turn");
    let predicted = fer(&["predict", text(&run), text(&tree.join("test/happy")), "--csv"]).expect(0, &[]).out;
    assert!(predicted.starts_with("file,smile,turn,"), "{predicted}");
    let smile: f64 = predicted.lines().nth(1).unwrap().split(',').nth(1).unwrap().parse().unwrap();
    assert!(smile.abs() <= 1.0);
    let json = fer(&["predict", text(&run), text(&tree.join("test/happy")), "--json"]).expect(0, &[]).json();
    assert!(json[0]["values"]["smile"].is_number(), "{json}");
    let results = folder.path().join("results");
    let flags = ["--split", "all", "--out", text(&results), "--json"];
    let all = fer(&[&["evaluate", text(&run)], &flags[..]].concat()).expect(0, &["the whole split, 420 images"]).json();
    assert_eq!((&all["n"], &all["split"]), (&420.into(), &"whole".into()));
    let files = fs::read_dir(&results).unwrap().count();
    assert!(files == 2 && fs::read_to_string(results.join("report.txt")).unwrap().contains("ccc"), "{files} files");
    for flag in [&["--map", "a=b"][..], &["--classes", "smile,turn"], &["--calibrate"], &["--tta"]] {
        fer(&[&["evaluate", text(&run)], flag].concat()).expect(2, &[flag[0], "values, not classes"]);
    }
    // Beside a classifier each has its own figures, and nothing where it has none.
    let runs = ["compare", text(&run), text(finished_run())];
    let rows = fer(&[&runs[..], &["--json"]].concat()).expect(0, &[]).json();
    assert!(rows[0]["accuracy"].is_null() && rows[0]["train_accuracy"].is_null() && rows[1]["ccc"].is_null(), "{rows}");
    assert!((rows[0]["validation_ccc"].as_f64().unwrap() - best).abs() < 1e-12, "{rows}");
    assert!(rows[0]["ccc"].is_f64() && rows[0]["rmse"].is_f64() && rows[0]["evaluated_on"] == "test", "{rows}");
    let table = fer(&runs).expect(0, &[]).out;
    assert!(table.contains("val ccc") && table.contains("macro F1") && !table.contains("NaN"), "{table}");
    assert!(!fer(&[&runs[..], &["--csv", "--out", text(&results)]].concat()).expect(0, &[]).out.contains("NaN"));
    let checked = fer(&["data", "check", text(&tree.join("values.csv")), "--json"]).expect(0, &[]).json();
    assert_eq!((&checked["images"], &checked["modes"]["grey"]), (&420.into(), &420.into()));
    assert!(checked["notes"].to_string().contains("values (smile, turn)"), "{checked}");
    fer(&["train", "--resume", text(&run), "--epochs", "6"]).expect(0, &[]);
    fer(&["evaluate", text(&run), "--data", "synth:70"]).expect(3, &["it has classes", "values: smile, turn"]);
    let refused = |flags: &[&str], words: &[&str]| drop(fer(&[&train[..], flags].concat()).expect(2, words));
    refused(&["--class-weight", "balanced"], &["--class-weight", "values, not classes"]);
    refused(&["--label-smoothing", "0.1"], &["--label-smoothing", "values, not classes"]);
    let classes = ["train", "--data", "synth:70", "--output", "tanh"];
    fer(&classes).expect(2, &["--output", "classes, not values"]);
}
