//! Every plot with every number that an `f64` can be: no panic, and a document whose coordinates are numbers on the page.

use super::*;
use crate::eval::metrics::tests::sample;
use crate::eval::values::OutputScore;
use crate::philox::Philox;
use crate::train::history::{EpochRow, tests::row};

/// The ends of the scales, and what lies between.
const VALUES: [f64; 24] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.3,
    1e-7,
    1e-12,
    1e-30,
    f64::from_bits(1),
    f64::MIN_POSITIVE,
    f32::MIN_POSITIVE as f64,
    999_999.0,
    1e6,
    1e12,
    9.9e11,
    1e18,
    f32::MAX as f64,
    f64::MAX,
    f64::MIN,
    -1e18,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

/// All numbers in attributes are plain, and none is farther away than any page reaches.
fn check(svg: &str) {
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    let body = svg.split_once("</style>").expect("a style").1;
    let names =
        ["x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "width", "height", "points", "font-size", "fill-opacity"];
    for name in names {
        for part in body.split(&format!(" {name}=\"")).skip(1) {
            for number in part.split('"').next().expect("a value").split([' ', ',']) {
                let value: f64 = number.parse().unwrap_or(f64::NAN);
                assert!(value.abs() <= 1e6, "{name} = {number} in\n{svg}");
            }
        }
    }
}

fn history(count: usize, mut value: impl FnMut() -> f64) -> Vec<EpochRow> {
    let one = |i: usize| EpochRow {
        loss: value(),
        accuracy: value(),
        mse: value(),
        val_loss: value(),
        val_accuracy: value(),
        val_mse: value(),
        lr: value(),
        ..row(i)
    };
    (1..=count).map(one).collect()
}

fn draw_all(history: &[EpochRow], best: Option<usize>) {
    check(&curves_svg(history, best));
    let ccc = |row: &EpochRow| OutputScore { name: "y".into(), rmse: row.loss, ccc: row.val_accuracy };
    let values: Vec<EpochRow> = history.iter().map(|r| EpochRow { outputs: vec![ccc(r)], ..r.clone() }).collect();
    check(&curves_svg(&values, best));
    check(&compare_svg(&[("a".into(), history), ("b".into(), &values)]));
    let points = |of: fn(&EpochRow) -> (f64, f64)| history.iter().map(of).collect();
    let course = |trial, points| Course { trial, points, best: trial == 1 };
    let courses =
        [course(1, points(|r| (r.epoch as f64, r.val_accuracy))), course(usize::MAX, points(|r| (r.loss, r.val_loss)))];
    check(&search_svg(&courses, usize::MAX, "accuracy"));
    let groups: Vec<String> = history.iter().map(|r| r.epoch.to_string()).collect();
    check(&bars_svg(
        "Counts",
        &groups,
        &[Series { name: "n".into(), values: history.iter().map(|r| r.loss).collect() }],
    ));
}

#[test]
fn one_number_alone_or_everywhere() {
    draw_all(&[], Some(1));
    for value in VALUES {
        for count in [1, 2, 14] {
            draw_all(&history(count, || value), Some(1));
        }
    }
}

#[test]
fn each_number_beside_each_other() {
    for a in VALUES {
        for b in VALUES {
            let mut turn = false;
            let rows = history(3, || {
                turn = !turn;
                if turn { a } else { b }
            });
            draw_all(&rows, Some(2));
        }
    }
}

#[test]
fn numbers_drawn_at_random_from_all_bits() {
    let mut random = Philox::new(25, 0);
    for _ in 0..500 {
        let rows = history(5, || match random.below(3) {
            0 => VALUES[random.below(VALUES.len())],
            1 => f64::from(f32::from_bits(random.next_u32())),
            _ => f64::from_bits(random.next_u64()),
        });
        draw_all(&rows, Some(1 + random.below(6)));
    }
}

#[test]
fn calibration_and_confusion() {
    for value in VALUES {
        let mut evaluation = sample();
        evaluation.accuracy = value;
        evaluation.calibration.ece = value;
        for bin in &mut evaluation.calibration.bins {
            (bin.accuracy, bin.confidence, bin.n) = (value, value, 1 << 40);
        }
        check(&reliability_svg(&evaluation.calibration));
        check(&confusion_svg(&evaluation, crate::eval::report::Cells::Counts));
    }
}

#[test]
fn the_best_epoch_of_a_loss_of_many_digits() {
    let mut rows = history(4, || 0.5);
    rows[1].val_loss = 1e18;
    rows[1].val_accuracy = f64::from(f32::MAX);
    let svg = curves_svg(&rows, Some(2));
    check(&svg);
    assert!(svg.contains(">epoch 2: 1.00e18<") && svg.contains(">epoch 2: 3.40e38<"), "{svg}");
}
