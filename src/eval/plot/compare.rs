//! The validation curves of several runs in one picture.

use super::curves::{HEIGHT, WIDTH, panels, rates};
use super::svg::{Anchor, Svg};
use crate::train::history::EpochRow;

/// Colours that differ for every eye (Okabe and Ito); after them the dashes change.
const COLOURS: usize = 7;
const DASHES: [&str; 4] = ["", "7 5", "2 4", "12 4 2 4"];
/// Pixels of a row of the legend.
const ROW: f64 = 20.0;

/// Validation loss and accuracy (concordance of values) by epoch of each run (its name and history).
pub fn compare_svg(runs: &[(String, &[EpochRow])]) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT + ROW * runs.len() as f64 + 8.0, "Validation curves of several runs");
    let all: Vec<EpochRow> = runs.iter().flat_map(|(_, history)| history.iter()).map(validation_only).collect();
    let [loss, accuracy] = panels(&all);
    svg.text("strong", (62.0, 30.0), 15.0, Anchor::Start, "Validation");
    loss.frame(&mut svg);
    accuracy.frame(&mut svg);
    for (i, (name, history)) in runs.iter().enumerate() {
        let (class, dash) = (format!("run{}", i % COLOURS), DASHES[i / COLOURS % DASHES.len()]);
        let losses: Vec<_> = history.iter().map(|row| (row, row.val_loss)).collect();
        let accuracies: Vec<_> = history.iter().map(|row| (row, rates(row).1)).collect();
        loss.series(&mut svg, (&class, dash, name), &losses);
        accuracy.series(&mut svg, (&class, dash, name), &accuracies);
        let y = HEIGHT + ROW * i as f64 + 6.0;
        svg.polyline(&class, dash, &[(62.0, y), (92.0, y)]);
        svg.text("", (100.0, y + 4.0), 13.0, Anchor::Start, name);
    }
    svg.finish()
}

/// A row whose training figures do not stretch the axes.
fn validation_only(row: &EpochRow) -> EpochRow {
    EpochRow { loss: f64::NAN, accuracy: f64::NAN, ..row.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::values::OutputScore;
    use crate::train::history::tests::row;

    #[test]
    fn a_line_a_run_in_each_panel() {
        let long: Vec<EpochRow> = (1..=9).map(row).collect();
        let runs: Vec<(String, &[EpochRow])> = (1..=9).map(|i| (format!("run <{i}>"), &long[..i])).collect();
        let svg = compare_svg(&runs);
        // The run of one epoch is a dot; each has its line in the legend.
        assert_eq!(svg.matches("<polyline").count(), 8 * 2 + 9);
        assert!(svg.contains("run &lt;9&gt;") && svg.contains("stroke-dasharray=\"7 5\"") && !svg.contains("NaN"));
        let outputs = vec![OutputScore { name: "smile".into(), rmse: 0.5, ccc: -0.5 }];
        let values =
            long.iter().map(|row| EpochRow { val_accuracy: f64::NAN, outputs: outputs.clone(), ..row.clone() });
        let values: Vec<EpochRow> = values.collect();
        let svg = compare_svg(&[("classes".into(), &long), ("values".into(), &values)]);
        assert!(svg.contains("Accuracy, concordance") && svg.contains("-0.5000") && !svg.contains("NaN"), "{svg}");
        assert_eq!(svg.matches("<polyline").count(), 2 * 2 + 2);
        assert!(compare_svg(&[]).ends_with("</svg>\n"));
    }
}
