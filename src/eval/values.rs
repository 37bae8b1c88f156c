//! How well numbers were predicted: root mean squared error and concordance, for each output.
//!
//! Concordance is Lin's coefficient, `2 cov(p, t) / (var(p) + var(t) + (mean(p) - mean(t))^2)`: 1 for equal numbers, 0 for unrelated or
//! constant ones, -1 for opposite ones. Variances and covariance are those of the samples themselves (divided by `n`), as in
//! the challenges on valence and arousal.
//!
//! Source: Lin, "A concordance correlation coefficient to evaluate reproducibility", Biometrics 45, 1989.

use crate::error::{Error, Result};
use crate::formats::exact_float;
use crate::text::{clean, right};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// The scores of one output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputScore {
    /// The column that it predicts.
    pub name: String,
    /// Root of the mean squared error.
    #[serde(with = "exact_float")]
    pub rmse: f64,
    /// Concordance, -1 to 1; 0 where it is not defined (predictions and targets all the same number).
    #[serde(with = "exact_float")]
    pub ccc: f64,
}

/// The scores of a network that predicts numbers. As JSON: `{"split", "n", "loss", "rmse", "ccc", "outputs": [{"name", "rmse", "ccc"}]}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValueScores {
    /// The split that they are of, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Samples.
    pub n: u64,
    /// Mean squared error over samples and outputs.
    pub loss: f64,
    /// Mean of the outputs' `rmse`.
    pub rmse: f64,
    /// Mean of the outputs' `ccc`.
    pub ccc: f64,
    /// Of each output.
    pub outputs: Vec<OutputScore>,
}

/// Running sums of one output's predictions `p` and targets `t`: means, and sums of products of differences from them, which do
/// not cancel as sums of squares do (Welford).
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    n: f64,
    p: f64,
    t: f64,
    pp: f64,
    tt: f64,
    pt: f64,
    squares: f64,
}

impl Sums {
    fn push(&mut self, p: f64, t: f64) {
        self.n += 1.0;
        let (dp, dt) = (p - self.p, t - self.t);
        self.p += dp / self.n;
        self.t += dt / self.n;
        self.pp += dp * (p - self.p);
        self.tt += dt * (t - self.t);
        self.pt += dp * (t - self.t);
        self.squares += (p - t) * (p - t);
    }

    fn rmse(&self) -> f64 {
        (self.squares / self.n).sqrt()
    }

    fn ccc(&self) -> f64 {
        let below = self.pp + self.tt + self.n * (self.p - self.t).powi(2);
        if below == 0.0 { 0.0 } else { 2.0 * self.pt / below }
    }
}

/// Gathers scores batch by batch, in a fixed order and in f64.
#[derive(Clone, Debug)]
pub struct ValueScorer {
    names: Vec<String>,
    sums: Vec<Sums>,
}

impl ValueScorer {
    /// Starts with no samples; `names` are the outputs'.
    pub fn new(names: &[String]) -> Self {
        Self { names: names.to_vec(), sums: vec![Sums::default(); names.len()] }
    }

    /// Adds a batch: `predictions` and `targets` `[n, outputs]`.
    ///
    /// # Errors
    /// Lengths that disagree; a prediction that is not a number.
    pub fn push(&mut self, predictions: &[f32], targets: &[f32]) -> Result<()> {
        let k = self.names.len();
        if predictions.len() != targets.len() || k == 0 || !predictions.len().is_multiple_of(k) {
            let what = format!("{} predictions and {} targets of {k} outputs", predictions.len(), targets.len());
            return Err(Error::usage(what, ""));
        }
        if let Some(bad) = predictions.iter().find(|p| !p.is_finite()) {
            let hint = "the parameters have diverged: use an earlier checkpoint, or train with a smaller `--lr`";
            return Err(Error::usage(format!("the network's output holds {bad}"), hint));
        }
        for (p, t) in predictions.chunks_exact(k).zip(targets.chunks_exact(k)) {
            for ((sums, p), t) in self.sums.iter_mut().zip(p).zip(t) {
                sums.push(f64::from(*p), f64::from(*t));
            }
        }
        Ok(())
    }

    /// The scores of all that was added.
    ///
    /// # Errors
    /// No sample.
    pub fn finish(self) -> Result<ValueScores> {
        let n = self.sums.first().map_or(0.0, |s| s.n);
        if n == 0.0 {
            return Err(Error::usage("no samples to score", "use a split with images"));
        }
        let k = self.names.len() as f64;
        let squares: f64 = self.sums.iter().map(|s| s.squares).sum();
        let score = |(name, s): (String, &Sums)| OutputScore { name, rmse: s.rmse(), ccc: s.ccc() };
        let outputs: Vec<OutputScore> = self.names.into_iter().zip(&self.sums).map(score).collect();
        let mean = |of: fn(&OutputScore) -> f64| outputs.iter().map(of).sum::<f64>() / k;
        let (rmse, ccc) = (mean(|o| o.rmse), mean(|o| o.ccc));
        Ok(ValueScores { split: None, n: n as u64, loss: squares / (n * k), rmse, ccc, outputs })
    }
}

/// `report.txt`: totals, and a row an output.
pub fn value_report(scores: &ValueScores) -> String {
    let ValueScores { n, loss, rmse, ccc, outputs, .. } = scores;
    let width = outputs.iter().map(|o| clean(&o.name).chars().count()).max().unwrap_or(0).max("mean".len());
    let pad = " ".repeat(width);
    let mut text = format!("{n} images: loss (mean squared error) {loss:.4}\n\n{pad}      rmse       ccc\n");
    let mut row = |name: &str, rmse: f64, ccc: f64| {
        writeln!(text, "{}  {rmse:>8.4}  {ccc:>8.4}", right(&clean(name), width))
            .expect("writing to a String cannot fail");
    };
    outputs.iter().for_each(|o| row(&o.name, o.rmse, o.ccc));
    row("mean", *rmse, *ccc);
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn score(p: &[f32], t: &[f32], k: usize) -> ValueScores {
        let names: Vec<String> = (0..k).map(|i| format!("y{i}")).collect();
        let mut scorer = ValueScorer::new(&names);
        let middle = p.len() / k / 2 * k;
        scorer.push(&p[..middle], &t[..middle]).unwrap();
        scorer.push(&p[middle..], &t[middle..]).unwrap();
        scorer.finish().unwrap()
    }

    /// By hand: p = 1, 2, 3, 4 and t = 2, 2, 4, 6 have means 2.5 and 3.5, variances 1.25 and 2.75, covariance 1.75.
    #[test]
    fn as_the_formula_says() {
        let s = score(&[1.0, 2.0, 3.0, 4.0], &[2.0, 2.0, 4.0, 6.0], 1);
        assert!((s.ccc - 3.5 / 5.0).abs() < 1e-12 && (s.rmse - 1.5f64.sqrt()).abs() < 1e-12, "{s:?}");
        assert!((s.loss - 1.5).abs() < 1e-12 && s.n == 4);
        let far: Vec<f32> = [1.0f32, 2.0, 3.0, 4.0].iter().map(|v| v + 4096.0).collect();
        let t: Vec<f32> = [2.0f32, 2.0, 4.0, 6.0].iter().map(|v| v + 4096.0).collect();
        assert!((score(&far, &t, 1).ccc - 0.7).abs() < 1e-12);
    }

    #[test]
    fn the_ends_of_the_scale() {
        let t = [0.1, -0.4, 0.9, 0.3];
        let s = score(&t, &t, 2);
        assert!((s.ccc - 1.0).abs() < 1e-12 && s.rmse == 0.0);
        let opposite = score(&[1.0, -1.0], &[-1.0, 1.0], 1);
        assert!((opposite.ccc + 1.0).abs() < 1e-12);
        assert_eq!(score(&[0.5, 0.5, 0.5], &[0.1, 0.5, 0.9], 1).ccc, 0.0);
        assert_eq!(score(&[0.5, 0.5], &[0.5, 0.5], 1).ccc, 0.0, "not defined");
        // Concordance asks for equal numbers, correlation would not.
        assert!(score(&[2.0, 4.0, 6.0], &[1.0, 2.0, 3.0], 1).ccc < 0.5);
    }

    #[test]
    fn text_and_errors() {
        let s = score(&[0.0, 1.0, 0.0, 2.0], &[0.0, 1.0, 1.0, 2.0], 2);
        let text = value_report(&s);
        assert!(text.starts_with("2 images: loss (mean squared error) 0.2500"), "{text}");
        assert!(text.contains("  y0    0.7071    0.0000\n") && text.contains("mean    0.3536    0.5000"), "{text}");
        let mut scorer = ValueScorer::new(&["y".into()]);
        assert!(scorer.push(&[1.0], &[]).is_err() && scorer.push(&[f32::NAN], &[0.0]).is_err());
        assert!(scorer.finish().unwrap_err().to_string().contains("no samples"));
    }
}
