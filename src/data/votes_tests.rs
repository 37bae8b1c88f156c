#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::data::{Dataset, InputSpec, OnBadFile, Options, open};
use crate::error::Result;
use image::GrayImage;
use std::path::Path;

const INPUT: InputSpec = InputSpec::new(8, 8, 1);
/// FER+'s header.
const HEAD: &str = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n";

/// A table of FER2013's: for each of the splits, one image of each emotion.
fn fer2013(folder: &Path) -> String {
    let path = folder.join("faces.csv");
    let pixels = vec!["7"; 48 * 48].join(" ");
    let mut text = "emotion,pixels,Usage\n".to_owned();
    for usage in ["Training", "PublicTest", "PrivateTest"] {
        (0..7).for_each(|emotion| text += &format!("{emotion},{pixels},{usage}\n"));
    }
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The votes for that table: `first` for the first row, then 10 for another class each.
fn fer_plus(first: &str) -> String {
    let mut text = HEAD.to_owned();
    for (s, usage) in ["Training", "PublicTest", "PrivateTest"].iter().enumerate() {
        for row in 0..7 {
            let votes = (0..10).map(|column| if column == row { "10" } else { "0" }).collect::<Vec<_>>().join(",");
            let votes = if row == 0 && s == 0 { first } else { &votes };
            text += &format!("{usage},fer{s}{row}.png,{votes}\n");
        }
    }
    text
}

fn read(source: &str, votes: &Path, text: &str, classes: &[&str], on_bad_file: OnBadFile) -> Result<Dataset> {
    std::fs::write(votes, text).unwrap();
    let classes = (!classes.is_empty()).then(|| classes.iter().map(ToString::to_string).collect());
    open(source, INPUT, &Options { classes, on_bad_file, soft_labels: Some(votes.into()), ..Options::default() })
}

fn targets(data: &Dataset, index: usize) -> Vec<f32> {
    let mut target = vec![f32::NAN; data.train.outputs()];
    data.train.target(index, &mut target);
    target
}

#[test]
fn a_table_by_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (source, votes) = (fer2013(folder.path()), folder.path().join("votes.csv"));
    let data = read(&source, &votes, &fer_plus("6,2,0,0,0,0,0,0,2,0"), &[], OnBadFile::Fail).unwrap();
    assert_eq!(data.classes, ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]);
    assert_eq!(targets(&data, 0), [0.0, 0.0, 0.0, 0.25, 0.0, 0.0, 0.75]);
    assert_eq!((data.train.label(0), data.train.label(1), data.train.len()), (6, 3, 7));
    assert_eq!(targets(&data, 1), [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    // Contempt is in the votes only; what is mostly of another class is left out.
    let text = fer_plus("3,3,0,0,0,0,0,4,0,0");
    let data = read(&source, &votes, &text, &["contempt", "happy"], OnBadFile::Fail).unwrap();
    assert_eq!((targets(&data, 0), data.train.len()), (vec![4.0 / 7.0, 3.0 / 7.0], 2));
    assert!(data.notes.iter().any(|n| n.contains("5 images with most votes for other classes")), "{:?}", data.notes);
}

#[test]
fn images_without_votes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (source, votes) = (fer2013(folder.path()), folder.path().join("votes.csv"));
    let text = fer_plus("0,0,0,0,0,0,0,0,1,9");
    let error = read(&source, &votes, &text, &[], OnBadFile::Fail).unwrap_err().to_string();
    assert!(error.contains("row 2: no vote") && error.contains("faces.csv row 2") && error.contains("skip"), "{error}");
    // It was the only one of its class.
    let error = read(&source, &votes, &text, &[], OnBadFile::Skip).unwrap_err().to_string();
    assert!(error.contains("class `neutral`"), "{error}");
    let six = ["angry", "disgust", "fear", "happy", "sad", "surprise"];
    let data = read(&source, &votes, &text, &six, OnBadFile::Skip).unwrap();
    assert_eq!(data.train.len(), 6);
    assert!(data.notes.iter().any(|n| n.starts_with("skipped") && n.contains("row 2")), "{:?}", data.notes);
}

#[test]
fn a_folder_by_names() {
    let folder = tempfile::tempdir().unwrap();
    for split in ["train", "test"] {
        for class in ["happy", "sad"] {
            std::fs::create_dir_all(folder.path().join(split).join(class)).unwrap();
            for i in 0..4 {
                let picture = GrayImage::from_pixel(8, 8, image::Luma([i]));
                picture.save(folder.path().join(split).join(class).join(format!("{i}.png"))).unwrap();
            }
        }
    }
    let votes = folder.path().join("votes.csv");
    let mut text = "image,Joy,sadness\n".to_owned();
    for split in ["train", "test"] {
        (0..4).for_each(|i| text += &format!("{split}/happy/{i}.png,3,1\n{split}\\sad\\{i}.png,0,{i}.5\n"));
    }
    let source = folder.path().to_str().unwrap();
    let data = read(source, &votes, &text, &["sad", "happy"], OnBadFile::Fail).unwrap();
    assert_eq!((data.train.len(), data.validation.len(), data.test.as_ref().unwrap().len()), (6, 2, 8));
    let happy = (0..6).find(|i| data.train.label(*i) == 1).unwrap();
    assert_eq!(targets(&data, happy), [0.25, 0.75]);
    for (from, to, word) in [
        ("train/happy/2.png", "elsewhere.png", "no row for"),
        ("train/happy/2.png", "train/happy/1.png", "a second row"),
        ("image,", "photo,", "row 1: no column image name"),
        ("Joy", "glee", "no column of votes for class `happy`"),
        (",3,1", ",3", "2 columns, the header has 3"),
        (",3,1", ",-3,1", "`-3` for `Joy` is not a number of votes"),
    ] {
        let error = read(source, &votes, &text.replace(from, to), &["sad", "happy"], OnBadFile::Fail);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(word), "{to}: {error}");
    }
    // One name for two images.
    let both = text.replace("train/happy/2.png", "2.png").replace("test/happy/2.png,3,1\n", "");
    let error = read(source, &votes, &both, &["sad", "happy"], OnBadFile::Fail).unwrap_err().to_string();
    assert!(error.contains("is both"), "{error}");
    let error = read("synth:70", &votes, HEAD, &[], OnBadFile::Fail).unwrap_err().to_string();
    assert!(error.contains("no votes can be said"), "{error}");
}

#[test]
fn votes_of_other_data() {
    let folder = tempfile::tempdir().unwrap();
    let (source, votes) = (fer2013(folder.path()), folder.path().join("votes.csv"));
    let good = fer_plus("10,0,0,0,0,0,0,0,0,0");
    let short: String = good.lines().take(20).map(|l| format!("{l}\n")).collect();
    let text = |votes_text: &str| read(&source, &votes, votes_text, &[], OnBadFile::Fail).unwrap_err().to_string();
    assert!(text(&short).contains("19 rows, and none for faces.csv row 21"), "{}", text(&short));
    let shifted = good.replacen("Training,fer00.png", "PublicTest,fer00.png", 1);
    assert!(text(&shifted).contains("Usage `PublicTest`"), "{}", text(&shifted));
}

/// The data and the votes of `fer2013` and `fer_plus`, in other dialects.
#[test]
fn rows_match_in_any_dialect() {
    let folder = tempfile::tempdir().unwrap();
    let (source, votes) = (fer2013(folder.path()), folder.path().join("votes.csv"));
    let (data, good) = (std::fs::read_to_string(&source).unwrap(), fer_plus("10,0,0,0,0,0,0,0,0,0"));
    let blanks = |text: &str| text.replacen("\nTraining", "\n\n\nTraining", 1).replacen("\n2,", "\n\n2,", 1);
    let all = |text: &str, votes_text: &str| {
        std::fs::write(&source, text).unwrap();
        let data = read(&source, &votes, votes_text, &[], OnBadFile::Fail).unwrap();
        assert_eq!(data.train.len(), 7);
        (0..7).flat_map(|i| targets(&data, i)).collect::<Vec<f32>>()
    };
    let wanted = all(&data, &good);
    let indexed = |name: &str| {
        let row = |(i, line): (usize, &str)| match i {
            0 => format!("{name},{line},width\n"),
            _ => format!("{},{line},48\n", i - 1),
        };
        good.lines().enumerate().map(row).collect::<String>()
    };
    for (text, votes_text) in [
        (data.replace('\n', "\r\n"), good.replace('\n', "\r\n")),
        (data.replace('\n', "\r"), good.clone()),
        (blanks(&data), good.clone()),
        (data.clone(), blanks(&good)),
        (data.replace(",Training", ",train").replace(",PrivateTest", ",TEST"), good.replace(',', ";")),
        (data.clone(), indexed("")),
        (data.clone(), indexed("Unnamed: 0")),
        (data.clone(), indexed("index")),
    ] {
        assert_eq!(all(&text, &votes_text), wanted, "{votes_text}");
    }
    let opened = read(&source, &votes, &indexed("index"), &[], OnBadFile::Fail).unwrap();
    assert!(opened.notes.iter().any(|n| n.ends_with("not counted as votes: index, width")), "{:?}", opened.notes);
    // Packed, and of images without Usage: all of them are for training, whatever the votes say.
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, good.as_bytes()).unwrap();
    let packed = folder.path().join("votes.csv.gz");
    std::fs::write(&packed, packer.finish().unwrap()).unwrap();
    let without = data.replace(",Usage", "").replace(",Training", "").replace(",PublicTest", "");
    std::fs::write(&source, without.replace(",PrivateTest", "")).unwrap();
    let options = Options { soft_labels: Some(packed), ..Options::default() };
    let opened = open(&source, INPUT, &options).unwrap();
    assert_eq!(opened.train.len() + opened.validation.len(), 21);
}

#[test]
fn votes_stay_with_their_rows_where_others_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let (source, votes) = (fer2013(folder.path()), folder.path().join("votes.csv"));
    let (data, good) = (std::fs::read_to_string(&source).unwrap(), fer_plus("10,0,0,0,0,0,0,0,0,0"));
    // A second training image of the class that the bad row is of, before it.
    let (head, rest) = data.split_once('\n').unwrap();
    let image = rest.lines().nth(2).unwrap();
    let table = |rest: &str| format!("{head}\n{image}\n{rest}");
    let good = good.replacen("NF\n", "NF\nTraining,extra.png,10,0,0,0,0,0,0,0,0,0\n", 1);
    let six = ["angry", "disgust", "fear", "happy", "sad", "neutral"];
    // A row that cannot be read has votes; junk between rows and behind them has none.
    for text in [
        table(&rest.replacen("\n2,7 ", "\n2,x ", 1)),
        table(&rest.replacen("\n2,", "\njunk\n2,", 1)),
        table(&format!("{rest}junk,,,,,\n0::\n")),
    ] {
        std::fs::write(&source, &text).unwrap();
        let opened = read(&source, &votes, &good, &six, OnBadFile::Skip).unwrap();
        let all: Vec<u32> = (0..opened.train.len()).map(|i| opened.train.label(i)).collect();
        // FER+'s columns in their order, without surprise, after the image that was put first.
        assert_eq!(all, [5, 5, 3, 4, 0, 1, 2]);
        assert!(opened.notes.iter().any(|n| n.starts_with("skipped")), "{:?}", opened.notes);
        assert!(opened.test.is_some_and(|test| test.len() == 6));
    }
}
