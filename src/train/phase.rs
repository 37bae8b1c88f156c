//! Phases of a run: what is trained, how fast and in which batches, for some epochs each.
//!
//! A new phase goes on with the parameters and statistics, and with a new Adam, as Keras's `compile` between two `fit`s makes
//! one: moments are 0 and its `t` counts from 0, also for parameters that were trained before.

use super::config::{AUTO, Config};
use crate::error::{Error, Result};
use crate::graph::{Freeze, Graph};
use crate::models::{Summary, Variant};
use serde::{Deserialize, Serialize};

/// A `[[phase]]` of the settings. What it leaves out is as in the phase before it, and in the first as in the settings above.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PhaseConfig {
    /// Epochs of it.
    pub epochs: usize,
    /// Images a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// The optimizer's learning rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// `none`, `body`, a number of layers or a layer's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeze: Option<String>,
    /// The body's last layers that are trained, the rest of it being frozen.
    #[serde(alias = "unfreeze_last", skip_serializing_if = "Option::is_none")]
    pub unfreeze_last: Option<usize>,
}

/// A phase with everything said.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Epochs of it.
    pub epochs: usize,
    /// Images a step.
    pub batch: usize,
    /// The optimizer's learning rate.
    pub lr: f64,
    /// What is frozen; as the network comes, if absent.
    pub freeze: Option<Freeze>,
}

impl Phase {
    /// The network as this phase trains it. It must come as the phase before left it.
    ///
    /// # Errors
    /// As [`Graph::freeze`].
    pub fn graph(&self, before: &Graph) -> Result<Graph> {
        let mut graph = before.clone();
        self.freeze.as_ref().map_or(Ok(()), |freeze| graph.freeze(freeze))?;
        Ok(graph)
    }

    /// The phase in a line: its first epoch, the network as it trains it, and the bytes of that on the device.
    pub(super) fn about(&self, first: usize, graph: &Graph, bytes: u64) -> String {
        let Self { epochs, batch, lr, freeze } = self;
        let Summary { trainable, total, .. } = Summary::new(graph);
        let frozen = freeze.as_ref().map(|f| format!(", {f}")).unwrap_or_default();
        let (last, mib) = (first.saturating_add(*epochs) - 1, bytes as f64 / f64::from(1 << 20));
        format!(
            "epochs {first} to {last}, batch {batch}, lr {lr}{frozen}; {trainable} of {total} parameters are trained; {mib:.0} MiB on the device"
        )
    }
}

impl Config {
    /// The phases of the run: one, if the settings have none. Epochs beyond theirs belong to the last.
    ///
    /// # Errors
    /// A value that no run can use, by phase; fewer `epochs` than the phases have.
    pub fn phases(&self) -> Result<Vec<Phase>> {
        let first = Phase { epochs: self.epochs, batch: self.batch, lr: self.lr, freeze: self.variant()?.freeze };
        check(&first, "")?;
        let mut phases: Vec<Phase> = Vec::new();
        for (number, own) in (1..).zip(&self.phase) {
            let before = phases.last().unwrap_or(&first);
            let table = format!("phase.{}", number - 1);
            if own.batch == Some(AUTO) {
                return Err(Error::setting(table, "batch", 0, "batch must be at least 1"));
            }
            let freeze =
                Variant::parse(None, own.freeze.as_deref(), own.unfreeze_last).map_err(|e| of_phase(e, number))?.freeze;
            let phase = Phase {
                epochs: own.epochs,
                batch: own.batch.unwrap_or(before.batch),
                lr: own.lr.unwrap_or(before.lr),
                freeze: freeze.or_else(|| before.freeze.clone()),
            };
            check(&phase, &table)?;
            phases.push(phase);
        }
        let asked: usize = phases.iter().map(|p| p.epochs).fold(0, usize::saturating_add);
        let Some(last) = phases.last_mut() else { return Ok(vec![first]) };
        let Some(more) = self.epochs.checked_sub(asked) else {
            let value = format!("{}, fewer than the {asked} of the phases", self.epochs);
            let hint = "leave `epochs` out, or ask for more, which prolong the last phase";
            return Err(Error::setting("", "epochs", value, hint));
        };
        last.epochs += more;
        Ok(phases)
    }

    /// Refuses phases that a network cannot have, before a device exists.
    ///
    /// # Errors
    /// As [`Graph::freeze`], by phase.
    pub fn check_graph(&self, graph: &Graph) -> Result<()> {
        for (number, phase) in (1..).zip(self.phases()?) {
            phase.graph(graph).map_err(|e| if self.phase.is_empty() { e } else { of_phase(e, number) })?;
        }
        Ok(())
    }

    /// Epochs of the phases, if there are any.
    pub(super) fn epochs_of_phases(&self) -> Option<usize> {
        (!self.phase.is_empty()).then(|| self.phase.iter().map(|p| p.epochs).fold(0, usize::saturating_add))
    }
}

/// Seed of the dropout masks of phase `phase`, counted from 0: they are drawn by step, which every phase counts from 0.
pub(super) fn mask_seed(seed: u64, phase: usize) -> u64 {
    // The golden ratio's bits: an odd number, so that no two phases share a seed.
    seed.wrapping_add((phase as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// An error of a phase, from 1.
fn of_phase(e: Error, number: usize) -> Error {
    match e {
        Error::Setting { .. } => e.in_table(&format!("phase.{}", number - 1)),
        other => Error::usage(format!("phase {number}: {other}"), ""),
    }
}

/// Refuses what no phase can use; `table` is its place in the settings.
fn check(phase: &Phase, table: &str) -> Result<()> {
    if phase.epochs == 0 {
        return Err(Error::setting(table, "epochs", 0, "epochs must be at least 1"));
    }
    if !(phase.lr.is_finite() && phase.lr > 0.0) {
        return Err(Error::setting(table, "lr", phase.lr, "lr must be a positive number, such as 0.001"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn read(text: &str) -> Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        std::fs::write(&path, text).unwrap();
        Config::read(&path)
    }

    const THREE: &str = "model = 'fer3-vgg16'\nlr = 0.01\n\
        [[phase]]\nepochs = 3\nfreeze = 'body'\n\
        [[phase]]\nepochs = 5\nunfreeze_last = 10\nlr = 0.0001\nbatch = 16\n\
        [[phase]]\nepochs = 2\nunfreeze-last = 20\n";

    #[test]
    fn what_a_phase_leaves_out_is_as_before() {
        let config = read(THREE).unwrap();
        assert_eq!(config.epochs, 10);
        let phase = |epochs, batch, lr, freeze| Phase { epochs, batch, lr, freeze: Some(freeze) };
        let mut wanted = vec![
            phase(3, 32, 0.01, Freeze::Body),
            phase(5, 16, 0.0001, Freeze::BodyBut(10)),
            phase(2, 16, 0.0001, Freeze::BodyBut(20)),
        ];
        assert_eq!(config.phases().unwrap(), wanted);
        assert_eq!(read(&config.to_toml().unwrap()).unwrap(), config);
        wanted[2].epochs = 32;
        assert_eq!(Config { epochs: 40, ..config }.phases().unwrap(), wanted);
        let none = Config::default();
        assert_eq!(none.phases().unwrap(), [Phase { epochs: 10, batch: 32, lr: 0.001, freeze: None }]);
    }

    #[test]
    fn refuses_by_number() {
        for (text, words) in [
            ("[[phase]]\nfreeze = 'body'\n", ["epochs", "line"]),
            ("[[phase]]\nepochs = 1\nlearning = 2\n", ["learning", "line"]),
            ("epochs = 2\n[[phase]]\nepochs = 3\n", ["--epochs 2", "the 3 of the phases"]),
            ("[[phase]]\nepochs = 3\n[[phase]]\nepochs = 0\n", ["phase 2", "at least 1"]),
            ("[[phase]]\nepochs = 3\nbatch = 0\n", ["phase 1", "batch 0"]),
            ("[[phase]]\nepochs = 3\nlr = -1.0\n", ["phase 1", "lr -1"]),
            ("[[phase]]\nepochs = 3\nfreeze = 'body'\nunfreeze-last = 3\n", ["phase 1", "one of the two"]),
        ] {
            let error = read(text).and_then(|c| c.phases().map(|_| ())).unwrap_err().to_string();
            assert!(words.iter().all(|w| error.contains(w)), "{text}: {error}");
        }
    }
}
