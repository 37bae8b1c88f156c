//! The file of a search.

use super::folder::VERSION;
use super::halving::Halving;
use super::space::{Space, set};
use crate::error::{Error, Result, nearest};
use crate::input::read_text;
use crate::models::file;
use crate::philox::Philox;
use crate::toml_text::{check_finite, explained, traced};
use crate::train::{Config, Monitor};
use serde::Deserialize;
use std::collections::HashSet;
use std::path::Path;
use toml::{Table, Value};

/// The trials that a search may have.
const MOST: usize = 100_000;
/// Draws after which a point that was drawn before is taken all the same.
const DRAWS: u64 = 1000;
/// Settings that all trials have in common, because processes or comparisons depend on them.
const COMMON: [&str; 3] = ["device", "backend", "early-stopping.monitor"];
const EXPECTED: &str = "a search: trials, [settings] as of a run, [space]";

/// What a file says, to be checked with its lines.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(default, rename = "version")]
    _version: i64,
    trials: usize,
    #[serde(default)]
    seed: u64,
    #[serde(default, rename = "settings")]
    _settings: Config,
    halving: Option<Halving>,
    space: Table,
}

/// A search: settings, what some of them are drawn from, and how many times.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// How many settings are tried.
    pub trials: usize,
    /// Seed of the drawn settings; that of a run is a setting like others.
    pub seed: u64,
    /// How trials are stopped early, if they are.
    pub halving: Option<Halving>,
    /// What is drawn.
    pub space: Space,
    settings: Table,
    /// Trial N's values, in the order of the space, at N - 1.
    points: Vec<Vec<Value>>,
    /// All of the file but its version.
    table: Table,
}

impl Search {
    /// Reads a search.
    ///
    /// # Errors
    /// An unreadable file; TOML that is none, an unknown key, a value that its setting does not take, more trials than the space
    /// has points.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_text(path, EXPECTED)?;
        let refuse = |what: String| Error::data(path, what, EXPECTED);
        check_finite(path, &text, EXPECTED)?;
        let mut table: Table = text.parse().map_err(|e| refuse(explained(&e, &text)))?;
        if let Some(version) = table.remove("version").filter(|v| v.as_integer() != Some(VERSION)) {
            let what = format!("a search of version {version}");
            return Err(Error::data(path, what, format!("version {VERSION}; another fer-gpu made it: use that one")));
        }
        let File { trials, seed, halving, space, .. } =
            toml::from_str(&text).map_err(|e| refuse(explained(&e, &text)))?;
        let space = Space::parse(&space).map_err(refuse)?;
        let settings = table.get("settings").and_then(Value::as_table).cloned().unwrap_or_default();
        let mut search = Self { trials, seed, halving, space, settings, points: Vec::new(), table };
        search.check().map_err(refuse)?;
        search.check_settings().map_err(|e| traced(path, &text, &["settings"], e))?;
        search.points = search.draw();
        Ok(search)
    }

    /// Refuses a setting of all trials that is out of its range.
    fn check_settings(&self) -> Result<()> {
        match self.settings()?.check() {
            Err(Error::Setting { table, key, value, hint }) => {
                let name = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
                let drawn = self.space.domains.contains_key(&name);
                if drawn { Ok(()) } else { Err(Error::Setting { table, key, value, hint }) }
            }
            // It may be about what is drawn.
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<(), String> {
        if !(1..=MOST).contains(&self.trials) {
            return Err(format!("trials = {}: from 1 to {MOST} are possible", self.trials));
        }
        if let Some(points) = self.space.count().filter(|points| *points < self.trials) {
            return Err(format!("trials = {}: [space] has only {points} points", self.trials));
        }
        self.halving.map_or(Ok(()), Halving::check)?;
        for (key, domain) in &self.space.domains {
            if COMMON.contains(&key.as_str()) {
                return Err(format!("[space] {key}: all trials have it in common"));
            }
            for value in domain.samples() {
                let mut settings = self.settings.clone();
                let named = |e| format!("[space] {key} = {value}: {e}");
                set(&mut settings, key, value.clone()).and_then(|()| Config::of_table(settings)).map_err(named)?;
            }
        }
        Ok(())
    }

    /// Refuses variables that the network does not have, where it is the same for all trials.
    ///
    /// # Errors
    /// The variable with the nearest that there is; a network that cannot be read.
    pub(super) fn check_network(&self, path: &Path) -> Result<()> {
        let names: Vec<&str> = self.space.domains.keys().filter_map(|key| key.strip_prefix("network.")).collect();
        let Some(first) = names.first().filter(|_| !self.space.domains.contains_key("model")) else { return Ok(()) };
        let model = self.settings()?.model;
        if !file::is_file(&model) {
            let what = format!("[space] network.{first}: the model `{model}` has no variables");
            return Err(Error::data(path, what, "model = \"FILE.toml\" in [settings], with a table [variables]"));
        }
        let known = file::variables(Path::new(&model))?;
        let Some(unknown) = names.iter().find(|name| !known.contains_key(**name)) else { return Ok(()) };
        let near = nearest(unknown, known.keys().map(String::as_str));
        let near = near.map(|n| format!("; did you mean `network.{n}`?")).unwrap_or_default();
        Err(Error::data(path, format!("[space] network.{unknown}: {model} has no such variable{near}"), EXPECTED))
    }

    fn draw(&self) -> Vec<Vec<Value>> {
        let mut seen = HashSet::new();
        let mut drawn = |trial: usize| {
            let mut rng = Philox::new(self.seed, trial as u64);
            let mut point = self.space.draw(&mut rng);
            for _ in 0..DRAWS {
                if seen.insert(format!("{point:?}")) {
                    break;
                }
                point = self.space.draw(&mut rng);
            }
            point
        };
        (1..=self.trials).map(&mut drawn).collect()
    }

    /// The settings that all trials have in common.
    ///
    /// # Errors
    /// None of a search that was read.
    pub fn settings(&self) -> Result<Config> {
        Config::of_table(self.settings.clone()).map_err(|e| Error::usage(format!("[settings] {e}"), ""))
    }

    /// What decides which trial is the best.
    ///
    /// # Errors
    /// As [`Search::settings`].
    pub fn monitor(&self) -> Result<Monitor> {
        Ok(self.settings()?.monitor())
    }

    /// The settings of a trial, from 1, with their keys.
    pub fn point(&self, trial: usize) -> impl Iterator<Item = (&str, &Value)> {
        let values = trial.checked_sub(1).and_then(|i| self.points.get(i)).map(Vec::as_slice).unwrap_or_default();
        self.space.domains.keys().map(String::as_str).zip(values)
    }

    /// All settings of a trial.
    ///
    /// # Errors
    /// Drawn settings that do not go together, for [`super::Status::Failed`].
    pub fn config(&self, trial: usize) -> Result<Config> {
        let mut settings = self.settings.clone();
        let refuse = |e: String| Error::usage(format!("trial {trial}: {e}"), "");
        for (key, value) in self.point(trial) {
            set(&mut settings, key, value.clone()).map_err(refuse)?;
        }
        let config = Config::of_table(settings).map_err(refuse)?;
        config.check().map(|()| config)
    }

    /// The search as [`Search::read`] takes it, with the folder's version.
    ///
    /// # Errors
    /// A value that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String> {
        let mut table = self.table.clone();
        table.insert("version".into(), VERSION.into());
        toml::to_string_pretty(&table)
            .map_err(|e| Error::usage(format!("the search cannot be written as TOML: {e}"), ""))
    }

    /// Whether another search is this one but for the number of trials, which may grow.
    pub fn continues(&self, other: &Self) -> bool {
        let of = |search: &Self| {
            let mut table = search.table.clone();
            table.remove("trials");
            table
        };
        of(self) == of(other)
    }
}
