//! Names that would take over a terminal, and files that would block or never end.

use super::cli_support::{Done, command, copied_run, fer, text};
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A name with an escape sequence, line breaks of both kinds and an override of the direction of writing.
fn evil(name: &str) -> String {
    format!("{name}\u{1b}[31m\r\nINJECTED \u{202e}\u{9b}x")
}

/// What is wrong with a command's end: a character that a terminal would obey, a line that a name began, a missing word.
fn faults(done: &Done, code: i32, word: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for stream in [&done.out, &done.err] {
        let bad = stream.chars().find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c));
        faults.extend(bad.map(|c| format!("a raw {c:?}")));
        faults.extend(stream.contains("\nINJECTED").then(|| "a line that a name began".to_owned()));
    }
    let shown = |word: &str| done.out.contains(word) || done.err.contains(word);
    faults.extend((!shown(word)).then(|| format!("no `{word}`")));
    faults.extend((!shown("\\u{1b}")).then(|| "no name".to_owned()));
    faults.extend((done.code != code).then(|| format!("exit code {}, not {code}", done.code)));
    faults
}

fn picture(path: &Path, shade: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let noise = |x: u32, y: u32| image::Luma([(x * 5 + y * 3) as u8 ^ shade]);
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::GrayImage::from_fn(48, 48, noise).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    fs::write(path, bytes.into_inner()).unwrap();
}

/// Two classes of three images, a network, and a run on them, all with such names.
struct Evil {
    data: PathBuf,
    net: PathBuf,
    run: PathBuf,
    trained: Done,
}

fn evil_run(folder: &Path) -> Evil {
    let data = folder.join(evil("data"));
    for (class, shade) in [("a", 0), ("b", 128)] {
        (0..3).for_each(|i| picture(&data.join(evil(class)).join(evil(&i.to_string()) + ".png"), shade + i));
    }
    fs::write(data.join(evil("a")).join(evil("notes")), "of another kind").unwrap();
    let net = folder.join(evil("net") + ".toml");
    let name = "layer\\u001b[31m\\r\\nINJECTED \\u202e";
    let layers = format!(
        "input = [48, 48, 1]\n[[layer]]\nclass = \"Conv2D\"\nfilters = 2\nkernel_size = 3\nname = \"{name}\"\n\
         [[layer]]\nclass = \"GlobalAveragePooling2D\"\n[[layer]]\nclass = \"Dense\"\nunits = 7\n"
    );
    fs::write(&net, layers).unwrap();
    let run = folder.join(evil("run"));
    let args = ["train", "--data", text(&data), "--model", text(&net), "--batch", "2", "--epochs", "1"];
    let trained = fer(&[&args[..], &["--device", "cpu", "--out", text(&run)]].concat());
    Evil { data, net, run, trained }
}

#[test]
fn names_do_not_reach_the_terminal_raw() {
    let folder = tempfile::tempdir().unwrap();
    let Evil { data, net, run, trained } = evil_run(folder.path());
    let mut all: Vec<String> = Vec::new();
    for word in ["files that are no images are ignored", "written to", "precision"] {
        all.extend(faults(&trained, 0, word).iter().map(|fault| format!("train: {fault}: {trained:#?}")));
    }
    let (data, net, run) = (text(&data), text(&net), text(&run));
    let gone = folder.path().join(evil("gone"));
    let pages = folder.path().join(evil("pages"));
    let (gone, pages) = (text(&gone), text(&pages));
    let (two, nowhere, sheet) = (format!("{gone},b"), format!("{gone}/net.h5"), format!("{pages}.png"));
    let again: &[&str] = &["--device", "cpu"];
    let cases: Vec<(Vec<&str>, i32, &str)> = vec![
        (vec!["train", "--resume", run, "--epochs", "1"], 0, "done already"),
        (vec!["train", "--data", data, "--batch", "2", "--out", run], 2, "already holds"),
        (vec!["train", "--data", gone], 3, "no such file"),
        (vec!["train", "--data", data, "--classes", &two], 2, "unknown class"),
        (vec!["train", "--data", data, "--model", net, "--freeze", gone], 2, "no such layer"),
        (vec!["train", "--data", data, "--model", gone], 2, "model"),
        (vec!["train", "--data", data, "--weights", gone], 3, "cannot read"),
        (vec!["train", "--data", data, "--soft-labels", gone], 3, "cannot read"),
        (vec!["train", "--config", net], 3, "unknown field"),
        (vec!["evaluate", run, "--data", data], 0, "precision"),
        (vec!["evaluate", run, "--data", data, "--map", "x=y"], 2, "x"),
        (vec!["evaluate", gone, "--data", data], 3, "gone"),
        (vec!["predict", run, data, "--face", "none"], 0, "probability"),
        (vec!["predict", run, data, "--face", "all"], 0, "no face"),
        (vec!["predict", run, gone], 3, "cannot read"),
        (vec!["predict", run, net], 3, "image"),
        (vec!["explain", run, data, "--out", pages], 0, "page"),
        (vec!["explain", run, data, "--layer", gone, "--out", pages], 2, "no layer"),
        (vec!["summary", net], 0, "Conv2D"),
        (vec!["summary", gone], 2, "gone"),
        (vec!["compare", run], 0, "run"),
        (vec!["compare", run, gone], 3, "gone"),
        (vec!["export", run, "--format", "keras-h5", "--out", &nowhere], 3, "cannot write"),
        (vec!["import", net], 3, "net"),
        (vec!["data", "check", data], 0, "class"),
        (vec!["data", "preview", "--data", data, "--augment", "light", "--out", &sheet], 0, "written to"),
        (vec!["search", "--config", net, "--out", pages], 3, "net"),
        (vec!["search", "--out", gone], 2, "holds no search"),
        (vec!["synth", "--out", data], 2, "not empty"),
    ];
    for (args, code, word) in cases {
        let on_device = ["train", "evaluate", "predict", "explain"].contains(&args[0]);
        let done = fer(&[&args[..], if on_device { again } else { &[] }].concat());
        all.extend(faults(&done, code, word).iter().map(|fault| format!("{args:?}: {fault}: {done:#?}")));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
    // What programs read holds the names as they are.
    let json = fer(&["predict", run, data, "--face", "none", "--json", "--device", "cpu"]).expect(0, &[]).json();
    assert!([evil("a"), evil("b")].contains(&json[0]["label"].as_str().unwrap().to_owned()), "{json}");
    let csv = fer(&["predict", run, data, "--face", "none", "--csv", "--device", "cpu"]).expect(0, &[]).out;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(reader.headers().unwrap().iter().skip(3).take(2).collect::<Vec<_>>(), [evil("a"), evil("b")]);
    assert_eq!(reader.records().count(), 6);
}

/// Runs to the end, or fails after a time in which none of these commands is still at work.
fn ends(args: &[&str]) -> Done {
    let mut child = command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{args:?} is still running");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Done::of(child.wait_with_output().unwrap())
}

#[test]
#[cfg(unix)]
fn pipes_and_devices_do_not_block_or_fill_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let run = copied_run(folder.path());
    let run = text(&run);
    let data = folder.path().join("data");
    for class in ["angry", "happy"] {
        (0..3).for_each(|i| picture(&data.join(class).join(format!("{i}.png")), i * 7));
    }
    let pipe = data.join("happy/x.png");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (data, pipe) = (text(&data), text(&pipe));
    let train = ["train", "--data", data, "--batch", "2", "--epochs", "1", "--device", "cpu"];
    let on_bad = folder.path().join("skipped");
    for (args, words) in [
        (train.to_vec(), ["x.png", "named pipe"]),
        (vec!["data", "check", data], ["x.png", "named pipe"]),
        (vec!["predict", run, data, "--face", "none", "--device", "cpu"], ["x.png", "named pipe"]),
        (vec!["predict", run, pipe, "--device", "cpu"], ["x.png", "named pipe"]),
        (vec!["explain", run, pipe, "--device", "cpu"], ["x.png", "named pipe"]),
        (vec!["evaluate", run, "--data", data, "--device", "cpu"], ["x.png", "named pipe"]),
    ] {
        let done = ends(&args);
        let ok = words.iter().all(|word| done.err.contains(word) || done.out.contains(word));
        assert!(ok && (done.code != 0 || args[0] == "data"), "{args:?}: {done:#?}");
    }
    let skip = [&train[..], &["--model", "fer4-cnn3", "--on-bad-file", "skip", "--out", text(&on_bad)]].concat();
    ends(&skip).expect(0, &["x.png", "named pipe"]);
    fs::remove_file(pipe).unwrap();
    for device in ["/dev/zero", "/dev/null", "/dev/full"] {
        for flag in ["--soft-labels", "--class-weight", "--config", "--weights", "--data"] {
            let args = ["train", "--data", data, "--batch", "2", "--epochs", "1", "--device", "cpu", flag, device];
            let args = if flag == "--data" { [&args[..1], &args[3..]].concat() } else { args.to_vec() };
            let done = ends(&args);
            assert!([2, 3, 5].contains(&done.code) && done.err.contains(device), "{args:?}: {done:#?}");
        }
        for args in [
            vec!["predict", run, device],
            vec!["predict", device, data],
            vec!["import", device],
            vec!["search", "--config", device],
            vec!["data", "check", device],
        ] {
            let done = ends(&args);
            assert!([2, 3, 5].contains(&done.code) && done.err.contains(device), "{args:?}: {done:#?}");
        }
    }
    // A pipe that the user names, as `<(...)` makes one, is read.
    let weights = folder.path().join("weights.csv");
    assert!(std::process::Command::new("mkfifo").arg(&weights).status().unwrap().success());
    let writer = std::thread::spawn({
        let weights = weights.clone();
        move || fs::write(weights, "angry,1\nhappy,2\n").unwrap()
    });
    let out = folder.path().join("piped");
    let args = [&train[..], &["--model", "fer4-cnn3", "--class-weight", text(&weights), "--out", text(&out)]].concat();
    ends(&args).expect(0, &["class weights: angry 1.0000, happy 2.0000"]);
    writer.join().unwrap();
}

/// A PNG of four pixels with a chunk that packs `mib` MiB of zeros: a colour profile, or a text.
fn png_with(kind: &[u8; 4], mib: usize) -> Vec<u8> {
    let mut plain = std::io::Cursor::new(Vec::new());
    image::GrayImage::new(2, 2).write_to(&mut plain, image::ImageFormat::Png).unwrap();
    let plain = plain.into_inner();
    let mut packed = ZlibEncoder::new([kind, &b"name\0\0"[..]].concat(), Compression::fast());
    (0..mib).for_each(|_| packed.write_all(&[0; 1 << 20]).unwrap());
    let body = packed.finish().unwrap();
    let mut crc = Crc::new();
    crc.update(&body);
    let length = (body.len() as u32 - 4).to_be_bytes();
    // Behind the signature and the header.
    [&plain[..33], &length, &body, &crc.sum().to_be_bytes(), &plain[33..]].concat()
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_file_unpacks_to_has_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for class in ["angry", "happy"] {
        (0..2).for_each(|i| picture(&data.join(class).join(format!("{i}.png")), i));
    }
    for kind in [b"iCCP", b"zTXt"] {
        fs::write(data.join("happy/9.png"), png_with(kind, 300)).unwrap();
        let mut child = command(&["data", "check", text(&data)]).stdout(Stdio::piped()).spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            let now = fs::read_to_string(&status).unwrap_or_default();
            let line = now.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|kib| kib.trim().trim_end_matches(" kB").parse::<u64>().ok());
            peak = peak.max(kib.unwrap_or(0));
        }
        let out = child.wait_with_output().unwrap();
        assert!(peak > 0 && peak < 150 << 10, "{peak} KiB: {out:?}");
    }
}
