//! A sheet of images with captions; the images are inside the file.

use super::svg::{Anchor, Svg, shorten};
use base64::{Engine, prelude::BASE64_STANDARD};

/// Pixels of an image on the sheet, along a side.
const SIDE: f64 = 112.0;
const CELL: (f64, f64) = (150.0, 182.0);
const COLUMNS: usize = 6;
/// Longest line of a caption that fits.
const CAPTION: usize = 23;

/// An image and what to say of it.
#[derive(Debug, Clone)]
pub struct Picture {
    /// A whole PNG file.
    pub png: Vec<u8>,
    /// Lines below it; the first is printed strong.
    pub caption: Vec<String>,
    /// Shown under the pointer.
    pub tip: String,
}

/// The sheet, six images a row in their order.
pub fn sheet_svg(title: &str, pictures: &[Picture]) -> String {
    let rows = pictures.len().div_ceil(COLUMNS).max(1);
    let mut svg = Svg::new(CELL.0 * COLUMNS as f64 + 20.0, CELL.1 * rows as f64 + 56.0, title);
    svg.text("strong", (20.0, 32.0), 15.0, Anchor::Start, title);
    if pictures.is_empty() {
        svg.text("soft", (20.0, 64.0), 13.0, Anchor::Start, "there is none");
    }
    for (i, picture) in pictures.iter().enumerate() {
        let x = 20.0 + CELL.0 * (i % COLUMNS) as f64;
        let y = 48.0 + CELL.1 * (i / COLUMNS) as f64;
        let data = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(&picture.png));
        svg.image((x, y), (SIDE, SIDE), &data, &picture.tip);
        for (line, text) in picture.caption.iter().enumerate() {
            let class = if line == 0 { "strong" } else { "soft" };
            let at = (x, y + SIDE + 16.0 + 15.0 * line as f64);
            svg.text(class, at, 11.0, Anchor::Start, &shorten(text, CAPTION));
        }
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_inside_and_captions_are_text() {
        let picture = Picture { png: b"abc".to_vec(), caption: vec!["<1>".into(), "x".repeat(99)], tip: "t&t".into() };
        let svg = sheet_svg("Worst", &vec![picture; 7]);
        assert_eq!(svg.matches("href=\"data:image/png;base64,YWJj\"").count(), 7);
        assert!(svg.contains("&lt;1&gt;") && svg.contains("<title>t&amp;t</title>") && svg.contains("xx\u{2026}"));
        assert!(sheet_svg("Worst", &[]).contains("there is none"));
    }
}
