//! What a network looks at: maps over an image that say how one class's score depends on its parts.
//!
//! | method | map | source |
//! |---|---|---|
//! | saliency | largest absolute gradient of the score to a pixel's channels | Simonyan, Vedaldi and Zisserman 2014 |
//! | SmoothGrad | the same of the mean gradient over noisy copies | Smilkov et al. 2017 |
//! | Grad-CAM | a layer's channels, weighted by their mean gradients | Selvaraju et al. 2017 |
//! | occlusion | what a grey square over a place takes from the probability, or the value | Zeiler and Fergus 2014 |
//! | activations | a layer's channels themselves | |
//!
//! The score is the class's logit (before softmax), or the output itself of a network that predicts values; the network runs in inference mode, and gradients come from the engine's own
//! backward ([`crate::graph::Executor::explain`]). A map shows what the score reacts to; it does not say that this is a good reason.

mod explainer;
mod layers;
mod page;
mod picture;

pub use explainer::{Explainer, SMOOTH_COPIES, SMOOTH_NOISE};
pub use layers::{Layer, convolutions, layer_named, some_of};
pub use page::{Page, Panel};
pub use picture::{heat, overlay, png, sheet, upscaled};

/// A number for each pixel of an image, or each place of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Rows first.
    pub values: Vec<f32>,
}

impl Map {
    /// The map, of at least one place, with other numbers of rows and columns: bilinear between the places' middles.
    #[must_use]
    pub fn resized(&self, height: usize, width: usize) -> Self {
        // For each new place along an axis the two old ones around it, and how near it is to the second.
        let around = |from: usize, to: usize| {
            let place =
                move |i: usize| ((i as f32 + 0.5) * from as f32 / to as f32 - 0.5).clamp(0.0, from as f32 - 1.0);
            (0..to).map(place).map(|p| (p as usize, (p as usize + 1).min(from - 1), p.fract())).collect::<Vec<_>>()
        };
        let (rows, columns) = (around(self.height, height), around(self.width, width));
        let mut values = Vec::with_capacity(height * width);
        for (top, bottom, down) in rows {
            for (left, right, along) in &columns {
                let row = |y: usize| {
                    let (a, b) = (self.values[y * self.width + left], self.values[y * self.width + right]);
                    a + (b - a) * along
                };
                values.push(row(top) + (row(bottom) - row(top)) * down);
            }
        }
        Self { height, width, values }
    }

    /// From 0 to 1 for the eye: what is negative is 0, and the 99th of a hundred and all above it are 1 (a single hot pixel would
    /// leave the rest dark).
    pub fn shown(&self) -> Vec<f32> {
        let mut order: Vec<f32> = self.values.iter().map(|v| v.max(0.0)).collect();
        order.sort_by(f32::total_cmp);
        let most = order.last().copied().unwrap_or(0.0);
        let high = order.get(order.len() * 99 / 100).copied().filter(|v| *v > 0.0).unwrap_or(most);
        let scale = if high > 0.0 { 1.0 / high } else { 0.0 };
        self.values.iter().map(|v| (v * scale).clamp(0.0, 1.0)).collect()
    }

    /// Share of the map's mass (what is negative counts as 0) that lies on the places of a mask; none for a map of nothing.
    pub fn mass_on(&self, mask: &[bool]) -> Option<f64> {
        let mass = |on: bool| -> f64 {
            let values = self.values.iter().zip(mask).filter(|(_, m)| **m || !on);
            values.map(|(v, _)| f64::from(v.max(0.0))).sum()
        };
        let all = mass(false);
        (all > 0.0).then(|| mass(true) / all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_scaled_by_their_bulk() {
        let mut values = vec![1.0; 400];
        values[7] = 1000.0;
        values[9] = -5.0;
        let shown = Map { height: 20, width: 20, values }.shown();
        assert_eq!((shown[7], shown[8], shown[9]), (1.0, 1.0, 0.0));
        let sparse = Map { height: 20, width: 20, values: (0..400).map(|i| if i == 3 { 2.0 } else { 0.0 }).collect() };
        assert_eq!((sparse.shown()[3], sparse.shown()[4]), (1.0, 0.0));
        assert!(Map { height: 2, width: 2, values: vec![0.0; 4] }.shown().iter().all(|v| *v == 0.0));
    }

    #[test]
    fn mass_and_size() {
        let map = Map { height: 2, width: 2, values: vec![1.0, 3.0, -7.0, 0.0] };
        assert_eq!(map.mass_on(&[false, true, true, false]), Some(0.75));
        assert_eq!(Map { values: vec![0.0; 4], ..map.clone() }.mass_on(&[true; 4]), None);
        let constant = Map { values: vec![2.5; 4], ..map }.resized(5, 7);
        assert_eq!((constant.height, constant.width), (5, 7));
        assert!(constant.values.iter().all(|v| (v - 2.5).abs() < 1e-6));
        let slope = Map { height: 1, width: 2, values: vec![0.0, 1.0] }.resized(1, 4).values;
        let wanted = [0.0, 0.25, 0.75, 1.0];
        assert!(slope.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6), "{slope:?}");
        assert!(Map { height: 0, width: 0, values: vec![] }.shown().is_empty());
    }
}
