//! A process that ends before any of its renames, or finds the disk full at any of its writes, loses nothing: gone on with, it
//! leaves the files that an uninterrupted one leaves.

use crate::cli_support::{Done, Parts, command, fer, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const FAULT: &str = "FER_GPU_TEST_FAULT";
/// Small enough for the reference, with statistics that only training moves.
const NET: &str = "input = [12, 12, 1]\n[[layer]]\nclass = 'MaxPooling2D'\n[[layer]]\nclass = 'Flatten'\n\
    [[layer]]\nclass = 'Dense'\nunits = 8\n[[layer]]\nclass = 'BatchNormalization'\n[[layer]]\nclass = 'ReLU'\n\
    [[layer]]\nclass = 'Dense'\nunits = 7\n";
/// The first phase ends by patience, two epochs after its best, whose parameters the second phase begins with.
const SETTINGS: &str = "data = 'synth:70'\nmodel = 'NET'\ndevice = 'cpu'\nbatch = 25\nsave-every = 2\nlr = 0.1\n\
    [early-stopping]\nmonitor = 'val_loss'\npatience = 2\nrestore-best-weights = true\n\
    [[phase]]\nepochs = 9\n[[phase]]\nepochs = 2\nlr = 0.001\n";

/// Writes a network and a file that names it.
fn written(folder: &Path, name: &str, what: &str) -> PathBuf {
    let (net, file) = (folder.join("net.toml"), folder.join(name));
    fs::write(&net, NET).unwrap();
    fs::write(&file, what.replace("NET", text(&net))).unwrap();
    file
}

/// Runs the program with a fault; nothing if it was killed by it.
fn with_fault(fault: &str, args: &[&str]) -> Option<Done> {
    let output = command(args).env(FAULT, fault).output().unwrap();
    output.status.code().is_some().then(|| Done::of(output))
}

/// A checkpoint without what a clock measured: its header and the bytes of its tensors.
fn checkpoint(path: &Path) -> (Value, Vec<u8>) {
    let parts = Parts::read(path);
    let (mut header, mut meta) = (parts.header.clone(), parts.meta());
    for row in meta["progress"]["history"].as_array_mut().unwrap() {
        for time in ["seconds", "images_per_s"] {
            row[time] = Value::Null;
        }
    }
    header["__metadata__"] = meta;
    (header, parts.data)
}

/// The epoch that a checkpoint is of, and the one that it names as the best.
fn epochs(path: &Path) -> (u64, u64) {
    let progress = &Parts::read(path).meta()["progress"];
    (progress["epoch"].as_u64().unwrap(), progress["best"]["epoch"].as_u64().unwrap())
}

/// A table without its columns of time.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut csv = csv::Reader::from_path(path).unwrap();
    let mut rows: Vec<BTreeMap<String, String>> = csv.deserialize().map(|row| row.unwrap()).collect();
    rows.iter_mut().for_each(|row| row.retain(|column, _| !["seconds", "images_per_s"].contains(&column.as_str())));
    rows
}

/// What a folder and its folders hold, times and the files of TensorBoard, of which each process writes one, left out.
fn held(folder: &Path, within: &str, out: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let key = format!("{within}{name}");
        assert!(!name.ends_with(".tmp"), "{key} is left");
        if path.is_dir() {
            held(&path, &format!("{key}/"), out);
        } else if name.ends_with(".safetensors") {
            out.insert(key, format!("{:?}", checkpoint(&path)));
        } else if name == "results.csv" {
            out.insert(key, format!("{:?}", table(&path)));
        } else if !(name.starts_with("events.out") || name.ends_with("lock") || name == "env.json") {
            out.insert(key, fs::read_to_string(&path).unwrap());
        }
    }
}

fn same(folder: &Path, whole: &BTreeMap<String, String>, what: &str) {
    let mut now = BTreeMap::new();
    held(folder, "", &mut now);
    assert_eq!(now.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>(), "{what}");
    for (name, content) in whole {
        assert!(*content == now[name], "{what}: {name} differs:\n{content:.2000}\n{:.2000}", now[name]);
    }
}

/// Whatever ended a process, `best` is of the epoch that `last` names or, written just before, one ahead of it.
fn agree(run: &Path, what: &str) {
    let (best, last) = (run.join("best.safetensors"), run.join("last.safetensors"));
    let held = best.is_file().then(|| epochs(&best).0);
    let Some((epoch, named)) = last.is_file().then(|| epochs(&last)) else { return };
    assert!(held == Some(named) || held == Some(epoch + 1), "{what}: {held:?} for {named} after {epoch}");
}

/// Trains or goes on, as a user would.
fn again<'a>(run: &'a Path, settings: &'a Path) -> Vec<&'a str> {
    if ["best", "last"].iter().any(|name| run.join(format!("{name}.safetensors")).is_file()) {
        return vec!["train", "--resume", text(run)];
    }
    let _ = fs::remove_dir_all(run);
    vec!["train", "--config", text(settings), "--out", text(run)]
}

#[test]
fn training_loses_nothing_to_any_fault() {
    let folder = tempfile::tempdir().unwrap();
    let settings = written(folder.path(), "settings.toml", SETTINGS);
    let (whole, run) = (folder.path().join("whole"), folder.path().join("run"));
    fer(&again(&whole, &settings)).expect(0, &["best: epoch"]);
    let mut files = BTreeMap::new();
    held(&whole, "", &mut files);
    // The run has all that is to be tested.
    let (last, best) = epochs(&whole.join("last.safetensors"));
    let phase =
        |n: u64| Parts::read(&whole.join(format!("epoch-{n:04}.safetensors"))).meta()["progress"]["phase"].clone();
    println!("{last} epochs, {best} the best; phases {:?}", (phase(2), phase(4)));
    assert!(files.contains_key("metrics.json") && files.contains_key("epoch-0004.safetensors"));

    let mut faults = [0, 0];
    for (kind, count) in ["kill-at-rename", "full-at-write"].into_iter().zip(&mut faults) {
        for n in 1.. {
            let _ = fs::remove_dir_all(&run);
            let fault = format!("{kind}:{n}");
            match with_fault(&fault, &again(&run, &settings)) {
                Some(done) if done.code == 0 => break,
                Some(done) => drop(done.expect(3, &["cannot write", "hint: make room"])),
                None => {}
            }
            *count = n;
            agree(&run, &fault);
            let done = fer(&again(&run, &settings)).expect(0, &["best: epoch"]);
            assert!(!done.err.contains("parameters are lost"), "{fault}: {}", done.err);
            same(&run, &files, &fault);
        }
    }
    println!("{faults:?} faults");
    assert!(faults[0] > 30 && faults[0] == faults[1], "{faults:?}");

    // Every process ends at its 14th rename: more than resuming and the files of the end are, and fewer than the whole run's.
    let _ = fs::remove_dir_all(&run);
    let mut processes = 1;
    while with_fault("kill-at-rename:14", &again(&run, &settings)).is_none() {
        processes += 1;
        assert!(processes < 20, "no progress");
        agree(&run, "each its 14th");
    }
    println!("{processes} processes");
    assert!(processes > 2, "{processes}");
    same(&run, &files, "each its 14th");
}

#[test]
fn a_search_loses_nothing_to_any_fault() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(
        folder.path(),
        "search.toml",
        "trials = 2\nseed = 5\n[settings]\ndata = 'synth:70'\nmodel = 'NET'\ndevice = 'cpu'\nbatch = 25\nepochs = 2\n\
        [halving]\neta = 2\nmin-epochs = 1\n[space]\nlr = { range = [0.001, 0.1], log = true }\n",
    );
    let search = folder.path().join("search");
    let args = ["search", "--config", text(&file), "--out", text(&search)];
    fer(&args).expect(0, &["best: trial", "trained anew"]);
    let mut files = BTreeMap::new();
    held(&search, "", &mut files);
    let mut killed = 0;
    for n in 1.. {
        let _ = fs::remove_dir_all(&search);
        if with_fault(&format!("kill-at-rename:{n}"), &args).is_some() {
            break;
        }
        killed = n;
        fer(&args).expect(0, &["best: trial", "trained anew"]);
        same(&search, &files, &format!("killed before rename {n}"));
    }
    println!("{killed} kills");
    assert!(killed > 30, "{killed}");

    // One damaged trial does not stop the others: it begins anew.
    let _ = fs::remove_dir_all(&search);
    assert!(with_fault("kill-at-rename:8", &args).is_none());
    fs::write(search.join("trials/1/last.safetensors"), "damaged").unwrap();
    fer(&args).expect(0, &["last.safetensors", "begins anew", "best: trial"]);
    same(&search, &files, "a damaged trial");
}
