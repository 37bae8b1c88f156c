//! `fer-gpu predict`.

use super::args::{BadFile, DeviceArgs, unique};
use super::faces::{FaceArgs, Sight, look, note_no_face};
use super::labels::{Form, Place, Prediction, Printer, Says};
use super::lists::find_named;
use super::out::say;
use crate::data::{Head, decode_sized};
use crate::error::{Error, Result};
use crate::faces::video::{Frames, is_video, sample};
use crate::faces::{Detector, FaceBox, Recording, annotate};
use crate::formats::atomic::write_atomically;
use crate::train::{Loaded, Saved};
use clap::Args;
use image::{ImageFormat, RgbImage};
use std::collections::HashSet;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Flags of `predict`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fer-gpu predict runs/train/1 holiday.jpg --annotate labelled/
  fer-gpu predict runs/train/1 crops/ --face none --csv > labels.csv
  find . -name '*.jpg' | fer-gpu predict best.safetensors - --json
  fer-gpu predict runs/train/1 talk.mp4 --fps 5 --csv

Where no face is found, stderr and the row say so, and the exit code is 0; it is 3 where no image can be read.")]
pub(super) struct PredictArgs {
    /// A run folder (its best checkpoint) or a checkpoint
    #[arg(value_name = "RUN|FILE.safetensors")]
    network: PathBuf,
    /// Images, videos (through ffmpeg), patterns (photos/*.jpg), folders of them at any depth, or - for paths from stdin
    #[arg(value_name = "IMAGE|DIR|VIDEO|-", required = true)]
    images: Vec<PathBuf>,
    #[command(flatten)]
    faces: FaceArgs,
    /// Write copies of images and videos (of these the frames that are looked at) with faces and labels drawn to a folder
    #[arg(long, value_name = "DIR")]
    annotate: Option<PathBuf>,
    /// Most frames a second of videos that are looked at: the first one at or after each step of 1/N s
    #[arg(long, value_name = "N", default_value_t = 2.0, allow_hyphen_values = true)]
    fps: f64,
    /// Images at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Test-time augmentation: take the mean probabilities over each face and its mirror image, at twice the time
    #[arg(long)]
    tta: bool,
    /// What to do with an image that cannot be read
    #[arg(long, default_value = "fail")]
    on_bad_file: BadFile,
    #[command(flatten)]
    device: DeviceArgs,
    /// An array of {file, box, label, probability, probabilities}, time of videos, and independent: true where each class has a
    /// sigmoid of its own; label null where no face is found
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Columns file, label, probability, one a class, x, y, width, height of the face, and time of videos
    #[arg(long)]
    csv: bool,
}

/// What was seen so far.
#[derive(Default)]
struct Count {
    places: usize,
    labelled: usize,
}

pub(super) fn run(args: &PredictArgs) -> Result<ExitCode> {
    check(args)?;
    let saved = Saved::read(&args.network)?;
    let files = find_named(&args.images, is_video)?;
    let finder = Detector::new()?;
    let device = args.device.open()?;
    // A few faces a photograph: no room is asked for what will not come. Nobody knows a video's.
    let most = if files.iter().any(|file| is_video(file)) { usize::MAX } else { 4 * files.len() };
    let batch = usize::from(args.batch).min(most);
    let mut network = saved.on(&device, batch)?;
    if args.tta {
        network.mirror()?;
    }
    let form = match (args.json, args.csv) {
        (true, _) => Form::Json,
        (false, true) => Form::Csv,
        (false, false) => Form::Table,
    };
    if let Some(t) = network.meta.temperature {
        say!("probabilities are calibrated with temperature {t:.4}");
    }
    if network.meta.head.is_independent() {
        say!("note: {}", Head::INDEPENDENT);
    }
    let classes = network.meta.classes.clone();
    let mut printer = Printer::new(form, (says_of(&network), &classes), &files, is_video);
    let how = args.faces.look(network.input(), &finder);
    let (mut count, mut read_on, mut copies) =
        (Count::default(), true, Copies::new(args.annotate.as_deref(), args.fps)?);
    look(&how, &files, (batch, args.fps), args.on_bad_file, |sights| {
        let predictions = label(&mut network, &args.network, &sights, batch)?;
        count.places += sights.len();
        count.labelled += sights.iter().filter(|sight| sight.pixels.is_some()).count();
        for sight in sights.iter().filter(|sight| sight.pixels.is_none()) {
            let at = sight.place.time.map(|t| format!(" at {t:.2} s")).unwrap_or_default();
            say!("no face found in {}{at}", sight.place.file.display());
        }
        copies.draw(&sights, &predictions)?;
        read_on = printer.push(predictions)?;
        Ok(read_on)
    })?;
    if !read_on {
        return Ok(ExitCode::SUCCESS);
    }
    if count.places == 0 {
        let what = format!("none of the {} images can be read", files.len());
        return Err(Error::data(&args.images[0], what, "at least one image or video"));
    }
    copies.finish()?;
    printer.finish()?;
    if count.labelled == 0 {
        note_no_face(count.places, "images or frames");
    }
    Ok(ExitCode::SUCCESS)
}

fn check(args: &PredictArgs) -> Result<()> {
    args.faces.check()?;
    if !(args.fps > 0.0 && args.fps <= 1000.0) {
        return Err(Error::usage(format!("--fps {}", args.fps), "frames a second: over 0, at most 1000"));
    }
    Ok(())
}

/// What the network says of an image.
fn says_of(network: &Loaded) -> Says {
    Says::of(network.meta.task, network.meta.head)
}

/// Runs the network on what was seen, and labels it in its order.
fn label(network: &mut Loaded, from: &Path, sights: &[Sight], batch: usize) -> Result<Vec<Prediction>> {
    let (says, classes) = (says_of(network), network.meta.classes.clone());
    let mut probabilities = Vec::new();
    let faces: Vec<&Vec<f32>> = sights.iter().filter_map(|sight| sight.pixels.as_ref()).collect();
    for some in faces.chunks(batch) {
        let mut x: Vec<f32> = some.iter().flat_map(|pixels| pixels.iter().copied()).collect();
        network.meta.preprocessing.apply(&mut x, network.input().channels);
        probabilities.extend(network.predict(&x, some.len())?);
    }
    let mut rows = probabilities.chunks_exact(classes.len());
    let each = sights.iter().map(|Sight { place, pixels }| {
        let Some(values) = pixels.as_ref().and_then(|_| rows.next()) else {
            return Ok(Prediction::no_face(place, says));
        };
        if let Some(bad) = values.iter().find(|p| !p.is_finite()) {
            let what = format!("the network's output for {} holds {bad}", place.file.display());
            return Err(Error::checkpoint(from, what, "its parameters have diverged: use an earlier checkpoint"));
        }
        Ok(Prediction::new(place, says, &classes, values))
    });
    each.collect()
}

/// Copies of images and videos with faces drawn. A file's faces may come in lots; it is drawn when the next file begins.
struct Copies<'a> {
    folder: Option<&'a Path>,
    /// Frames a second of videos.
    fps: f64,
    names: HashSet<String>,
    file: Option<PathBuf>,
    drawn: Vec<(Place, String)>,
}

impl<'a> Copies<'a> {
    fn new(folder: Option<&'a Path>, fps: f64) -> Result<Self> {
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        Ok(Self { folder, fps, names: HashSet::new(), file: None, drawn: Vec::new() })
    }

    fn draw(&mut self, sights: &[Sight], predictions: &[Prediction]) -> Result<()> {
        if self.folder.is_none() {
            return Ok(());
        }
        for (sight, prediction) in sights.iter().zip(predictions) {
            if self.file.as_ref() != Some(&sight.place.file) {
                self.finish()?;
                self.file = Some(sight.place.file.clone());
            }
            if let Some(caption) = prediction.caption() {
                self.drawn.push((sight.place.clone(), caption));
            }
        }
        Ok(())
    }

    /// Writes the copy of the file whose faces were collected; one without faces has none.
    fn finish(&mut self) -> Result<()> {
        let (Some(folder), Some(file)) = (self.folder, self.file.take()) else { return Ok(()) };
        let drawn = std::mem::take(&mut self.drawn);
        if drawn.is_empty() {
            return Ok(());
        }
        let name = unique(&file, &mut self.names);
        if is_video(&file) {
            return film(&file, &folder.join(format!("{name}.mp4")), self.fps, &drawn);
        }
        let decoded = decode_sized(&file)?;
        let mut picture = decoded.image.to_rgb8();
        for (place, caption) in &drawn {
            let face = place.face.map(|face| face.scaled(decoded.size, picture.dimensions()));
            mark(&mut picture, &Place { face, ..place.clone() }, caption);
        }
        let path = folder.join(format!("{name}.png"));
        let mut bytes = Cursor::new(Vec::new());
        picture
            .write_to(&mut bytes, ImageFormat::Png)
            .map_err(|e| Error::data(&file, format!("its copy cannot be written ({e})"), "a smaller image"))?;
        write_atomically(&path, |out| out.write_all(bytes.get_ref()))
    }
}

/// Draws what was said of a place: around the face, or the whole picture.
fn mark(picture: &mut RgbImage, place: &Place, caption: &str) {
    let (width, height) = picture.dimensions();
    annotate(picture, place.face.unwrap_or(FaceBox { x: 0, y: 0, width, height }), caption);
}

/// Writes the frames of a video, which were looked at before, with what was said of each.
fn film(video: &Path, copy: &Path, fps: f64, drawn: &[(Place, String)]) -> Result<()> {
    let mut copy = Recording::create(copy, fps)?;
    let mut drawn = drawn.iter().peekable();
    let (mut first, mut written, mut shown) = (None, 0, None);
    // Damage was reported when the video was looked at: the copy ends there.
    for (time, frame) in Frames::open(video, fps)?.map_while(Result::ok) {
        let mut frame = frame.to_rgb8();
        while let Some((place, caption)) = drawn.next_if(|(place, _)| place.time == Some(time)) {
            mark(&mut frame, place, caption);
        }
        // The copy has a steady rate: a frame stays until the next one's time.
        let begins = sample(time, *first.get_or_insert(time), fps);
        while let Some(before) = shown.as_ref().filter(|_| written < begins) {
            copy.push(before)?;
            written += 1;
        }
        copy.push(&frame)?;
        written += 1;
        shown = Some(frame);
    }
    copy.finish()
}
