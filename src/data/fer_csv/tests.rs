#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::data::store::PIXELS as COUNT;
use crate::data::synth::EMOTIONS;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::path::PathBuf;

const INPUT: InputSpec = InputSpec::new(48, 48, 1);

/// A row whose pixels all are `10 * emotion + copy`.
fn row(emotion: usize, usage: &str, copy: usize) -> String {
    format!("{emotion},{},{usage}\n", vec![(10 * emotion + copy).to_string(); COUNT].join(" "))
}

/// A table with two training images and one of each other split for each emotion.
fn table() -> String {
    let mut text = "emotion,pixels,Usage\n".to_string();
    for (copy, usage) in ["Training", "Training", "PublicTest", "PrivateTest"].into_iter().enumerate() {
        (0..7).for_each(|emotion| text += &row(emotion, usage, copy));
    }
    text
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn open_bytes(name: &str, bytes: &[u8], options: &Options) -> Result<Dataset> {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    crate::data::open(path.to_str().unwrap(), INPUT, options)
}

fn refuse(name: &str, bytes: &[u8]) -> String {
    let text = open_bytes(name, bytes, &Options::default()).unwrap_err().to_string();
    assert!(text.contains(name) && text.contains("expected"), "{text}");
    text
}

/// The error of a good table whose line 3 was replaced.
fn refuse_row(line: &[u8]) -> String {
    let mut bytes = format!("emotion,pixels,Usage\n{}", row(0, "Training", 0)).into_bytes();
    bytes.extend_from_slice(line);
    let text = refuse("bad.csv", &bytes);
    assert!(text.contains("row 3"), "{text}");
    text
}

fn read_all(split: &Arc<dyn Split>) -> Vec<(u32, f32)> {
    let mut out = vec![f32::NAN; split.input().len()];
    (0..split.len())
        .map(|i| {
            split.read(i, &mut out).unwrap();
            assert!(out.iter().all(|p| *p == out[0]));
            (split.label(i), (out[0] * 255.0).round())
        })
        .collect()
}

#[test]
fn plain_and_packed_tables_give_the_same() {
    for (name, bytes) in [("a.csv", table().into_bytes()), ("a.csv.gz", gzip(table().as_bytes()))] {
        let data = open_bytes(name, &bytes, &Options::default()).unwrap();
        assert_eq!(data.classes, EMOTIONS);
        assert_eq!((data.train.len(), data.validation.len(), data.test.as_ref().unwrap().len()), (14, 7, 7));
        assert_eq!(read_all(&data.validation)[3], (3, 32.0));
        assert_eq!(read_all(&data.train)[13], (6, 61.0));
        assert_eq!(data.train.name(7), format!("{name} row 9"));
        assert!(data.notes.is_empty());
        let error = data.train.read(0, &mut [0.0; 3]).unwrap_err();
        assert!(error.to_string().contains("3 floats for an image of 2304"));
    }
}

#[test]
fn columns_by_name_quotes_and_a_byte_order_mark() {
    let mut text = "\u{feff} Usage, extra, pixels,emotion\r\n".to_string();
    for line in table().lines().skip(1) {
        let [emotion, pixels, usage]: [&str; 3] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
        text += &format!("{usage},x,\"{pixels}\",{emotion}\r\n");
    }
    let data = open_bytes("a.csv", text.as_bytes(), &Options::default()).unwrap();
    assert_eq!(read_all(&data.train)[13], (6, 61.0));
}

#[test]
fn other_sizes_and_channels() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.csv");
    std::fs::write(&path, table()).unwrap();
    let input = InputSpec::new(20, 31, 3);
    let data = crate::data::open(path.to_str().unwrap(), input, &Options::default()).unwrap();
    assert_eq!(read_all(&data.test.unwrap())[2], (2, 23.0));
}

#[test]
fn classes_filter_and_relabel() {
    let classes = Some(vec!["sad".to_string(), "angry".to_string()]);
    let data = open_bytes("a.csv", table().as_bytes(), &Options { classes, ..Options::default() }).unwrap();
    assert_eq!(data.classes, ["sad", "angry"]);
    assert_eq!(read_all(&data.validation), [(1, 2.0), (0, 42.0)]);
    assert_eq!(data.train.name(1), "a.csv row 6");
    assert!(data.notes[0].contains("20 rows"), "{:?}", data.notes);
}

#[test]
fn splits_that_are_missing() {
    let without =
        |usage: &str| table().lines().filter(|l| !l.ends_with(usage)).map(|l| format!("{l}\n")).collect::<String>();
    let data = open_bytes("a.csv", without("PublicTest").as_bytes(), &Options::default()).unwrap();
    assert_eq!((data.train.len(), data.validation.len()), (7, 7));
    assert!(data.notes[0].contains("0.2 of each class, the default"), "{:?}", data.notes);
    let data = open_bytes("a.csv", without("PrivateTest").as_bytes(), &Options::default()).unwrap();
    assert!(data.test.is_none());
    assert!(refuse("a.csv", without("Training").as_bytes()).contains("no row of Usage `Training`"));
    let data = open_bytes("a.csv", table().as_bytes(), &Options { validation_split: Some(0.1), ..Options::default() });
    assert!(data.unwrap().notes[0].contains("no effect"));
    let one: String = table().lines().enumerate().filter(|(i, _)| *i < 8).map(|(_, l)| format!("{l}\n")).collect();
    assert!(refuse("a.csv", one.as_bytes()).contains("class `angry` has fewer than two"));
    let text = refuse("a.csv", table().replace(&row(1, "PublicTest", 2), "").as_bytes());
    assert!(text.contains("class `disgust` has no image in the validation split"), "{text}");
}

#[test]
fn rows_that_are_damaged() {
    let pixels = |n: usize, last: &str| format!("{}{last}", "7 ".repeat(n - 1));
    let cases = [
        (format!("0,{}\n", pixels(COUNT, "7")), "2 columns"),
        (format!("0,{},Training,x\n", pixels(COUNT, "7")), "4 columns"),
        (format!("0,{},Training\n", pixels(2303, "7")), "2303 pixels"),
        (format!("0,{},Training\n", pixels(2305, "7")), "2305 pixels"),
        ("0,,Training\n".to_string(), "0 pixels"),
        (format!("0,{},Training\n", pixels(COUNT, "256")), "pixel 2304 is `256`"),
        (format!("0,{},Training\n", pixels(COUNT, "-1")), "pixel 2304 is `-1`"),
        (format!("0,{},Training\n", pixels(COUNT, "99999999999")), "is `99999999999`"),
        (format!("0,{},Training\n", pixels(5, "red")), "pixel 5 is `red`"),
        (format!("0,{},Training\n", pixels(5, "1.5")), "pixel 5 is `1.5`"),
        (format!("7,{},Training\n", pixels(COUNT, "7")), "emotion `7`"),
        (format!("-1,{},Training\n", pixels(COUNT, "7")), "emotion `-1`"),
        (format!(",{},Training\n", pixels(COUNT, "7")), "emotion ``"),
        (format!("0,{},Tset\n", pixels(COUNT, "7")), "Usage `Tset`"),
        (format!("0,{}", pixels(900, "7")), "2 columns"),
        (format!("0,{},Tra", pixels(COUNT, "7")), "Usage `Tra`"),
        (format!("0,\"{},Training\n{}", pixels(COUNT, "7"), row(0, "Training", 0)), "quotation mark is not closed"),
    ];
    for (line, what) in cases {
        let text = refuse_row(line.as_bytes());
        assert!(text.contains(what) && text.len() < 600, "{what}: {text}");
    }
    assert!(refuse_row(b"\xff\xfe,1,Training\n").contains("not UTF-8 text"));
    assert!(refuse_row(b"0,1 2 \xc3\x28 4,Training\n").contains("not UTF-8 text"));
}

#[test]
fn files_that_are_damaged() {
    assert!(refuse("a.csv", b"").contains("an empty file"));
    assert!(refuse("a.csv.gz", &gzip(b"")).contains("an empty file"));
    assert!(refuse("a.csv", b"emotion,pixels,Usage\n").contains("a header and no row"));
    assert!(refuse("a.csv", b"a,b,c\n0,1,2\n").contains("no column `emotion`: the header is `a,b,c`"));
    let text = refuse("test.csv", b"pixels\n1 2 3\n");
    assert!(text.contains("no column `emotion`") && text.contains("a table without labels"), "{text}");
    let text = refuse("a.csv", b",pth,label\n0,faces/0.png,happy\n");
    assert!(
        text.contains("no column `pixels`: the header is `,pth,label`") && text.contains("call it `path`"),
        "{text}"
    );
    assert!(refuse("a.csv", row(0, "Training", 0).as_bytes()).contains("the first line is no header"));
    assert!(refuse("a.csv", b"\xff\xfee\0m\0o\0t\0i\0o\0n\0").contains("not UTF-8 text"));
    assert!(refuse("a.csv", &vec![b'7'; 3 << 20]).contains("a line of over 1 MiB"));
    let packed = gzip(table().as_bytes());
    assert!(refuse("a.csv.gz", &packed[..packed.len() / 2]).contains("cannot be read any further"));
    let mut flipped = packed.clone();
    (packed.len() / 3..packed.len() / 3 + 9).for_each(|i| flipped[i] ^= 0xa5);
    refuse("a.csv.gz", &flipped);
    let mut crc = packed.clone();
    let at = crc.len() - 6;
    crc[at] ^= 1;
    assert!(refuse("a.csv.gz", &crc).contains("cannot be read any further"));
}

#[path = "dialect_tests.rs"]
mod dialects;
