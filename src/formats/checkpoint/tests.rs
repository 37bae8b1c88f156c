#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use safetensors::SafeTensors;
use tempfile::TempDir;

use super::*;
use crate::formats::atomic::remove_leftovers;
use crate::train::history::tests::row;

/// xorshift64*: test inputs that are the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
    }
}

fn tensor(shape: &[usize], seed: u64) -> TensorData {
    let mut random = Random(seed + 1);
    let count = shape.iter().product();
    TensorData { shape: shape.to_vec(), values: (0..count).map(|_| random.below(2000) as f32 * 1e-3 - 1.0).collect() }
}

pub(crate) fn sample(step: u64, width: usize) -> Checkpoint {
    let mut history: Vec<_> = (1..=3).map(row).collect();
    history[1].val_loss = f64::NAN;
    let best = Some(Best { epoch: 2, value: 0.1 + 0.2 });
    let progress = Progress {
        epoch: 3,
        phase: 1,
        phase_start: 2,
        step,
        seed: u64::MAX,
        batch: 32,
        lr: 0.1,
        best,
        stale_epochs: 1,
        stopping: Some(Best { epoch: 1, value: 0.1 + 0.2 }),
        plateau: Some(Plateau { best: None, wait: 2, cooldown: 1, lr: 1e-4 }),
        partial: None,
        history,
    };
    let meta = Meta {
        task: crate::data::Task::Classes,
        head: crate::data::Head::Softmax,
        model: "mini".into(),
        network: None,
        classes: ["angry", "happy \"quoted\"", "traurig \u{1F622}"].map(String::from).to_vec(),
        input: [48, 48, 1],
        freeze: Some(Freeze::Through("pool".into())),
        preprocessing: Preprocess::Unit,
        conversion: Conversion { resize: crate::data::Resize::Cv2Area, ..Conversion::default() },
        kernels: [("conv2d.forward 1x1".to_owned(), "direct 32x32".to_owned())].into(),
        temperature: Some(1.75),
        progress: Some(progress),
    };
    let shapes = [("conv2d/kernel", vec![3, 3, 1, width]), ("conv2d/bias", vec![width]), ("scale", vec![])];
    let named = |prefix: &str| -> BTreeMap<_, _> {
        shapes.iter().map(|(name, shape)| (format!("{prefix}{name}"), tensor(shape, step))).collect()
    };
    let mut optimizer = named("m/");
    optimizer.extend(named("v/"));
    Checkpoint { meta, tensors: named(""), optimizer }
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    (folder, path)
}

/// Writes `header` and `data` as a file and returns the text of the error that loading must give.
fn refusal(header: &str, data: &[u8]) -> String {
    let (_folder, path) = folder();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    fs::write(&path, bytes).unwrap();
    let text = Checkpoint::load(&path).unwrap_err().to_string();
    assert!(text.contains("last.safetensors"), "{text}");
    text
}

fn expected(checkpoint: &Checkpoint) -> Vec<(String, Vec<usize>)> {
    checkpoint.tensors.iter().map(|(name, t)| (name.clone(), t.shape.clone())).collect()
}

#[test]
fn round_trip_is_bit_identical_and_deterministic() {
    let (_folder, path) = folder();
    let mut saved = sample(7, 4);
    saved.tensors.get_mut("conv2d/bias").unwrap().values[..3].copy_from_slice(&[f32::NAN, -0.0, f32::INFINITY]);
    saved.save(&path).unwrap();
    let first = fs::read(&path).unwrap();
    let loaded = Checkpoint::load(&path).unwrap();
    loaded.save(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), first, "loading and saving again changes nothing");
    assert_eq!(loaded.tensors["conv2d/bias"].values[1].to_bits(), (-0.0f32).to_bits());
    let progress = loaded.meta.progress.unwrap();
    assert_eq!(progress.best.unwrap().value.to_bits(), (0.1f64 + 0.2).to_bits());
    assert_eq!(progress.lr.to_bits(), 0.1f64.to_bits());
    assert_eq!((progress.seed, progress.step), (u64::MAX, 7));
    assert!(progress.history[1].val_loss.is_nan());
    // Any other reader of the format opens it.
    let others = SafeTensors::deserialize(&first).unwrap();
    assert_eq!(others.tensor("optimizer/v/conv2d/kernel").unwrap().shape(), [3, 3, 1, 4]);
}

#[test]
fn truncation_at_every_byte_is_an_error() {
    let (_folder, path) = folder();
    sample(1, 2).save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let text = Checkpoint::load(&path).unwrap_err().to_string();
        assert!(text.contains("cut short") || text.contains("promises"), "{length}: {text}");
    }
    let longer = [whole.as_slice(), &[0]].concat();
    fs::write(&path, longer).unwrap();
    assert!(Checkpoint::load(&path).is_err());
}

#[test]
fn flipped_bits_never_panic_and_are_found_in_tensors() {
    let (_folder, path) = folder();
    let saved = sample(1, 2);
    saved.save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    let header = u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
    for seed in 1..=400 {
        let mut random = Random(seed);
        let mut bytes = whole.clone();
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
        // Half the seeds flip a second byte, mostly in the header.
        let second = random.below(8 + header);
        bytes[second] ^= (random.below(255) as u8) * u8::from(seed % 2 == 0);
        fs::write(&path, &bytes).unwrap();
        match Checkpoint::load(&path) {
            Err(error) => assert!(error.to_string().contains("last.safetensors")),
            // What is left to slip through are tensor names and padding: names are checked by `take`.
            Ok(mut loaded) => {
                assert_eq!(loaded.meta.model, saved.meta.model);
                if let Ok(values) = loaded.take(&path, &expected(&saved)) {
                    assert!(values.iter().zip(saved.tensors.values()).all(|(a, b)| *a == b.values), "seed {seed}");
                }
            }
        }
    }
}

#[test]
fn hostile_headers_are_refused() {
    let f32s = |shape: &str, from: &str, to: &str| {
        format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}}}"#)
    };
    let max = u64::MAX.to_string();
    for (header, data, word) in [
        (f32s("[2]", "0", "8"), 4, "promises 8 bytes"),
        (f32s("[1]", "0", "4"), 8, "promises 4 bytes"),
        (f32s("[1]", "-4", "0"), 4, "safetensors header"),
        (f32s("[1]", "4", "8"), 8, "offset"),
        (f32s("[1]", "4", "0"), 4, "offset"),
        (f32s("[3]", "0", "4"), 4, "invalid shape"),
        (f32s("[-1]", "0", "4"), 4, "safetensors header"),
        (f32s("[1.5]", "0", "4"), 4, "safetensors header"),
        (f32s("[4294967296,4294967296,4]", "0", "4"), 4, "overflow"),
        (f32s(&format!("[{max}]"), "0", &max), 4, "overflow"),
        (f32s("[1]", "0", "4").replace("F32", "F16"), 4, "invalid shape"),
        (f32s("[1]", "0", "4").replace("F32", "Z99"), 4, "safetensors header"),
        (f32s("[1]", "0", "4"), 4, "did not write it"),
        (r#"{"__metadata__":{"format":"pt"}}"#.into(), 0, "`pt`"),
        (r#"{"__metadata__":{"format":7}}"#.into(), 0, "safetensors header"),
        (r#"{"__metadata__":["format"]}"#.into(), 0, "safetensors header"),
        (r#"{"__metadata__":{"format":"fer-gpu/1"}}"#.into(), 0, "no `meta`"),
        ("[".repeat(1 << 20), 0, "safetensors header"),
        (format!(r#"{{"a":{}"#, r#"{"a":"#.repeat(1 << 18)), 0, "safetensors header"),
        (f32s(&"[".repeat(1 << 20), "0", "4"), 4, "safetensors header"),
        (String::new(), 0, "safetensors header"),
    ] {
        let text = refusal(&header, &vec![0; data]);
        assert!(text.contains(word), "{}: {text}", &header[..header.len().min(100)]);
    }
    // Eight tensors whose sizes add up to 2^64 - 8: with the file's own 8 bytes the sum would overflow.
    let part = (1u64 << 61) - 1;
    let infos = (0..8).map(|i| {
        format!(r#""{i}":{{"dtype":"U8","shape":[{part}],"data_offsets":[{},{}]}}"#, i * part, (i + 1) * part)
    });
    let header = format!("{{{}}}", infos.collect::<Vec<_>>().join(","));
    assert!(refusal(&header, &[0; 16]).contains("promises 18446744073709551608 bytes"));
    // Overlapping tensors.
    let overlap = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
        "b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
    assert!(refusal(overlap, &[0; 8]).contains("offset"));
}

#[test]
fn huge_header_lengths_and_odd_files_are_refused() {
    let (folder, path) = folder();
    for length in [9, 1 << 20, 1 << 26, 1 << 40, u64::MAX - 7, u64::MAX] {
        fs::write(&path, [length.to_le_bytes().as_slice(), b"{}"].concat()).unwrap();
        let text = Checkpoint::load(&path).unwrap_err().to_string();
        assert!(text.contains("cut short") || text.contains("not a safetensors file"), "{text}");
    }
    // A sparse file of 1 TiB is refused by its size alone.
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(Checkpoint::load(&path).unwrap_err().to_string().contains("bytes, more than"));
    assert!(Checkpoint::load(&folder.path().join("none")).unwrap_err().to_string().starts_with("cannot read"));
    assert!(Checkpoint::load(folder.path()).is_err());
    #[cfg(unix)]
    assert!(Checkpoint::load(Path::new("/dev/zero")).unwrap_err().to_string().contains("not a file but a device"));
}

#[test]
fn wrong_descriptions_and_dtypes_are_refused() {
    let meta = serde_json::to_value(sample(1, 1).meta).unwrap();
    let head = |meta: &serde_json::Value| {
        serde_json::json!({"__metadata__": {"format": FORMAT, "meta": meta.to_string()}}).to_string()
    };
    for (pointer, value, word) in [
        ("/classes", serde_json::json!("angry"), "expected a list"),
        ("/classes", serde_json::json!([]), "class names"),
        ("/classes", serde_json::json!(["a", "a"]), "class names"),
        ("/input", serde_json::json!([48, 48]), "a list of 3"),
        ("/input", serde_json::json!([48, -48, 1]), "the whole number `-48`"),
        ("/input", serde_json::json!([48, 0, 1]), "zero"),
        ("/model", serde_json::json!(null), "expected a string"),
        ("/model", serde_json::json!(""), "no name"),
        ("/temperature", serde_json::json!(-1.5), "temperature is -1.5, not a number above 0"),
        ("/task", serde_json::json!("values"), "it has a temperature"),
        ("/progress/seed", serde_json::json!("x"), "expected a whole number"),
        ("/progress/lr", serde_json::json!("fast"), "not a number"),
        ("/progress/lr", serde_json::json!(["fast"]), "expected a number"),
        ("/progress/batch", serde_json::json!(0), "batch size"),
        ("/progress/epoch", serde_json::json!(9), "9 epochs are done but the history has 3 rows"),
        ("/progress/best/epoch", serde_json::json!(4), "best epoch"),
    ] {
        let mut changed = meta.clone();
        match changed.pointer_mut(pointer) {
            Some(old) => *old = value,
            None => drop(changed.as_object_mut().unwrap().insert(pointer[1..].to_owned(), value)),
        }
        let text = refusal(&head(&changed), &[]);
        assert!(text.contains("description") && text.contains(word), "{pointer}: {text}");
    }
    let brain = head(&meta).replacen('{', r#"{"conv/w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"#, 1);
    assert!(refusal(&brain, &[0; 4]).contains("tensor `conv/w` is BF16, expected F32 or F16"));
}

#[test]
fn take_lists_missing_left_over_and_wrong() {
    let path = Path::new("run/best.safetensors");
    let mut checkpoint = sample(1, 2);
    let whole = checkpoint.clone();
    let mut names = expected(&checkpoint);
    names[1].1 = vec![1, 3, 3, 2];
    names.remove(0);
    names.push(("dense/kernel".into(), vec![2, 3]));
    let text = checkpoint.take(path, &names).unwrap_err().to_string();
    for part in [
        "missing (1): dense/kernel",
        "left over (1): conv2d/bias",
        "conv2d/kernel is [3, 3, 1, 2], expected [1, 3, 3, 2]",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(checkpoint.tensors, whole.tensors, "a refusal moves nothing");
    let doubled = [expected(&whole), expected(&whole)].concat();
    assert!(checkpoint.take(path, &doubled).is_err());
    let values = checkpoint.take(path, &expected(&whole)).unwrap();
    assert_eq!(values[0], whole.tensors["conv2d/bias"].values);
    assert!(checkpoint.tensors.is_empty());
    checkpoint.optimizer.clear();
    let text = checkpoint.take_optimizer(path, &[("m/a".into(), vec![1])]).unwrap_err().to_string();
    assert!(text.contains("no optimizer state"), "{text}");
}

#[test]
fn contradictions_are_not_saved() {
    let (_folder, path) = folder();
    sample(1, 2).save(&path).unwrap();
    let before = fs::read(&path).unwrap();
    let mut short = sample(1, 2);
    short.tensors.get_mut("scale").unwrap().values.clear();
    let mut reserved = sample(1, 2);
    reserved.tensors.insert("optimizer/m/x".into(), tensor(&[1], 1));
    let mut unnamed = sample(1, 2);
    unnamed.meta.model.clear();
    for bad in [short, reserved, unnamed] {
        assert!(bad.save(&path).unwrap_err().to_string().contains("cannot be saved"));
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// The test starts itself as a child that saves in a loop, and kills it 20 times at moments spread over its work.
#[test]
fn a_kill_while_saving_loses_nothing() {
    const CHILD: &str = "FER_GPU_TEST_SAVE_LOOP";
    const WIDTH: usize = 20_000;
    if let Some(path) = std::env::var_os(CHILD) {
        for step in 1.. {
            sample(step, WIDTH).save(Path::new(&path)).unwrap();
            println!("\nsaved {step}");
        }
    }
    let (folder, path) = folder();
    let mut random = Random(1);
    for _ in 0..20 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "formats::checkpoint::tests::a_kill_while_saving_loses_nothing"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let saved =
            |line: std::io::Result<String>| line.unwrap().strip_prefix("saved ").map(|n| n.parse::<u64>().unwrap());
        let mut last = lines.find_map(saved).unwrap();
        std::thread::sleep(Duration::from_micros(random.below(60_000) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        last = lines.filter_map(saved).last().unwrap_or(last);
        let loaded = Checkpoint::load(&path).unwrap();
        let step = loaded.meta.progress.as_ref().unwrap().step;
        assert!(step == last || step == last + 1, "announced {last}, found {step}");
        assert_eq!(loaded.tensors, sample(step, WIDTH).tensors);
    }
    let left = fs::read_dir(folder.path()).unwrap().count() - 1;
    assert_eq!(remove_leftovers(folder.path()).unwrap(), left);
    sample(99, 2).save(&path).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(Checkpoint::load(&path).unwrap().tensors, sample(99, 2).tensors);
}
