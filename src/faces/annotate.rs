//! Boxes and labels on a copy of a picture.

use super::FaceBox;
use font8x8::UnicodeFonts;
use image::{Rgb, RgbImage};

/// Of boxes and behind labels: seen on light and dark skin, and by the colour-blind.
const COLOUR: Rgb<u8> = Rgb([0, 158, 115]);
const LETTERS: Rgb<u8> = Rgb([255; 3]);
/// Rows and columns of a letter.
const LETTER: u32 = 8;

/// Draws a box around a face and its label above it, or inside where there is no room.
pub fn annotate(picture: &mut RgbImage, face: FaceBox, label: &str) {
    let (width, height) = picture.dimensions();
    let thick = (width.max(height) / 400).max(1);
    let (right, bottom) = (face.x + face.width, face.y + face.height);
    fill(picture, (face.x, face.y), (face.width, thick));
    fill(picture, (face.x, bottom.saturating_sub(thick)), (face.width, thick));
    fill(picture, (face.x, face.y), (thick, face.height));
    fill(picture, (right.saturating_sub(thick), face.y), (thick, face.height));
    let scale = (width.max(height) / 500).max(1);
    let (columns, rows) = (label.chars().count() as u32 * LETTER * scale, (LETTER + 2) * scale);
    let left = face.x.min(width.saturating_sub(columns));
    let top = if face.y >= rows { face.y - rows } else { face.y };
    fill(picture, (left, top), (columns, rows));
    for (i, letter) in label.chars().enumerate() {
        // A letter that the small font lacks is a question mark, as on old terminals.
        let glyph = font8x8::BASIC_FONTS.get(letter).or_else(|| font8x8::LATIN_FONTS.get(letter));
        let glyph = glyph.or_else(|| font8x8::BASIC_FONTS.get('?')).unwrap_or_default();
        let first = left + i as u32 * LETTER * scale;
        for (row, bits) in (0..).zip(glyph) {
            for column in (0..LETTER).filter(|column| bits >> column & 1 == 1) {
                let place = (first + column * scale, top + scale + row * scale);
                paint(picture, place, (scale, scale), LETTERS);
            }
        }
    }
}

fn fill(picture: &mut RgbImage, at: (u32, u32), size: (u32, u32)) {
    paint(picture, at, size, COLOUR);
}

/// Paints what of a rectangle lies in the picture.
fn paint(picture: &mut RgbImage, (x, y): (u32, u32), (width, height): (u32, u32), colour: Rgb<u8>) {
    for row in y..(y + height).min(picture.height()) {
        for column in x..(x + width).min(picture.width()) {
            picture.put_pixel(column, row, colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_and_letters_are_drawn_within_the_picture() {
        let mut picture = RgbImage::new(100, 60);
        annotate(&mut picture, FaceBox { x: 20, y: 20, width: 30, height: 30 }, "sad");
        for (x, y) in [(20, 20), (49, 49), (20, 49), (35, 20)] {
            assert_eq!(*picture.get_pixel(x, y), COLOUR, "{x}, {y}");
        }
        assert_eq!(picture.get_pixel(35, 35).0, [0; 3], "nothing over the face");
        let letters = picture.enumerate_pixels().filter(|(_, _, p)| **p == LETTERS);
        let places: Vec<(u32, u32)> = letters.map(|(x, y, _)| (x, y)).collect();
        assert!(
            places.len() > 30 && places.iter().all(|(x, y)| (20..44).contains(x) && (10..20).contains(y)),
            "{places:?}"
        );
        // No room above, none to the right, and a letter that the font lacks.
        annotate(&mut picture, FaceBox { x: 90, y: 0, width: 10, height: 60 }, "glücklich 漢 0.99");
        annotate(&mut RgbImage::new(1, 1), FaceBox { x: 0, y: 0, width: 1, height: 1 }, "happy");
    }
}
