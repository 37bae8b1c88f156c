//! Runs that end before their time: killed, interrupted, out of disk, diverged. What was saved stays good.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli_support;

use cli_support::{Done, Parts, copied_run, fer, start, text, wait_for};
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
    for (i, signal) in ["INT", "TERM"].into_iter().enumerate() {
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

/// The temporary file of the next save leads to a device that is always full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_the_previous_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let run = copied_run(folder.path());
    let last = run.join("last.safetensors");
    let before = fs::read(&last).unwrap();
    std::os::unix::fs::symlink("/dev/full", run.join(".last.safetensors.tmp")).unwrap();
    fer(&["train", "--resume", text(&run), "--epochs", "2"])
        .expect(3, &["last.safetensors", "No space left", "what stood there before is untouched", "--resume"]);
    assert_eq!(fs::read(&last).unwrap(), before);
    resume_one(&run);
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
