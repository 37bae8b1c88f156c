//! `evaluate --classes`: some images, all outputs.

use crate::cli_support::{CLASSES, fer, finished_run, text};

#[test]
fn images_of_some_classes_over_all_outputs() {
    let run = text(finished_run());
    let score = |classes: &[&str]| fer(&[&["evaluate", run, "--split", "all", "--device", "cpu"], classes].concat());
    let all = score(&["--json"]).expect(0, &[]).json();
    let done = score(&["--classes", "joy,Sadness", "--json"]);
    let done = done.expect(0, &["only images of happy, sad are scored, over all 7 classes"]);
    let some = done.json();
    let (happy, sad) = (3, 4);
    let rows = |json: &serde_json::Value| json["confusion"].as_array().unwrap().clone();
    for row in 0..CLASSES.len() {
        let wanted = if [happy, sad].contains(&row) { rows(&all)[row].clone() } else { serde_json::json!(vec![0; 7]) };
        assert_eq!(rows(&some)[row], wanted, "row {row}: predictions of other classes count as errors");
    }
    let (right, n) = ([happy, sad].map(|c| rows(&all)[c][c].as_u64().unwrap()), some["n"].as_u64().unwrap());
    assert_eq!(some["accuracy"].as_f64().unwrap(), (right[0] + right[1]) as f64 / n as f64);
    assert_eq!(n, [happy, sad].iter().map(|c| all["per_class"][CLASSES[*c]]["support"].as_u64().unwrap()).sum::<u64>());
    assert_eq!(some["labels"]["only"], serde_json::json!(["happy", "sad"]));
    let one = score(&["--classes", "happy", "--json"]).expect(0, &[]).json();
    assert_eq!(one["n"], all["per_class"]["happy"]["support"]);
    score(&["--classes", "happy,hapy"])
        .expect(2, &["no class `hapy`", "did you mean `happy`?", "The classes are angry, disgust, fear, happy"]);
}
