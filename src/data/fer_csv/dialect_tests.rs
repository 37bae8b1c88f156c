//! Tables as other people write them.

use super::*;
use crate::data::OnBadFile;

fn open_any(name: &str, text: &str) -> Dataset {
    open_bytes(name, text.as_bytes(), &Options::default()).unwrap()
}

fn skip() -> Options {
    Options { on_bad_file: OnBadFile::Skip, ..Options::default() }
}

/// The lines of an error or of a split's images.
fn lines(split: &Arc<dyn Split>) -> Vec<u32> {
    let line = |i| match split.origin(i) {
        crate::data::Origin::Row { place, .. } => place.line,
        _ => panic!("a row"),
    };
    (0..split.len()).map(line).collect()
}

#[test]
fn splits_by_any_of_their_names() {
    let as_is = read_all(&open_any("a.csv", &table()).test.unwrap());
    for names in [["train", "val", "test"], ["TRAINING", "Dev", "Testing"], ["FER2013Train", "valid", "private test"]] {
        let mut text = table();
        for (from, to) in USAGES.iter().zip(names) {
            text = text.replace(&format!(",{from}\n"), &format!(",{to}\n"));
        }
        let data = open_any("a.csv", &text.replace("Usage", "split"));
        assert_eq!((data.train.len(), data.validation.len()), (14, 7));
        assert_eq!(read_all(&data.test.unwrap()), as_is);
        assert!(data.notes.is_empty(), "{:?}", data.notes);
    }
}

/// Kaggle's train.csv.
#[test]
fn without_usage_all_rows_are_for_training() {
    let mut text = "emotion,pixels\n".to_owned();
    for copy in 0..5 {
        (0..7).for_each(|emotion| text += &row(emotion, "", copy).replace(",\n", "\n"));
    }
    let data = open_any("train.csv", &text);
    assert_eq!((data.train.len(), data.validation.len(), data.test.is_none()), (28, 7, true));
    let mut labels: Vec<u32> = (0..7).map(|i| data.validation.label(i)).collect();
    labels.sort_unstable();
    assert_eq!(labels, [0, 1, 2, 3, 4, 5, 6], "a fifth of each class");
    assert!(data.notes[0].contains("no column `Usage`: every row is a training image"), "{:?}", data.notes);
    assert!(data.notes[1].contains("7 training images (0.2 of each class, the default"), "{:?}", data.notes);
    let again = open_any("train.csv", &text);
    assert_eq!(lines(&again.validation), lines(&data.validation));
    let other = open_bytes("train.csv", text.as_bytes(), &Options { seed: 1, ..Options::default() }).unwrap();
    assert_ne!(lines(&other.validation), lines(&data.validation));
}

#[test]
fn other_separators_line_ends_and_file_names() {
    let plain = table();
    let wanted = read_all(&open_any("a.csv", &plain).train);
    let packed = gzip(plain.as_bytes());
    let dialects: [(&str, Vec<u8>); 10] = [
        ("semicolon.csv", plain.replace(',', ";").into_bytes()),
        ("tab.tsv", plain.replace(',', "\t").into_bytes()),
        ("crlf.csv", plain.replace('\n', "\r\n").into_bytes()),
        ("cr.csv", plain.replace('\n', "\r").into_bytes()),
        ("blank.csv", format!("\n\r\n{}\n\n \n,,\n", plain.replace("Training\n", "Training\n\n")).into_bytes()),
        ("trailing.csv", plain.replace('\n', ",\n").into_bytes()),
        ("upper.csv", plain.replacen("emotion,pixels,Usage", "\u{feff}\"EMOTION\", Pixels ,USAGE", 1).into_bytes()),
        ("fer2013", plain.clone().into_bytes()),
        ("fer2013.gz", packed.clone()),
        ("named.csv.gz", plain.clone().into_bytes()),
    ];
    for (name, bytes) in dialects {
        let data = open_bytes(name, &bytes, &Options::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(read_all(&data.train), wanted, "{name}");
        assert!(data.notes.is_empty(), "{name}: {:?}", data.notes);
    }
    let text = refuse("notes.txt", b"my notes,\nof today\n");
    assert!(text.contains("a file of no known kind"), "{text}");
    let text = refuse("fer2013.zip", b"PK\x03\x04");
    assert!(text.contains("no known kind (a zip archive"), "{text}");
    let mut wide = vec![0xff, 0xfe];
    wide.extend(plain.encode_utf16().flat_map(u16::to_le_bytes));
    assert!(refuse("a.csv", &wide).contains("UTF-16"));
}

#[test]
fn lines_in_messages_are_an_editors() {
    let bad = |end: &str, blank: &str| {
        let text = table().replacen(&row(4, "Training", 0), &format!("{blank}9,1,Training\n"), 1);
        refuse("a.csv", text.replace('\n', end).as_bytes())
    };
    for end in ["\n", "\r\n", "\r"] {
        assert!(bad(end, "").contains("a.csv, row 6: emotion `9`"), "{}", bad(end, ""));
        assert!(bad(end, "\n \n").contains("a.csv, row 8: emotion `9`"), "{}", bad(end, "\n \n"));
    }
    assert!(bad("\n", "").contains("or --on-bad-file skip"), "{}", bad("\n", ""));
}

#[test]
fn labels_may_be_names() {
    let mut text = "class,pixels,Usage\n".to_owned();
    for (copy, usage) in ["Training", "Training", "PublicTest"].into_iter().enumerate() {
        for (emotion, name) in ["surprise", "Happiness", "bored", "angry"].iter().enumerate() {
            text += &row(emotion, usage, copy).replacen(&emotion.to_string(), name, 1);
        }
    }
    let data = open_any("a.csv", &text);
    assert_eq!(data.classes, ["angry", "Happiness", "surprise", "bored"], "FER2013's order, then others");
    assert_eq!(read_all(&data.validation), [(2, 2.0), (1, 12.0), (3, 22.0), (0, 32.0)]);
    let classes = Some(vec!["bored".to_owned(), "angry".to_owned()]);
    let data = open_bytes("a.csv", text.as_bytes(), &Options { classes, ..Options::default() }).unwrap();
    assert_eq!(read_all(&data.validation), [(0, 22.0), (1, 32.0)]);
    let mixed = text.replacen("surprise", "Surprised", 1);
    let data = open_any("a.csv", &mixed);
    assert_eq!(data.classes, ["angry", "Happiness", "surprise", "bored"]);
    assert!(data.notes[0].contains("`Surprised`, `surprise` mean one class, `surprise`"), "{:?}", data.notes);
    let text = refuse("a.csv", text.replacen("bored", "3", 1).as_bytes());
    assert!(text.contains("row 4: emotion `3`; expected a name, as in row 2"), "{text}");
    let text = refuse("a.csv", table().replacen("\n3,", "\nhappy,", 1).as_bytes());
    assert!(text.contains("row 5: emotion `happy`; expected a label 0 to 6") && text.contains("row 2"), "{text}");
    let floats = table().replace("\n0,", "\n0.0,").replace("\n6,", "\n6.0,");
    assert_eq!(read_all(&open_any("a.csv", &floats).train)[13], (6, 61.0));
}

#[test]
fn bad_rows_can_be_skipped() {
    let junk = "a,b,c,,,\n0::\nhttps://example.org,1,2\n";
    let text = format!("{}{junk}", table().replacen(&row(2, "Training", 0), "2,7 x 7,Training\n", 1));
    let data = open_bytes("a.csv", text.as_bytes(), &skip()).unwrap();
    assert_eq!((data.train.len(), data.validation.len(), data.test.as_ref().unwrap().len()), (13, 7, 7));
    assert_eq!(lines(&data.train)[..4], [2, 3, 5, 6]);
    let words = ["row 4: pixel 2 is `x`", "row 30: emotion `a`", "row 31: 1 columns", "row 32: emotion `https"];
    assert_eq!(data.notes.len(), words.len(), "{:?}", data.notes);
    for (note, word) in data.notes.iter().zip(words) {
        assert!(note.starts_with("skipped") && note.contains(word), "{note}");
    }
    let many = format!("{}{}", table(), "7,1,Training\n".repeat(1500));
    let data = open_bytes("a.csv", many.as_bytes(), &skip()).unwrap();
    assert!(data.notes.len() == 11 && data.notes[10] == "skipped 1490 more rows", "{:?}", data.notes.last());
    let error = |bytes: &[u8]| open_bytes("a.csv", bytes, &skip()).unwrap_err().to_string();
    assert!(error(b"emotion,pixels\n1,2\n3,4\n").contains("row 2: 1 pixels"), "nothing but bad rows");
    // What is missing cannot be skipped.
    let packed = gzip(table().as_bytes());
    assert!(error(&packed[..packed.len() / 2]).contains("cannot be read any further"));
}

#[test]
fn images_of_another_size() {
    let pixels = |side: usize, grey: usize| vec![grey.to_string(); side * side].join(" ");
    let mut text = "emotion,pixels\n".to_owned();
    (0..14).for_each(|i| text += &format!("{},{}\n", i % 7, pixels(32, i)));
    let data = open_any("a.csv", &text);
    let picture = data.train.picture(0).unwrap();
    assert_eq!((picture.width(), picture.height(), data.train.len()), (32, 32, 7));
    let text = refuse("a.csv", format!("{text}0,{}\n", pixels(48, 1)).as_bytes());
    assert!(
        text.contains("row 16: 2304 pixels; expected 1024 whole numbers") && text.contains("32 rows of 32"),
        "{text}"
    );
    let text = refuse("a.csv", format!("emotion,pixels\n0,{}\n", vec!["0.5"; COUNT].join(" ")).as_bytes());
    assert!(text.contains("row 2: pixel 1 is `0.5`") && text.contains("by 255"), "{text}");
}
