//! What settings files and flags are told.

use crate::cli_support::{fer, text};
use std::fs;

#[test]
fn settings_out_of_range_are_where_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("settings.toml"), folder.path().join("sheet.png"));
    let train = ["train", "--config", text(&file)];
    for (content, code, words) in [
        ("\nlr = 0\n", 2, ["settings.toml, line 2", "`lr = 0`", "positive number"]),
        ("[[phase]]\nepochs = 1\nlr = -1.0 # oops\n", 2, ["settings.toml, line 3", "`lr = -1.0 # oops`", "positive"]),
        ("weight_decay = 1\n", 3, ["line 1", "weight_decay", "did you mean `weight-decay`?"]),
        ("weight-decay = nan\n", 3, ["settings.toml", "line 1", "nan or inf"]),
        ("epochs = 'three'\n", 3, ["settings.toml", "line 1", "expected a whole number"]),
    ] {
        fs::write(&file, content).unwrap();
        fer(&train).expect(code, &words);
    }
    for (content, words) in [
        ("size = '4x4x4'\n", ["settings.toml, line 1", "`size = '4x4x4'`", "96x128"]),
        ("batch = 51\n", ["settings.toml, line 1", "batch 51 is more than the 50 training images", "50 or less"]),
        ("\nfreeze = 99\n", ["", "", ""]),
        ("freeze = '99'\n", ["settings.toml, line 1", "`freeze = '99'`", "layers"]),
        ("[[phase]]\nepochs = 1\nfreeze = 'conv9'\n", ["settings.toml, line 3", "`freeze = 'conv9'`", "no such layer"]),
    ] {
        fs::write(&file, content).unwrap();
        let code = if words[0].is_empty() { 3 } else { 2 };
        let done = fer(&[&train[..], &["--data", "synth:70", "--device", "cpu"]].concat()).expect(code, &words);
        assert!(!done.err.contains("error: --"), "{}", done.err);
    }
    // A flag goes before the file, and is itself to blame for what it says.
    fs::write(&file, "lr = 0\nbatch = 8\n").unwrap();
    fer(&[&train[..], &["--lr", "0.1", "--print-config"]].concat()).expect(0, &[]);
    let done = fer(&[&train[..], &["--lr", "-1"]].concat()).expect(2, &["--lr -1", "positive"]);
    assert!(!done.err.contains("settings.toml"), "{}", done.err);
    fs::write(&file, "[augment]\nrotation_range = 360\n").unwrap();
    fer(&["data", "preview", "--config", text(&file), "--out", text(&out)])
        .expect(2, &["settings.toml, line 2", "`rotation_range = 360`", "0 to 180"]);
    fs::write(
        &file,
        "trials = 2\n[settings]\nepochs = 1\nweight-decay = -1.0\n[space]\nlr = { choice = [0.1, 0.2] }\n",
    )
    .unwrap();
    fer(&["search", "--config", text(&file)])
        .expect(2, &["settings.toml, line 4", "`weight-decay = -1.0`", "0 or more"]);
}

#[test]
fn numbers_of_networks_are_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.toml");
    let net = |epsilon: &str| {
        let layers =
            format!("[[layer]]\nclass = 'BatchNormalization'\nepsilon = {epsilon}\n[[layer]]\nclass = 'Flatten'\n");
        fs::write(&file, format!("input = [4, 4, 1]\n{layers}[[layer]]\nclass = 'Dense'\nunits = 2\n")).unwrap();
        fer(&["summary", text(&file)])
    };
    net("0.01").expect(0, &[]);
    for epsilon in ["nan", "-inf", "1e999"] {
        net(epsilon).expect(3, &["net.toml", "line 4", "nan or inf"]);
    }
    fs::write(&file, "input = [4, 4, 'grey']\n[[layer]]\nclass = 'Flatten'\n").unwrap();
    let done = fer(&["summary", text(&file)]).expect(3, &["net.toml", "expected a whole number"]);
    assert!(!done.err.contains("u32"), "{}", done.err);
}
