//! How much the figures would differ with other images: the bootstrap (Efron and Tibshirani, "An introduction to the
//! bootstrap", 1993, chapter 13).

use super::confusion::{Confusion, macro_average};
use crate::philox::Philox;
use rayon::prelude::*;
use serde::Serialize;

/// Resamples drawn. More would change the third digit of an interval's width.
pub const RESAMPLES: usize = 1000;
/// The seed: the same evaluation has the same intervals.
const SEED: u64 = 0;

/// The 2.5th and the 97.5th percentile of each figure over the resamples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Intervals {
    /// Of the accuracy.
    pub accuracy: [f64; 2],
    /// Of the macro F1, a class that a resample lacks counting as 0 as everywhere.
    pub macro_f1: [f64; 2],
}

impl Intervals {
    /// Draws as many samples as there are, with replacement, [`RESAMPLES`] times. Both figures follow from a sample's (true,
    /// predicted) pair, so pairs are drawn. All zero without samples.
    pub fn of(confusion: &Confusion) -> Self {
        let classes = confusion.classes();
        let pairs: Vec<(u32, u32)> = (0..classes)
            .flat_map(|truth| (0..classes).map(move |predicted| (truth, predicted)))
            .flat_map(|(t, p)| std::iter::repeat_n((t as u32, p as u32), confusion.get(t, p) as usize))
            .collect();
        let figures: Vec<(f64, f64)> = (0..RESAMPLES)
            .into_par_iter()
            .map(|resample| {
                let mut rng = Philox::new(SEED, resample as u64);
                let mut drawn = Confusion::new(classes);
                for _ in 0..pairs.len() {
                    let (truth, predicted) = pairs[rng.below(pairs.len())];
                    drawn.add(truth as usize, predicted as usize);
                }
                (drawn.accuracy(), macro_average(&drawn.scores()).f1)
            })
            .collect();
        let (accuracy, macro_f1): (Vec<f64>, Vec<f64>) = figures.into_iter().unzip();
        Self { accuracy: percentiles(accuracy), macro_f1: percentiles(macro_f1) }
    }
}

/// The middle 95 %, between neighbours by their distance, as numpy does by default.
fn percentiles(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    [0.025, 0.975].map(|share| {
        let at = share * (values.len() - 1) as f64;
        let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
        low + (high - low) * at.fract()
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{near, sample};
    use super::*;

    #[test]
    fn percentiles_are_numpys() {
        // numpy.percentile([0, 1, 4, 9, 16], [2.5, 97.5]) = 0.1, 15.3
        let [low, high] = percentiles(vec![9.0, 0.0, 16.0, 1.0, 4.0]);
        near(low, 0.1, 1e-12);
        near(high, 15.3, 1e-12);
    }

    /// numpy.random.default_rng(0), 100,000 resamples of the 60 samples, accuracy_score and f1_score(average="macro",
    /// labels=range(5), zero_division=0): [0.3333, 0.6] and [0.2083, 0.3674].
    #[test]
    fn intervals_are_those_of_another_generator() {
        let found = Intervals::of(&sample().confusion);
        for (found, expected) in [(found.accuracy, [0.3333, 0.6]), (found.macro_f1, [0.2083, 0.3674])] {
            // A percentile of 1,000 resamples wanders by about 0.006, and accuracy moves in steps of 1/60.
            near(found[0], expected[0], 0.02);
            near(found[1], expected[1], 0.02);
        }
        assert_eq!(Intervals::of(&sample().confusion), found, "the same every time");
        let mut right = Confusion::new(2);
        (0..9).for_each(|i| right.add(i % 2, i % 2));
        assert_eq!(Intervals::of(&right).accuracy, [1.0, 1.0]);
    }
}
