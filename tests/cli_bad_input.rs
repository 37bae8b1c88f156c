//! What a user can mistype, damage or forget: each ends with its exit code and a message that says where and what was
//! expected, never with a panic.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli_support;

use cli_support::{Parts, command, copied_run, faces, fer, finished_run, small_run, text};
use flate2::write::GzEncoder;
use flate2::{Compression, Crc};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A row of a table: the label, the first pixel, the split.
fn row(label: impl std::fmt::Display, pixel: &str, usage: &str) -> String {
    format!("{label},{pixel}{},{usage}\n", " 7".repeat(2303))
}

/// A table of two training images and one of each other split for each class: 28 rows after the header.
fn good_csv() -> String {
    let mut csv = "emotion,pixels,Usage\n".to_owned();
    for usage in ["Training", "Training", "PublicTest", "PrivateTest"] {
        csv.extend((0..7).map(|label| row(label, "0", usage)));
    }
    csv
}

/// Trains on `data`, which must fail before a run folder exists.
fn refused_data(data: &Path, code: i32, words: &[&str]) {
    let out = data.parent().unwrap().join("run");
    let args = ["train", "--data", text(data), "--device", "cpu", "--batch", "2", "--out", text(&out)];
    let name = data.file_name().unwrap().to_str().unwrap();
    fer(&args).expect(code, &[&[name], words].concat());
    assert!(!out.exists(), "a run folder is left behind");
}

#[test]
fn damaged_tables() {
    let folder = tempfile::tempdir().unwrap();
    let good = good_csv();
    let with = |bad: String| (good.clone() + &bad).into_bytes();
    let cut = good.as_bytes()[..good.len() - 3000].to_vec();
    let missing_class: String = good.lines().filter(|l| !l.starts_with("3,")).map(|l| format!("{l}\n")).collect();
    let cases: Vec<(Vec<u8>, &[&str])> = vec![
        (Vec::new(), &["an empty file", "emotion,pixels,Usage"]),
        (b"emotion,pixels,Usage\n".to_vec(), &["a header and no row"]),
        (cut, &["row 29", "2 columns", "as many columns as the header"]),
        ([good.as_bytes(), b"\xff\xfe,0,Training\n"].concat(), &["row 30", "not UTF-8", "a label 0 to 6"]),
        (with("1,Training\n".into()), &["row 30", "2 columns"]),
        (with(row(1, "0 0", "Training")), &["row 30", "2305 pixels", "expected 2304 whole numbers"]),
        (with("1,1 2 3,Training\n".into()), &["row 30", "3 pixels", "expected 2304 whole numbers"]),
        (with(row(1, "256", "Training")), &["row 30", "pixel 1 is `256`", "0 to 255"]),
        (with(row(1, "-1", "Training")), &["row 30", "pixel 1 is `-1`", "0 to 255"]),
        (with(row(1, "grey", "Training")), &["row 30", "pixel 1 is `grey`", "0 to 255"]),
        (with(row(7, "0", "Training")), &["row 30", "emotion `7`", "0 to 6", "neutral"]),
        (with(row("happy", "0", "Training")), &["row 30", "emotion `happy`", "0 to 6"]),
        (with(row(1, "0", "Practice")), &["row 30", "Usage `Practice`", "Training, PublicTest or PrivateTest"]),
        (good.replacen("emotion", "mood", 1).into_bytes(), &["row 1", "no column `emotion`", "emotion,pixels,Usage"]),
        (missing_class.into_bytes(), &["class `happy` has no image in the train split", "--classes"]),
    ];
    for (i, (bytes, words)) in cases.into_iter().enumerate() {
        let data = folder.path().join(format!("table{i}.csv"));
        fs::write(&data, bytes).unwrap();
        refused_data(&data, 3, words);
    }
    refused_data(&folder.path().join("none.csv"), 3, &["no such file", "synth:N"]);
    fs::write(folder.path().join("data.txt"), "words").unwrap();
    refused_data(&folder.path().join("data.txt"), 3, &["no known kind", ".csv.gz"]);
}

#[test]
fn damaged_gzip() {
    let folder = tempfile::tempdir().unwrap();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(good_csv().as_bytes()).unwrap();
    let good = encoder.finish().unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle..].iter_mut().take(20).for_each(|b| *b ^= 0x55);
    let damaged: &[&str] = &["row", "cannot be read any further", "a whole gzip file"];
    for (name, bytes, words) in [
        ("cut.csv.gz", good[..good.len() / 2].to_vec(), damaged),
        ("flipped.csv.gz", flipped, &[]),
        ("header.csv.gz", good[..12].to_vec(), damaged),
        ("empty.csv.gz", Vec::new(), &["an empty file"]),
    ] {
        let data = folder.path().join(name);
        fs::write(&data, bytes).unwrap();
        refused_data(&data, 3, words);
    }
}

#[test]
fn folders_that_are_no_data() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    refused_data(&empty, 3, &["no class folder", "a folder for each class"]);
    let tree = folder.path().join("faces");
    faces(&tree);
    let happy = tree.join("train/happy");
    for entry in fs::read_dir(&happy).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    refused_data(&tree, 3, &["happy", "class `happy` has no image", "at least one image file"]);
    fs::remove_dir(&happy).unwrap();
    refused_data(&tree, 3, &["no class `happy`", "training images of every class, or --classes"]);
    fs::remove_dir_all(tree.join("train")).unwrap();
    refused_data(&tree, 3, &["no training split"]);
    let one = folder.path().join("one");
    fs::create_dir_all(one.join("happy")).unwrap();
    fs::copy(tree.join("test/happy/00003.png"), one.join("happy/a.png")).unwrap();
    refused_data(&one, 3, &["one class folder", "at least two classes"]);
}

/// A PNG file whose header claims 30,000 x 30,000 pixels.
fn png_bomb() -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let side = 30_000u32.to_be_bytes();
    let header = [&side[..], &side, &[8, 0, 0, 0, 0]].concat();
    for (kind, content) in [(b"IHDR", &header[..]), (b"IDAT", &[0x78, 0x9c, 3, 0, 0, 0, 0, 1]), (b"IEND", &[])] {
        let mut crc = Crc::new();
        crc.update(kind);
        crc.update(content);
        png.extend((content.len() as u32).to_be_bytes());
        png.extend([&kind[..], content, &crc.sum().to_be_bytes()].concat());
    }
    png
}

/// Puts a bad file among the test images of a tree.
fn spoil(tree: &Path, bytes: &[u8]) -> PathBuf {
    let bad = tree.join("test/sad/bad.png");
    fs::write(&bad, bytes).unwrap();
    bad
}

/// The first three quarters of a JPEG file.
fn cut_jpeg() -> Vec<u8> {
    let picture = image::GrayImage::from_fn(48, 48, |x, y| image::Luma([((x * 37) ^ (y * 91)) as u8]));
    let mut jpeg = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    let mut jpeg = jpeg.into_inner();
    jpeg.truncate(jpeg.len() * 3 / 4);
    jpeg
}

#[test]
fn damaged_images_fail_or_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("faces");
    faces(&tree);
    let run = text(finished_run());
    let good = fs::read(tree.join("test/sad/00004.png")).unwrap();
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec();
    let kinds: [(&str, Vec<u8>, &[&str]); 7] = [
        ("cut jpeg", cut_jpeg(), &["cannot be decoded", "it was cut"]),
        ("heic", heic, &["a HEIC image, which is not read", "magick photo.heic photo.jpg"]),
        ("cut", good[..good.len() / 2].to_vec(), &["cannot be decoded"]),
        ("empty", Vec::new(), &["an empty file"]),
        ("huge", png_bomb(), &["30000 x 30000", "268 million pixels"]),
        ("text", b"not an image at all".to_vec(), &["no known image format", "PNG, JPEG, BMP"]),
        ("noise", [&good[..40], &[0xa5; 400]].concat(), &["cannot be decoded"]),
    ];
    for (kind, bytes, words) in kinds {
        let bad = spoil(&tree, &bytes);
        let words = [&["bad.png"], words].concat();
        let evaluate = ["evaluate", run, "--data", text(&tree), "--device", "cpu", "--json", "--on-bad-file"];
        let predict = ["predict", run, text(&tree), "--device", "cpu", "--csv", "--on-bad-file"];
        for args in [&evaluate[..], &predict] {
            let done = fer(&[args, &["fail"]].concat()).expect(3, &words);
            assert!(!done.out.contains("accuracy"), "{kind}: {done:?}");
            let done = fer(&[args, &["skip"]].concat()).expect(0, &words);
            assert!(done.err.contains("skipped"), "{kind}: {done:?}");
            assert!(args == predict || done.json()["n"] == 10, "{kind}: {done:?}");
        }
        // By default a bad file stops, and training never begins.
        if kind != "cut" && kind != "noise" {
            refused_data(&tree, 3, &words);
        }
        fer(&["predict", run, text(&bad), "--device", "cpu", "--on-bad-file", "skip"]).expect(3, &["none of the 1"]);
    }
}

#[test]
fn mislabelled_images_are_read_by_their_content() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("faces");
    faces(&tree);
    fs::rename(tree.join("test/sad/00004.png"), tree.join("test/sad/00004.jpg")).unwrap();
    let args = ["evaluate", text(finished_run()), "--data", text(&tree), "--device", "cpu", "--json"];
    assert_eq!(fer(&args).expect(0, &[]).json()["n"], 10);
}

#[test]
fn impossible_flags() {
    let run = text(finished_run());
    let synth = ["train", "--data", "synth:70", "--device", "cpu"];
    let train = |more: &[&'static str]| [&synth[..], more].concat();
    let cases: Vec<(Vec<&str>, i32, &[&str])> = vec![
        (train(&["--batch", "0"]), 2, &["--batch 0", "at least 1"]),
        (train(&["--schedule", "cosin"]), 2, &["cosin", "`cosine`"]),
        (train(&["--time", "2 hours"]), 2, &["--time 2 hours", "1h30m"]),
        (train(&["--clip-norm", "-1"]), 2, &["--clip-norm -1", "positive"]),
        (train(&["--schedule", "cosine", "--reduce-on-plateau"]), 2, &["both set the learning rate"]),
        (train(&["--model", "none.toml"]), 3, &["none.toml"]),
        (train(&["--batch", "51"]), 2, &["--batch 51", "50 training images"]),
        (train(&["--batch", "many"]), 2, &["--batch", "many"]),
        (train(&["--epochs", "0"]), 2, &["--epochs 0", "at least 1"]),
        (train(&["--lr", "-1"]), 2, &["--lr -1", "a positive number"]),
        (train(&["--lr", "nan"]), 2, &["--lr NaN", "a positive number"]),
        (train(&["--lr", "0"]), 2, &["--lr 0", "a positive number"]),
        (train(&["--lr", "inf"]), 2, &["--lr inf", "a positive number"]),
        (train(&["--validation-split", "1.5"]), 2, &["--validation-split 1.5", "between 0 and 1"]),
        (train(&["--model", "fer7-smal"]), 2, &["unknown model `fer7-smal`", "`fer7-small`"]),
        (train(&["--classes", "happy,sadd"]), 2, &["unknown class `sadd`", "`sad`"]),
        (train(&["--classes", "happy"]), 2, &["at least two"]),
        (train(&["--classes", "happy,sad,happy"]), 2, &["`happy` twice"]),
        (train(&["--on-bad-file", "ignore"]), 2, &["--on-bad-file", "fail", "skip"]),
        (train(&["--bach", "3"]), 2, &["--bach", "--batch"]),
        (vec!["train", "--data", "synth:70", "--device", "no such adapter"], 4, &["`no such adapter`", "devices"]),
        (vec!["train", "--data", "synth:70", "--device", "99"], 4, &["index 99", "devices"]),
        (vec!["train", "--data", "synth:70", "--backend", "vulcan"], 2, &["unknown backend `vulcan`", "`vulkan`"]),
        (vec!["train", "--data", "synth:7"], 2, &["7 drawn faces", "from 70"]),
        (vec!["train", "--data", "synth:some"], 2, &["`some` is not a number"]),
        (vec!["train", "--resume", "no/such/run"], 3, &["no/such/run"]),
        (vec!["train", "--config", "none.toml"], 3, &["none.toml"]),
        (vec!["trian"], 2, &["trian", "train"]),
        (vec!["evaluate", run, "--split", "some"], 2, &["--split", "validation"]),
        (vec!["evaluate", run, "--batch", "0"], 2, &["--batch", "1.."]),
        (vec!["evaluate", run, "--classes", "happy,sadd"], 2, &["no class `sadd`", "`sad`", "disgust"]),
        (vec!["evaluate", "no/such/run"], 3, &["no/such/run"]),
        (vec!["predict", run], 2, &["IMAGE|DIR"]),
        (vec!["predict", run, "none.png", "--device", "cpu"], 3, &["none.png"]),
        (vec!["predict", run, run], 3, &["no image in this folder", ".png"]),
        (vec!["predict", run, "a.png", "--csv", "--json"], 2, &["--csv", "--json"]),
        (vec!["summary", "fer8-cnn"], 2, &["unknown model `fer8-cnn`", "`fer8-cnn5`"]),
        (vec!["summary", "fer7-small", "--classes", "0"], 2, &["--classes", "1..=10000"]),
        (vec!["verify", "--op", "conv2"], 2, &["unknown op `conv2`", "`conv2d`"]),
        (vec!["verify", "--device", "cpu"], 2, &["--device cpu", "devices"]),
        (vec!["devices", "--backend", "opengl"], 2, &["unknown backend `opengl`", "vulkan, metal, dx12 or gl"]),
        (vec!["synth", "--out", run], 2, &["is not empty"]),
        (vec!["synth", "--out", "never", "--n", "3"], 2, &["3 drawn faces", "from 70"]),
        (vec!["synth"], 2, &["--out"]),
    ];
    for (args, code, words) in cases {
        fer(&args).expect(code, words);
    }
}

/// Metal and DX12 never share a system: on each, one of the two has no adapter.
#[test]
fn no_adapter_says_how_to_get_one() {
    let absent = if cfg!(target_os = "macos") { "dx12" } else { "metal" };
    let done = fer(&["devices", "--json", "--backend", absent]).expect(4, &["Vulkan driver", "--device cpu"]);
    assert_eq!(done.json(), serde_json::json!([]));
    assert_eq!(fer(&["devices", "--backend", absent]).expect(4, &["mesa-vulkan-drivers"]).out, "");
}

#[test]
fn settings_files_name_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    for (content, code, words) in [
        ("model = \"fer7-small\"\nepoch = 3\n", 3, ["line 2", "unknown field `epoch`", "`epochs`"]),
        ("model = \"fer7-small\"\n\nepochs = = 3\n", 3, ["line 3", "extra `=`", "settings.toml"]),
        ("batch = -3\n", 3, ["line 1", "-3", "settings.toml"]),
        ("model = 3\n", 3, ["line 1", "string", "settings.toml"]),
        ("lr = -0.5\n", 2, ["settings.toml, line 1", "(`lr = -0.5`)", "positive"]),
    ] {
        fs::write(&file, content).unwrap();
        fer(&["train", "--config", text(&file)]).expect(code, &words);
    }
    fs::write(&file, b"model = \"\xff\"\n").unwrap();
    fer(&["train", "--config", text(&file)]).expect(3, &["settings.toml", "UTF-8"]);
}

#[test]
fn damaged_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let run = copied_run(folder.path());
    let file = run.join("best.safetensors");
    let good = fs::read(&file).unwrap();
    let refused = |code: i32, words: &[&str]| {
        for args in [vec!["evaluate", text(&file)], vec!["predict", text(&run), "a.png"]] {
            fer(&args).expect(code, &[&["best.safetensors"], words].concat());
        }
    };
    for length in [0, 7, 8, 100, good.len() / 2, good.len() - 1] {
        fs::write(&file, &good[..length]).unwrap();
        refused(5, &["hint: use the run's other checkpoint"]);
    }
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&file, flipped).unwrap();
    refused(5, &["checksum", "bits have changed"]);
    fs::write(&file, [&u64::MAX.to_le_bytes()[..], &good[8..]].concat()).unwrap();
    refused(5, &["claims a header of 18446744073709551615 bytes"]);
    fs::write(&file, [&16u64.to_le_bytes()[..], &[b'['; 16]].concat()).unwrap();
    refused(5, &["not a safetensors header"]);
    fs::write(&file, &good).unwrap();

    let altered = |change: &dyn Fn(&mut Parts), words: &[&str]| {
        fs::write(&file, &good).unwrap();
        let mut parts = Parts::read(&file);
        change(&mut parts);
        parts.write(&file);
        refused(5, words);
    };
    let kernel = "conv2d/kernel";
    let shape = |parts: &mut Parts| parts.header[kernel]["shape"].as_array_mut().unwrap().reverse();
    altered(&shape, &["wrong shape (1): conv2d/kernel is", "expected"]);
    let renamed = |parts: &mut Parts| {
        let header = parts.header.as_object_mut().unwrap();
        let tensor = header.remove(kernel).unwrap();
        header.insert("conv2d/kernels".into(), tensor);
    };
    altered(&renamed, &["missing (1): conv2d/kernel", "left over (1): conv2d/kernels"]);
    let huge = |parts: &mut Parts| parts.header[kernel]["shape"] = serde_json::json!([1u64 << 40, 1u64 << 40]);
    altered(&huge, &["not a safetensors header"]);
    let other_type = |parts: &mut Parts| parts.header[kernel]["dtype"] = "I32".into();
    altered(&other_type, &["conv2d/kernel", "I32", "expected F32"]);
    let described = |key: &'static str, value: serde_json::Value| {
        move |parts: &mut Parts| {
            let mut meta = parts.meta();
            meta[key] = value.clone();
            parts.header["__metadata__"]["meta"] = meta.to_string().into();
        }
    };
    altered(&described("model", "fer9".into()), &["unknown model `fer9`"]);
    altered(&described("preprocessing", "zscore".into()), &["preprocessing `zscore` is not known"]);
    altered(&described("classes", serde_json::json!(["a", "b"])), &["wrong shape"]);
    altered(&described("input", serde_json::json!([1u64 << 40, 48, 1])), &["fer7-small takes [48, 48, 1]"]);

    // A network whose parameters are not numbers is no network to label images with.
    fs::write(&file, &good).unwrap();
    let mut parts = Parts::read(&file);
    parts.tensor("dense/bias").fill(0xff);
    parts.write(&file);
    let tree = folder.path().join("faces");
    faces(&tree);
    fer(&["evaluate", text(&run), "--device", "cpu"]).expect(2, &["holds NaN", "diverged"]);
    fer(&["predict", text(&run), text(&tree.join("test")), "--device", "cpu"])
        .expect(5, &["00000.png", "holds NaN", "diverged"]);

    fs::remove_file(&file).unwrap();
    fs::remove_file(run.join("last.safetensors")).unwrap();
    fer(&["evaluate", text(&run)]).expect(5, &["neither `best.safetensors` nor"]);
    fer(&["train", "--resume", text(&run)]).expect(5, &["last.safetensors", "resume from"]);
}

#[test]
fn other_classes_are_matched_or_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let best = finished_run().join("best.safetensors");
    let tree = folder.path().join("faces");
    faces(&tree);
    for split in ["train", "validation", "test"] {
        fs::rename(tree.join(split).join("happy"), tree.join(split).join("joyful")).unwrap();
    }
    let args = ["evaluate", text(&best), "--data", text(&tree), "--device", "cpu", "--json"];
    let unsaid = fer(&args)
        .expect(0, &["left out: joyful", "does not have: happy", "1 images of the split are left out"])
        .json();
    assert_eq!((&unsaid["n"], &unsaid["labels"]["left_out"]), (&9.into(), &serde_json::json!({"joyful": 1})));
    assert_eq!(unsaid["labels"]["missing_in_data"], serde_json::json!(["happy"]));
    let said = fer(&[&args[..], &["--map", "joyful=happy"]].concat()).expect(0, &["joyful is happy"]).json();
    assert_eq!((&said["n"], &said["labels"]["classes"]["joyful"]), (&10.into(), &"happy".into()));
    fer(&[&args[..], &["--map", "joyfull=happy"]].concat()).expect(2, &["no class `joyfull`", "`joyful`"]);
    fer(&[&args[..], &["--map", "joyful=hapy"]].concat()).expect(2, &["no class `hapy`", "`happy`"]);
    fer(&[&args[..], &["--map", "joyful"]].concat()).expect(2, &["--map", "Anger=angry"]);
    fer(&["evaluate", text(&best), "--device", "cpu"]).expect(2, &["--data"]);
    // A network of fewer classes than the data's.
    let out = folder.path().join("two");
    fer(&[&small_run(&out)[..], &["--classes", "sad,happy"]].concat()).expect(0, &["classes sad, happy"]);
    let best = out.join("best.safetensors");
    let args = ["evaluate", text(&best), "--data", "synth:70", "--device", "cpu", "--json"];
    let other = fer(&args).expect(0, &["left out: angry, disgust, fear, surprise, neutral"]).json();
    assert_eq!((&other["n"], &other["labels"]["left_out"]["fear"]), (&2.into(), &2.into()));
    let two = fer(&[&args[..], &["--classes", "happy,sad"]].concat()).expect(0, &[]).json();
    let of_run = fer(&["evaluate", text(&out), "--device", "cpu", "--json"]).expect(0, &[]).json();
    assert_eq!((&two, &two["n"]), (&of_run, &10.into()));
}

#[test]
fn occupied_and_unwritable_folders() {
    let folder = tempfile::tempdir().unwrap();
    fer(&small_run(finished_run())).expect(2, &["already holds a run", "--resume", "--out"]);
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    fer(&small_run(&file)).expect(2, &["is a file, not a folder"]);
    fer(&small_run(&file.join("run"))).expect(3, &["cannot create the run folder", "file/run"]);
    let out = file.join("faces");
    fer(&["synth", "--out", text(&out)]).expect(3, &["cannot create", "file/faces"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    if cfg!(target_os = "linux") {
        fer(&small_run(Path::new("/proc/self/run"))).expect(3, &["cannot create the run folder", "/proc/self/run"]);
    }
}

/// Names that are not text may be images, and are never a crash.
#[cfg(unix)]
#[test]
fn names_that_are_not_text() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join(std::ffi::OsStr::from_bytes(b"\xff\xfe.png"));
    let run = text(finished_run());
    let predict = || {
        let output = command(&["predict", run, "--device", "cpu", "--json"]).arg(&name).output().unwrap();
        cli_support::Done::of(output)
    };
    predict().expect(3, &[".png", "cannot read"]);
    let tree = folder.path().join("faces");
    faces(&tree);
    fs::copy(tree.join("test/sad/00004.png"), &name).unwrap();
    assert_eq!(predict().expect(0, &[]).json().as_array().unwrap().len(), 1);
}
