//! Reads the real FER2013 table, where there is one: its licence does not let it ship with the program.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use fer_gpu::data::check::check;
use fer_gpu::data::{InputSpec, Options, open};

#[test]
#[ignore = "needs FER_GPU_FER2013: fer2013.csv or fer2013.csv.gz"]
fn needs_fer2013_the_real_table() {
    let path = std::env::var("FER_GPU_FER2013").expect("FER_GPU_FER2013 must name the table");
    let input = InputSpec::new(48, 48, 1);
    let begin = std::time::Instant::now();
    let data = open(&path, input, &Options::default()).unwrap();
    eprintln!("read in {:.1} s", begin.elapsed().as_secs_f64());
    let test = data.test.unwrap();
    assert_eq!((data.train.len(), data.validation.len(), test.len()), (28_709, 3_589, 3_589));
    assert_eq!(data.classes, ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]);
    // Class counts of the training split, as published with the data.
    let mut counts = [0; 7];
    (0..data.train.len()).for_each(|i| counts[data.train.label(i) as usize] += 1);
    assert_eq!(counts, [3995, 436, 4097, 7215, 4830, 3171, 4965]);
    let mut out = vec![f32::NAN; input.len()];
    data.train.read(0, &mut out).unwrap();
    assert!(out.iter().all(|p| (0.0..=1.0).contains(p)));
    assert!(data.train.name(0).ends_with("row 2"));
}

/// Its copies and leaks. Others count 1,853 duplicates; equal pixels are 1,851 images beyond the first of 1,514 groups.
#[test]
fn what_is_wrong_with_it() {
    let Ok(path) = std::env::var("FER_GPU_FER2013") else {
        eprintln!("NOT RUN: set FER_GPU_FER2013 to the path of fer2013.csv or fer2013.csv.gz to check the real table");
        return;
    };
    let found = check(&path).unwrap();
    assert_eq!((found.images, found.sizes["48 x 48"], found.modes["grey"]), (35_887, 35_887, 35_887));
    assert_eq!(found.counts["test"]["disgust"], 55);
    let d = found.duplicates;
    assert_eq!((d.copies, d.groups), (1_851, 1_514));
    assert_eq!((d.within["train"], d.within["validation"], d.within["test"]), (1_234, 26, 17));
    let leaks: Vec<_> = d.leaks.iter().map(|l| (l.of.as_str(), l.stand_in.as_str(), l.images)).collect();
    assert_eq!(leaks[..2], [("validation", "train", 280), ("test", "train", 288)]);
    assert_eq!((d.conflicts.len(), d.conflicting), (58, 162));
}
