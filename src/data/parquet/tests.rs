#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::data::check::check;
use image::{DynamicImage, GrayImage, ImageFormat};
use parquet::data_type::ByteArray;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::fs;
use std::io::Cursor;
use std::path::Path;

/// The size of the golden images: nothing is scaled.
const INPUT: InputSpec = InputSpec::new(5, 6, 1);

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/parquet").join(name)
}

fn open_path(path: &Path, options: &Options) -> Result<Dataset> {
    super::super::open(path.to_str().unwrap(), INPUT, options)
}

/// What `tools/parquet_golden.py` draws.
fn drawn(seed: usize) -> Vec<f32> {
    (0..30).map(|i| ((37 * seed + 11 * (i / 6) + 5 * (i % 6)) % 256) as f32 / 255.0).collect()
}

fn pixels(split: &dyn Split, index: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; INPUT.len()];
    split.read(index, &mut out).unwrap();
    out
}

#[test]
fn a_folder_that_datasets_wrote() {
    let data = open_path(&golden(""), &Options::default()).unwrap();
    assert_eq!(data.classes, ["happy", "sad", "neutral"]);
    assert_eq!((data.train.len(), data.validation.len(), data.test.is_none()), (12, 3, true));
    for (split, first) in [(&data.train, 0), (&data.validation, 20)] {
        for i in (0..split.len()).rev() {
            assert_eq!(pixels(split.as_ref(), i), drawn(first + i), "image {i}");
            assert_eq!(split.label(i) as usize, (first + i) % 3);
        }
    }
    assert_eq!(data.train.name(8), "train-00001-of-00002.parquet row 2");
    assert!(data.notes.iter().any(|n| n.contains("the test split has no labels")), "{:?}", data.notes);
    let classes = Some(vec!["neutral".to_string(), "happy".to_string()]);
    let two = open_path(&golden(""), &Options { classes, on_bad_file: OnBadFile::Skip, ..Options::default() }).unwrap();
    assert_eq!((two.train.len(), two.train.label(0), two.train.label(1)), (8, 1, 0));
    assert_eq!(pixels(two.train.as_ref(), 1), drawn(2));
    let found = check(golden("").to_str().unwrap()).unwrap();
    assert_eq!((found.images, found.sizes["6 x 5"], found.counts["train"]["happy"]), (15, 15, 4));
}

#[test]
fn plain_columns_and_names_as_labels() {
    let data =
        open_path(&golden("plain.parquet"), &Options { validation_split: Some(0.3), ..Options::default() }).unwrap();
    assert_eq!(data.classes, ["happy", "sad"]);
    assert_eq!((data.train.len(), data.validation.len()), (4, 2));
    for i in 0..4 {
        let row: usize = data.train.name(i).rsplit(' ').next().unwrap().parse().unwrap();
        assert_eq!(pixels(data.train.as_ref(), i), drawn(row - 1));
        assert_eq!(data.train.label(i) as usize, (row - 1) % 2);
    }
    let text = open_path(&golden("zstd.parquet"), &Options::default()).unwrap_err().to_string();
    assert!(text.contains("zstd.parquet: cannot be read") && text.contains("snappy"), "{text}");
}

#[test]
fn groups_leave_when_there_is_no_room() {
    let path = golden("data/train-00000-of-00002.parquet");
    let size = |limit: usize| {
        let files = Files::new(vec![ParquetFile::open(&path).unwrap()], limit);
        for row in [0, 6, 1, 5, 2, 4, 3, 0] {
            assert_eq!(files.decode((0, row)).unwrap().to_luma8().into_raw()[7], (37 * row as u8).wrapping_add(16));
        }
        files.held()
    };
    let (groups, bytes) = size(KEPT);
    assert_eq!(groups, 2);
    let (groups, first) = size(bytes - 1);
    assert!(groups == 1 && first < bytes && first > 0);
}

/// A row to write: the image's bytes and the label, where there are any.
type Row<'a> = (Option<&'a [u8]>, Option<i64>);

/// Writes a file with one group, and reads it.
fn written(schema: &str, meta: Option<&str>, rows: &[Row<'_>]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.parquet");
    let meta = meta.map(|text| vec![KeyValue::new("huggingface".to_string(), text.to_string())]);
    let properties = WriterProperties::builder().set_key_value_metadata(meta).build();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut file = SerializedFileWriter::new(fs::File::create(&path).unwrap(), schema, properties.into()).unwrap();
    let mut group = file.next_row_group().unwrap();
    while let Some(mut column) = group.next_column().unwrap() {
        match column.untyped() {
            parquet::column::writer::ColumnWriter::ByteArrayColumnWriter(writer) => {
                let levels: Vec<i16> = rows.iter().map(|(image, _)| if image.is_some() { 2 } else { 0 }).collect();
                let values: Vec<ByteArray> =
                    rows.iter().filter_map(|(i, _)| Some(i.as_ref()?.to_vec().into())).collect();
                writer.write_batch(&values, Some(&levels), None).map(drop).unwrap();
            }
            parquet::column::writer::ColumnWriter::Int64ColumnWriter(writer) => {
                let levels: Vec<i16> = rows.iter().map(|(_, label)| i16::from(label.is_some())).collect();
                let values: Vec<i64> = rows.iter().filter_map(|(_, label)| *label).collect();
                writer.write_batch(&values, Some(&levels), None).map(drop).unwrap();
            }
            _ => panic!("a column of another type"),
        }
        column.close().unwrap();
    }
    group.close().unwrap();
    file.close().unwrap();
    (folder, path)
}

const SCHEMA: &str = "message m { optional group image { optional binary bytes; } optional int64 label; }";

fn png(value: u8) -> Vec<u8> {
    let mut packed = Cursor::new(Vec::new());
    let image = GrayImage::from_fn(6, 5, |x, y| image::Luma([value ^ (x * 8 + y) as u8]));
    DynamicImage::ImageLuma8(image).write_to(&mut packed, ImageFormat::Png).unwrap();
    packed.into_inner()
}

#[test]
fn refuses_by_column_and_row() {
    let good = png(1);
    let rows: [Row<'_>; 4] = [0, 1, 0, 1].map(|label| (Some(good.as_slice()), Some(label)));
    let refuse = |schema: &str, meta: Option<&str>, rows: &[Row<'_>], word: &str| {
        let (_folder, path) = written(schema, meta, rows);
        let error = open_path(&path, &Options::default()).unwrap_err().to_string();
        assert!(
            error.contains("train.parquet") && error.contains(word) && error.contains("expected"),
            "{word}: {error}"
        );
    };
    let bad = |row: usize, to: Row<'static>| {
        let mut rows = rows;
        rows[row] = to;
        rows
    };
    let names =
        Some(r#"{"info":{"features":{"image":{"_type":"Image"},"label":{"_type":"ClassLabel","names":["a","b"]}}}}"#);
    refuse(SCHEMA, names, &bad(1, (None, Some(1))), "row 2: no image");
    refuse(SCHEMA, names, &bad(2, (Some(b"no image"), Some(1))), "row 3: its content is no known image");
    let (_folder, path) = written(SCHEMA, names, &bad(3, (Some(b""), Some(2))));
    let text = open_path(&path, &Options::default()).unwrap_err().to_string();
    assert!(text.contains("row 4: label `2`; expected one of 2 classes: a, b"), "{text}");
    refuse(SCHEMA, names, &bad(0, (Some(b""), None)), "row 1: no label");
    refuse(SCHEMA, None, &rows.map(|(image, _)| (image, Some(5))), "one class, `5`");
    refuse(SCHEMA, None, &[], "no training image has a label");
    refuse(&SCHEMA.replace("bytes", "pixels"), None, &rows, "no column of images");
    refuse(
        &SCHEMA.replace("label", "kind"),
        None,
        &rows,
        "no column of labels, or several: its columns are image.bytes, kind",
    );
    refuse(SCHEMA, Some("{"), &rows, "`huggingface` metadata");
    refuse(SCHEMA, Some("{}"), &rows, "has no features");
    refuse(SCHEMA, names.map(|n| n.replace("\"b\"", "7")).as_deref(), &rows, "names of classes in its metadata");
    refuse(SCHEMA, names.map(|n| n.replace("\"b\"", "\"a\"")).as_deref(), &rows, "two classes called `a`");
    refuse(
        "message m { optional int64 label; repeated group image { optional binary bytes; } }",
        None,
        &[],
        "lists of",
    );
    refuse("message m { optional int64 image; optional int64 label; }", None, &[], "`image` holds INT64");
}

#[test]
fn bad_rows_can_be_left_out_and_are_all_found() {
    let good: Vec<Vec<u8>> = (0..7).map(|i| png(i * 9)).collect();
    let mut rows: Vec<Row<'_>> = good.iter().zip(0..).map(|(image, i)| (Some(image.as_slice()), Some(i % 2))).collect();
    rows[2].0 = Some(&good[2][..40]);
    rows[5].0 = None;
    let (_folder, path) = written(SCHEMA, None, &rows);
    let data = open_path(&path, &Options { on_bad_file: OnBadFile::Skip, ..Options::default() }).unwrap();
    assert_eq!((data.train.len() + data.validation.len(), data.classes.join(" ").as_str()), (5, "0 1"));
    assert!(data.notes[0].contains("row 3") && data.notes[1].contains("row 6"), "{:?}", data.notes);
    rows[6].1 = None;
    let (_folder, path) = written(SCHEMA, None, &rows);
    let found = check(path.to_str().unwrap()).unwrap();
    assert_eq!((found.images, found.bad.len()), (4, 3));
    for (bad, word) in found.bad.iter().zip(["row 7: no label", "row 3", "row 6: no image"]) {
        assert!(bad.contains(word), "{bad}");
    }
}

/// Cut at every place, and with single bits changed, a file is read or refused: never a panic, and errors name it.
#[test]
fn damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.parquet");
    let judge = |bytes: &[u8]| -> bool {
        fs::write(&path, bytes).unwrap();
        let read = open_path(&path, &Options::default()).and_then(|data| {
            let mut out = vec![0.0; INPUT.len()];
            let all = data.all();
            (0..all.len()).try_for_each(|i| all.read(i, &mut out))
        });
        if let Err(error) = &read {
            assert!(error.to_string().contains("damaged.parquet"), "{error}");
        }
        read.is_ok()
    };
    for name in ["data/train-00000-of-00002.parquet", "plain.parquet"] {
        let whole = fs::read(golden(name)).unwrap();
        assert!(judge(&whole));
        for end in (0..whole.len()).step_by(61).chain(whole.len() - 12..whole.len()) {
            assert!(!judge(&whole[..end]), "{name} cut to {end} bytes");
        }
        let mut refused = 0;
        for at in (0..whole.len()).step_by(5) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            refused += usize::from(!judge(&bytes));
        }
        assert!(refused > whole.len() / 50, "{refused} of {} refused", whole.len() / 5);
    }
}
