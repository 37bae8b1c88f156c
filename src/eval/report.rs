//! An evaluation as text: the table that scikit-learn's `classification_report` prints, and the confusion matrix.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;

use super::metrics::{ClassScore, Confused, Evaluation, macro_average, weighted_average};
use crate::error::Result;
use crate::formats::atomic::write_atomically;
use crate::text::{clean, right};

/// `report.txt`: totals, intervals, the table of scores, the most confused pairs, the confusion matrix.
pub fn report(evaluation: &Evaluation) -> String {
    let Evaluation { n, accuracy, loss, mse, top2_accuracy, intervals, calibration, .. } = evaluation;
    let between = |[low, high]: [f64; 2]| format!("{low:.4} to {high:.4}");
    let mut text = format!(
        "{n} images: accuracy {accuracy:.4}, loss {loss:.4}, mse {mse:.4}\n\
         top-2 accuracy {top2_accuracy:.4}, calibration error (ECE) {:.4}\n\
         95 % intervals (bootstrap): accuracy {}, macro F1 {}\n\n{}\n",
        calibration.ece,
        between(intervals.accuracy),
        between(intervals.macro_f1),
        classification_report(evaluation),
    );
    if let Some(f1) = evaluation.macro_f1_present() {
        let classes = evaluation.per_class.iter().filter(|s| s.support > 0).count();
        push(&mut text, format_args!("macro F1 over the {classes} classes that have images: {f1:.4}\n\n"));
    }
    let confused = evaluation.most_confused();
    if !confused.is_empty() {
        text += "most confused\n\n";
    }
    for Confused { truth, predicted, count, share } in &confused {
        let (truth, predicted) = (clean(truth), clean(predicted));
        push(&mut text, format_args!("  {truth} taken for {predicted}: {count} ({:.1} %)\n", share * 100.0));
    }
    let table = confusion_table(evaluation);
    push(&mut text, format_args!("\nconfusion matrix (rows: true class, columns: predicted)\n\n{table}"));
    text
}

/// Precision, recall, F1 and support of each class, the accuracy, the macro and the weighted average.
pub fn classification_report(evaluation: &Evaluation) -> String {
    let names = evaluation.classes.iter().map(|name| clean(name).chars().count());
    let width = names.chain(["weighted avg".len()]).max().unwrap_or_default();
    let mut text = " ".repeat(width + 1);
    for title in ["precision", "recall", "f1-score", "support"] {
        push(&mut text, format_args!(" {title:>9}"));
    }
    text.push_str("\n\n");
    let row = |name: &str, s: ClassScore| {
        let ClassScore { precision, recall, f1, support } = s;
        format!("{}  {precision:>9.4} {recall:>9.4} {f1:>9.4} {support:>9}\n", right(&clean(name), width))
    };
    for (name, score) in evaluation.classes.iter().zip(&evaluation.per_class) {
        text += &row(name, *score);
    }
    let (accuracy, n) = (evaluation.accuracy, evaluation.n);
    push(&mut text, format_args!("\n{}  {:>9} {:>9} {accuracy:>9.4} {n:>9}\n", right("accuracy", width), "", ""));
    text += &row("macro avg", macro_average(&evaluation.per_class));
    text += &row("weighted avg", weighted_average(&evaluation.per_class));
    text
}

/// The confusion matrix as an aligned table: rows are true classes, columns predicted ones.
pub fn confusion_table(evaluation: &Evaluation) -> String {
    let names: Vec<Cow<'_, str>> = evaluation.classes.iter().map(|name| clean(name)).collect();
    let first = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..names.len())
        .map(|class| {
            let numbers = (0..names.len()).map(|truth| evaluation.confusion.get(truth, class).to_string().len());
            numbers.chain([names[class].chars().count()]).max().unwrap_or_default()
        })
        .collect();
    let mut text = " ".repeat(first);
    for (name, width) in names.iter().zip(&widths) {
        push(&mut text, format_args!("  {}", right(name, *width)));
    }
    text.push('\n');
    for (truth, name) in names.iter().enumerate() {
        push(&mut text, format_args!("{}", right(name, first)));
        for (count, width) in evaluation.confusion.row(truth).iter().zip(&widths) {
            push(&mut text, format_args!("  {}", right(&count.to_string(), *width)));
        }
        text.push('\n');
    }
    text
}

/// Writes a confusion matrix as csv: a header of predicted classes, one row a true class, whose cells are counts or shares of
/// the true class.
///
/// # Errors
/// [`crate::Error::Io`] when it cannot be written; the previous file is then intact.
pub fn write_confusion_csv(path: &Path, evaluation: &Evaluation, cells: Cells) -> Result<()> {
    let confusion = &evaluation.confusion;
    let cell = |truth: usize, predicted: usize| match cells {
        Cells::Counts => confusion.get(truth, predicted).to_string(),
        Cells::Shares => format!("{:.6}", confusion.share(truth, predicted)),
    };
    write_atomically(path, |w| {
        let mut csv = csv::Writer::from_writer(w);
        csv.write_record(["true\\predicted"].into_iter().chain(evaluation.classes.iter().map(String::as_str)))?;
        for (truth, name) in evaluation.classes.iter().enumerate() {
            let cells = (0..confusion.classes()).map(|predicted| cell(truth, predicted));
            csv.write_record([name.clone()].into_iter().chain(cells))?;
        }
        csv.flush()
    })
}

/// What stands in the cells of a confusion matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cells {
    /// How many samples.
    Counts,
    /// Which share of the true class.
    Shares,
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    text.write_fmt(part).expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::metrics::tests::{names, sample};
    use super::*;

    /// scikit-learn 1.9.1's own text for the sample (recipe in `metrics`).
    const SCIKIT: &str = "              precision    recall  f1-score   support

       angry     0.2857    0.3636    0.3200        11
     disgust     0.0000    0.0000    0.0000         9
        fear     0.4211    0.6154    0.5000        13
       happy     0.0000    0.0000    0.0000         0
         sad     0.6957    0.5926    0.6400        27

    accuracy                         0.4667        60
   macro avg     0.2805    0.3143    0.2920        60
weighted avg     0.4567    0.4667    0.4550        60
";

    #[test]
    fn prints_what_scikit_learn_prints() {
        assert_eq!(classification_report(&sample()), SCIKIT);
        let text = report(&sample());
        assert!(text.starts_with("60 images: accuracy 0.4667, loss 1.7970, mse 0.1583\n"), "{text}");
        assert!(text.contains("top-2 accuracy 0.6000, calibration error (ECE) 0.1512\n"), "{text}");
        assert!(text.contains("macro F1 over the 4 classes that have images: 0.3650\n"), "{text}");
        assert!(text.contains("  sad taken for angry: 5 (18.5 %)\n"), "{text}");
        assert!(text.ends_with("    sad      5        0     5      1   16\n"), "{text}");
    }

    #[test]
    fn csv_quotes_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("confusion.csv");
        let classes = names(&["a,\"b\"", "c\nd"]);
        let e = Evaluation::new(&classes, &[0, 1, 1], &[0.9, 0.1, 0.2, 0.8, 0.6, 0.4], None).unwrap();
        let rows = |cells: Cells| -> Vec<Vec<String>> {
            write_confusion_csv(&path, &e, cells).unwrap();
            let mut csv = csv::ReaderBuilder::new().has_headers(false).from_path(&path).unwrap();
            csv.records().map(|r| r.unwrap().iter().map(String::from).collect()).collect()
        };
        assert_eq!(rows(Cells::Shares)[2], ["c\nd", "0.500000", "0.500000"]);
        assert_eq!(
            rows(Cells::Counts),
            [["true\\predicted", "a,\"b\"", "c\nd"], ["a,\"b\"", "1", "0"], ["c\nd", "1", "1"]]
        );
        assert_eq!(confusion_table(&e).lines().count(), 3);
    }
}
