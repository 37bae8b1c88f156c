//! Running the real program, and data for it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// FER2013's classes in its order.
pub const CLASSES: [&str; 7] = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];

/// What a finished program left.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    /// Of any end but a panic or a signal.
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes UTF-8");
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert!(!err.contains("panicked"), "{err}");
        Self { code: output.status.code().unwrap_or_else(|| panic!("{}: {err}", output.status)), out, err }
    }

    /// Expects an exit code, and words in the message.
    pub fn expect(self, code: i32, words: &[&str]) -> Self {
        let missing: Vec<_> = words.iter().filter(|w| !self.err.contains(**w)).collect();
        assert!(self.code == code && missing.is_empty(), "expected exit code {code}, missing {missing:?}: {self:#?}");
        self
    }

    /// stdout as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }
}

/// A command of the program, in a folder where nothing of the repository can be hit.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fer-gpu"));
    command.args(args).current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub fn fer(args: &[&str]) -> Done {
    Done::of(command(args).output().expect("the program starts"))
}

/// Starts the program; its messages are kept.
pub fn start(args: &[&str]) -> Child {
    command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// The name of a signal that interrupts what tests start: INT, or TERM where interrupts are ignored, as in a script's background,
/// and stay so.
pub fn interrupt() -> &'static str {
    let survives = Command::new("sh").args(["-c", "kill -INT $$; exit 7"]).status().expect("a shell").code() == Some(7);
    if survives { "TERM" } else { "INT" }
}

/// Waits for something to happen.
pub fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !happened() {
        assert!(begin.elapsed() < Duration::from_secs(120), "{what} did not happen in two minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("the test's paths are UTF-8")
}

/// Arguments of a small training run on the reference, which needs no shader compiler; more may follow.
pub fn small_run(out: &Path) -> Vec<&str> {
    vec!["train", "--data", "synth:70", "--batch", "50", "--epochs", "1", "--device", "cpu", "--out", text(out)]
}

/// The folder of a finished run, made once for each process: nextest runs each test in one of its own, some at the same time.
pub fn finished_run() -> &'static Path {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let slot = std::env::var("NEXTEST_TEST_GLOBAL_SLOT").unwrap_or_else(|_| std::process::id().to_string());
        let name = format!("run-{}-{slot}", env!("CARGO_CRATE_NAME"));
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&out);
        fer(&small_run(&out)).expect(0, &["best: epoch 1"]);
        out
    })
}

/// Copies a finished run, so that a test may damage it.
pub fn copied_run(to: &Path) -> PathBuf {
    let run = to.join("run");
    fs::create_dir(&run).expect("a new folder");
    for entry in fs::read_dir(finished_run()).expect("the run's folder") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, run.join(path.file_name().expect("a file"))).expect("copied");
    }
    run
}

/// Drawn faces as a tree of class folders.
pub fn faces(out: &Path) {
    fer(&["synth", "--out", text(out), "--n", "70"]).expect(0, &["50 training", text(out)]);
}

/// A checkpoint's header and tensors.
pub struct Parts {
    pub header: serde_json::Value,
    pub data: Vec<u8>,
}

impl Parts {
    pub fn read(path: &Path) -> Self {
        let bytes = fs::read(path).expect("the checkpoint");
        let (length, rest) = bytes.split_first_chunk::<8>().expect("a length");
        let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
        Self { header: serde_json::from_slice(header).expect("a header"), data: data.to_vec() }
    }

    /// What the checkpoint says of the network.
    pub fn meta(&self) -> serde_json::Value {
        let text = self.header["__metadata__"]["meta"].as_str().expect("a description");
        serde_json::from_str(text).expect("JSON")
    }

    /// The bytes of a tensor.
    pub fn tensor(&mut self, name: &str) -> &mut [u8] {
        let at = |i: usize| self.header[name]["data_offsets"][i].as_u64().expect("an offset") as usize;
        let range = at(0)..at(1);
        &mut self.data[range]
    }

    /// Writes the file without its checksum, as another tool would.
    pub fn write(mut self, path: &Path) {
        self.header["__metadata__"].as_object_mut().expect("an object").remove("crc32");
        let header = serde_json::to_vec(&self.header).expect("JSON");
        let mut file = fs::File::create(path).expect("a new file");
        for part in [&(header.len() as u64).to_le_bytes()[..], &header, &self.data] {
            file.write_all(part).expect("written");
        }
    }
}
