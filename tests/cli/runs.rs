//! Runs that are gone on with for less, that outlive their terminal, and commands without an adapter.

use crate::cli_support::{copied_run, fer, text};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Every file of a run folder.
fn bytes(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

/// Epochs cannot be taken back: the settings stay those of what was trained.
#[test]
fn fewer_epochs_than_a_run_has_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = copied_run(folder.path());
    fer(&["train", "--resume", text(&run), "--epochs", "2"]).expect(0, &["best: epoch"]);
    let before = bytes(&run);
    let refused = ["--epochs 1: the run in", "has trained 2 epochs already", "more than 2"];
    fer(&["train", "--resume", text(&run), "--epochs", "1"]).expect(2, &refused);
    assert!(bytes(&run) == before, "something was written");
    fer(&["train", "--resume", text(&run), "--epochs", "2"]).expect(0, &["epochs 1 to 2 are done already"]);
}

/// A run that early stopping has ended trains no further for any number of epochs, so that a smaller one is no wish it can grant.
#[test]
fn fewer_epochs_of_a_run_that_stopped_early() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, run) = (folder.path().join("settings.toml"), folder.path().join("run"));
    let text_of = "data = 'synth:70'\nbatch = 50\ndevice = 'cpu'\nepochs = 9\n[early-stopping]\nmin-delta = 1000.0\npatience = 1\n";
    fs::write(&settings, text_of).unwrap();
    fer(&["train", "--config", text(&settings), "--out", text(&run)]).expect(0, &["stopped early"]);
    let before = fs::read(run.join("config.toml")).unwrap();
    fer(&["train", "--resume", text(&run), "--epochs", "5"])
        .expect(2, &["--epochs 5", "early stopping after 2 of 9 epochs", "--patience"]);
    assert_eq!(fs::read(run.join("config.toml")).unwrap(), before);
}

/// Under `nohup`, hang-ups are ignored when the program starts, and in a script's background interrupts are: both stay so.
#[cfg(unix)]
#[test]
fn ignored_signals_stay_ignored() {
    use crate::cli_support::{Done, command, small_run, wait_for};
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().unwrap();
    for (ignored, signal, code) in [("HUP", "HUP", 0), ("INT", "INT", 0), ("HUP", "TERM", 130)] {
        let run = folder.path().join(format!("{ignored}-{signal}"));
        let epochs = if code == 0 { "6" } else { "100000" };
        let args = [&small_run(&run)[..], &["--epochs", epochs]].concat();
        let args: Vec<&str> =
            args.iter().enumerate().filter(|(i, _)| ![5, 6].contains(i)).map(|(_, arg)| *arg).collect();
        let program = command(&args);
        let words: Vec<_> = program.get_args().map(|arg| arg.to_str().unwrap()).collect();
        let script = format!("trap '' {ignored}; exec {} {}", env!("CARGO_BIN_EXE_fer-gpu"), words.join(" "));
        let mut child = Command::new("sh");
        child.args(["-c", &script]).current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = child.spawn().unwrap();
        wait_for("an epoch", || run.join("last.safetensors").exists());
        let kill = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status().unwrap();
        assert!(kill.success(), "it had ended before");
        let word = if code == 0 { "best: epoch" } else { "interrupted and saved" };
        Done::of(child.wait_with_output().unwrap()).expect(code, &[word]);
    }
}

/// No machine has this API.
#[test]
fn no_adapter_is_exit_code_4() {
    let absent = if cfg!(windows) { "metal" } else { "dx12" };
    for args in [&["bench", "--steps", "1"][..], &["verify", "--op", "relu"], &["devices"]] {
        fer(&[args, &["--backend", absent]].concat()).expect(4, &["no usable GPU adapter"]);
    }
    fer(&["bench", "--device", "cpu"]).expect(2, &["--device cpu", "bench times GPU kernels"]);
}
