//! Maps and images as pictures to look at. Colours are perceptual: equal steps of a map look like equal steps, in grey too.

use super::Map;
use crate::data::InputSpec;
use crate::error::{Error, Result};
use image::imageops::{FilterType, replace, resize};
use image::{ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

/// Pixels that a picture's shorter side has at least.
const SIDE: u32 = 288;
/// The same of a channel in a sheet.
const TILE: u32 = 40;
/// Channels that a sheet shows at most.
const TILES: usize = 64;
/// Opacity of a map over an image where the map is 1.
const OPACITY: f32 = 0.75;

/// How many times larger a picture must be so that its shorter side has `side` pixels.
fn factor(width: usize, height: usize, side: u32) -> u32 {
    side.div_ceil((width.min(height) as u32).max(1))
}

/// Squares of one colour for pixels: what the network sees is not smoothed.
fn enlarged(image: &RgbImage, by: u32) -> RgbImage {
    resize(image, image.width() * by, image.height() * by, FilterType::Nearest)
}

/// An image's pixels (from 0 to 1, rows first, channels last) at the size of the pictures of its maps.
pub fn upscaled(pixels: &[f32], input: InputSpec) -> RgbImage {
    let InputSpec { height, width, channels, .. } = input;
    let small = RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let first = (y as usize * width + x as usize) * channels;
        Rgb([0, 1, 2].map(|c| byte(pixels.get(first + c.min(channels - 1)).copied().unwrap_or(0.0))))
    });
    enlarged(&small, factor(width, height, SIDE))
}

/// A map by itself, from black over red to light yellow.
pub fn heat(map: &Map) -> RgbImage {
    let small = coloured(map, &map.shown(), colorous::INFERNO);
    enlarged(&small, factor(map.width, map.height, SIDE))
}

/// A map over its image, both of the same size: the more, the less is seen of the image.
pub fn overlay(map: &Map, image: &RgbImage) -> RgbImage {
    let by = factor(map.width, map.height, SIDE);
    let shown = map.shown();
    let mut picture = image.clone();
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let place = (y / by) as usize * map.width + (x / by) as usize;
        let value = shown.get(place).copied().unwrap_or(0.0);
        let colour = colorous::INFERNO.eval_continuous(f64::from(value)).as_array();
        // Behind the map the image is grey: its own colours are no part of the scale.
        let [r, g, b] = pixel.0.map(f32::from);
        let grey = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let mixed = |c: u8| grey + (f32::from(c) - grey) * OPACITY * value;
        pixel.0 = colour.map(|c| mixed(c).round() as u8);
    }
    picture
}

/// A layer's channels side by side, each from its own least to its own largest value; how many of them it shows.
pub fn sheet(channels: &[Map]) -> (RgbImage, usize) {
    let Some(first) = channels.first() else { return (RgbImage::new(1, 1), 0) };
    let shown = channels.len().min(TILES);
    let columns = (shown as f64).sqrt().ceil() as u32;
    let by = factor(first.width, first.height, TILE);
    let (width, height) = (first.width as u32 * by, first.height as u32 * by);
    let rows = (shown as u32).div_ceil(columns);
    let mut picture = RgbImage::from_pixel(columns * (width + 2) - 2, rows * (height + 2) - 2, Rgb([255; 3]));
    for (i, map) in channels.iter().take(shown).enumerate() {
        let low = map.values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = map.values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let scale = if high > low { 1.0 / (high - low) } else { 0.0 };
        let values: Vec<f32> = map.values.iter().map(|v| (v - low) * scale).collect();
        let tile = enlarged(&coloured(map, &values, colorous::VIRIDIS), by);
        let (column, row) = (i as u32 % columns, i as u32 / columns);
        replace(&mut picture, &tile, i64::from(column * (width + 2)), i64::from(row * (height + 2)));
    }
    (picture, shown)
}

/// A picture as a PNG file's bytes.
///
/// # Errors
/// A picture that PNG cannot hold.
pub fn png(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    let (width, height) = picture.dimensions();
    picture.write_to(&mut bytes, ImageFormat::Png).map_err(|e| {
        Error::usage(format!("a picture of {width} x {height} cannot be written as PNG ({e})"), "use a smaller image")
    })?;
    Ok(bytes.into_inner())
}

fn byte(value: f32) -> u8 {
    (value * 255.0).round().clamp(0.0, 255.0) as u8
}

/// A pixel a place.
fn coloured(map: &Map, values: &[f32], colours: colorous::Gradient) -> RgbImage {
    RgbImage::from_fn(map.width as u32, map.height as u32, |x, y| {
        let value = values.get(y as usize * map.width + x as usize).copied().unwrap_or(0.0);
        Rgb(colours.eval_continuous(f64::from(value)).as_array())
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn pictures_are_where_and_as_bright_as_their_maps() {
        let map = Map { height: 3, width: 4, values: (0..12).map(|i| if i == 6 { 1.0 } else { 0.0 }).collect() };
        let light = |p: &Rgb<u8>| p.0.iter().map(|c| u32::from(*c)).sum::<u32>();
        let picture = heat(&map);
        assert_eq!(picture.dimensions(), (4 * 96, 3 * 96));
        assert!(light(picture.get_pixel(2 * 96 + 5, 96 + 5)) > 3 * light(picture.get_pixel(5, 5)));
        let image = upscaled(&[0.4; 12], InputSpec::new(3, 4, 1));
        assert_eq!(image.get_pixel(9, 9).0, [102; 3]);
        let over = overlay(&map, &image);
        assert_eq!(over.get_pixel(5, 5).0, [102; 3], "nothing over a 0");
        assert_ne!(over.get_pixel(2 * 96, 96).0, [102; 3]);
        let back = image::load_from_memory(&png(&over).unwrap()).unwrap().to_rgb8();
        assert_eq!(back, over);
    }

    #[test]
    fn sheets_hold_a_tile_a_channel() {
        let maps = vec![Map { height: 2, width: 2, values: vec![0.0, 1.0, 2.0, 3.0] }; 70];
        let (picture, shown) = sheet(&maps);
        assert_eq!((picture.dimensions(), shown), ((8 * 42 - 2, 8 * 42 - 2), 64));
        assert_eq!(sheet(&maps[..3]).0.dimensions(), (82, 82));
        assert_eq!(sheet(&[]).1, 0);
    }
}
