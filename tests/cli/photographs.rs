//! Photographs that are explained, and lists of paths on standard input.

use crate::cli_support::{Done, command, faces, fer, finished_run, text};
use image::imageops::{FilterType, replace, resize};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A wall without a face, and the same wall with two drawn faces.
fn photographs(folder: &Path) -> (PathBuf, PathBuf) {
    let (tree, wall, photo) = (folder.join("faces"), folder.join("wall.png"), folder.join("photo.png"));
    faces(&tree);
    let mut picture = image::GrayImage::from_fn(420, 200, |x, y| image::Luma([(x / 3 + y / 2) as u8]));
    picture.save(&wall).unwrap();
    let face = image::open(tree.join("test/happy/00003.png")).unwrap().to_luma8();
    replace(&mut picture, &resize(&face, 150, 150, FilterType::Triangle), 20, 30);
    replace(&mut picture, &resize(&face, 130, 130, FilterType::Triangle), 240, 40);
    picture.save(&photo).unwrap();
    (wall, photo)
}

fn pages(rows: &Value) -> Vec<Option<&str>> {
    rows.as_array().unwrap().iter().map(|row| row["page"].as_str()).collect()
}

/// Faces are those that `predict` finds, each has a page and is printed once; a photograph without one says so.
#[test]
fn photographs_are_explained_face_by_face() {
    let folder = tempfile::tempdir().unwrap();
    let (wall, photo) = photographs(folder.path());
    let (run, out) = (text(finished_run()), folder.path().join("why"));
    let rest = ["--device", "cpu", "--method", "saliency", "--out", text(&out)];
    let explain = |more: &[&str]| fer(&[&["explain", run], more, &rest].concat());
    let found = fer(&["predict", run, text(&photo), "--device", "cpu", "--json"]).expect(0, &[]).json();
    let rows = explain(&[text(&photo), text(&wall), "--json"]).expect(0, &["no face found in", "wall.png"]).json();
    assert_eq!(rows.as_array().unwrap().len(), 3);
    for (i, page) in ["photo.html", "photo-2.html"].into_iter().enumerate() {
        for (here, there) in [("box", "box"), ("class", "label"), ("probability", "probability")] {
            assert_eq!(rows[i][here], found[i][there], "face {i}");
        }
        assert_eq!(rows[i]["page"], text(&out.join(page)));
        let (x, html) = (&rows[i]["box"]["x"], fs::read_to_string(out.join(page)).unwrap());
        assert!(html.contains(&format!("photo.png, the face at {x},")));
    }
    assert!(["box", "class", "probability", "page"].iter().all(|key| rows[2][key].is_null()), "{rows}");

    let done = explain(&[text(&photo), "--face", "largest", "--margin", "0.5"]).expect(0, &[]);
    assert_eq!(done.out.lines().count(), 2, "a head and a row: {}", done.out);
    assert!(!done.err.contains("photo"), "once only: {}", done.err);
    assert_eq!(
        pages(&explain(&[text(&wall), "--face", "none", "--json"]).expect(0, &[]).json()),
        [out.join("wall.html").to_str()]
    );
    explain(&[text(&wall)]).expect(0, &["no face is found in any of the 1 images", "--face none"]);
    explain(&[text(&photo), "--margin", "3"]).expect(2, &["--margin 3", "0 to 2"]);
    let (bad, video) = (folder.path().join("bad.png"), folder.path().join("clip.mp4"));
    fs::write(&bad, "no image").unwrap();
    fs::write(&video, "no video").unwrap();
    explain(&[text(&bad)]).expect(3, &["bad.png"]);
    let done =
        explain(&[text(&bad), text(&photo), "--on-bad-file", "skip", "--json"]).expect(0, &["skipped", "bad.png"]);
    assert_eq!(done.json().as_array().unwrap().len(), 2);
    explain(&[text(&video)]).expect(2, &["clip.mp4 is a video", "ffmpeg"]);
}

/// A row of a list that cannot be read is a file that cannot be read; the others go on.
#[test]
fn lists_come_as_every_system_writes_them() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("deep/er");
    fs::create_dir_all(&root).unwrap();
    let picture = image::GrayImage::from_fn(48, 48, |x, y| image::Luma([(x * y) as u8]));
    ["a.png", "b c.png"].iter().for_each(|name| picture.save(root.join(name)).unwrap());
    let with = |command_name: &str, list: &[u8], more: &[&str]| {
        let args = [&[command_name, text(finished_run()), "-", "--device", "cpu", "--json"], more].concat();
        let mut child = command(&args);
        child.current_dir(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        child.stdin.take().unwrap().write_all(list).unwrap();
        Done::of(child.wait_with_output().unwrap())
    };
    let predict = |list: &[u8], more: &[&str]| with("predict", list, more);
    let files = |done: Done| {
        let rows = done.expect(0, &[]).json();
        rows.as_array().unwrap().iter().map(|row| row["file"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let wanted = ["deep/er/a.png", "deep/er/b c.png"];
    assert_eq!(files(predict(b"\xEF\xBB\xBFdeep/er/a.png\r\n\r\ndeep\\er\\b c.png\r\n", &[])), wanted);
    let maps = ["--method", "saliency", "--out", "why"];
    assert_eq!(files(with("explain", b"deep\\er\\a.png\ndeep/er/b c.png", &maps)), wanted);
    let list = b"deep/er/a.png\nd\xE9ep.png\ngone.png\ndeep/er/b c.png\n";
    predict(list, &[]).expect(3, &["cannot read d\u{fffd}ep.png"]);
    let done =
        predict(list, &["--on-bad-file", "skip"]).expect(0, &["skipped cannot read d", "skipped cannot read gone.png"]);
    assert_eq!(files(done), wanted);
    #[cfg(unix)]
    {
        let name = std::ffi::OsStr::new("a");
        let odd = [std::os::unix::ffi::OsStrExt::as_bytes(name), b"\xE9.png"].concat();
        let path = folder.path().join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&odd));
        fs::copy(root.join("a.png"), path).unwrap();
        assert_eq!(files(predict(&odd, &[])).len(), 1, "a name is bytes");
    }
    predict(b"\xEF\xBB\xBF\r\n", &[]).expect(2, &["no path on standard input"]);
}
