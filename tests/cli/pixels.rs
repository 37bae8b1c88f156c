//! How images become a network's pixels: the checkpoint says it, and every command goes by it.

use crate::cli_support::{Parts, copied_run, fer, finished_run, small_run, text};
use fer_gpu::data::{Conversion, Grey, InputSpec, Resize, decode, write_floats};
use image::{GrayImage, Rgb, RgbImage};
use serde_json::{Value, json};
use std::path::Path;

/// Writes a copy of a checkpoint with another conversion, or none.
fn with_conversion(from: &Path, to: &Path, conversion: Option<Value>) {
    let mut parts = Parts::read(from);
    let mut meta = parts.meta();
    let fields = meta.as_object_mut().unwrap();
    fields.remove("conversion").expect("a new checkpoint says how images are converted");
    if let Some(conversion) = conversion {
        fields.insert("conversion".into(), conversion);
    }
    parts.header["__metadata__"]["meta"] = meta.to_string().into();
    parts.write(to);
}

fn conversion_of(run: &Path) -> Value {
    Parts::read(&run.join("last.safetensors")).meta()["conversion"].clone()
}

/// A photograph gives what the image gives that is already grey, of the network's size, and converted so.
#[test]
fn predictions_go_by_the_conversion_of_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (photo, small) = (folder.path().join("photo.png"), folder.path().join("small.png"));
    // Smooth colours and noise.
    let pixel = |x: u32, y: u32| Rgb([x * 2, 255 - y * 2, (x * 7919 + y * 104_729) % 251].map(|v| v as u8));
    RgbImage::from_fn(113, 97, pixel).save(&photo).unwrap();
    let checkpoint = finished_run().join("best.safetensors");
    let old = Conversion { grey: Grey::Rec709, resize: Resize::ImageTriangle };
    let area = Conversion { resize: Resize::Cv2Area, ..Conversion::default() };
    let mut seen = Vec::new();
    for (name, conversion, stored) in [
        ("new", Conversion::default(), Some(json!({"grey": "rec601", "resize": "pil-bilinear"}))),
        ("area", area, Some(json!({"grey": "rec601", "resize": "cv2-area"}))),
        ("old", old, None),
    ] {
        let network = folder.path().join(format!("{name}.safetensors"));
        with_conversion(&checkpoint, &network, stored);
        let input = InputSpec::new(48, 48, 1).converted(conversion);
        let mut pixels = vec![0.0; input.len()];
        write_floats(&decode(&photo).unwrap(), input, &mut pixels);
        let bytes = pixels.iter().map(|v| (v * 255.0).round() as u8).collect();
        GrayImage::from_raw(48, 48, bytes).unwrap().save(&small).unwrap();
        let flags = ["--face", "none", "--device", "cpu", "--json"];
        let rows = fer(&[&["predict", text(&network), text(&photo), text(&small)], &flags[..]].concat());
        let rows = rows.expect(0, &[]).json();
        assert_eq!(rows[0]["probabilities"], rows[1]["probabilities"], "{name}");
        seen.push(rows[0]["probabilities"].clone());
    }
    assert!(seen[0] != seen[1] && seen[0] != seen[2] && seen[1] != seen[2], "{seen:?}");
}

#[test]
fn a_filter_is_kept_with_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let [run, tuned] = ["area", "tuned"].map(|name| folder.path().join(name));
    assert_eq!(conversion_of(finished_run()), json!({"grey": "rec601", "resize": "pil-bilinear"}));
    fer(&[&small_run(&run)[..], &["--resize", "cv2-area"]].concat()).expect(0, &["best: epoch 1"]);
    let area = json!({"grey": "rec601", "resize": "cv2-area"});
    assert_eq!(conversion_of(&run), area);
    // Training from it keeps its filter, but for another that is asked for.
    let best = run.join("best.safetensors");
    fer(&[&small_run(&tuned)[..], &["--weights", text(&best)]].concat()).expect(0, &["best: epoch 1"]);
    assert_eq!(conversion_of(&tuned), area);
    fer(&["train", "--resume", text(&run), "--epochs", "2", "--resize", "pil-box"])
        .expect(5, &["resized by cv2-area, not pil-box"]);
    fer(&["train", "--resize", "cv2-aera"]).expect(2, &["did you mean `cv2-area`?", "tf-bilinear-antialias"]);
    // A run of before goes on as it began.
    let old = copied_run(folder.path());
    let last = old.join("last.safetensors");
    with_conversion(&last, &last, None);
    fer(&["train", "--resume", text(&old), "--epochs", "2", "--device", "cpu"]).expect(0, &["epoch   2/2"]);
    assert_eq!(conversion_of(&old), json!({"grey": "rec709", "resize": "image-triangle"}));
}
