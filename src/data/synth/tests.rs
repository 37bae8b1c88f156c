#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

const INPUT: InputSpec = InputSpec::new(48, 48, 1);

fn pixels(split: &dyn Split) -> Vec<Vec<f32>> {
    let image = |i| {
        let mut out = vec![f32::NAN; split.input().len()];
        split.read(i, &mut out).unwrap();
        out
    };
    (0..split.len()).map(image).collect()
}

#[test]
fn sources() {
    assert_eq!(parse_source("synth").unwrap(), Some(DEFAULT_COUNT));
    assert_eq!(parse_source("synth:70").unwrap(), Some(70));
    assert_eq!(parse_source("synthetic").unwrap(), None);
    for bad in ["synth:", "synth:x", "synth:-5", "synth:69", "synth:500001", "synth:99999999999999999999999"] {
        assert!(parse_source(bad).unwrap_err().to_string().contains("hint"), "{bad}");
    }
    for n in [70, 71, 76, 77, 4200, 4205] {
        let [train, validation, test] = split_counts(n);
        assert_eq!(train + validation + test, n);
        assert!(validation >= 10 && test >= 10 && train >= 50);
    }
    assert_eq!(split_counts(DEFAULT_COUNT), [3000, 600, 600]);
}

#[test]
fn balanced_deterministic_and_a_function_of_the_index() {
    let options = Options { seed: 3, ..Options::default() };
    let small = open("synth:70", 70, INPUT, &options).unwrap();
    let large = open("synth:140", 140, INPUT, &options).unwrap();
    let (a, b) = (pixels(&*small.train), pixels(&*large.train));
    assert_eq!(a[..], b[..50]);
    assert_ne!(a[0], pixels(&*small.validation)[0]);
    assert_ne!(a[0], pixels(&*open("synth", 70, INPUT, &Options::default()).unwrap().train)[0]);
    for split in [&small.train, &small.validation, small.test.as_ref().unwrap()] {
        for label in 0..7 {
            let count = (0..split.len()).filter(|&i| split.label(i) == label).count();
            assert!((split.len() / 7..=split.len().div_ceil(7)).contains(&count));
        }
    }
    assert_eq!(small.train.name(4), "synth train image 4");
}

#[test]
fn chosen_classes_share_the_images() {
    let classes = Some(vec!["sad".to_string(), "angry".to_string()]);
    let data = open("synth:70", 70, INPUT, &Options { classes, ..Options::default() }).unwrap();
    assert_eq!((data.train.len(), data.train.label(0), data.train.label(1), data.train.label(2)), (50, 0, 1, 0));
    let bytes: Vec<u8> = pixels(&*data.train)[0].iter().map(|p| (p * 255.0).round() as u8).collect();
    assert_eq!(bytes, draw(0, 0, 0, 4), "label 0 is drawn as `sad`");
}

#[test]
fn the_tree_holds_the_same_images() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("faces");
    let written = write_tree(&out, 70, 9).unwrap();
    assert_eq!(written.counts, [50, 10, 10]);
    let sheet = image::open(&written.sheet).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (8 * 96, 7 * 96), "50 training images: 7 or 8 of each emotion");
    let tree = super::super::open(out.to_str().unwrap(), INPUT, &Options::default()).unwrap();
    assert_eq!((tree.train.len(), tree.validation.len(), tree.test.as_ref().unwrap().len()), (50, 10, 10));
    let drawn = open("synth:70", 70, INPUT, &Options { seed: 9, ..Options::default() }).unwrap();
    let happy = tree.classes.iter().position(|c| c == "happy").unwrap() as u32;
    let first = (0..50).find(|&i| tree.train.label(i) == happy).unwrap();
    assert!(tree.train.name(first).ends_with("00003.png"));
    assert_eq!(pixels(&*tree.train)[first], pixels(&*drawn.train)[3]);
    let text = write_tree(&out, 70, 9).unwrap_err().to_string();
    assert!(text.contains("not empty"), "{text}");
    assert!(!out.join(".partial").exists());
    let cut = dir.path().join("cut");
    std::fs::create_dir_all(cut.join(".partial/train/angry")).unwrap();
    let text = write_tree(&cut, 70, 9).unwrap_err().to_string();
    assert!(text.contains("not all written") && text.contains("remove"), "{text}");
    assert!(write_tree(&dir.path().join("x"), 5, 9).is_err());
}

/// Softmax regression on standardised pixels, by gradient descent with momentum: accuracy on training and test images.
fn linear_accuracy(train: &dyn Split, test: &dyn Split) -> [f64; 2] {
    let (mut x, mut x_test) = (pixels(train), pixels(test));
    for p in 0..PIXELS {
        let mean = x.iter().map(|image| image[p]).sum::<f32>() / x.len() as f32;
        let variance = x.iter().map(|image| (image[p] - mean).powi(2)).sum::<f32>() / x.len() as f32;
        x.iter_mut().chain(&mut x_test).for_each(|image| image[p] = (image[p] - mean) / variance.sqrt().max(1e-6));
    }
    let mut w = vec![[0.0_f32; 7]; PIXELS];
    let mut velocity = vec![[0.0_f32; 7]; PIXELS];
    let logits = |w: &[[f32; 7]], image: &[f32]| {
        let mut y = [0.0_f32; 7];
        for (p, row) in image.iter().zip(w) {
            (0..7).for_each(|k| y[k] += p * row[k]);
        }
        y
    };
    for _ in 0..150 {
        let mut dw = vec![[0.0_f32; 7]; PIXELS];
        for (i, image) in x.iter().enumerate() {
            let mut dy = logits(&w, image);
            let top = dy.iter().copied().fold(f32::MIN, f32::max);
            dy.iter_mut().for_each(|v| *v = (*v - top).exp());
            let sum: f32 = dy.iter().sum();
            dy.iter_mut().for_each(|v| *v /= sum * x.len() as f32);
            dy[train.label(i) as usize] -= 1.0 / x.len() as f32;
            for (p, row) in image.iter().zip(&mut dw) {
                (0..7).for_each(|k| row[k] += p * dy[k]);
            }
        }
        for ((w, v), dw) in w.iter_mut().zip(&mut velocity).zip(&dw) {
            for k in 0..7 {
                v[k] = 0.9 * v[k] - 0.01 * (dw[k] + 0.003 * w[k]);
                w[k] += v[k];
            }
        }
    }
    let accuracy = |x: &[Vec<f32>], split: &dyn Split| {
        let best = |y: [f32; 7]| (0..7).max_by(|&a, &b| y[a].total_cmp(&y[b])).unwrap();
        let right = x.iter().enumerate().filter(|(i, image)| best(logits(&w, image)) == split.label(*i) as usize);
        right.count() as f64 / x.len() as f64
    };
    [accuracy(&x, train), accuracy(&x_test, test)]
}

#[test]
fn a_linear_classifier_on_pixels_fails() {
    let data = open("synth", DEFAULT_COUNT, INPUT, &Options::default()).unwrap();
    let [train, test] = linear_accuracy(&*data.train, &**data.test.as_ref().unwrap());
    // It must have learnt (chance is 14 %), else its failure on the test images shows nothing.
    assert!(train > 0.7 && test > 0.3, "train {train:.3}, test {test:.3}");
    assert!(test < 0.7, "train {train:.3}, test {test:.3}");
}

/// The mask of an image lies on what is drawn in it: there is more contrast under it than under another image's.
#[test]
fn features_are_where_they_are_drawn() {
    let data = open("synth:350", 350, INPUT, &Options { seed: 5, ..Options::default() }).unwrap();
    let images = pixels(&**data.test.as_ref().unwrap());
    let masks: Vec<Vec<bool>> = (0..images.len()).map(|i| test_features(5, i)).collect();
    let contrast = |image: &[f32], mask: &[bool]| {
        let edge = |i: usize| (image[i] - image[i - 1]).abs().max((image[i] - image[i - SIDE]).abs());
        let under: Vec<f32> = (SIDE + 1..PIXELS).filter(|i| mask[*i]).map(edge).collect();
        under.iter().sum::<f32>() / under.len() as f32
    };
    let (mut own, mut other) = (0.0, 0.0);
    for (i, image) in images.iter().enumerate() {
        let share = masks[i].iter().filter(|m| **m).count() as f32 / PIXELS as f32;
        assert!((0.04..0.3).contains(&share), "image {i}: {share}");
        own += contrast(image, &masks[i]);
        other += contrast(image, &masks[(i + 7) % masks.len()]);
    }
    assert!(own > 1.15 * other, "contrast {own} under an image's own features, {other} under those of another face");
}
