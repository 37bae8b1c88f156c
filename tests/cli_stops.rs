//! Runs that end before their time: killed, interrupted, out of disk, diverged. What was saved stays good.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli_support;

use cli_support::{Done, Parts, command, copied_run, fer, interrupt, start, text, wait_for};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Epochs that a checkpoint has.
fn epochs(run: &Path) -> u64 {
    Parts::read(&run.join("last.safetensors")).meta()["progress"]["epoch"].as_u64().unwrap()
}

/// Resumes for one more epoch than there are, to the end of the run.
fn resume_one(run: &Path) {
    let one_more = (epochs(run) + 1).to_string();
    fer(&["train", "--resume", text(run), "--epochs", &one_more]).expect(0, &["best: epoch", "results.csv"]);
    assert_eq!(epochs(run).to_string(), one_more);
    assert_eq!(fs::read_to_string(run.join("results.csv")).unwrap().lines().count().to_string(), {
        (epochs(run) + 1).to_string()
    });
}

fn endless(run: &Path) -> Vec<&str> {
    vec!["train", "--data", "synth:70", "--epochs", "100000", "--batch", "25", "--out", text(run)]
}

#[test]
fn a_kill_at_any_moment_can_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut child = start(&endless(&run));
    wait_for("a checkpoint", || run.join("last.safetensors").exists());
    for wait in [70, 1130, 640] {
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().code(), None, "it ended by itself");
        // Whatever was going on, the file is whole.
        assert!(epochs(&run) >= 1);
        child = start(&["train", "--resume", text(&run), "--epochs", "100000"]);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    resume_one(&run);
}

#[test]
fn an_interrupt_finishes_the_step_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    for (i, signal) in [interrupt(), "TERM"].into_iter().enumerate() {
        let child = if i == 0 {
            start(&endless(&run))
        } else {
            start(&["train", "--resume", text(&run), "--epochs", "100000"])
        };
        let before = if i == 0 { 0 } else { epochs(&run) };
        wait_for("an epoch", || run.join("last.safetensors").exists() && epochs(&run) > before);
        let kill = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status().unwrap();
        assert!(kill.success());
        let again = format!("go on with: fer-gpu train --resume {}", run.display());
        Done::of(child.wait_with_output().unwrap()).expect(130, &["interrupted and saved", &again]);
    }
    resume_one(&run);
}

/// A limit on the size of files stands for a disk that is full after some bytes of a file, at any of its writes.
#[test]
fn a_full_disk_keeps_the_previous_files_and_says_the_way_on() {
    let folder = tempfile::tempdir().unwrap();
    let run = copied_run(folder.path());
    let last = run.join("last.safetensors");
    let before = fs::read(&last).unwrap();
    // From nothing at all to half a checkpoint. Without the trap the signal of the limit would end the program.
    for blocks in [0, 1, 4, before.len() / 1024] {
        let program = command(&["train", "--resume", text(&run), "--epochs", "2"]);
        let words: Vec<_> = program.get_args().map(|arg| arg.to_str().unwrap()).collect();
        let script =
            format!("trap '' XFSZ; ulimit -f {blocks}; exec {} {}", env!("CARGO_BIN_EXE_fer-gpu"), words.join(" "));
        let done = Done::of(Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap());
        let done = done.expect(3, &["cannot ", "File too large", "hint: make room", "--resume"]);
        println!("{blocks} blocks: {}", done.err);
        assert_eq!(fs::read(&last).unwrap(), before);
    }
    resume_one(&run);
    assert!(fs::read_dir(&run).unwrap().all(|e| !e.unwrap().file_name().to_str().unwrap().ends_with(".tmp")));
}

/// Nobody, not even root, writes there.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_is_an_error_before_training() {
    fer(&["train", "--data", "synth:70", "--device", "cpu", "--out", "/proc/self/run"])
        .expect(3, &["cannot create the run folder /proc/self/run"]);
    fer(&["train", "--data", "synth:70", "--device", "cpu", "--out", "/dev/full"])
        .expect(2, &["is a file, not a folder"]);
}

/// One process at a time trains in a folder; the others are told who does, and change nothing.
#[test]
fn two_processes_never_train_in_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut child = start(&endless(&run));
    wait_for("a checkpoint", || run.join("last.safetensors").exists());
    let process = format!("process {}", child.id());
    for _ in 0..3 {
        fer(&["train", "--resume", text(&run)])
            .expect(2, &[&process, "is training in", text(&run), "wait until it ends"]);
    }
    let calibrate = ["evaluate", text(&run), "--data", "synth:70", "--device", "cpu", "--calibrate"];
    fer(&calibrate).expect(2, &[&process, "is training in"]);
    // To read is free.
    fer(&["evaluate", text(&run), "--data", "synth:70", "--device", "cpu"]).expect(0, &[]);
    assert!(child.try_wait().unwrap().is_none(), "it was disturbed");
    child.kill().unwrap();
    child.wait().unwrap();
    let parts = run.join(".fer-gpu-1-1.tmp");
    fs::write(&parts, "left by a killed process").unwrap();
    resume_one(&run);
    assert!(!parts.exists());
}

/// Early stopping has ended the run: going on with it trains nothing, as often as one may, until there is more patience.
#[test]
fn a_run_that_stopped_by_patience_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let small =
        ["--data", "synth:70", "--batch", "50", "--device", "cpu", "--lr", "0.3", "--patience", "1", "--epochs", "60"];
    fer(&[&["train", "--out", text(&run)], &small[..]].concat()).expect(0, &["stopped early"]);
    let (done, metrics) = (epochs(&run), fs::read(run.join("metrics.json")).unwrap());
    assert!(done < 60);
    let resume = ["train", "--resume", text(&run)];
    for _ in 0..2 {
        fer(&resume).expect(0, &["are done already", "--patience", "stopped early", "best: epoch"]);
        assert_eq!((epochs(&run), fs::read(run.join("metrics.json")).unwrap()), (done, metrics.clone()));
    }
    let more = (done + 1).to_string();
    fer(&[&resume[..], &["--patience", "50", "--epochs", &more]].concat()).expect(0, &["best: epoch"]);
    assert_eq!(epochs(&run), done + 1);
}

#[test]
fn divergence_names_a_layer_and_keeps_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    // In the first steps, and at the only step of an epoch, where validation shows it; on the adapter and the reference.
    for (batch, device) in [("8", "auto"), ("50", "cpu")] {
        let _ = fs::remove_dir_all(&out);
        let args = ["train", "--data", "synth:70", "--lr", "3e38", "--batch", batch, "--device", device];
        fer(&[&args[..], &["--out", text(&out)]].concat())
            .expect(6, &["training stopped at epoch 1, step", "not finite", "no epoch was completed", "--lr"]);
        assert!(!out.join("last.safetensors").exists());
    }
    // One good epoch, then a step that the optimizer's state makes endless.
    let run = copied_run(folder.path());
    let last = run.join("last.safetensors");
    let mut parts = Parts::read(&last);
    for value in parts.tensor("optimizer/m/conv2d/kernel").as_chunks_mut::<4>().0 {
        *value = f32::INFINITY.to_le_bytes();
    }
    parts.write(&last);
    let before = fs::read(&last).unwrap();
    fer(&["train", "--resume", text(&run), "--epochs", "9"])
        .expect(6, &["epoch 2", "conv2d", "not finite", "the last good checkpoint is kept", text(&run)]);
    assert_eq!(fs::read(&last).unwrap(), before);
}

/// What a run was trained with is what it is resumed with.
#[test]
fn resuming_with_other_settings_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = copied_run(folder.path());
    let before = fs::read(run.join("config.toml")).unwrap();
    for (flags, words) in [
        (["--batch", "25"], ["batch 50", "keeps its settings"]),
        (["--lr", "0.5"], ["lr 0.001", "keeps its settings"]),
        (["--model", "fer7-cnn3-bn"], ["fer7-small", "fer7-cnn3-bn"]),
        (["--classes", "sad,happy"], ["trained on the classes angry", "sad, happy"]),
    ] {
        fer(&[&["train", "--resume", text(&run), "--epochs", "2"], &flags[..]].concat()).expect(5, &words);
    }
    assert_eq!(fs::read(run.join("config.toml")).unwrap(), before, "a refused run is left as it was");
    // A schedule that ends with the last epoch is another one with more epochs, which is allowed and said.
    let cosine = String::from_utf8(before).unwrap().replace("kind = \"none\"", "kind = \"cosine\"");
    fs::write(run.join("config.toml"), cosine).unwrap();
    fer(&["train", "--resume", text(&run), "--epochs", "2"]).expect(0, &["schedule now ends with epoch 2, not 1"]);
    fs::write(run.join("config.toml"), "nonsense").unwrap();
    fer(&["train", "--resume", text(&run)]).expect(3, &["config.toml", "line 1"]);
}
