//! `--optimizer` and its constants, from flags to checkpoints.

use crate::cli_support::{Parts, fer, text};

#[test]
fn sgd_is_chosen_kept_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let (run, whole) = (folder.path().join("run"), folder.path().join("whole"));
    let sgd = ["--optimizer", "sgd", "--momentum", "0.9", "--nesterov", "--lr", "0.02"];
    let train = |out, epochs| {
        let data =
            ["train", "--data", "synth:70", "--batch", "50", "--device", "cpu", "--epochs", epochs, "--out", out];
        fer(&[&data[..], &sgd].concat()).expect(0, &["best: epoch"])
    };
    train(text(&run), "1");
    let config = std::fs::read_to_string(run.join("config.toml")).unwrap();
    for line in ["[optimizer]", "name = \"sgd\"", "momentum = 0.9", "nesterov = true", "lr = 0.02"] {
        assert!(config.contains(line), "{line}: {config}");
    }
    let resume = ["train", "--resume", text(&run), "--epochs", "2"];
    fer(&[&resume[..], &["--optimizer", "adam"]].concat())
        .expect(2, &["optimizer is not what the run to be resumed has"]);
    fer(&[&resume[..], &["--momentum", "0.8"]].concat())
        .expect(2, &["optimizer is not what the run to be resumed has"]);
    fer(&resume).expect(0, &["epoch   2/2"]);
    train(text(&whole), "2");
    let last = |run: &std::path::Path| Parts::read(&run.join("last.safetensors"));
    assert!(last(&run).data == last(&whole).data, "a resumed run differs");
    let kept: Vec<String> = last(&run).header.as_object().unwrap().keys().cloned().collect();
    assert!(kept.iter().any(|name| name == "optimizer/momentum/dense/kernel"), "{kept:?}");
    assert!(!kept.iter().any(|name| name.starts_with("optimizer/m/")), "{kept:?}");
}

#[test]
fn optimizers_that_cannot_be_are_refused() {
    let train = |flags: &[&str]| fer(&[&["train", "--device", "cpu", "--print-config"], flags].concat());
    let printed = |flags: &[&str], lines: &[&str]| {
        let out = train(flags).expect(0, &[]).out;
        assert!(lines.iter().all(|line| out.contains(line)), "{flags:?}: {out}");
    };
    printed(&["--optimizer", "sgd"], &["optimizer = \"sgd\"", "lr = 0.01\n"]);
    printed(&["--optimizer", "sgd", "--lr", "0.3"], &["lr = 0.3"]);
    printed(&["--beta-1", "0.8"], &["[optimizer]", "name = \"adam\"", "beta-1 = 0.8", "lr = 0.001"]);
    train(&["--optimizer", "sdg"]).expect(2, &["unknown optimizer `sdg`", "adam or sgd"]);
    train(&["--momentum", "0.9"]).expect(2, &["the optimizer adam has no `momentum`", "sgd has it"]);
    train(&["--optimizer", "sgd", "--momentum", "1.5"]).expect(2, &["momentum 1.5", "from 0 to below 1"]);
    train(&["--epsilon", "nan"]).expect(2, &["epsilon NaN", "positive"]);
}
