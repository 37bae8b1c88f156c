//! One row an epoch: the history that `results.csv`, the curves and the checkpoint share.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::eval::values::OutputScore;
use crate::formats::atomic::write_atomically;
use crate::formats::exact_float;

/// What one epoch measured. A value that was not measured (no validation split) is NaN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean cross-entropy over the training images, in training mode (dropout on, batch statistics).
    #[serde(with = "exact_float")]
    pub loss: f64,
    /// Share of training images classified rightly, 0 to 1.
    #[serde(with = "exact_float")]
    pub accuracy: f64,
    /// Mean over training images and classes of (one-hot - probability)^2.
    #[serde(with = "exact_float")]
    pub mse: f64,
    /// `loss` on the validation images, in inference mode.
    #[serde(with = "exact_float")]
    pub val_loss: f64,
    /// `accuracy` on the validation images.
    #[serde(with = "exact_float")]
    pub val_accuracy: f64,
    /// `mse` on the validation images.
    #[serde(with = "exact_float")]
    pub val_mse: f64,
    /// The learning rate of this epoch.
    #[serde(with = "exact_float")]
    pub lr: f64,
    /// Wall time of the epoch, validation included.
    #[serde(with = "exact_float")]
    pub seconds: f64,
    /// Training images per second of training time.
    #[serde(with = "exact_float")]
    pub images_per_s: f64,
    /// Where the network predicts values: the scores of each on the validation images. `accuracy` is NaN then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputScore>,
}

impl EpochRow {
    /// Mean concordance of the outputs on the validation images, where these are values.
    pub fn val_ccc(&self) -> Option<f64> {
        self.mean(|o| o.ccc)
    }

    /// Mean of the outputs' root mean squared errors on the validation images, where these are values.
    pub fn val_rmse(&self) -> Option<f64> {
        self.mean(|o| o.rmse)
    }

    fn mean(&self, of: fn(&OutputScore) -> f64) -> Option<f64> {
        let n = self.outputs.len();
        (n > 0).then(|| self.outputs.iter().map(of).sum::<f64>() / n as f64)
    }

    /// What says which epoch is the best, the higher the better: validation accuracy, or the mean concordance of values.
    pub fn monitored(&self) -> f64 {
        self.val_ccc().unwrap_or(self.val_accuracy)
    }
}

/// The columns of `results.csv`, in order: the fields of [`EpochRow`].
pub const COLUMNS: [&str; 10] =
    ["epoch", "loss", "accuracy", "mse", "val_loss", "val_accuracy", "val_mse", "lr", "seconds", "images_per_s"];

/// Writes the whole history, replacing the file atomically.
///
/// # Errors
/// [`Error::Io`] when the file cannot be written; the previous one is then intact.
pub fn write_results(path: &Path, history: &[EpochRow]) -> Result<()> {
    write_atomically(path, |w| {
        // The header is written by hand so that an empty history still has one.
        let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(w);
        match history.first().filter(|row| !row.outputs.is_empty()) {
            None => {
                csv.write_record(COLUMNS)?;
                history.iter().try_for_each(|row| csv.serialize(row))?;
            }
            Some(first) => {
                csv.write_record(value_columns(first))?;
                history.iter().try_for_each(|row| csv.write_record(value_fields(row)))?;
            }
        }
        csv.flush()
    })
}

/// The first columns of `results.csv` where the network predicts values: no accuracy, but the means of root mean squared error and
/// concordance on the validation images. Both follow for each output.
const VALUE_COLUMNS: [&str; 10] =
    ["epoch", "loss", "mse", "val_loss", "val_mse", "lr", "seconds", "images_per_s", "val_rmse", "val_ccc"];
/// Before an output's name.
const EACH: [&str; 2] = ["val_rmse_", "val_ccc_"];

fn value_columns(row: &EpochRow) -> Vec<String> {
    let each = row.outputs.iter().flat_map(|o| EACH.map(|before| format!("{before}{}", o.name)));
    VALUE_COLUMNS.into_iter().map(str::to_owned).chain(each).collect()
}

/// The outputs' names, if the columns are [`value_columns`].
fn outputs_of<'a>(columns: &[&'a str]) -> Option<Vec<&'a str>> {
    let each = columns.strip_prefix(VALUE_COLUMNS.as_slice()).filter(|each| !each.is_empty())?;
    let name = |pair: &[&'a str]| {
        let [rmse, ccc] = *pair else { return None };
        rmse.strip_prefix(EACH[0]).filter(|name| ccc.strip_prefix(EACH[1]) == Some(name))
    };
    each.chunks(2).map(name).collect()
}

/// A row of [`value_fields`]; `figures` has one for each column after the first.
fn of_values(epoch: usize, figures: &[f64], names: &[&str]) -> EpochRow {
    let (mean, each) = figures.split_at(VALUE_COLUMNS.len() - 1);
    let score = |(name, pair): (&&str, &[f64])| OutputScore { name: (*name).to_owned(), rmse: pair[0], ccc: pair[1] };
    EpochRow {
        epoch,
        loss: mean[0],
        accuracy: f64::NAN,
        mse: mean[1],
        val_loss: mean[2],
        val_accuracy: f64::NAN,
        val_mse: mean[3],
        lr: mean[4],
        seconds: mean[5],
        images_per_s: mean[6],
        outputs: names.iter().zip(each.chunks_exact(2)).map(score).collect(),
    }
}

/// The fields of [`value_columns`].
fn value_fields(row: &EpochRow) -> Vec<String> {
    let EpochRow { epoch, loss, mse, val_loss, val_mse, lr, seconds, images_per_s, outputs, .. } = row;
    let means = [row.val_rmse(), row.val_ccc()].map(|mean| mean.unwrap_or(f64::NAN));
    let figures = [*loss, *mse, *val_loss, *val_mse, *lr, *seconds, *images_per_s].into_iter().chain(means);
    let figures = figures.chain(outputs.iter().flat_map(|o| [o.rmse, o.ccc])).map(|v| format!("{v:?}"));
    std::iter::once(epoch.to_string()).chain(figures).collect()
}

/// Reads `results.csv` back, bit for bit.
///
/// # Errors
/// [`Error::Io`] when it cannot be opened; [`Error::Data`] naming the row when the header or a field is not what
/// [`write_results`] writes.
pub fn read_results(path: &Path) -> Result<Vec<EpochRow>> {
    let file = crate::input::open(path, "the results of a run, one row an epoch")?;
    let mut csv = csv::Reader::from_reader(file);
    let headers = csv.headers().map_err(|e| row_error(path, &COLUMNS, &e))?.clone();
    let columns: Vec<&str> = headers.iter().collect();
    let failed = |e| row_error(path, &columns, &e);
    if columns == COLUMNS {
        return csv.deserialize().map(|row| row.map_err(failed)).collect();
    }
    let Some(names) = outputs_of(&columns) else {
        let what = format!("the header is `{}`", columns.join(","));
        return Err(Error::row(path, 1, what, format!("the columns {}", COLUMNS.join(","))));
    };
    let rows = csv.deserialize::<(usize, Vec<f64>)>();
    rows.map(|row| row.map(|(epoch, figures)| of_values(epoch, &figures, &names)).map_err(failed)).collect()
}

fn row_error(path: &Path, columns: &[&str], error: &csv::Error) -> Error {
    let row = error.position().map_or(1, csv::Position::line);
    let what = match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => {
            let column = err.field().and_then(|i| columns.get(usize::try_from(i).ok()?));
            format!("{}{}", column.map(|c| format!("column `{c}`: ")).unwrap_or_default(), err.kind())
        }
        csv::ErrorKind::UnequalLengths { len, .. } => format!("{len} fields"),
        _ => error.to_string(),
    };
    Error::row(path, row, what, format!("{} numbers, one row an epoch", columns.len()))
}

#[cfg(test)]
pub(crate) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// A row whose floats have no short decimal form.
    pub(crate) fn row(epoch: usize) -> EpochRow {
        let e = epoch as f64;
        EpochRow {
            epoch,
            loss: 1.9 / (1.0 + e / 7.0),
            accuracy: 1.0 - 0.8 / (1.0 + e / 9.0),
            mse: 0.12 / e.sqrt(),
            val_loss: 1.95 / (1.0 + e / 8.0),
            val_accuracy: 1.0 - 0.83 / (1.0 + e / 11.0),
            val_mse: 0.13 / e.sqrt(),
            lr: 1e-3,
            seconds: 12.5 + 0.1 * e,
            images_per_s: 1234.5678,
            outputs: Vec::new(),
        }
    }

    fn bits(row: &EpochRow) -> Vec<u64> {
        let EpochRow {
            epoch,
            loss,
            accuracy,
            mse,
            val_loss,
            val_accuracy,
            val_mse,
            lr,
            seconds,
            images_per_s,
            outputs: _,
        } = row;
        let mut bits = vec![*epoch as u64];
        bits.extend(
            [loss, accuracy, mse, val_loss, val_accuracy, val_mse, lr, seconds, images_per_s].map(|v| v.to_bits()),
        );
        bits
    }

    #[test]
    fn csv_and_json_round_trip_bit_for_bit() {
        let mut rows: Vec<_> = (1..200).map(row).collect();
        rows[3].val_loss = f64::NAN;
        rows[4].loss = f64::INFINITY;
        rows[5].mse = f64::MIN_POSITIVE / 3.0;
        rows[6].seconds = -0.0;
        rows[7].loss = f64::MAX;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        write_results(&path, &rows).unwrap();
        let json = serde_json::to_string(&rows).unwrap();
        let from_json: Vec<EpochRow> = serde_json::from_str(&json).unwrap();
        for back in [read_results(&path).unwrap(), from_json] {
            assert_eq!(back.iter().map(bits).collect::<Vec<_>>(), rows.iter().map(bits).collect::<Vec<_>>());
        }
        write_results(&path, &[]).unwrap();
        assert!(read_results(&path).unwrap().is_empty());
    }

    #[test]
    fn values_have_columns_of_their_own() {
        let score = |name: &str, rmse, ccc| OutputScore { name: name.into(), rmse, ccc };
        let outputs = vec![score("valence", 0.5, 0.25), score("arousal", 0.25, 0.75)];
        let row = EpochRow { accuracy: f64::NAN, val_accuracy: f64::NAN, outputs, ..row(1) };
        assert_eq!((row.val_rmse(), row.monitored()), (Some(0.375), 0.5));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        write_results(&path, std::slice::from_ref(&row)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let (header, fields) = text.trim_end().split_once('\n').unwrap();
        assert!(header.starts_with("epoch,loss,mse,val_loss,") && !header.contains("accuracy"), "{header}");
        assert!(header.ends_with("val_rmse,val_ccc,val_rmse_valence,val_ccc_valence,val_rmse_arousal,val_ccc_arousal"));
        assert!(fields.ends_with(",0.375,0.5,0.5,0.25,0.25,0.75"), "{fields}");
        let back = read_results(&path).unwrap();
        assert!(back.len() == 1 && back[0].outputs == row.outputs && back[0].val_accuracy.is_nan(), "{back:?}");
        let figures =
            |row: &EpochRow| (row.loss, row.mse, row.val_loss, row.val_mse, row.lr, row.seconds, row.images_per_s);
        assert_eq!(figures(&back[0]), figures(&row));
        for (from, to, words) in
            [("val_ccc_valence", "val_ccc_other", ["row 1", "header"]), (",0.375,", ",x,", ["row 2", "invalid float"])]
        {
            std::fs::write(&path, text.replace(from, to)).unwrap();
            let error = read_results(&path).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
        let json = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<EpochRow>(&json).unwrap().outputs, row.outputs);
    }

    #[test]
    fn bad_files_name_the_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        let head = COLUMNS.join(",");
        let good = "1,1,1,1,1,1,1,1,1,1";
        for (text, row, word) in [
            (String::new(), "row 1", "header"),
            ("epoch,loss\n".into(), "row 1", "header"),
            (format!("{head}\n{good}\n2,3\n"), "row 3", "2 fields"),
            (format!("{head}\n{good}\n2,1,1,one,1,1,1,1,1,1\n"), "row 3", "`one` is not a number"),
            (format!("{head}\n-1,1,1,1,1,1,1,1,1,1\n"), "row 2", "column `epoch`"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = read_results(&path).unwrap_err().to_string();
            assert!(error.contains(row) && error.contains(word), "{error}");
        }
        std::fs::write(&path, b"\xff\xfe,\n1,2\n").unwrap();
        assert!(read_results(&path).is_err());
        assert!(read_results(&folder.path().join("none")).unwrap_err().to_string().starts_with("cannot read"));
    }
}
