//! The files of an evaluation, in a run folder or wherever `evaluate --out` says.

use super::Scores;
use super::metrics::Evaluation;
use super::plot::{Picture, confusion_svg, reliability_svg, sheet_svg};
use super::report::{Cells, write_confusion_csv};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::formats::atomic::{write_atomically, write_json, write_text};
use image::{DynamicImage, ImageFormat};
use serde::Serialize;
use std::io::{Cursor, ErrorKind};
use std::path::Path;

/// Images on the sheet of the worst errors.
const WORST: usize = 24;

/// `metrics.json`: every figure.
pub const METRICS: &str = "metrics.json";
/// `report.txt`: the figures for the eye.
pub const REPORT: &str = "report.txt";
/// `confusion.csv`: counts.
pub const CONFUSION_CSV: &str = "confusion.csv";
/// `confusion.svg`: counts.
pub const CONFUSION_SVG: &str = "confusion.svg";

/// `confusion_normalised.csv`: shares of each true class.
pub const CONFUSION_SHARES_CSV: &str = "confusion_normalised.csv";
/// `confusion_normalised.svg`: shares of each true class.
pub const CONFUSION_SHARES_SVG: &str = "confusion_normalised.svg";
/// `reliability.svg`: confidence against accuracy.
pub const RELIABILITY: &str = "reliability.svg";

/// Writes `report.txt` (`text`), of a classifier `confusion.csv`, `confusion.svg`, the same two as `confusion_normalised`, and
/// `reliability.svg`, and last `metrics.json` (`metrics`): where it is, everything is.
///
/// # Errors
/// What the system refuses.
pub fn write_scores(folder: &Path, metrics: &impl Serialize, text: &str, scores: &Scores) -> Result<()> {
    write_text(&folder.join(REPORT), text)?;
    if let Scores::Classes(evaluation) = scores {
        write_pictures(folder, evaluation)?;
    }
    write_json(&folder.join(METRICS), metrics)
}

/// Removes what [`write_scores`] writes, in the opposite order.
///
/// # Errors
/// What the system refuses.
pub fn remove_scores(folder: &Path) -> Result<()> {
    let pictures = [RELIABILITY, CONFUSION_SHARES_SVG, CONFUSION_SHARES_CSV, CONFUSION_SVG, CONFUSION_CSV];
    for name in [METRICS].into_iter().chain(pictures).chain([REPORT]) {
        let path = folder.join(name);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(Error::io("remove", &path)(e)),
            _ => {}
        }
    }
    Ok(())
}

/// The confusion matrices and the reliability diagram.
fn write_pictures(folder: &Path, evaluation: &Evaluation) -> Result<()> {
    for (cells, csv, svg) in
        [(Cells::Counts, CONFUSION_CSV, CONFUSION_SVG), (Cells::Shares, CONFUSION_SHARES_CSV, CONFUSION_SHARES_SVG)]
    {
        write_confusion_csv(&folder.join(csv), evaluation, cells)?;
        write_text(&folder.join(svg), &confusion_svg(evaluation, cells))?;
    }
    write_text(&folder.join(RELIABILITY), &reliability_svg(&evaluation.calibration))
}

/// Writes `worst.svg`, the images that the network was surest of and wrong about, and `worst.csv`, their names in the same order.
/// `show` turns what the split gives into values from 0 to 1.
///
/// # Errors
/// An image that cannot be read any more, and what the system refuses.
pub fn write_worst(folder: &Path, evaluation: &Evaluation, split: &dyn Split, show: impl Fn(&mut [f32])) -> Result<()> {
    let classes = &evaluation.classes;
    let worst = evaluation.worst(WORST);
    let mut pictures = Vec::with_capacity(worst.len());
    let mut rows = Vec::with_capacity(worst.len());
    for (place, &index) in worst.iter().enumerate() {
        let judged = evaluation.samples[index];
        let (truth, predicted) = (&classes[judged.label as usize], &classes[judged.predicted as usize]);
        let name = split.name(index);
        let mut pixels = vec![0.0; split.input().len()];
        split.read(index, &mut pixels)?;
        show(&mut pixels);
        let place = place + 1;
        let caption = vec![
            format!("{place}. {predicted} {:.3}", judged.confidence),
            format!("is {truth}"),
            Path::new(&name).file_name().map_or_else(|| name.clone(), |file| file.to_string_lossy().into_owned()),
        ];
        pictures.push(Picture { png: png(&pixels, split)?, caption, tip: name.clone() });
        rows.push([place.to_string(), name, truth.clone(), predicted.clone(), judged.confidence.to_string()]);
    }
    write_text(&folder.join("worst.svg"), &sheet_svg("Wrong, from the most confident on", &pictures))?;
    write_atomically(&folder.join("worst.csv"), |w| {
        let mut csv = csv::Writer::from_writer(w);
        csv.write_record(["place", "image", "true", "predicted", "probability"])?;
        for row in &rows {
            csv.write_record(row)?;
        }
        csv.flush()
    })
}

/// A PNG file of an image of values from 0 to 1.
fn png(pixels: &[f32], split: &dyn Split) -> Result<Vec<u8>> {
    let input = split.input();
    let (width, height) = (input.width as u32, input.height as u32);
    let bytes: Vec<u8> = pixels.iter().map(|p| (p * 255.0).round().clamp(0.0, 255.0) as u8).collect();
    let image = if input.channels == 1 {
        image::GrayImage::from_raw(width, height, bytes).map(DynamicImage::ImageLuma8)
    } else {
        image::RgbImage::from_raw(width, height, bytes).map(DynamicImage::ImageRgb8)
    };
    let mut file = Vec::new();
    image
        .expect("a split's images have the length of its input")
        .write_to(&mut Cursor::new(&mut file), ImageFormat::Png)
        .map_err(|e| Error::data("worst.svg", format!("an image cannot be encoded ({e})"), "an image of 8 bits"))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::data::{InputSpec, Options, Preprocess, open};
    use base64::{Engine, prelude::BASE64_STANDARD};

    /// The first picture of the sheet is the most confident mistake, its pixels those before preprocessing.
    #[test]
    fn the_sheet_shows_the_worst_as_it_was() {
        let input = InputSpec::new(48, 48, 1);
        let options = Options { preprocess: Preprocess::Tf, ..Options::default() };
        let data = open("synth:70", input, &options).unwrap();
        let split = data.test.unwrap();
        let labels: Vec<u32> = (0..split.len()).map(|i| split.label(i)).collect();
        // All right but the fourth and the sixth image, the sixth being surer of itself.
        let mut probabilities: Vec<f32> =
            labels.iter().flat_map(|l| (0..7).map(move |c| f32::from(u8::from(c == *l)))).collect();
        for (i, sure) in [(3, 0.6), (5, 0.9)] {
            probabilities[i * 7..][..7].fill(0.0);
            probabilities[i * 7 + (labels[i] as usize + 1) % 7] = sure;
        }
        let evaluation = Evaluation::new(&data.classes, &labels, &probabilities, None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        write_scores(folder.path(), &evaluation, "text", &Scores::Classes(evaluation.clone())).unwrap();
        write_worst(folder.path(), &evaluation, split.as_ref(), |x| Preprocess::Tf.undo(x, 1)).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let rows = read("worst.csv");
        assert!(
            rows.starts_with("place,image,true,predicted,probability\n1,synth test image 5,surprise,neutral,0.9\n2,"),
            "{rows}"
        );
        assert_eq!(rows.lines().count(), 3);
        let svg = read("worst.svg");
        let data = svg.split("base64,").nth(1).unwrap().split('"').next().unwrap();
        let shown = image::load_from_memory(&BASE64_STANDARD.decode(data).unwrap()).unwrap().to_luma8();
        let plain = open("synth:70", input, &Options::default()).unwrap().test.unwrap();
        let mut pixels = vec![0.0; input.len()];
        plain.read(5, &mut pixels).unwrap();
        assert!(shown.as_raw().iter().zip(&pixels).all(|(a, b)| (f32::from(*a) / 255.0 - b).abs() < 1e-6));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 9);
    }
}
