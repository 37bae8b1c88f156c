//! The field `pixels`: grey values, row by row of a square image.

use crate::data::table::{Fault, shown, utf8_note};

/// Rows and columns that an image may have.
const SIDES: std::ops::RangeInclusive<usize> = 8..=512;

/// Appends the grey values of a field and gives the side of the image, which `side` prescribes if an image came before.
///
/// Values are separated by white space (or commas, in one quoted field), perhaps within `[ ]` as numpy prints them; whole numbers
/// may be written as floats (`74.0`).
///
/// # Errors
/// A value that is no whole number from 0 to 255, another number of values.
pub(super) fn parse(field: &[u8], side: Option<usize>, pixels: &mut Vec<u8>) -> Result<usize, Fault> {
    let before = pixels.len();
    let field = field.strip_prefix(b"[").and_then(|field| field.strip_suffix(b"]")).unwrap_or(field);
    let words = field.split(|b| b.is_ascii_whitespace() || *b == b',').filter(|word| !word.is_empty());
    for word in words {
        let Some(value) = grey(word) else {
            let place = pixels.len() - before + 1;
            let fraction = float(word).is_some_and(|value| (0.0..=1.0).contains(&value));
            let note = if fraction { "; multiply values from 0 to 1 by 255 and round them" } else { "" };
            let what = format!("pixel {place} is `{}`{}", shown(word, 40), utf8_note(word));
            return Err((what, format!("{}{note}", expected(side))));
        };
        pixels.push(value);
    }
    let count = pixels.len() - before;
    let found = count.isqrt();
    if found * found == count && SIDES.contains(&found) && side.is_none_or(|side| side == found) {
        return Ok(found);
    }
    let grey = count / 3;
    let colour = count.is_multiple_of(3) && grey.isqrt().pow(2) == grey && SIDES.contains(&grey.isqrt());
    let note = if colour { format!(" (3 x {grey}: colours?)") } else { String::new() };
    Err((format!("{count} pixels{note}"), expected(side)))
}

fn expected(side: Option<usize>) -> String {
    let side = side.unwrap_or(48);
    format!("{} whole numbers from 0 to 255 with spaces between them ({side} rows of {side} grey pixels)", side * side)
}

/// A grey value.
fn grey(word: &[u8]) -> Option<u8> {
    if let [_] | [_, _] | [_, _, _] = word
        && word.iter().all(u8::is_ascii_digit)
    {
        return u8::try_from(word.iter().fold(0u32, |value, digit| value * 10 + u32::from(digit - b'0'))).ok();
    }
    float(word).filter(|value| value.fract() == 0.0 && (0.0..=255.0).contains(value)).map(|value| value as u8)
}

/// A number with a point or an exponent.
fn float(word: &[u8]) -> Option<f32> {
    let is_float = word.iter().any(|b| matches!(b, b'.' | b'e' | b'E'));
    std::str::from_utf8(word).ok().filter(|_| is_float)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn ways_to_write_pixels() {
        let values: Vec<u8> = (0..64).map(|i| i * 4).collect();
        let joined = |by: &str| values.iter().map(u8::to_string).collect::<Vec<_>>().join(by);
        let floats = values.iter().map(|v| format!("{v}.0")).collect::<Vec<_>>().join(" ");
        let exponents = values.iter().map(|v| format!("{v:e}")).collect::<Vec<_>>().join(" ");
        for text in [joined(" "), joined("  "), joined(", "), format!("[{}]", joined("\n ")), floats, exponents] {
            let mut pixels = vec![9];
            assert_eq!(parse(text.as_bytes(), None, &mut pixels).unwrap(), 8, "{text}");
            assert_eq!(pixels[1..], values, "{text}");
        }
    }

    #[test]
    fn other_counts_and_values() {
        let refuse = |text: &str, side| {
            let (what, expected) = parse(text.as_bytes(), side, &mut Vec::new()).unwrap_err();
            format!("{what}; {expected}")
        };
        assert!(refuse(&"7 ".repeat(65), Some(8)).starts_with("65 pixels; 64 whole numbers"));
        assert!(refuse(&"7 ".repeat(81), Some(8)).contains("(8 rows of 8"));
        assert!(refuse(&"7 ".repeat(49), None).contains("2304 whole numbers"), "7 x 7 is no face");
        assert!(refuse(&"7 ".repeat(192), Some(8)).contains("3 x 64: colours?"));
        assert!(refuse("0.0 0.29", None).contains("pixel 2 is `0.29`") && refuse("0.29", None).contains("by 255"));
        for word in ["256", "-1", "255.5", "256.0", "nan", "1e3", "0x1f", "+7", "1e-40"] {
            assert!(refuse(&format!("7 {word}"), None).contains(&format!("pixel 2 is `{word}`")), "{word}");
        }
    }
}
