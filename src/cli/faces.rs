//! From files to what a network is to look at: whole images, faces cut out of photographs, frames of videos.

use super::args::BadFile;
use super::labels::Place;
use super::out::{say, say_lines};
use crate::data::{InputSpec, decode_sized, write_floats};
use crate::error::{Error, Result};
use crate::faces::video::{Frames, is_video};
use crate::faces::{FaceBox, Find, cut};
use clap::{Args, ValueEnum};
use image::DynamicImage;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Which faces of an image to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Choice {
    /// The image as it is if neither side is over twice the network's input, else all faces
    Auto,
    /// Every face that is found
    All,
    /// The largest face that is found
    Largest,
    /// The image as it is
    None,
}

/// The flags of every command that looks at faces.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct FaceArgs {
    /// Which faces to look at
    #[arg(long, default_value = "auto")]
    face: Choice,
    /// Share of a face's size that is added on each side before it is cut out
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, allow_hyphen_values = true)]
    margin: f32,
}

impl FaceArgs {
    /// Refuses what no face can be cut out with.
    pub(super) fn check(&self) -> Result<()> {
        if !(0.0..=2.0).contains(&self.margin) {
            return Err(Error::usage(format!("--margin {}", self.margin), "a share of the face's size, 0 to 2"));
        }
        Ok(())
    }

    /// How to look at images for a network that takes such input.
    pub(super) fn look<'a>(&self, input: InputSpec, finder: &'a dyn Find) -> Look<'a> {
        Look { input, choice: self.face, margin: self.margin, finder }
    }
}

/// Says that no face was found anywhere, and what to do about it.
pub(super) fn note_no_face(places: usize, what: &str) {
    say!(
        "note: no face is found in any of the {places} {what}: faces are upright and look to the camera; \
         --face none takes images that are crops"
    );
}

/// How to look at images.
pub(super) struct Look<'a> {
    pub(super) input: InputSpec,
    pub(super) choice: Choice,
    /// Share of a face's size that is added on each side of it.
    pub(super) margin: f32,
    pub(super) finder: &'a dyn Find,
}

/// A place, and the pixels there as the network takes them before preprocessing; none where no face was found.
pub(super) struct Sight {
    pub(super) place: Place,
    pub(super) pixels: Option<Vec<f32>>,
}

impl Look<'_> {
    /// What is to be labelled in an image file. Places are in pixels of the file, even if it was scaled while it was decoded.
    fn photograph(&self, file: &Path) -> Result<Vec<Sight>> {
        let decoded = decode_sized(file)?;
        let read = (decoded.image.width(), decoded.image.height());
        let mut sights = self.at(&decoded.image, file, None)?;
        if read != decoded.size {
            let (size, path) = (decoded.size, file.display());
            say!("note: {path} has {} x {} pixels and is read at {} x {}", size.0, size.1, read.0, read.1);
            for face in sights.iter_mut().filter_map(|sight| sight.place.face.as_mut()) {
                *face = face.scaled(read, size);
            }
        }
        Ok(sights)
    }

    /// What is to be labelled in a picture; one sight without pixels if no face is found.
    fn at(&self, picture: &DynamicImage, file: &Path, time: Option<f64>) -> Result<Vec<Sight>> {
        let sight = |face: Option<FaceBox>, picture: Option<&DynamicImage>| {
            let pixels = picture.map(|picture| {
                let mut pixels = vec![0.0; self.input.len()];
                write_floats(picture, self.input, &mut pixels);
                pixels
            });
            Sight { place: Place { file: file.to_path_buf(), time, face }, pixels }
        };
        if self.whole(picture) {
            return Ok(vec![sight(None, Some(picture))]);
        }
        let mut faces = self.finder.find(picture)?;
        if self.choice == Choice::Largest {
            // Of equals the first.
            faces = faces.into_iter().rev().max_by_key(FaceBox::area).into_iter().collect();
        }
        if faces.is_empty() {
            return Ok(vec![sight(None, None)]);
        }
        Ok(faces.into_iter().map(|face| sight(Some(face), Some(&cut(picture, face, self.margin)))).collect())
    }

    fn whole(&self, picture: &DynamicImage) -> bool {
        let small =
            picture.width() as usize <= 2 * self.input.width && picture.height() as usize <= 2 * self.input.height;
        self.choice == Choice::None || self.choice == Choice::Auto && small
    }
}

/// Looks at images and videos in their order and hands on what it sees, about `batch` sights at a time: few pictures are in memory at
/// once, however many there are. Stops when `take` says false.
pub(super) fn look(
    look: &Look<'_>,
    files: &[PathBuf],
    (batch, fps): (usize, f64),
    on_bad: BadFile,
    mut take: impl FnMut(Vec<Sight>) -> Result<bool>,
) -> Result<()> {
    let mut some = Vec::new();
    // Runs of images are read in parallel, videos a frame at a time.
    for files in files.chunk_by(|a, b| !is_video(a) && !is_video(b)).flat_map(|run| run.chunks(batch)) {
        if let [video] = files
            && is_video(video)
        {
            if !watch(look, video, (batch, fps), on_bad, &mut some, &mut take)? {
                return Ok(());
            }
            continue;
        }
        let read = |file: &PathBuf| look.photograph(file);
        let seen: Vec<Result<Vec<Sight>>> = files.par_iter().map(read).collect();
        for sights in seen {
            some.extend(allowed(sights, on_bad)?.unwrap_or_default());
        }
        if some.len() >= batch && !take(std::mem::take(&mut some))? {
            return Ok(());
        }
    }
    if !some.is_empty() {
        take(some)?;
    }
    Ok(())
}

/// The frames of a video. False when `take` says so.
fn watch(
    look: &Look<'_>,
    video: &Path,
    (batch, fps): (usize, f64),
    on_bad: BadFile,
    some: &mut Vec<Sight>,
    take: &mut impl FnMut(Vec<Sight>) -> Result<bool>,
) -> Result<bool> {
    let Some(mut frames) = allowed(Frames::open(video, fps), on_bad)? else { return Ok(true) };
    for frame in frames.by_ref() {
        let sights = frame.and_then(|(time, picture)| look.at(&picture, video, Some(time)));
        let sights = match sights {
            Ok(sights) => sights,
            Err(error) => {
                // What came before the damage counts.
                if !some.is_empty() {
                    take(std::mem::take(some))?;
                }
                allowed::<()>(Err(error), on_bad)?;
                return Ok(true);
            }
        };
        some.extend(sights);
        if some.len() >= batch && !take(std::mem::take(some))? {
            return Ok(false);
        }
    }
    if let Some(note) = frames.note() {
        say!("note: {}: {note}", video.display());
    }
    Ok(true)
}

/// None for a bad file that is to be skipped, which is said.
fn allowed<T>(result: Result<T>, on_bad: BadFile) -> Result<Option<T>> {
    match (result, on_bad) {
        (Ok(value), _) => Ok(Some(value)),
        (Err(e), BadFile::Skip) => {
            say_lines(&format!("skipped {e}"));
            Ok(None)
        }
        (Err(e), BadFile::Fail) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use image::{Rgb, RgbImage};

    /// Finds what it is told to, wherever it looks.
    struct Told(Vec<FaceBox>);

    impl Find for Told {
        fn find(&self, _: &DynamicImage) -> Result<Vec<FaceBox>> {
            Ok(self.0.clone())
        }
    }

    const INPUT: InputSpec = InputSpec::new(2, 2, 3);
    const LEFT: FaceBox = FaceBox { x: 0, y: 0, width: 10, height: 10 };
    const RIGHT: FaceBox = FaceBox { x: 20, y: 5, width: 12, height: 12 };

    /// Red on the left, blue on the right.
    fn picture() -> DynamicImage {
        let colour = |x| if x < 18 { [255, 0, 0] } else { [0, 0, 255] };
        DynamicImage::ImageRgb8(RgbImage::from_fn(40, 20, |x, _| Rgb(colour(x))))
    }

    fn seen(choice: Choice, faces: &[FaceBox], picture: &DynamicImage) -> Vec<(Option<FaceBox>, Option<Vec<f32>>)> {
        let look = Look { input: INPUT, choice, margin: 0.0, finder: &Told(faces.to_vec()) };
        let sights = look.at(picture, Path::new("a.png"), Some(1.5)).unwrap();
        assert!(sights.iter().all(|s| s.place.time == Some(1.5) && s.place.file == Path::new("a.png")));
        sights.into_iter().map(|s| (s.place.face, s.pixels)).collect()
    }

    #[test]
    fn choices_of_faces() {
        let (red, blue) = ([1.0, 0.0, 0.0].repeat(4), [0.0, 0.0, 1.0].repeat(4));
        let both = vec![(Some(LEFT), Some(red)), (Some(RIGHT), Some(blue))];
        assert_eq!(seen(Choice::All, &[LEFT, RIGHT], &picture()), both);
        assert_eq!(seen(Choice::Auto, &[LEFT, RIGHT], &picture()), both);
        assert_eq!(seen(Choice::Largest, &[LEFT, RIGHT], &picture()), both[1..]);
        assert_eq!(seen(Choice::Auto, &[], &picture()), [(None, None)], "no face is said, not guessed");
        let whole = seen(Choice::None, &[LEFT, RIGHT], &picture());
        assert!(whole.len() == 1 && whole[0].0.is_none() && whole[0].1.is_some());
        let small = picture().crop_imm(0, 0, 4, 4);
        let crop = seen(Choice::Auto, &[LEFT], &small);
        assert!(crop.len() == 1 && crop[0].0.is_none() && crop[0].1.is_some(), "twice the input is a crop");
        assert_eq!(seen(Choice::All, &[LEFT], &small)[0].0, Some(LEFT));
    }

    #[test]
    fn sights_come_in_order_and_in_lots() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = (0..7).map(|i| folder.path().join(format!("{i}.png"))).collect();
        files.iter().for_each(|file| picture().save(file).unwrap());
        std::fs::write(&files[4], "no image").unwrap();
        let finder = Told(vec![LEFT, RIGHT]);
        let how = Look { input: INPUT, choice: Choice::Auto, margin: 0.1, finder: &finder };
        let run = |on_bad, most: usize| {
            let mut lots: Vec<Vec<PathBuf>> = Vec::new();
            let result = look(&how, &files, (3, 2.0), on_bad, |sights| {
                lots.push(sights.into_iter().map(|s| s.place.file).collect());
                Ok(lots.len() < most)
            });
            (result, lots)
        };
        let (result, lots) = run(BadFile::Skip, 9);
        result.unwrap();
        assert_eq!(lots.iter().map(Vec::len).collect::<Vec<_>>(), [6, 4, 2]);
        let wanted: Vec<PathBuf> =
            [0, 1, 2, 3, 5, 6].iter().flat_map(|i| [files[*i].clone(), files[*i].clone()]).collect();
        assert_eq!(lots.concat(), wanted);
        let (result, lots) = run(BadFile::Fail, 9);
        assert!(result.unwrap_err().to_string().contains("4.png") && lots.len() == 1);
        assert_eq!(run(BadFile::Skip, 1).1.len(), 1, "nobody reads on");
    }
}
