//! `results.csv` of a search.

use crate::error::{Error, Result};
use crate::formats::atomic::write_atomically;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How a trial stands at a rung.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It has reached the rung and may go on.
    #[default]
    Rung,
    /// It has had all its epochs, or early stopping ended it.
    Complete,
    /// Its network cannot be built, or does not fit on the device.
    Failed,
    /// Its loss became infinite or not a number on the way to the rung.
    Diverged,
}

/// A trial at a rung.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// From 1.
    pub trial: usize,
    /// From 0.
    pub rung: usize,
    /// Epochs that it has been trained for.
    pub epochs: usize,
    /// How it stands.
    pub status: Status,
    /// The figure of its best epoch so far, by [`crate::train::Config::monitor`]; NaN where there is none.
    pub value: f64,
    /// That epoch.
    pub best_epoch: Option<usize>,
    /// Seconds of training up to here.
    pub seconds: f64,
    /// The drawn settings as TOML, in the order of the space.
    pub settings: Vec<String>,
    /// What went wrong, if something did.
    pub error: String,
}

/// The columns before those of the settings.
const FIRST: [&str; 7] = ["trial", "rung", "epochs", "status", "value", "best_epoch", "seconds"];
/// The column after them.
const LAST: &str = "error";

fn columns<'a>(keys: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    FIRST.into_iter().chain(keys.iter().copied()).chain([LAST])
}

/// Replaces the file; `keys` are the settings'.
pub(super) fn write(path: &Path, keys: &[&str], rows: &[Row]) -> Result<()> {
    write_atomically(path, |w| {
        let mut csv = csv::Writer::from_writer(w);
        csv.write_record(columns(keys))?;
        for row in rows {
            let Row { trial, rung, epochs, status, value, best_epoch, seconds, settings, error } = row;
            let fields = (trial, rung, epochs, status, value, best_epoch, format!("{seconds:.1}"));
            csv.serialize((fields, settings, error))?;
        }
        csv.flush()
    })
}

/// Reads the file; none is no rows.
pub(super) fn read(path: &Path, keys: &[&str]) -> Result<Vec<Row>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let expected = || format!("the columns {}", columns(keys).collect::<Vec<_>>().join(","));
    let refuse = |e: csv::Error| {
        let row = e.position().map_or(1, csv::Position::line);
        Error::row(path, row, e.to_string(), expected())
    };
    let mut csv = csv::Reader::from_reader(crate::input::open(path, &expected())?);
    let header = csv.headers().map_err(refuse)?.clone();
    if !header.iter().eq(columns(keys)) {
        let found = header.iter().collect::<Vec<_>>().join(",");
        return Err(Error::row(path, 1, format!("the header is `{found}`"), expected()));
    }
    let mut rows = Vec::new();
    for record in csv.records() {
        let record = record.map_err(refuse)?;
        type Fields = (usize, usize, usize, Status, f64, Option<usize>, f64);
        let first: csv::StringRecord = record.iter().take(FIRST.len()).collect();
        let fields: Fields = first.deserialize(None).map_err(|e| {
            Error::row(path, record.position().map_or(1, csv::Position::line), e.to_string(), expected())
        })?;
        let (trial, rung, epochs, status, value, best_epoch, seconds) = fields;
        let settings = record.iter().skip(FIRST.len()).take(keys.len()).map(str::to_owned).collect();
        let error = record.iter().next_back().unwrap_or_default().to_owned();
        rows.push(Row { trial, rung, epochs, status, value, best_epoch, seconds, settings, error });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn rows_come_back_and_errors_name_the_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        let keys = ["lr", "network.units"];
        assert_eq!(read(&path, &keys).unwrap(), []);
        let settings = || vec!["0.001".to_owned(), "64".to_owned()];
        let good = Row {
            trial: 3,
            rung: 1,
            epochs: 9,
            status: Status::Complete,
            value: 0.1 + 0.2,
            best_epoch: Some(7),
            seconds: 1.5,
            settings: settings(),
            error: String::new(),
        };
        let failed = Row {
            trial: 4,
            status: Status::Failed,
            error: "a \"window\", of 9\nrows".into(),
            settings: settings(),
            ..Row::default()
        };
        let rows = [good, failed];
        write(&path, &keys, &rows).unwrap();
        assert_eq!(read(&path, &keys).unwrap(), rows);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(
            "trial,rung,epochs,status,value,best_epoch,seconds,lr,network.units,error\n3,1,9,complete,0.3000"
        ));
        assert!(read(&path, &keys[..1]).unwrap_err().to_string().contains("row 1: the header is `trial,"));
        for (from, to, words) in
            [("complete", "done", "row 2"), ("\n3,", "\n-3,", "row 2"), ("\n3,", "\n3,9,", "row 2")]
        {
            std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
            let error = read(&path, &keys).unwrap_err().to_string();
            assert!(error.contains(words), "{to}: {error}");
        }
    }
}
