//! Reads the real FER2013 table, where there is one: its licence does not let it ship with the program.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use fer_gpu::data::{InputSpec, Options, open};

#[test]
#[ignore = "needs FER_GPU_FER2013: fer2013.csv or fer2013.csv.gz"]
fn needs_fer2013_the_real_table() {
    let path = std::env::var("FER_GPU_FER2013").expect("FER_GPU_FER2013 must name the table");
    let input = InputSpec { height: 48, width: 48, channels: 1 };
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
