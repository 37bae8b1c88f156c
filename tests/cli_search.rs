//! `fer-gpu search` as users run it: to its end, by several processes, killed and gone on with.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli_support;

use cli_support::{Done, fer, interrupt, start, text, wait_for};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A network that a window of 20 does not fit.
const NET: &str = "input = [12, 12, 1]\n[variables]\nwindow = 3\nunits = 8\n\
    [[layer]]\nclass = 'MaxPooling2D'\npool_size = '${window}'\n[[layer]]\nclass = 'Flatten'\n\
    [[layer]]\nclass = 'Dense'\nunits = '${units}'\nactivation = 'relu'\n[[layer]]\nclass = 'Dense'\nunits = 7\n";

/// Writes a search on few drawn faces and the reference, which needs no shader compiler, and returns its file.
fn written(folder: &Path, rest: &str) -> PathBuf {
    let (net, file) = (folder.join("net.toml"), folder.join("tiny.toml"));
    fs::write(&net, NET).unwrap();
    let settings = format!("[settings]\ndata = 'synth:70'\nmodel = '{}'\ndevice = 'cpu'\nbatch = 25\n", net.display());
    fs::write(&file, rest.replace("[settings]\n", &settings)).unwrap();
    file
}

/// The columns of each row, by name.
fn rows(search: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(search.join("results.csv")).unwrap();
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    csv.deserialize().map(|row| row.unwrap()).collect()
}

/// A column of a run's history.
fn history(run: &Path, column: &str) -> Vec<String> {
    let mut csv = csv::Reader::from_path(run.join("results.csv")).unwrap();
    let at = csv.headers().unwrap().iter().position(|c| c == column).unwrap();
    csv.records().map(|r| r.unwrap()[at].to_owned()).collect()
}

/// Twelve points: a third cannot be built, half of the others diverge, the rest are halved twice.
#[test]
fn a_search_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(
        folder.path(),
        "trials = 12\nseed = 5\n[settings]\nepochs = 4\n[halving]\neta = 2\nmin-epochs = 1\n\
        [space]\nlr = { choice = [0.01, 3e38] }\nnetwork = { window.choice = [2, 3, 20], units.choice = [4, 8] }\n",
    );
    let search = folder.path().join("search");
    let args = ["search", "--config", text(&file), "--out", text(&search)];
    let done = fer(&args).expect(0, &["trial 12 of 12", "cannot be built", "diverged", "best: trial", "trained anew"]);
    assert!(done.out.contains("4 trials trained, 4 cannot be built, 4 diverged"), "{}", done.out);
    let rows = rows(&search);
    let count = |key: &str, value: &str| rows.iter().filter(|r| r[key] == value).count();
    assert_eq!([count("rung", "0"), count("status", "failed"), count("status", "diverged")], [12, 4, 4]);
    for row in &rows {
        match row["status"].as_str() {
            "failed" => assert!(row["network.window"] == "20" && row["error"].contains("max_pool2d"), "{row:?}"),
            "diverged" => assert!(row["lr"].starts_with('3') && row["error"].contains("not finite"), "{row:?}"),
            _ => assert!(row["lr"] == "0.01" && row["network.window"] != "20", "{row:?}"),
        }
    }
    // Of eight at the first rung four go on, all that are left; one at least of these to the end, and one not.
    assert_eq!(count("rung", "1"), 4);
    let complete: Vec<_> = rows.iter().filter(|r| r["status"] == "complete").collect();
    assert!((1..4).contains(&complete.len()), "{rows:?}");
    for file in ["search.svg", "search.toml", "best/metrics.json", "best/best.safetensors"] {
        assert!(search.join(file).is_file(), "{file}");
    }
    assert!(fs::read_to_string(search.join("best/config.toml")).unwrap().contains("seed = 1"));

    // A trial that went through three rungs is the run of its settings.
    let (trial, alone) = (search.join("trials").join(&complete[0]["trial"]), folder.path().join("alone"));
    fer(&["train", "--config", text(&trial.join("config.toml")), "--out", text(&alone)]).expect(0, &["best: epoch"]);
    for column in ["epoch", "loss", "val_loss", "val_accuracy"] {
        assert_eq!(history(&trial, column), history(&alone, column), "{column}");
    }
    // Nothing is left to be done.
    let before = fs::read(search.join("results.csv")).unwrap();
    let again = fer(&["search", "--out", text(&search)]).expect(0, &["best: trial"]);
    assert!(!again.err.contains("trial 1 of") && fs::read(search.join("results.csv")).unwrap() == before);
}

#[test]
fn two_processes_do_each_trial_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(
        folder.path(),
        "trials = 8\n[settings]\nepochs = 6\n[space]\nlr = { range = [0.001, 0.1], log = true }\n",
    );
    let search = folder.path().join("search");
    let args = ["search", "--config", text(&file), "--out", text(&search)];
    let (one, other) = (start(&args), start(&args));
    for child in [one, other] {
        let done = Done::of(child.wait_with_output().unwrap()).expect(0, &["best: trial"]);
        println!("{}", done.err);
    }
    let mut trials: Vec<usize> = rows(&search).iter().map(|r| r["trial"].parse().unwrap()).collect();
    trials.sort_unstable();
    assert_eq!(trials, (1..=8).collect::<Vec<_>>());
    assert!(search.join("best/metrics.json").is_file(), "the last one trains the best anew");
}

#[test]
fn a_kill_in_the_middle_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(
        folder.path(),
        "trials = 2\n[settings]\nepochs = 40\n[space]\nlr = { range = [0.001, 0.1], log = true }\n",
    );
    let search = folder.path().join("search");
    let first = search.join("trials/1");
    let mut child = start(&["search", "--config", text(&file), "--out", text(&search)]);
    wait_for("an epoch", || first.join("results.csv").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!search.join("results.csv").exists() && history(&first, "epoch").len() < 40, "killed too late");
    let environment = fs::read(first.join("env.json")).unwrap();

    let child = start(&["search", "--out", text(&search)]);
    wait_for("the second trial", || search.join("trials/2/last.safetensors").exists());
    assert!(
        Command::new("sh").args(["-c", &format!("kill -{} {}", interrupt(), child.id())]).status().unwrap().success()
    );
    let again = format!("go on with: fer-gpu search --out {}", search.display());
    Done::of(child.wait_with_output().unwrap()).expect(130, &["interrupted and saved", &again]);
    assert_eq!(fs::read(first.join("env.json")).unwrap(), environment, "the trial began anew");
    assert_eq!(history(&first, "epoch").len(), 40);

    fer(&["search", "--out", text(&search), "--no-retrain"]).expect(0, &["best: trial", "its network: "]);
    assert_eq!(rows(&search).iter().map(|r| r["status"].as_str()).collect::<Vec<_>>(), ["complete"; 2]);
    assert!(!search.join("best").exists());
}

#[test]
fn folders_that_are_no_search() {
    let folder = tempfile::tempdir().unwrap();
    fer(&["search"]).expect(2, &["--config <FILE.toml>"]);
    fer(&["search", "--out", text(folder.path())]).expect(2, &["holds no search", "--config"]);
    let all = "trials = 2\n[settings]\n[space]\nnetwork.window = { choice = [20, 21] }\n";
    let (file, search) = (written(folder.path(), all), folder.path().join("search"));
    let args = ["search", "--config", text(&file), "--out", text(&search)];
    fer(&args).expect(2, &["no trial of", "could be trained", "max_pool2d"]);
    fs::write(search.join("results.csv"), "trial,rung\n").unwrap();
    fer(&args).expect(3, &["results.csv, row 1", "the header is `trial,rung`", "network.window"]);
    let own = fs::read_to_string(search.join("search.toml")).unwrap();
    fs::write(search.join("search.toml"), own.replace("version = 1", "version = 9")).unwrap();
    fer(&["search", "--out", text(&search)]).expect(3, &["a search of version 9", "expected version 1"]);
}
