//! An optimizer in settings: its name, or a table of its name and its constants.

use super::rule::{RULES, Range, by_name};
use super::{Optimizer, Rule};
use crate::error::Result;
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// `optimizer = "sgd"`, or a table `[optimizer]` of `name` and constants such as `momentum = 0.9`.
#[derive(Clone, Debug)]
pub struct OptimizerSettings {
    rule: &'static dyn Rule,
    /// The constants that are set, by their names.
    constants: BTreeMap<&'static str, f64>,
}

impl Default for OptimizerSettings {
    fn default() -> Self {
        Self { rule: RULES[0], constants: BTreeMap::new() }
    }
}

impl PartialEq for OptimizerSettings {
    fn eq(&self, other: &Self) -> bool {
        (self.rule.name(), &self.constants) == (other.rule.name(), &other.constants)
    }
}

impl OptimizerSettings {
    /// Whether it is Adam with Keras's constants.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Chooses a rule; constants of another one are forgotten.
    ///
    /// # Errors
    /// An unknown name.
    pub fn choose(&mut self, name: &str) -> Result<()> {
        let rule = by_name(name)?;
        if rule.name() != self.rule.name() {
            *self = Self { rule, constants: BTreeMap::new() };
        }
        Ok(())
    }

    /// Sets a constant of the rule.
    ///
    /// # Errors
    /// As [`Optimizer::with`].
    pub fn set(&mut self, name: &str, value: f64) -> Result<()> {
        Optimizer::of(self.rule).with(name, value)?;
        if let Some(constant) = self.rule.constants().iter().find(|constant| constant.name == name) {
            self.constants.insert(constant.name, value);
        }
        Ok(())
    }

    /// The rule.
    pub fn rule(&self) -> &'static dyn Rule {
        self.rule
    }

    /// The optimizer, without decay and clipping.
    ///
    /// # Errors
    /// A constant out of its range.
    pub fn optimizer(&self) -> Result<Optimizer> {
        let mut each = self.constants.iter();
        each.try_fold(Optimizer::of(self.rule), |optimizer, (name, value)| optimizer.with(name, *value))
    }
}

impl Serialize for OptimizerSettings {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.constants.is_empty() {
            return to.serialize_str(self.rule.name());
        }
        let mut table = to.serialize_map(None)?;
        table.serialize_entry("name", self.rule.name())?;
        for (name, value) in &self.constants {
            let flag =
                self.rule.constants().iter().any(|constant| constant.name == *name && constant.range == Range::Flag);
            if flag {
                table.serialize_entry(name, &(*value != 0.0))?;
            } else {
                table.serialize_entry(name, value)?;
            }
        }
        table.end()
    }
}

/// A value in a table.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a number, true or false, or a name")]
enum Given {
    Flag(bool),
    Number(f64),
    Name(String),
}

impl<'de> Deserialize<'de> for OptimizerSettings {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = OptimizerSettings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let names: Vec<String> = RULES.iter().map(|rule| format!("\"{}\"", rule.name())).collect();
                write!(f, "{}, or a table of `name` and constants", names.join(", "))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OptimizerSettings, E> {
                let mut settings = OptimizerSettings::default();
                settings.choose(text).map_err(E::custom)?;
                Ok(settings)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OptimizerSettings, A::Error> {
                let mut settings = OptimizerSettings::default();
                let mut constants = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Given>()? {
                    match (key.as_str(), value) {
                        ("name", Given::Name(name)) => settings.choose(&name).map_err(de::Error::custom)?,
                        ("name", _) => {
                            return Err(de::Error::custom("`name` is the optimizer's name, such as \"sgd\""));
                        }
                        (_, Given::Flag(on)) => constants.push((key, f64::from(u8::from(on)))),
                        (_, Given::Number(value)) => constants.push((key, value)),
                        (_, Given::Name(text)) => {
                            return Err(de::Error::custom(format!("{key} = \"{text}\" is no number")));
                        }
                    }
                }
                for (key, value) in constants {
                    settings.set(&key.replace('_', "-"), value).map_err(de::Error::custom)?;
                }
                Ok(settings)
            }
        }
        from.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct File {
        optimizer: OptimizerSettings,
    }

    fn read(text: &str) -> Result<OptimizerSettings, String> {
        toml::from_str::<File>(text).map(|file| file.optimizer).map_err(|e| e.to_string())
    }

    #[test]
    fn names_and_tables_there_and_back() {
        let expected = |momentum, nesterov| Optimizer::sgd(momentum, nesterov);
        for (text, optimizer) in [
            ("optimizer = 'adam'", Optimizer::adam()),
            ("optimizer = 'SGD'", expected(0.0, false)),
            ("[optimizer]\nmomentum = 0.9\nname = 'sgd'\nnesterov = true", expected(0.9, true)),
            ("optimizer = { name = 'sgd', momentum = 0 }", expected(0.0, false)),
            ("[optimizer]\nbeta_1 = 0.5", Optimizer::adam().with("beta-1", 0.5).unwrap()),
        ] {
            let settings = read(text).unwrap();
            assert_eq!(settings.optimizer().unwrap(), optimizer, "{text}");
            let again = toml::to_string(&File { optimizer: settings.clone() }).unwrap();
            assert_eq!(read(&again).unwrap(), settings, "{again}");
        }
    }

    #[test]
    fn what_no_optimizer_has_is_refused() {
        for (text, words) in [
            ("optimizer = 'sdg'", &["`sdg`", "adam or sgd"][..]),
            ("optimizer = 5", &["\"adam\", \"sgd\""]),
            ("[optimizer]\nname = 3", &["such as \"sgd\""]),
            ("[optimizer]\nmomentum = 0.9", &["adam has no `momentum`", "beta-1"]),
            ("optimizer = { name = 'sgd', momentun = 0.9 }", &["no `momentun`", "it has momentum, nesterov"]),
            ("optimizer = { name = 'sgd', momentum = 1 }", &["momentum 1", "from 0 to below 1"]),
            ("optimizer = { name = 'sgd', momentum = nan }", &["momentum NaN"]),
            ("optimizer = { name = 'sgd', momentum = 'x' }", &["is no number"]),
            ("optimizer = { name = 'sgd', nesterov = 2 }", &["true or false"]),
            ("optimizer = { epsilon = 0.0 }", &["a positive number"]),
        ] {
            let error = read(text).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{text}: {error}");
        }
    }
}
