//! A trained network on pictures. Gradients of class scores to inputs and layers: against finite differences, on the GPU, and on
//! drawn faces, where what a network should look at is known. Photographs and videos.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli_support;
mod common;

use cli_support::{Done, command, faces, fer, finished_run, text};
use common::fan_out;
use common::norm;
use fer_gpu::data::synth::test_features;
use fer_gpu::data::{self, Options};
use fer_gpu::error::Result;
use fer_gpu::explain::{Explainer, convolutions};
use fer_gpu::graph::{Builder, CpuExecutor, Executor, GpuExecutor, Graph, Parameters, Value};
use fer_gpu::ops::batch_norm::BatchNorm;
use fer_gpu::ops::conv2d::Conv2d;
use fer_gpu::ops::dense::Dense;
use fer_gpu::ops::dropout::Dropout;
use fer_gpu::ops::flatten::Flatten;
use fer_gpu::ops::max_pool2d::MaxPool2d;
use fer_gpu::ops::relu::Relu;
use fer_gpu::ops::window::Padding;
use fer_gpu::tensor::{HostTensor, fill};
use fer_gpu::train::{Device, Saved};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

const CLASSES: usize = 4;
/// The output of the convolution.
const CONV: Value = 1;

/// Convolution, batch norm, ReLU, dropout, max pool, dense; or what comes after the convolution.
fn chain(tail: bool) -> Arc<Graph> {
    let build = || -> Result<Graph> {
        let mut b = Builder::new("chain", [6, 6, if tail { 3 } else { 2 }])?;
        let x = Builder::INPUT;
        let x = if tail { x } else { b.add(Conv2d::new(3, 3, Padding::Same), &[x])? };
        let x = b.add(BatchNorm::default(), &[x])?;
        let x = b.add(Relu, &[x])?;
        let x = b.add(Dropout { rate: 0.5 }, &[x])?;
        let x = b.add(MaxPool2d { window: [2; 2], stride: [2; 2], padding: Padding::Valid }, &[x])?;
        let x = b.add(Flatten, &[x])?;
        b.add(Dense::new(CLASSES), &[x])?;
        b.finish()
    };
    Arc::new(build().expect("shapes fit"))
}

/// An executor with parameters and statistics that are all their own.
fn reference(graph: &Arc<Graph>, batch: usize) -> CpuExecutor {
    let mut executor = CpuExecutor::new(Arc::clone(graph), batch, 1).exact();
    let slots = Parameters::new(graph).slots;
    for (slot, value) in slots.iter().zip(executor.values_mut()) {
        // By name, so that the tail gets what the whole has.
        let seed = slot.name.bytes().map(u32::from).sum();
        let positive = slot.name.ends_with("moving_variance");
        let at = |i: usize| f64::from(fill(seed, i as u32));
        *value = HostTensor::from_fn(value.shape.clone(), |i| if positive { 1.5 + at(i) } else { at(i) });
    }
    executor
}

/// Numbers on [-1, 1) with so few bits that a small step from them is exact in f32.
fn coarse(seed: u32, count: usize) -> Vec<f32> {
    (0..count as u32).map(|i| (fill(seed, i) * 64.0).round() / 64.0).collect()
}

/// The derivative of `sum(cotangent * logits)` along each input, by central differences in f64.
fn differences(executor: &mut CpuExecutor, output: Value, x: &[f32], cotangent: &[f32]) -> Vec<f64> {
    const STEP: f32 = 1.0 / 65_536.0;
    let mut score = |x: &[f32]| -> f64 {
        let [logits, _] = executor.explain_exact(x, cotangent, output).expect("explains");
        logits.data.iter().zip(cotangent).map(|(y, c)| y * f64::from(*c)).sum()
    };
    let mut at = |i: usize, by: f32| {
        let mut moved = x.to_vec();
        moved[i] += by;
        score(&moved)
    };
    (0..x.len()).map(|i| (at(i, STEP) - at(i, -STEP)) / f64::from(2.0 * STEP)).collect()
}

fn assert_close(what: &str, got: &[f64], want: &[f64], relative: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let error = norm(got.iter().zip(want).map(|(a, b)| a - b));
    let size = norm(want.iter().copied());
    assert!(size > 0.0 && error <= relative * size, "{what}: off by {error:e} of {size:e}");
}

#[test]
fn gradients_are_finite_differences() {
    let (n, graph, tail) = (2, chain(false), chain(true));
    let cotangent = coarse(9, n * CLASSES);
    let x = coarse(7, n * graph.input().elements());
    let mut whole = reference(&graph, n);
    let [same, gradient] = whole.explain_exact(&x, &cotangent, 0).expect("explains");
    assert_eq!(same.to_f32(), x, "the value of the input is the input");
    let wanted = differences(&mut whole, graph.nodes.len(), &x, &cotangent);
    assert_close("input", &gradient.data, &wanted, 1e-8);
    // A layer's output is the input of the network behind it.
    let [conv, gradient] = whole.explain_exact(&x, &cotangent, CONV).expect("explains");
    let conv: Vec<f32> = conv.to_f32().iter().map(|v| (v * 4096.0).round() / 4096.0).collect();
    let wanted = differences(&mut reference(&tail, n), tail.nodes.len(), &conv, &cotangent);
    assert_close("convolution", &gradient.data, &wanted, 1e-8);
    // Inference mode: dropout drops nothing, and the second sample changes nothing for the first.
    let half = x.len() / n;
    let [_, alone] = whole.explain_exact(&x[..half], &cotangent[..CLASSES], 0).expect("explains");
    let [_, both] = whole.explain_exact(&x, &cotangent, 0).expect("explains");
    assert_eq!(alone.data, both.data[..half]);
}

#[test]
fn the_gpu_equals_the_reference() {
    let gpu = Arc::new(common::gpu());
    let n = 3;
    for graph in [chain(false), Arc::new(fan_out::graph(false)), Arc::new(fan_out::graph(true))] {
        let (x, outputs) = (coarse(3, n * graph.input().elements()), graph.output().elements());
        let cotangent = coarse(4, n * outputs);
        let mut reference = reference(&graph, n);
        let mut executor = GpuExecutor::new(Arc::clone(&gpu), Arc::clone(&graph), n, 1, true).expect("fits");
        executor.restore(&reference.snapshot().expect("reads")).expect("the same graph");
        for value in 0..=graph.nodes.len() {
            let wanted = reference.explain_exact(&x, &cotangent, value);
            let found = executor.explain(&x, &cotangent, value);
            let Ok([wanted_value, wanted]) = wanted else {
                let text = found.expect_err("the reference refuses").to_string();
                assert!(text.contains("does not lead to its output"), "{text}");
                continue;
            };
            let found = found.expect("explains");
            let as_f64 = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
            let name = format!("{} value {value}", graph.name);
            assert_close(&name, &as_f64(&found.value), &wanted_value.data, 1e-5);
            assert_close(&name, &as_f64(&found.gradient), &wanted.data, 1e-5);
        }
        let text = executor.explain(&x[1..], &cotangent, 0).expect_err("no whole samples").to_string();
        assert!(text.contains("planned for 3"), "{text}");
    }
}

/// Images, the share of their area that is eyes, brows and mouth, and each method's share of mass there, over the area's.
struct Shares {
    area: f64,
    methods: [(&'static str, f64); 4],
}

/// Of the first images of the test split, for the class that the network gives each.
fn shares(run: &Path, images: usize) -> Shares {
    let saved = Saved::read(run).expect("a run");
    let (layer, input) = (convolutions(saved.graph()).pop().expect("a convolution"), saved.input());
    let classes = saved.meta().classes.len();
    let device = Device::Gpu(Arc::new(common::gpu()));
    let mut network = saved.on(&device, 25).expect("fits");
    let preprocessing = network.meta.preprocessing;
    let mut explainer = Explainer::new(network.executor.as_mut(), input, preprocessing, classes, 25);
    let faces = data::open("synth", input, &Options::default()).expect("draws").test.expect("a test split");
    let mut shares =
        Shares { area: 0.0, methods: [("saliency", 0.0), ("SmoothGrad", 0.0), ("Grad-CAM", 0.0), ("occlusion", 0.0)] };
    for i in 0..images {
        let mut pixels = vec![0.0; input.len()];
        faces.read(i, &mut pixels).expect("reads");
        let p = explainer.outputs(&pixels).expect("predicts");
        let class = (0..classes).max_by(|a, b| p[*a].total_cmp(&p[*b])).expect("classes");
        let maps = [
            explainer.saliency(&pixels, class).expect("saliency"),
            explainer.smooth_grad(&pixels, class).expect("SmoothGrad"),
            explainer.grad_cam(&pixels, class, &layer).expect("Grad-CAM"),
            explainer.occlusion(&pixels, class).expect("occlusion"),
        ];
        let mask = test_features(0, i);
        shares.area += mask.iter().filter(|m| **m).count() as f64 / mask.len() as f64 / images as f64;
        for ((_, share), map) in shares.methods.iter_mut().zip(&maps) {
            // A map of nothing has nothing on the features.
            *share += map.mass_on(&mask).unwrap_or(0.0) / images as f64;
        }
    }
    shares
}

/// Trains the small network on drawn faces, and prints where its maps lie.
fn measured(faces: &str, epochs: &str, images: usize) -> Shares {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    let done = fer(&["train", "--data", faces, "--epochs", epochs, "--out", text(&run)]).expect(0, &["best: epoch"]);
    let found = shares(&run, images);
    println!("{}", done.out.lines().next().unwrap_or_default());
    println!("{images} images: eyes, brows and mouth are {:.1} % of the area", 100.0 * found.area);
    for (name, share) in found.methods {
        println!("{name}: {:.1} % of the mass there, {:.2} times the area's share", 100.0 * share, share / found.area);
    }
    found
}

/// A network that has learnt something looks at what was drawn for it: the figures of the README.
#[test]
#[ignore = "takes minutes on a software driver; -- --ignored --nocapture runs it"]
fn maps_lie_on_the_features() {
    let found = measured("synth:1400", "4", 14);
    for (name, share) in found.methods {
        assert!(share > found.area, "{name}: {share} of the mass on {} of the area", found.area);
    }
}

/// The command writes what it says it writes, and pages that need nothing else.
#[test]
fn pages_and_pictures() {
    let folder = tempfile::tempdir().expect("a folder");
    let (tree, out) = (folder.path().join("faces"), folder.path().join("maps"));
    faces(&tree);
    let (run, happy) = (text(finished_run()), tree.join("test/happy"));
    let first = happy.join("00003.png");
    let done = fer(&["explain", run, text(&first), "--out", text(&out), "--json"]).expect(0, &["device: "]);
    let written = done.json();
    let written = written.as_array().expect("an array");
    assert_eq!(written.len(), 1);
    for image in written {
        let maps = image["maps"].as_array().expect("maps");
        // Four methods, over the image and plain, and three sheets.
        assert_eq!(maps.len(), 11, "{image}");
        for map in maps {
            let picture = image::open(map.as_str().expect("a path")).expect("a picture").to_rgb8();
            let first = *picture.get_pixel(0, 0);
            assert!(picture.width() >= 150 && picture.pixels().any(|p| *p != first), "{map} shows nothing");
        }
        let page = fs::read_to_string(image["page"].as_str().expect("a path")).expect("a page");
        assert_eq!(page.matches("data:image/png;base64,").count(), 12);
        for part in [image["class"].as_str().expect("a class"), "Grad-CAM", "conv2d_2", "SmoothGrad"] {
            assert!(page.contains(part), "{part}");
        }
        assert!(["<script", "http:", "https:"].iter().all(|absent| !page.contains(absent)));
    }
    let one = written[0]["file"].as_str().expect("a file");
    let cam = ["explain", run, one, "--out", text(&out), "--method", "grad-cam", "--layer"];
    let table = fer(&[&cam[..], &["conv2d", "--class", "sad"]].concat()).expect(0, &[]).out;
    assert!(table.contains("sad") && table.contains(".html"), "{table}");
    fer(&[&cam[..], &["conv2_d"]].concat()).expect(2, &["has no layer `conv2_d`", "did you mean `conv2d"]);
    fer(&[&cam[..], &["dense"]].concat()).expect(2, &["`dense`", "gives no maps"]);
    let saliency = ["explain", run, one, "--out", text(&out), "--method", "saliency", "--device", "cpu"];
    fer(&saliency).expect(0, &["CPU reference"]);
    fer(&[&saliency[..], &["--layer", "conv2d"]].concat()).expect(2, &["--layer is for Grad-CAM"]);
    fer(&[&saliency[..], &["--class", "hapy"]].concat())
        .expect(2, &["--class hapy", "did you mean `happy`", "neutral"]);
    fer(&["explain", run, "none.png"]).expect(3, &["none.png"]);
}

/// A network that predicts values is explained by one of its outputs.
#[test]
fn an_output_of_values() {
    let folder = tempfile::tempdir().unwrap();
    let (tree, run, out) = (folder.path().join("faces"), folder.path().join("run"), folder.path().join("maps"));
    faces(&tree);
    let table = tree.join("values.csv");
    let train = ["train", "--data", text(&table), "--batch", "50", "--epochs", "1", "--device", "cpu"];
    fer(&[&train[..], &["--out", text(&run)]].concat()).expect(0, &["values smile, turn"]);
    let image = tree.join("test/happy/00003.png");
    let explain = |more: &[&str]| {
        let args =
            ["explain", text(&run), text(&image), "--device", "cpu", "--out", text(&out), "--method", "grad-cam"];
        fer(&[&args[..], more].concat())
    };
    explain(&[]).expect(2, &["predicts several values: smile, turn", "--class NAME"]);
    explain(&["--class", "smlie"]).expect(2, &["no such output", "did you mean `smile`", "outputs are smile, turn"]);
    let written = explain(&["--class", "turn", "--json"]).expect(0, &[]).json();
    assert!(written[0]["output"] == "turn" && written[0]["value"].is_number() && written[0]["class"].is_null());
    let page = fs::read_to_string(written[0]["page"].as_str().unwrap()).unwrap();
    assert!(page.contains("What the value of <b>turn</b>") && page.contains("raise the value"));
    let table = explain(&["--class", "smile"]).expect(0, &[]).out;
    assert!(table.starts_with("file") && table.contains("output") && !table.contains("probability"), "{table}");
}

/// A wall without a face is a row that says so; patterns and paths from stdin are as good as names.
#[test]
fn photographs_without_faces_and_paths_from_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("faces");
    faces(&tree);
    let (run, wall) = (text(finished_run()), folder.path().join("wall.png"));
    image::GrayImage::from_fn(300, 200, |x, y| image::Luma([(x / 3 + y / 2) as u8])).save(&wall).unwrap();
    let pattern = tree.join("test/h*/*.png");
    let args = ["predict", run, text(&wall), text(&pattern), "--device", "cpu"];
    let rows = fer(&[&args[..], &["--json"]].concat()).expect(0, &["no face found in", "wall.png"]).json();
    let rows = rows.as_array().unwrap();
    assert!(rows.len() > 1 && rows[1..].iter().all(|row| row["label"].is_string() && row["box"].is_null()));
    assert!(["box", "label", "probability", "probabilities"].iter().all(|key| rows[0][key].is_null()), "{}", rows[0]);
    let keys = |row: &serde_json::Value| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&rows[0]), keys(&rows[1]));
    let csv = fer(&[&args[..], &["--csv"]].concat()).expect(0, &[]).out;
    assert!(csv.lines().nth(1).unwrap().ends_with(&format!("wall.png{}", ",".repeat(13))), "{csv}");
    assert!(fer(&args).expect(0, &[]).out.lines().nth(1).unwrap().ends_with("no face"));
    fer(&["predict", run, text(&wall), "--device", "cpu"])
        .expect(0, &["no face is found in any of the 1", "--face none"]);
    let copies = folder.path().join("copies");
    let args = ["predict", run, text(&wall), "--device", "cpu", "--face", "none", "--annotate", text(&copies)];
    assert!(fer(&args).expect(0, &[]).out.lines().count() == 2);
    let copy = image::open(copies.join("wall.png")).unwrap().to_rgb8();
    assert!(copy.dimensions() == (300, 200) && copy.get_pixel(0, 0).0 == [0, 158, 115], "a box around the whole");

    // A drawn face on the wall is found, cut out and labelled.
    let face = image::open(tree.join("test/happy/00003.png")).unwrap().to_luma8();
    let mut photo = image::open(&wall).unwrap().to_luma8();
    let face = image::imageops::resize(&face, 150, 150, image::imageops::FilterType::Triangle);
    image::imageops::replace(&mut photo, &face, 100, 30);
    photo.save(folder.path().join("photo.png")).unwrap();
    let photo = folder.path().join("photo.png");
    let args = ["predict", run, text(&photo), "--device", "cpu", "--annotate", text(&copies), "--json"];
    let found = fer(&args).expect(0, &[]).json();
    let at = |key: &str| found[0]["box"][key].as_u64().unwrap() as u32;
    assert!(
        at("x") > 90 && at("x") + at("width") < 260 && at("width") > 70 && found[0]["label"].is_string(),
        "{found}"
    );
    let copy = image::open(copies.join("photo.png")).unwrap().to_rgb8();
    assert_eq!(copy.get_pixel(at("x"), at("y") + at("height") / 2).0, [0, 158, 115]);

    let mut child = command(&["predict", run, "-", "--device", "cpu", "--json"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let paths = format!("{}\n\n{}\n", rows[1]["file"].as_str().unwrap(), text(&tree.join("test/sad")));
    child.stdin.take().unwrap().write_all(paths.as_bytes()).unwrap();
    let done = Done::of(child.wait_with_output().unwrap()).expect(0, &[]);
    assert!(done.json().as_array().unwrap().len() > 1);
    fer(&["predict", run, "-", "--device", "cpu"]).expect(2, &["no path on standard input"]);
    fer(&["predict", run, "no*such.png"]).expect(3, &["no*such.png", "no file matches"]);
    fer(&["predict", run, "a.png", "--margin", "-1"]).expect(2, &["--margin -1", "0 to 2"]);
    fer(&["predict", run, "a.mp4", "--fps", "0"]).expect(2, &["--fps 0"]);
}

/// Videos come through the program ffmpeg: one that is not there, one that plays, one that complains, one that dies.
#[cfg(unix)]
#[test]
fn videos_come_through_ffmpeg() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (run, video, bin) = (text(finished_run()), folder.path().join("clip.mp4"), folder.path().join("bin"));
    fs::write(&video, "a video, says its name").unwrap();
    fs::create_dir(&bin).unwrap();
    let predict = |more: &[&str]| {
        let args = [&["predict", run, text(&video), "--device", "cpu"], more].concat();
        Done::of(command(&args).env("PATH", &bin).output().unwrap())
    };
    predict(&[]).expect(2, &["clip.mp4 is a video", "not in PATH", "apt-get install ffmpeg"]);
    // A stand-in that leaves what it is asked beside itself and writes frames of 48 x 48, as the real one does.
    let frame = |grey: u8| [b"P6\n48 48\n255\n", &[grey; 48 * 48 * 3][..]].concat();
    let frames = folder.path().join("frames");
    let play = |bytes: &[u8], end: &str| {
        fs::write(&frames, bytes).unwrap();
        let asked = bin.join("asked");
        // Asked to write, it writes what it is given.
        let write = "case \"$*\" in *pipe:0*) for last; do :; done; exec /bin/cat > \"${last#file:}\";; esac";
        let (asked, frames) = (text(&asked), text(&frames));
        let times: String =
            (0..3).map(|n| format!("[Parsed_showinfo_1 @ 0x5] [info] n: {n} pts: {} x\n", 333 * n)).collect();
        let times = format!("[Parsed_showinfo_1 @ 0x5] [info] config in time_base: 1/1000, x\n{times}");
        let times = format!("echo '{times}' >&2");
        let script = format!("#!/bin/sh\n{write}\necho \"$@\" > '{asked}'\n{times}\n/bin/cat '{frames}'\n{end}\n");
        let ffmpeg = bin.join("ffmpeg");
        fs::write(&ffmpeg, script).unwrap();
        fs::set_permissions(&ffmpeg, fs::Permissions::from_mode(0o755)).unwrap();
    };
    play(&[frame(0), frame(99), frame(200)].concat(), "exit 0");
    let rows = predict(&["--fps", "4", "--json", "--batch", "2"]).expect(0, &[]).json();
    let times: Vec<f64> = rows.as_array().unwrap().iter().map(|row| row["time"].as_f64().unwrap()).collect();
    assert_eq!(times, [0.0, 0.333, 0.666], "the times are those that ffmpeg names");
    assert!(fs::read_to_string(bin.join("asked")).unwrap().contains("*4)"));
    let csv = predict(&["--csv"]).expect(0, &[]).out;
    assert!(
        csv.lines().next().unwrap().ends_with(",height,time") && csv.lines().nth(2).unwrap().ends_with(",0.333"),
        "{csv}"
    );
    assert!(predict(&[]).expect(0, &[]).out.lines().nth(3).unwrap().contains(" 0.67 s  "));
    let big = [b"P6\n500 400\n255\n", &[90; 500 * 400 * 3][..]].concat();
    play(&[frame(0), big].concat(), "exit 0");
    predict(&[]).expect(0, &["no face found in", "at 0.33 s"]);
    let drawn = folder.path().join("drawn");
    play(&[frame(0), frame(99), frame(0)].concat(), "exit 0");
    predict(&["--annotate", text(&drawn), "--batch", "2", "--fps", "3.003"]).expect(0, &[]);
    assert_eq!(fs::read_dir(&drawn).unwrap().count(), 1, "no partial file is left");
    let copy = fs::read(drawn.join("clip.mp4")).unwrap();
    let copies: Vec<&[u8]> = copy.chunks_exact(frame(0).len()).collect();
    assert!(copies.len() == 3 && copies[0] == copies[2] && copies[0] != copies[1] && copies[0] != frame(0));
    assert_eq!(copies[1][frame(0).len() / 2], 99, "the middle of a frame is as it was");
    fs::create_dir_all(drawn.join(".partial-clip.mp4")).unwrap();
    predict(&["--annotate", text(&drawn)]).expect(3, &["clip.mp4", "ffmpeg cannot write it"]);
    play(b"", "echo 'moov atom not found' >&2; exit 1");
    predict(&[]).expect(3, &["clip.mp4", "moov atom not found"]);
    predict(&["--on-bad-file", "skip"]).expect(3, &["skipped", "moov atom not found", "none of the 1"]);
    for bytes in [3000, 5] {
        play(&frame(7)[..bytes], "exit 0");
        predict(&[]).expect(3, &["in the middle of a frame"]);
    }
    play(b"GIF89a nonsense", "exit 0");
    predict(&[]).expect(3, &["no PPM picture"]);
    play(b"", "exit 0");
    predict(&[]).expect(3, &["no frame"]);
    // Half a file: what could be read, and a note; of an ffmpeg that was killed nobody knows.
    for end in ["exit 0", "exit 69"] {
        play(&frame(0), &format!("echo '[mov @ 0x1] [error] stream ends' >&2; {end}"));
        let half = ["note: ", "clip.mp4: ffmpeg reports `stream ends`; 1 frames were read, the last at 0.00 s"];
        assert_eq!(predict(&["--json"]).expect(0, &half).json().as_array().unwrap().len(), 1);
    }
    play(&frame(0), "kill -9 $$");
    predict(&[]).expect(3, &["clip.mp4", "ffmpeg cannot read it"]);
}
