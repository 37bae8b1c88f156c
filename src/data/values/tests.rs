#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::data;
use image::GrayImage;

const INPUT: InputSpec = InputSpec::new(8, 8, 1);

/// A folder of four grey images and a table.
fn folder(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("faces")).unwrap();
    for i in 0..4u8 {
        let picture = GrayImage::from_pixel(8, 8, image::Luma([51 * i]));
        picture.save(folder.path().join(format!("faces/{i}.png"))).unwrap();
    }
    let path = folder.path().join("table.csv");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn open(text: &str, options: &Options) -> Result<Dataset> {
    let (_folder, path) = folder(text);
    data::open(&path, INPUT, options)
}

#[test]
fn splits_and_numbers() {
    let (_folder, path) = folder(
        "\u{feff}split,Path,valence,arousal\ntrain,faces/0.png,-0.5,1\nVal,faces/1.png,0,0\n\
         test,faces/2.png,1e-1,-1\ntraining,faces/3.png,0.25,0\n",
    );
    let data = data::open(&path, INPUT, &Options::default()).unwrap();
    assert_eq!((data.task, data.classes.clone()), (Task::Values, vec!["valence".into(), "arousal".into()]));
    let (train, mut target, mut x) = (data.train, [0.0; 2], [0.0; 64]);
    assert_eq!((train.len(), data.validation.len(), data.test.unwrap().len()), (2, 1, 1));
    train.target(1, &mut target);
    train.read(1, &mut x).unwrap();
    assert_eq!((target, x[5], train.outputs(), train.label(1)), ([0.25, 0.0], 0.6, 2, 0));
}

#[test]
fn without_a_split_some_are_held_back() {
    let text = "path,smile\nfaces/0.png,0\nfaces/1.png,1\nfaces/2.png,2\nfaces/3.png,3\n";
    let options = Options { validation_split: Some(0.5), ..Options::default() };
    let data = open(text, &options).unwrap();
    assert_eq!((data.train.len(), data.validation.len(), data.test.is_none()), (2, 2, true));
    assert!(data.notes[0].contains("2 training images (0.5) are held back"), "{:?}", data.notes);
}

#[test]
fn refuses_by_row() {
    let skip = Options { on_bad_file: OnBadFile::Skip, ..Options::default() };
    for (text, word) in [
        ("path\nfaces/0.png\n", "row 1: no column of numbers"),
        ("path,a,a\nfaces/0.png,1,1\n", "row 1: two columns `a`"),
        ("path,a\n", "no row"),
        ("path,a\nfaces/0.png,1\n", "one image"),
        ("path,a\nfaces/0.png,1\nfaces/1.png\n", "row 3: 1 columns"),
        ("path,a\nfaces/0.png,warm\n", "row 2: a is `warm`"),
        ("path,a\nfaces/0.png,inf\n", "row 2: a is `inf`"),
        ("path,a\n,1\n", "row 2: no path"),
        ("path,a,split\nfaces/0.png,1,tset\n", "row 2: split `tset`"),
        ("path,a\nfaces/9.png,1\n", "row 2: no such file"),
        ("path,a,split\nfaces/0.png,1,test\n", "no image to train on"),
    ] {
        let error = open(text, &Options::default()).unwrap_err().to_string();
        assert!(error.contains("table.csv") && error.contains(word), "{text}: {error}");
    }
    let data = open("path,a\nfaces/0.png,0\nfaces/9.png,1\ntable.csv,1\nfaces/1.png,1\n", &skip).unwrap();
    assert_eq!((data.train.len(), data.validation.len()), (1, 1));
    assert!(data.notes[0].contains("row 3") && data.notes[1].contains("row 4"), "{:?}", data.notes);
    let classes = Some(vec!["a".into(), "b".into()]);
    let error = open("path,a\nfaces/0.png,1\n", &Options { classes, ..Options::default() }).unwrap_err();
    assert!(error.to_string().contains("--classes"), "{error}");
}

/// Names, the first image's values, notes.
type Learned = (Vec<String>, Vec<f32>, Vec<String>);

/// What is learned of a table with the header `head` and rows that count from 10, or why nothing is.
fn learned(head: &str, outputs: &[&str]) -> Result<Learned, String> {
    let count = head.matches(',').count();
    let row = |i: usize| {
        let values: String = (1..=count).map(|column| format!(",{}", 10 * column + i)).collect();
        format!("faces/{i}.png{values}\n")
    };
    let text = format!("{head}\n{}", (0..4).map(row).collect::<String>());
    let outputs = (!outputs.is_empty()).then(|| outputs.iter().map(ToString::to_string).collect());
    let (_folder, path) = folder(&text);
    let data = data::open(&path, INPUT, &Options { outputs, ..Options::default() }).map_err(|e| e.to_string())?;
    let all = data.all();
    let mut target = vec![0.0; all.outputs()];
    let first = (0..4).find(|i| all.name(*i).ends_with("0.png")).unwrap();
    all.target(first, &mut target);
    Ok((data.classes, target, data.notes))
}

#[test]
fn outputs_choose_the_columns() {
    let head = "path,Unnamed: 1,face_x,face_y,face_width,valence,Arousal";
    let (names, values, _) = learned(head, &["arousal", "valence"]).unwrap();
    assert_eq!((names, values), (vec!["arousal".to_owned(), "valence".to_owned()], vec![60.0, 50.0]));
    assert_eq!(learned(head, &["face_x"]).unwrap().1, [20.0], "what was asked for may be odd");
    for (outputs, words) in [
        (vec!["valance"], ["no column `valance`", "did you mean `valence`?"]),
        (vec!["Unnamed: 1"], ["`Unnamed: 1` numbers the rows", head]),
        (vec!["path"], ["no column `path` to learn", head]),
        (vec!["valence", "valence"], ["two columns `valence`", head]),
        (vec![""], ["no column `` to learn", head]),
    ] {
        let error = learned(head, &outputs).unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{outputs:?}: {error}");
    }
}

#[test]
fn columns_that_are_not_meant_to_be_learned() {
    for index in ["", "Unnamed: 0", "index", "ID"] {
        let (names, values, notes) = learned(&format!("path,{index},smile"), &[]).unwrap();
        assert_eq!((names, values), (vec!["smile".to_owned()], vec![20.0]), "{index}");
        assert!(notes[0].contains("numbers the rows and is not learned"), "{notes:?}");
    }
    for (head, words) in [
        ("path,face_x,face_y,valence,arousal", ["`face_x`, `face_y`", "--outputs valence,arousal"]),
        ("path,x,y,w,h,smile", ["`x`, `y`, `w`, `h`", "--outputs smile"]),
        ("path,xMin,y_max,left,smile", ["`xMin`, `y_max`, `left`", "--outputs smile"]),
        ("path,bbox,smile", ["`bbox` would be learned and look like a face's box", "--outputs smile"]),
        ("path,expression,valence", ["`expression` would be learned and look like classes", "--outputs valence"]),
        ("path,label", ["--outputs label if", "class folders"]),
    ] {
        let error = learned(head, &[]).unwrap_err();
        let shown = format!("the header is `{head}`");
        assert!(words.iter().chain([&shown.as_str()]).all(|word| error.contains(word)), "{head}: {error}");
    }
    // A survey learns nothing of them, and so asks nothing.
    let (_folder, path) = folder("path,face_x,expression,smile\nfaces/0.png,1,happy,0\nfaces/1.png,1,sad,wide\n");
    let found = crate::data::check::check(&path).unwrap();
    assert!(found.images == 1 && found.bad.len() == 1 && found.bad[0].contains("smile is `wide`"), "{:?}", found.bad);
    assert!(found.notes[0].ends_with("not looked at: face_x, expression"), "{:?}", found.notes);
    // Two angles of a gaze are no box.
    assert_eq!(learned("path,x,y", &[]).unwrap().0, ["x", "y"]);
    let text = "path,id,smile\nfaces/0.png,7,0\nfaces/1.png,3,1\nfaces/2.png,7,1\n";
    let error = open(text, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("`id` would be learned and look like numbers of images"), "{error}");
    assert!(open("path,who\nfaces/0.png,S5\n", &Options::default()).unwrap_err().to_string().contains("or --outputs"));
}

#[test]
fn tables_of_windows() {
    let text = "\u{feff}path;smile\r\n\r\nfaces\\0.png;0\r\n.\\faces\\1.png;1\r\nfaces\\9.png;1\r\n";
    let error = open(text, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("row 5: no such file") && error.contains("faces/9.png"), "{error}");
    let skip = Options { on_bad_file: OnBadFile::Skip, ..Options::default() };
    let data = open(&format!("{text}faces\\2.png;wide\r\n"), &skip).unwrap();
    assert_eq!(data.train.len() + data.validation.len(), 2);
    let skipped: Vec<&String> = data.notes.iter().filter(|n| n.starts_with("skipped")).collect();
    assert!(skipped[0].contains("row 6: smile is `wide`") && skipped[1].contains("row 5"), "{:?}", data.notes);
}
