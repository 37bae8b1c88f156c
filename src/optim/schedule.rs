//! Schedules of the learning rate, with the names, formulas and units of `keras.optimizers.schedules`: `PiecewiseConstantDecay`,
//! `ExponentialDecay` and `CosineDecay`, each after a linear warm-up. Steps are updates of the parameters, counted from 0.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// The course of the learning rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It stays as it is.
    #[default]
    None,
    /// `PiecewiseConstantDecay`: `values[i]` up to step `boundaries[i]`, the last value after that.
    Step,
    /// `ExponentialDecay`: `lr * decay_rate ^ (step / decay_steps)`, whole exponents if a staircase.
    Exponential,
    /// `CosineDecay`: `lr * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha)`.
    Cosine,
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let all =
            [("none", Self::None), ("step", Self::Step), ("exponential", Self::Exponential), ("cosine", Self::Cosine)];
        all.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind).ok_or_else(|| {
            let near = crate::error::nearest(text, all.map(|(name, _)| name));
            let near = near.map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
            Error::usage(format!("unknown schedule `{text}`"), format!("{near}none, step, exponential or cosine"))
        })
    }
}

/// A schedule as settings give it: `[schedule]`. What a kind has no use for must be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Schedule {
    /// Which.
    pub kind: Kind,
    /// Steps in which the rate rises evenly to `lr`; what follows counts its steps from there.
    pub warmup_steps: u64,
    /// The rate at step 0 of the warm-up.
    pub warmup_from: f64,
    /// Cosine: the steps of the whole way, those of the phase after the warm-up if absent. Exponential: the steps of one factor, an
    /// epoch's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay_steps: Option<u64>,
    /// Exponential: the factor, 0.96 if absent (that of Keras's example).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay_rate: Option<f64>,
    /// Exponential: whether the rate falls at every `decay-steps` at once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub staircase: bool,
    /// Cosine: the share of `lr` that is left at the end; 0 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// Step: where the rate changes; half and three quarters of the phase if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub boundaries: Vec<u64>,
    /// Step: the rates, one more than there are boundaries; `lr` and a tenth of the one before at each boundary if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<f64>,
}

/// How long what is scheduled takes: what a schedule leaves out is made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// Steps of an epoch.
    pub epoch: u64,
    /// Steps of the phase.
    pub phase: u64,
}

impl Schedule {
    /// Whether its rates depend on how many epochs there are in all.
    pub fn follows_length(&self) -> bool {
        match self.kind {
            Kind::Cosine => self.decay_steps.is_none(),
            Kind::Step => self.boundaries.is_empty(),
            Kind::None | Kind::Exponential => false,
        }
    }

    /// The learning rate of a step for the base rate `lr`.
    pub fn rate(&self, lr: f64, step: u64, length: Length) -> f64 {
        let Some(after) = step.checked_sub(self.warmup_steps) else {
            let from = self.warmup_from;
            return from + (lr - from) * step as f64 / self.warmup_steps as f64;
        };
        let rest = length.phase.saturating_sub(self.warmup_steps);
        match self.kind {
            Kind::None => lr,
            Kind::Step => self.piecewise(lr, after, rest),
            Kind::Exponential => {
                let ratio = after as f64 / self.decay_steps.unwrap_or(length.epoch).max(1) as f64;
                let exponent = if self.staircase { ratio.floor() } else { ratio };
                lr * self.decay_rate.unwrap_or(0.96).powf(exponent)
            }
            Kind::Cosine => {
                let steps = self.decay_steps.unwrap_or(rest).max(1);
                let done = after.min(steps) as f64 / steps as f64;
                let alpha = self.alpha.unwrap_or(0.0);
                lr * ((1.0 - alpha) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()) + alpha)
            }
        }
    }

    fn piecewise(&self, lr: f64, step: u64, steps: u64) -> f64 {
        let own = [steps / 2, steps - steps / 4];
        let boundaries = if self.boundaries.is_empty() { &own[..] } else { &self.boundaries };
        let passed = boundaries.iter().filter(|b| step > **b).count();
        let tenth = || lr * 0.1f64.powi(passed as i32);
        self.values.get(passed).copied().unwrap_or_else(tenth)
    }

    /// Refuses what no schedule can be.
    ///
    /// # Errors
    /// Names the key, its value and the range.
    pub fn check(&self) -> Result<()> {
        let refuse = |key, value: String, hint: &str| Err(Error::setting("schedule", key, value, hint));
        let rates = [("warmup-from", self.warmup_from)].into_iter().chain(self.values.iter().map(|v| ("values", *v)));
        if let Some((key, value)) = rates.into_iter().find(|(_, v)| !(v.is_finite() && *v >= 0.0)) {
            return refuse(key, value.to_string(), "a learning rate is 0 or more");
        }
        if self.decay_steps == Some(0) {
            return refuse("decay-steps", "0".into(), "at least 1");
        }
        if let Some(rate) = self.decay_rate.filter(|r| !(r.is_finite() && *r > 0.0)) {
            return refuse("decay-rate", rate.to_string(), "a positive number, such as 0.96");
        }
        if let Some(alpha) = self.alpha.filter(|a| !(0.0..=1.0).contains(a)) {
            return refuse("alpha", alpha.to_string(), "from 0 to 1");
        }
        if !self.boundaries.is_sorted_by(|a, b| a < b) {
            return refuse("boundaries", format!("{:?}", self.boundaries), "each must be larger than the one before");
        }
        let boundaries = if self.boundaries.is_empty() { 2 } else { self.boundaries.len() };
        if !self.values.is_empty() && self.values.len() != boundaries + 1 {
            let count = format!("of {} numbers for {boundaries} boundaries", self.values.len());
            return refuse("values", count, "one value more than there are boundaries");
        }
        let foreign = [
            ("decay-steps", self.decay_steps.is_some(), &[Kind::Exponential, Kind::Cosine][..]),
            ("decay-rate", self.decay_rate.is_some(), &[Kind::Exponential]),
            ("staircase", self.staircase, &[Kind::Exponential]),
            ("alpha", self.alpha.is_some(), &[Kind::Cosine]),
            ("boundaries", !self.boundaries.is_empty(), &[Kind::Step]),
            ("values", !self.values.is_empty(), &[Kind::Step]),
        ];
        match foreign.iter().find(|(_, given, kinds)| *given && !kinds.contains(&self.kind)) {
            None => Ok(()),
            Some((key, ..)) => {
                refuse(key, format!("beside kind = {:?}", format!("{:?}", self.kind).to_lowercase()), "leave it out")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Length = Length { epoch: 10, phase: 100 };

    #[test]
    fn what_is_left_out_fits_the_phase() {
        // As f32, which forgives the last digits.
        let rates = |kind, steps: &[u64]| {
            let schedule = Schedule { kind, warmup_steps: 20, ..Schedule::default() };
            steps.iter().map(|s| schedule.rate(0.5, *s, LENGTH) as f32).collect::<Vec<_>>()
        };
        assert_eq!(rates(Kind::None, &[0, 5, 20, 99]), [0.0, 0.125, 0.5, 0.5]);
        assert_eq!(rates(Kind::Step, &[20, 60, 61, 80, 81]), [0.5, 0.5, 0.05, 0.05, 0.005]);
        assert_eq!(rates(Kind::Cosine, &[20, 60, 100, 200]), [0.5, 0.25, 0.0, 0.0]);
        assert_eq!(rates(Kind::Exponential, &[20, 30]), [0.5, 0.48]);
    }

    #[test]
    fn refuses_by_key() {
        for (schedule, words) in [
            (Schedule { warmup_from: -1.0, ..Schedule::default() }, ["warmup-from -1", "0 or more"]),
            (Schedule { alpha: Some(0.1), ..Schedule::default() }, ["alpha", "kind = \"none\""]),
            (Schedule { kind: Kind::Cosine, alpha: Some(2.0), ..Schedule::default() }, ["alpha 2", "0 to 1"]),
            (Schedule { kind: Kind::Step, boundaries: vec![3, 3], ..Schedule::default() }, ["[3, 3]", "larger"]),
            (
                Schedule { kind: Kind::Step, values: vec![0.1], ..Schedule::default() },
                ["values of 1 numbers", "one value more"],
            ),
            (Schedule { kind: Kind::Cosine, decay_steps: Some(0), ..Schedule::default() }, ["decay-steps 0", "1"]),
        ] {
            let error = schedule.check().expect_err("refused").to_string();
            assert!(words.iter().all(|w| error.contains(w)), "{error}");
        }
        assert!("cosin".parse::<Kind>().expect_err("mistyped").to_string().contains("`cosine`"));
    }
}
