#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::*;

pub(crate) fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// 60 samples of five classes; `disgust` is never predicted and `happy` is never true. The numbers below are
/// scikit-learn 1.9.1's for the same formula: `P[i, c] = q / sum`, `q = 0.5 if c == 1 else 1 + (31 i + 17 c + 3
/// (i//5)) % 13`; `t = (3 i + i//4) % 5`, 3 becomes 4, and every third sample's label is its prediction unless that
/// is 3; `confusion_matrix`, `log_loss`, `precision_recall_fscore_support(zero_division=0)`,
/// `classification_report(digits=4)`.
pub(crate) fn sample() -> Evaluation {
    let (labels, probabilities) = labelled();
    Evaluation::new(&names(&["angry", "disgust", "fear", "happy", "sad"]), &labels, &probabilities, None).unwrap()
}

/// Keras 3.15's `binary_crossentropy` of one-hot targets.
#[test]
fn independent_probabilities_have_a_binary_cross_entropy() {
    let probabilities = [0.9, 0.2, 0.7, 0.1, 0.6, 1.0, 0.0, 0.5, 0.25];
    let losses = binary_cross_entropy(&[0, 2, 1], &probabilities);
    for (found, keras) in losses.iter().zip([0.510_825_6, 0.340_550_45, 0.326_943_13_f32]) {
        assert!((found - keras).abs() < 1e-6, "{losses:?}");
    }
}

/// The labels and probabilities of [`sample`].
pub(super) fn labelled() -> (Vec<u32>, Vec<f32>) {
    let (mut labels, mut probabilities) = (Vec::new(), Vec::new());
    for i in 0..60 {
        let q = |c: u32| if c == 1 { 0.5 } else { f64::from(1 + (31 * i + 17 * c + i / 5 * 3) % 13) };
        let sum: f64 = (0..5).map(q).sum();
        probabilities.extend((0..5).map(|c| (q(c) / sum) as f32));
        let predicted = (0..5).max_by(|&a, &b| q(a).total_cmp(&q(b))).unwrap();
        let label = (3 * i + i / 4) % 5;
        let agrees = i % 3 == 0 && predicted != 3;
        labels.push(if agrees {
            predicted
        } else if label == 3 {
            4
        } else {
            label
        });
    }
    (labels, probabilities)
}

pub(super) fn near(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} is not {b}");
}

#[test]
fn agrees_with_scikit_learn() {
    let e = sample();
    let rows: Vec<_> = (0..5).map(|t| e.confusion.row(t).to_vec()).collect();
    assert_eq!(
        rows,
        [[4, 0, 3, 1, 3], [3, 0, 3, 2, 1], [2, 0, 8, 0, 3], [0, 0, 0, 0, 0], [5, 0, 5, 1, 16]].map(|r| r.to_vec())
    );
    near(e.accuracy, 0.466_666_666_666_666_7, 1e-15);
    // The probabilities are f32 here and f64 there.
    near(e.loss, 1.796_959_822_967_349, 1e-7);
    near(e.mse, 0.158_311_858_431_184_56, 1e-8);
    let precision = [0.285_714_285_714_285_7, 0.0, 0.421_052_631_578_947_35, 0.0, 0.695_652_173_913_043_5];
    let recall = [0.363_636_363_636_363_65, 0.0, 0.615_384_615_384_615_4, 0.0, 0.592_592_592_592_592_6];
    let f1 = [0.32, 0.0, 0.5, 0.0, 0.64];
    for (class, score) in e.per_class.iter().enumerate() {
        near(score.precision, precision[class], 1e-15);
        near(score.recall, recall[class], 1e-15);
        near(score.f1, f1[class], 1e-15);
        assert_eq!(score.support, [11, 9, 13, 0, 27][class]);
    }
    let (plain, weighted) = (macro_average(&e.per_class), weighted_average(&e.per_class));
    near(plain.precision, 0.280_483_818_241_255_3, 1e-15);
    near(plain.recall, 0.314_322_714_322_714_36, 1e-15);
    near(e.macro_f1, 0.292, 1e-15);
    near(weighted.precision, 0.456_652_500_817_260_5, 1e-15);
    near(weighted.recall, 0.466_666_666_666_666_7, 1e-15);
    near(e.weighted_f1, 0.455, 1e-15);
    // `top_k_accuracy_score(k=2)`, and the mean F1 of the four classes with samples.
    near(e.top2_accuracy, 0.6, 1e-15);
    near(e.macro_f1_present().unwrap(), 0.365, 1e-15);
}

#[test]
fn json_has_the_promised_keys_in_class_order() {
    let e = Evaluation::new(&names(&["b", "a"]), &[0, 1, 1], &[0.9, 0.1, 0.2, 0.8, 0.5, 0.5], Some(&[0.5, 1.0, 1.5]));
    let json = serde_json::to_string(&e.unwrap().on("test")).unwrap();
    assert!(
        json.starts_with(r#"{"split":"test","accuracy":0.6666666666666666,"top2_accuracy":1.0,"loss":1.0,"#),
        "{json}"
    );
    let scores = concat!(
        r#""per_class":{"b":{"precision":0.5,"recall":1.0,"f1":0.6666666666666666,"support":1},"#,
        r#""a":{"precision":1.0,"recall":0.5,"f1":0.6666666666666666,"support":2}},"#,
        r#""confusion":[[1,0],[1,1]],"confused":[{"truth":"a","predicted":"b","count":1,"share":0.5}],"calibration":{"#
    );
    assert!(json.contains(scores) && json.ends_with(r#","n":3}"#), "{json}");
}

#[test]
fn loss_is_clipped_and_batches_add_up() {
    let classes = names(&["a", "b"]);
    let e = Evaluation::new(&classes, &[0, 1], &[0.0, 1.0, 0.0, 1.0], None).unwrap();
    near(e.loss, (-(1e-7f64.ln()) - (1.0 - 1e-7f64).ln()) / 2.0, 1e-12);
    near(e.mse, 0.5, 0.0);
    let mut scorer = Scorer::new(&classes).unwrap();
    scorer.push(&[0], &[0.0, 1.0], None).unwrap();
    scorer.push(&[], &[], None).unwrap();
    scorer.push(&[1], &[0.0, 1.0], None).unwrap();
    assert_eq!(scorer.finish().unwrap(), e);
}

#[test]
fn unusable_input_is_an_error() {
    let classes = names(&["a", "b"]);
    for (labels, probabilities, losses, word) in [
        (vec![0], vec![0.5], None, "need 2 probabilities, not 1"),
        (vec![0], vec![0.5, 0.5], Some(vec![]), "losses given: 0"),
        (vec![2], vec![0.5, 0.5], None, "label 2"),
        (vec![0], vec![0.5, f32::NAN], None, "holds NaN"),
        (vec![], vec![], None, "no samples"),
    ] {
        let text = Evaluation::new(&classes, &labels, &probabilities, losses.as_deref()).unwrap_err().to_string();
        assert!(text.contains(word), "{text}");
    }
    assert!(Scorer::new(&[]).is_err() && Scorer::new(&names(&["a", "a"])).is_err());
}

#[test]
fn the_most_confused_and_the_worst_come_first() {
    let e = sample();
    let pairs: Vec<_> = e.most_confused().into_iter().map(|c| (c.truth, c.predicted, c.count)).collect();
    let expected = [("sad", "angry", 5), ("sad", "fear", 5), ("disgust", "angry", 3), ("disgust", "fear", 3)];
    assert_eq!(pairs[..4], expected.map(|(t, p, n)| (t.to_owned(), p.to_owned(), n)));
    assert_eq!(pairs.len(), CONFUSED);
    let worst = e.worst(1000);
    assert_eq!(worst.len(), 32, "60 images, 28 of them right");
    let confidence: Vec<f32> = worst.iter().map(|i| e.samples[*i].confidence).collect();
    assert!(confidence.is_sorted_by(|a, b| a >= b) && worst.iter().all(|i| !e.samples[*i].right()));
    assert_eq!(e.worst(3), worst[..3]);
}

/// Of equal probabilities the first class is the prediction, the second the second choice.
#[test]
fn ties_go_to_the_first_classes() {
    let e = Evaluation::new(&names(&["a", "b", "c"]), &[0, 1, 2], &[0.25; 9], None).unwrap();
    assert_eq!(
        e.samples.iter().map(|s| (s.predicted, s.second)).collect::<Vec<_>>(),
        [(0, true), (0, true), (0, false)]
    );
}
