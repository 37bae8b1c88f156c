//! `fer-gpu explain`.

mod rows;

use super::args::{BadFile, DeviceArgs, unique};
use super::faces::{FaceArgs, Sight, look, note_no_face};
use super::labels::Place;
use super::lists::find_named;
use super::out::say;
use crate::data::{Head, InputSpec, Task, names};
use crate::error::{Error, Result};
use crate::explain::{Explainer, Layer, Map, Page, Panel, SMOOTH_COPIES, SMOOTH_NOISE};
use crate::explain::{convolutions, heat, layer_named, overlay, png, sheet, some_of, upscaled};
use crate::faces::{Detector, video::is_video};
use crate::formats::atomic::{write_atomically, write_text};
use crate::graph::Graph;
use crate::train::{Loaded, Saved};
use clap::{Args, ValueEnum};
use image::RgbImage;
use rows::{Rows, Written};
use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu explain runs/train/1 face.png
  fer-gpu explain runs/train/1 faces/test/happy --method grad-cam --layer conv2d_1
  fer-gpu explain best.safetensors holiday.jpg --face largest --class sad --out maps

Faces are found and cut out as `predict` does. For each face, or image that is a crop of one, DIR/NAME.html, which loads
nothing, and DIR/NAME/ with the maps as PNG files: over the image, and plain.")]
pub(super) struct ExplainArgs {
    /// A run folder (its best checkpoint) or a checkpoint
    #[arg(value_name = "RUN|FILE.safetensors")]
    network: PathBuf,
    /// Images, patterns (photos/*.jpg), folders of them at any depth, or - for paths from stdin
    #[arg(value_name = "IMAGE|DIR|-", required = true)]
    images: Vec<PathBuf>,
    #[command(flatten)]
    faces: FaceArgs,
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
    /// What to do with an image that cannot be read
    #[arg(long, default_value = "fail")]
    on_bad_file: BadFile,
    #[command(flatten)]
    device: DeviceArgs,
    /// An array of {file, box, class, probability, page, maps}; output and value instead of a network that predicts values; class
    /// and page null where no face is found
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
    args.faces.check()?;
    let saved = Saved::read(&args.network)?;
    let plan = Plan::new(args, &saved)?;
    let files = find_named(&args.images, |_| false)?;
    if let Some(video) = files.iter().find(|file| is_video(file)) {
        let what = format!("{} is a video; explain takes images", video.display());
        return Err(Error::usage(what, "save frames of it first, as with ffmpeg -i VIDEO -vf fps=1 frame-%03d.png"));
    }
    let finder = Detector::new()?;
    let device = args.device.open()?;
    let mut network = saved.on(&device, args.batch.into())?;
    if let Some(t) = network.meta.temperature {
        say!("probabilities are calibrated with temperature {t:.4}");
    }
    if network.meta.head.is_independent() {
        say!("note: {}", Head::INDEPENDENT);
    }
    let mut names = HashSet::new();
    let mut rows = Rows::new(args.json, plan.task, &files, &plan.classes);
    let (mut places, mut pages, mut read_on) = (0, 0, true);
    // One photograph at a time: its maps take far longer than reading it.
    look(&args.faces.look(plan.input, &finder), &files, (1, 1.0), args.on_bad_file, |sights| {
        for Sight { place, pixels } in sights {
            places += 1;
            let written = match pixels {
                Some(pixels) => {
                    pages += 1;
                    plan.explain(&mut network, &place, &pixels, &unique(&place.file, &mut names))?
                }
                None => {
                    say!("no face found in {}", place.file.display());
                    Written::no_face(&place, plan.task)
                }
            };
            read_on = rows.push(written)?;
            if !read_on {
                break;
            }
        }
        Ok(read_on)
    })?;
    if !read_on {
        return Ok(ExitCode::SUCCESS);
    }
    if places == 0 {
        let what = format!("none of the {} images can be read", files.len());
        return Err(Error::data(&args.images[0], what, "at least one image"));
    }
    rows.finish()?;
    if pages == 0 {
        note_no_face(places, "images");
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

    /// Writes the page and the maps of a place, under a name.
    fn explain(&self, network: &mut Loaded, place: &Place, pixels: &[f32], name: &str) -> Result<Written> {
        let title = format!("{} ({})", network.meta.model, self.args.network.display());
        let (preprocessing, temperature, head, batch) =
            (network.meta.preprocessing, network.meta.temperature, network.meta.head, self.args.batch.into());
        let mut explainer =
            Explainer::new(network.executor.as_mut(), self.input, preprocessing, self.classes.len(), batch)
                .calibrated(temperature)
                .with_head(head);
        let outputs = explainer.outputs(pixels)?;
        if let Some(bad) = outputs.iter().find(|p| !p.is_finite()) {
            let what = format!("the network's output for {} holds {bad}", place.file.display());
            return Err(Error::checkpoint(&self.args.network, what, "its parameters have diverged"));
        }
        let most = (0..outputs.len()).max_by(|a, b| outputs[*a].total_cmp(&outputs[*b]));
        let class = self.class.or(most).unwrap_or_default();
        let folder = self.args.out.join(name);
        std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let mut panels = vec![Panel {
            title: "Image".into(),
            note: "As the network gets it.".into(),
            pictures: vec![upscaled(pixels, self.input)],
        }];
        let mut written = Vec::new();
        for (stem, title, note, map) in self.maps(&mut explainer, pixels, class)? {
            let pictures = vec![overlay(&map, &upscaled(pixels, self.input)), heat(&map)];
            for (picture, kind) in pictures.iter().zip(["", "-map"]) {
                written.push(write_picture(folder.join(format!("{stem}{kind}.png")), picture)?);
            }
            panels.push(Panel { title: title.into(), note, pictures });
        }
        for layer in &self.layers {
            let (picture, shown) = sheet(&explainer.activations(pixels, layer)?);
            let [height, width, channels] = layer.shape;
            written.push(write_picture(folder.join(format!("activations-{}.png", layer.name)), &picture)?);
            let note =
                format!("{shown} of {channels} channels of {height} x {width}, each from its least to its largest.");
            panels.push(Panel { title: format!("Activations of {}", layer.name), note, pictures: vec![picture] });
        }
        let (class, said) = (self.classes[class].clone(), outputs[class]);
        let page = Page {
            file: place.to_string(),
            network: title,
            task: self.task,
            independent: head.is_independent(),
            class: class.clone(),
            outputs: self.classes.iter().cloned().zip(outputs).collect(),
            panels,
        };
        let path = self.args.out.join(format!("{name}.html"));
        write_text(&path, &page.html()?)?;
        Ok(Written::new(place, self.task, (class, said), path).with(written, head.is_independent()))
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

/// The place of a class, by its name or a synonym, or of an output.
fn class_named(name: &str, task: Task, classes: &[String]) -> Result<usize> {
    let (one, all) = if task == Task::Values { ("output", "outputs") } else { ("class", "classes") };
    names::find(name, classes)
        .ok_or_else(|| Error::usage(format!("--class {name}: no such {one}"), names::hint(name, all, classes)))
}

fn write_picture(path: PathBuf, picture: &RgbImage) -> Result<PathBuf> {
    let bytes = png(picture)?;
    write_atomically(&path, |file| file.write_all(&bytes))?;
    Ok(path)
}
