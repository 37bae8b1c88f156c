//! `fer-gpu explain`.

use super::args::{DeviceArgs, unique};
use super::out::{print, print_json, say, table};
use crate::data::{Head, InputSpec, Task, find_images, read_image};
use crate::error::{Error, Result, nearest};
use crate::explain::{Explainer, Layer, Map, Page, Panel, SMOOTH_COPIES, SMOOTH_NOISE};
use crate::explain::{convolutions, heat, layer_named, overlay, png, sheet, some_of, upscaled};
use crate::formats::atomic::{write_atomically, write_text};
use crate::graph::Graph;
use crate::train::{Loaded, Saved};
use clap::{Args, ValueEnum};
use image::RgbImage;
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Flags of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu explain runs/train/1 face.png
  fer-gpu explain runs/train/1 faces/test/happy --method grad-cam --layer conv2d_1
  fer-gpu explain best.safetensors a.png --class sad --out maps

For each image DIR/NAME.html, which needs no network, and DIR/NAME/ with the maps as PNG files: over the image, and plain.
Images are crops of one face each, as in training.")]
pub(super) struct ExplainArgs {
    /// A run folder (its best checkpoint) or a checkpoint
    #[arg(value_name = "RUN|FILE.safetensors")]
    network: PathBuf,
    /// Images of one face each, or folders of them
    #[arg(value_name = "IMAGE|DIR", required = true)]
    images: Vec<PathBuf>,
    /// What to draw
    #[arg(long, default_value = "all")]
    method: Method,
    /// Class whose score is explained [default: the most probable one of each image], or output of a network that predicts values
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Layer for Grad-CAM [default: the last convolution]
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// Folder to write to
    #[arg(long, value_name = "DIR", default_value = "explain")]
    out: PathBuf,
    /// Copies of an image at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    #[command(flatten)]
    device: DeviceArgs,
    /// An array of {file, class, probability, page, maps}; output and value instead of a network that predicts values
    #[arg(long)]
    json: bool,
}

/// A method by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    All,
    Saliency,
    Smoothgrad,
    GradCam,
    Occlusion,
    Activations,
}

/// What was written for an image. Fields are in the order of the JSON's keys.
#[derive(Serialize)]
struct Written {
    file: String,
    #[serde(flatten)]
    explained: Explained,
    /// Whether the probability is independent of those of the other classes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    independent: bool,
    page: PathBuf,
    maps: Vec<PathBuf>,
}

/// What was explained, and what the network says of it.
#[derive(Serialize)]
#[serde(untagged)]
enum Explained {
    Class { class: String, probability: f32 },
    Value { output: String, value: f32 },
}

impl Explained {
    fn new(task: Task, name: String, said: f32) -> Self {
        match task {
            Task::Classes => Self::Class { class: name, probability: said },
            Task::Values => Self::Value { output: name, value: said },
        }
    }

    /// The name, and what the network says.
    fn said(&self) -> (&str, f32) {
        match self {
            Self::Class { class: name, probability: said } | Self::Value { output: name, value: said } => (name, *said),
        }
    }
}

/// What is the same for all images.
struct Plan<'a> {
    args: &'a ExplainArgs,
    task: Task,
    /// Or outputs.
    classes: Vec<String>,
    class: Option<usize>,
    input: InputSpec,
    /// For Grad-CAM, where that is wanted.
    cam: Option<Layer>,
    /// For the sheets of activations.
    layers: Vec<Layer>,
}

pub(super) fn run(args: &ExplainArgs) -> Result<ExitCode> {
    let saved = Saved::read(&args.network)?;
    let plan = Plan::new(args, &saved)?;
    let files = find_images(&args.images)?;
    let device = args.device.open()?;
    let mut network = saved.on(&device, args.batch.into())?;
    if let Some(t) = network.meta.temperature {
        say!("probabilities are calibrated with temperature {t:.4}");
    }
    if network.meta.head.is_independent() {
        say!("note: {}", Head::INDEPENDENT);
    }
    let mut names = HashSet::new();
    let mut all = Vec::new();
    for file in &files {
        all.push(plan.explain(&mut network, file, &unique(file, &mut names))?);
    }
    if args.json {
        print_json(&all)?;
    } else {
        let row = |w: &Written| {
            let (name, said) = w.explained.said();
            vec![w.file.clone(), name.to_owned(), format!("{said:.4}"), w.page.display().to_string()]
        };
        let [name, said] = match plan.task {
            Task::Classes => ["class", "probability"],
            Task::Values => ["output", "value"],
        };
        let rows: Vec<Vec<String>> = all.iter().map(row).collect();
        print(&table(&["file", name, said, "page"], &rows, &[2]))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl<'a> Plan<'a> {
    /// Checks what the user named against the network.
    fn new(args: &'a ExplainArgs, saved: &Saved) -> Result<Self> {
        let (graph, task, classes) = (saved.graph(), saved.meta().task, saved.meta().classes.clone());
        let class = match (&args.class, task) {
            (Some(name), _) => Some(class_named(name, task, &classes)?),
            (None, Task::Values) if classes.len() > 1 => {
                let outputs = classes.join(", ");
                return Err(Error::usage(
                    format!("{} predicts several values: {outputs}", args.network.display()),
                    "choose the one to explain by --class NAME",
                ));
            }
            (None, _) => None,
        };
        let convolutions = convolutions(graph);
        let wants = |method| args.method == Method::All || args.method == method;
        let cam = match (&args.layer, wants(Method::GradCam)) {
            (Some(name), true) => Some(layer_named(graph, name)?),
            (Some(_), false) => {
                return Err(Error::usage("--layer is for Grad-CAM", "use --method grad-cam or all with it"));
            }
            (None, true) => convolutions.last().cloned(),
            (None, false) => None,
        };
        if convolutions.is_empty() {
            refuse_without_convolutions(args, graph)?;
        }
        let layers = if wants(Method::Activations) { some_of(&convolutions) } else { Vec::new() };
        Ok(Self { args, task, classes, class, input: saved.input(), cam, layers })
    }

    fn wants(&self, method: Method) -> bool {
        self.args.method == Method::All || self.args.method == method
    }

    fn explain(&self, network: &mut Loaded, file: &Path, name: &str) -> Result<Written> {
        let mut pixels = vec![0.0; self.input.len()];
        read_image(file, self.input, &mut pixels)?;
        let title = format!("{} ({})", network.meta.model, self.args.network.display());
        let (preprocessing, temperature, head, batch) =
            (network.meta.preprocessing, network.meta.temperature, network.meta.head, self.args.batch.into());
        let mut explainer =
            Explainer::new(network.executor.as_mut(), self.input, preprocessing, self.classes.len(), batch)
                .calibrated(temperature)
                .with_head(head);
        let outputs = explainer.outputs(&pixels)?;
        if let Some(bad) = outputs.iter().find(|p| !p.is_finite()) {
            let what = format!("the network's output for {} holds {bad}", file.display());
            return Err(Error::checkpoint(&self.args.network, what, "its parameters have diverged"));
        }
        let most = (0..outputs.len()).max_by(|a, b| outputs[*a].total_cmp(&outputs[*b]));
        let class = self.class.or(most).unwrap_or_default();
        let folder = self.args.out.join(name);
        std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let mut panels = vec![Panel {
            title: "Image".into(),
            note: "As the network gets it.".into(),
            pictures: vec![upscaled(&pixels, self.input)],
        }];
        let mut written = Vec::new();
        for (stem, title, note, map) in self.maps(&mut explainer, &pixels, class)? {
            let pictures = vec![overlay(&map, &upscaled(&pixels, self.input)), heat(&map)];
            for (picture, kind) in pictures.iter().zip(["", "-map"]) {
                written.push(write_picture(folder.join(format!("{stem}{kind}.png")), picture)?);
            }
            panels.push(Panel { title: title.into(), note, pictures });
        }
        for layer in &self.layers {
            let (picture, shown) = sheet(&explainer.activations(&pixels, layer)?);
            let [height, width, channels] = layer.shape;
            written.push(write_picture(folder.join(format!("activations-{}.png", layer.name)), &picture)?);
            let note =
                format!("{shown} of {channels} channels of {height} x {width}, each from its least to its largest.");
            panels.push(Panel { title: format!("Activations of {}", layer.name), note, pictures: vec![picture] });
        }
        let (class, said) = (self.classes[class].clone(), outputs[class]);
        let page = Page {
            file: file.display().to_string(),
            network: title,
            task: self.task,
            class: class.clone(),
            outputs: self.classes.iter().cloned().zip(outputs).collect(),
            panels,
        };
        let path = self.args.out.join(format!("{name}.html"));
        write_text(&path, &page.html()?)?;
        say!("{}: {class} {said:.4}, {}", file.display(), path.display());
        Ok(Written {
            file: page.file,
            explained: Explained::new(self.task, class, said),
            independent: head.is_independent(),
            page: path,
            maps: written,
        })
    }

    /// The wanted maps: file stem, title, how to read it, map.
    fn maps(
        &self,
        explainer: &mut Explainer<'_>,
        pixels: &[f32],
        class: usize,
    ) -> Result<Vec<(&'static str, &'static str, String, Map)>> {
        let (score, said) = match self.task {
            Task::Classes => ("score", "probability"),
            Task::Values => ("value", "value"),
        };
        let mut maps = Vec::new();
        if self.wants(Method::Saliency) {
            let note = format!("How strongly each pixel moves the {score}: the gradient's magnitude.");
            maps.push(("saliency", "Saliency", note, explainer.saliency(pixels, class)?));
        }
        if self.wants(Method::Smoothgrad) {
            let note =
                format!("The gradient's mean over {SMOOTH_COPIES} copies with noise of {SMOOTH_NOISE} of the range.");
            maps.push(("smoothgrad", "SmoothGrad", note, explainer.smooth_grad(pixels, class)?));
        }
        if let Some(layer) = &self.cam {
            let note = format!("Where the channels of layer {} that raise the {score} are active.", layer.name);
            maps.push(("grad-cam", "Grad-CAM", note, explainer.grad_cam(pixels, class, layer)?));
        }
        if self.wants(Method::Occlusion) {
            let note = format!("What a grey square over a place takes from the {said}.");
            maps.push(("occlusion", "Occlusion", note, explainer.occlusion(pixels, class)?));
        }
        Ok(maps)
    }
}

/// Without a convolution there are no Grad-CAM and no activations to show.
fn refuse_without_convolutions(args: &ExplainArgs, graph: &Graph) -> Result<()> {
    let what = format!("{} has no convolution: Grad-CAM and activations are not possible", graph.name);
    match args.method {
        Method::GradCam | Method::Activations => Err(Error::usage(what, "--method saliency, smoothgrad or occlusion")),
        Method::All => {
            say!("note: {what}");
            Ok(())
        }
        Method::Saliency | Method::Smoothgrad | Method::Occlusion => Ok(()),
    }
}

/// The place of a class, or of an output.
fn class_named(name: &str, task: Task, classes: &[String]) -> Result<usize> {
    classes.iter().position(|c| c == name).ok_or_else(|| {
        let near = nearest(name, classes.iter().map(String::as_str));
        let near = near.map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
        let (one, all) = if task == Task::Values { ("output", "outputs") } else { ("class", "classes") };
        Error::usage(format!("--class {name}: no such {one}"), format!("{near}{all}: {}", classes.join(", ")))
    })
}

fn write_picture(path: PathBuf, picture: &RgbImage) -> Result<PathBuf> {
    let bytes = png(picture)?;
    write_atomically(&path, |file| file.write_all(&bytes))?;
    Ok(path)
}
