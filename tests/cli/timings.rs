//! `bench`, by the program.

use crate::cli_support::{fer, text};
use std::fs;

/// A user's network is timed like any other, and its profile has every kernel.
#[test]
fn steps_of_a_described_network_are_timed() {
    let folder = tempfile::tempdir().unwrap();
    let [network, profile] = ["mine.toml", "profile.json"].map(|file| folder.path().join(file));
    let layers = "input = [12, 12, 1]\n[[layer]]\nclass = 'Conv2D'\nfilters = 4\nkernel_size = 3\n[[layer]]\nclass = 'Flatten'\n\
                  [[layer]]\nclass = 'Dense'\nunits = 5\n";
    fs::write(&network, layers).unwrap();
    let args = ["bench", "--model", text(&network), "--batch", "3", "--steps", "2"];
    let json = fer(&[&args[..], &["--json", "--profile-json", text(&profile)]].concat()).expect(0, &[]).json();
    assert_eq!((&json["model"], &json["batch"]), (&"mine".into(), &3.into()));
    let times = ["min", "median", "max"].map(|name| json["ms_per_step"][name].as_f64().unwrap());
    assert!(0.0 < times[0] && times.is_sorted(), "{times:?}");
    let profile: serde_json::Value = serde_json::from_slice(&fs::read(profile).unwrap()).unwrap();
    let kernels = profile["kernels"].as_array().unwrap().iter().map(|k| k["kernel"].as_str().unwrap());
    assert!(kernels.filter(|name| name.starts_with("conv2d.") || name.starts_with("dense.")).count() >= 4, "{profile}");
    let table = fer(&args).expect(0, &[]).out;
    assert!(table.starts_with("mine, batch 3 on ") && table.contains(" ms a step (median of 2; "), "{table}");
    fs::write(&network, layers.replace("Dense", "Dens")).unwrap();
    fer(&args).expect(3, &["mine.toml, row ", "the nearest known one is Dense"]);
    fer(&["bench", "--model", "fer7-smal"]).expect(2, &["did you mean `fer7-small`"]);
    fer(&["bench", "--steps", "0"]).expect(2, &["at least 1"]);
}
