#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

type Rows = Vec<(u64, Vec<String>)>;

/// The header, and each row with its line.
fn rows(bytes: &[u8]) -> Result<(Vec<String>, Rows)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.any");
    std::fs::write(&path, bytes).unwrap();
    let mut table = Table::open(&path, "a table")?;
    let mut rows = Vec::new();
    while table.advance()? {
        rows.push((table.line(), (0..table.record.len()).map(|i| table.text(i).unwrap().to_owned()).collect()));
    }
    Ok((table.header, rows))
}

fn refuse(bytes: &[u8]) -> String {
    let text = rows(bytes).unwrap_err().to_string();
    assert!(text.contains("table.any"), "{text}");
    text
}

/// The lines that hold something, counted as editors count: by line ends alone.
fn lines_of(text: &str, end: &str) -> Vec<u64> {
    (1..).zip(text.split(end)).filter(|(_, line)| !line.trim().is_empty()).map(|(n, _)| n).skip(1).collect()
}

#[test]
fn lines_are_those_of_an_editor() {
    let text = "\n\na,b\n1,2\n\n3,4\n   \n\t\n,\n5,6\n7,8\n\n";
    let wanted: Vec<u64> = lines_of(text, "\n").into_iter().filter(|line| *line != 9).collect();
    assert_eq!(wanted, [4, 6, 10, 11]);
    for end in ["\n", "\r\n", "\r", "\r\r\n"] {
        for last in [text, text.trim_end()] {
            let bytes = last.replace('\n', end).into_bytes();
            for bytes in [gzip(&bytes), [b"\xef\xbb\xbf", bytes.as_slice()].concat(), bytes] {
                let (header, found) = rows(&bytes).unwrap();
                assert_eq!(header, ["a", "b"], "{end:?}");
                assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), wanted, "{end:?}");
                assert_eq!(found[3].1, ["7", "8"], "{end:?}");
            }
        }
    }
}

#[test]
fn quotes_may_hold_anything() {
    let text = "\"a\";b\r\n\"1;\r\n2\";\"x \"\"y\"\"\"\r\n\r\n3;4\r\n\"5\n\n\";6\r\n7;8";
    let (header, found) = rows(text.as_bytes()).unwrap();
    assert_eq!(header, ["a", "b"]);
    let found: Vec<(u64, &str)> = found.iter().map(|(line, row)| (*line, row[1].as_str())).collect();
    assert_eq!(found, [(2, "x \"y\""), (5, "4"), (6, "6"), (9, "8")]);
}

#[test]
fn what_stands_between_fields() {
    for by in [",", ";", "\t", "|"] {
        let text = format!("path{by}\"a,;b\"{by}c\nx{by}0{by}1\n");
        assert_eq!(rows(text.as_bytes()).unwrap().0, ["path", "a,;b", "c"], "{by:?}");
        let (header, found) = rows(format!("sep={by}\r\n{}", text.replace('\n', "\r\n")).as_bytes()).unwrap();
        assert_eq!((header.len(), found[0].0), (3, 3), "{by:?}");
    }
    assert_eq!(rows(b"emotion\n1\n").unwrap().0, ["emotion"]);
}

#[test]
fn lengths_of_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    std::fs::write(&path, "a,b,,\n1,2\n1,2,,,,\n1\n1,2,3,4,5\n1,\"2\n1,2\n1,2").unwrap();
    let mut table = Table::open(&path, "a table").unwrap();
    let mut said = Vec::new();
    while table.advance().unwrap() {
        said.push(table.check_length().map_err(|(what, _)| format!("{}: {what}", table.line())).err());
    }
    assert_eq!(said[..2], [None, None], "trailing commas");
    assert_eq!(said[2].as_deref(), Some("4: 1 columns, the header has 4"));
    assert_eq!(said[3].as_deref(), Some("5: 5 columns, the header has 4"));
    assert!(said.len() == 5 && said[4].is_none(), "{said:?}");
    std::fs::write(&path, "a,b,c\n1,\"2,3\n4,5,6\n7,8,9\n").unwrap();
    let mut table = Table::open(&path, "a table").unwrap();
    assert!(table.advance().unwrap());
    let (what, _) = table.check_length().unwrap_err();
    assert_eq!(
        (table.line(), what.as_str()),
        (2, "2 columns, the header has 3, up to line 4: a quotation mark is not closed")
    );
}

#[test]
fn headers_are_shown_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    for header in ["subDirectory_filePath,face_x,face_y,expression,valence,arousal", ",pth,label,relFCs", "a;b;c"] {
        std::fs::write(&path, format!("{header}\r\n1,2,3\r\n")).unwrap();
        let text = Table::open(&path, "a table").unwrap().refuse_header("no", "more").to_string();
        assert!(text.contains(&format!("row 1: no: the header is `{header}`; expected more")), "{text}");
    }
    std::fs::write(&path, vec!["name"; 1000].join(",")).unwrap();
    assert!(Table::open(&path, "a table").unwrap().refuse_header("no", "more").to_string().len() < 600);
    std::fs::write(&path, "a,B,b\n").unwrap();
    let text = Table::open(&path, "a table").unwrap().column(&["x", "b"]).unwrap_err().to_string();
    assert!(text.contains("two columns `b`"), "{text}");
}

#[test]
fn files_that_are_no_table() {
    let mut tar = vec![b'f'; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    let cases: [(Vec<u8>, &str); 12] = [
        (Vec::new(), "an empty file"),
        (b"\xef\xbb\xbf".to_vec(), "an empty file"),
        (b"\r\n \r\n".to_vec(), "an empty file"),
        (gzip(b""), "an empty file"),
        (gzip(&tar), "a tar archive"),
        (b"PK\x03\x04 rest".to_vec(), "a zip archive"),
        (b"\xfd7zXZ\0".to_vec(), "packed by xz"),
        (gzip(&gzip(b"a,b\n")), "packed by gzip twice"),
        (b"\n<!DOCTYPE html><html>".to_vec(), "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n".to_vec(), "Git LFS"),
        (b"\xff\xfea\0,\0b\0\n\0".to_vec(), "UTF-16 text, which is not UTF-8 text"),
        (vec![b'7'; 3 << 20], "row 1: the file cannot be read any further (a line of over 1 MiB)"),
    ];
    for (bytes, what) in cases {
        assert!(refuse(&bytes).contains(what), "{what}: {}", refuse(&bytes));
    }
    let lines: Vec<String> = (0..20_000).map(|i| format!("{i},{}", i * 7919 % 1009)).collect();
    let packed = gzip(lines.join("\n").as_bytes());
    let cut = refuse(&packed[..packed.len() / 2]);
    assert!(
        cut.contains("cannot be read any further") && cut.contains("get it again") && !cut.contains("row 1:"),
        "{cut}"
    );
    assert!(refuse(&packed[..12]).contains("row 1: the file cannot be read"), "{}", refuse(&packed[..12]));
}
