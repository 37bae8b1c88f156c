//! What settings are drawn from.

use crate::error::nearest;
use crate::philox::Philox;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The keys of a setting in `[space]`.
const KEYS: [&str; 4] = ["choice", "range", "log", "step"];
/// Significant digits of a drawn number: enough for any setting, and short to read.
const DIGITS: i32 = 4;

/// What one setting is drawn from, all values (or, with `log`, their logarithms) equally likely.
#[derive(Clone, Debug, PartialEq)]
pub enum Domain {
    /// One of these values.
    Choice(Vec<Value>),
    /// A whole number from the first to the second of `range`, both included.
    Whole {
        /// Least and greatest.
        range: [i64; 2],
        /// From one possible value to the next.
        step: i64,
        /// Whether logarithms are drawn.
        log: bool,
    },
    /// A number.
    Real {
        /// Least and greatest.
        range: [f64; 2],
        /// From one possible value to the next; any value of four digits if absent.
        step: Option<f64>,
        /// Whether logarithms are drawn.
        log: bool,
    },
}

impl Domain {
    /// Reads `{ choice = [..] }` or `{ range = [a, b], log = true, step = c }`; the error is a text.
    fn parse(table: &Table) -> Result<Self, String> {
        if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let near = nearest(key, KEYS).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            return Err(format!("no key `{key}`{near}"));
        }
        if let Some(choice) = table.get("choice") {
            if table.len() > 1 {
                return Err("`choice` stands alone".into());
            }
            return match choice.as_array() {
                Some(values) if !values.is_empty() => Ok(Self::Choice(values.clone())),
                _ => Err("`choice` is a list of values".into()),
            };
        }
        let log = match table.get("log").map(Value::as_bool) {
            None => false,
            Some(Some(log)) => log,
            Some(None) => return Err("`log` is true or false".into()),
        };
        let step = table.get("step");
        let range = table.get("range").and_then(Value::as_array).map(Vec::as_slice);
        let domain = match (range, step) {
            (Some([Value::Integer(a), Value::Integer(b)]), None | Some(Value::Integer(_))) => {
                let step = step.and_then(Value::as_integer).unwrap_or(1);
                Self::Whole { range: [*a, *b], step, log }
            }
            (Some([a, b]), step) => {
                let number = |v: &Value| v.as_float().or_else(|| v.as_integer().map(|i| i as f64));
                let bounds = [number(a), number(b)];
                let [Some(a), Some(b)] = bounds else { return Err("`range` is two numbers".into()) };
                let step = match step.map(number) {
                    None => None,
                    Some(Some(step)) => Some(step),
                    Some(None) => return Err("`step` is a number".into()),
                };
                Self::Real { range: [a, b], step, log }
            }
            _ => return Err("`range` is two numbers, the least and the greatest".into()),
        };
        domain.check().map(|()| domain)
    }

    fn check(&self) -> Result<(), String> {
        let ([a, b], step, log) = match self {
            Self::Choice(_) => return Ok(()),
            Self::Whole { range: [a, b], step, log } => ([*a as f64, *b as f64], Some(*step as f64), *log),
            Self::Real { range, step, log } => (*range, *step, *log),
        };
        if !(a.is_finite() && b.is_finite() && a < b && (b - a) < 1e15) {
            return Err(format!("range [{a}, {b}]: the first number must be less than the second"));
        }
        if log && a <= 0.0 {
            return Err(format!("range [{a}, {b}]: with `log`, both must be over 0"));
        }
        match step {
            Some(step) if !(step > 0.0 && step <= b - a) => Err(format!("step {step}: no step of [{a}, {b}]")),
            Some(_) if log && matches!(self, Self::Real { .. }) => Err("`step` and `log` at once".into()),
            _ => Ok(()),
        }
    }

    /// How many values there are; none if they are too many to count.
    pub fn count(&self) -> Option<usize> {
        match self {
            Self::Choice(values) => Some(values.len()),
            Self::Whole { range: [a, b], step, .. } => usize::try_from((b - a) / step + 1).ok(),
            Self::Real { range: [a, b], step, .. } => step.map(|step| ((b - a) / step + 1e-9) as usize + 1),
        }
    }

    /// The values that show whether a setting takes such: all of a choice, the ends of a range.
    pub fn samples(&self) -> Vec<Value> {
        match self {
            Self::Choice(values) => values.clone(),
            Self::Whole { range, .. } => range.map(Value::from).to_vec(),
            Self::Real { range, .. } => range.map(Value::from).to_vec(),
        }
    }

    /// Draws a value.
    pub fn draw(&self, rng: &mut Philox) -> Value {
        match self {
            Self::Choice(values) => values[rng.below(values.len())].clone(),
            Self::Whole { range: [a, b], step, log: false } => {
                let steps = self.count().unwrap_or(usize::MAX);
                Value::from((a + step * rng.below(steps) as i64).min(*b))
            }
            Self::Whole { range: [a, b], step, log: true } => {
                // Each number's share is that of the logarithms from it to the next.
                let drawn = between((*a as f64).ln(), (*b as f64 + 1.0).ln(), rng).exp();
                let drawn = (drawn as i64).clamp(*a, *b);
                Value::from(drawn - (drawn - a) % step)
            }
            Self::Real { range: [a, _], step: Some(step), .. } => {
                let steps = self.count().unwrap_or(usize::MAX);
                Value::from(rounded(a + step * rng.below(steps) as f64, 3 * DIGITS))
            }
            Self::Real { range: [a, b], log, .. } => {
                let drawn = if *log { between(a.ln(), b.ln(), rng).exp() } else { between(*a, *b, rng) };
                Value::from(rounded(drawn, DIGITS).clamp(*a, *b))
            }
        }
    }
}

/// Uniform between two numbers, of 53 random bits.
fn between(a: f64, b: f64, rng: &mut Philox) -> f64 {
    a + (b - a) * ((rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64)
}

/// A number of so many significant digits.
fn rounded(value: f64, digits: i32) -> f64 {
    let text = format!("{value:.*e}", digits.unsigned_abs() as usize - 1);
    text.parse().unwrap_or(value)
}

/// The settings that a search draws, by their dotted keys, in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space {
    /// What each is drawn from.
    pub domains: BTreeMap<String, Domain>,
}

impl Space {
    /// Reads `[space]`, where `network.units`, `"network.units"` and a table `[space.network]` mean the same.
    ///
    /// # Errors
    /// The text of what is wrong, with the setting.
    pub fn parse(table: &Table) -> Result<Self, String> {
        let mut space = Self::default();
        space.add("", table)?;
        if space.domains.is_empty() {
            return Err("[space] is empty: no setting to draw".into());
        }
        Ok(space)
    }

    fn add(&mut self, within: &str, table: &Table) -> Result<(), String> {
        for (key, value) in table {
            let name = if within.is_empty() { key.clone() } else { format!("{within}.{key}") };
            let domain = match value {
                Value::Table(inner) if inner.contains_key("choice") || inner.contains_key("range") => {
                    Domain::parse(inner).map_err(|e| format!("[space] {name}: {e}"))?
                }
                Value::Table(inner) if !inner.is_empty() => {
                    self.add(&name, inner)?;
                    continue;
                }
                // A mistyped `choice` looks like a setting within a table.
                other => {
                    let near = nearest(key, KEYS).filter(|_| !within.is_empty());
                    let near = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                    let wanted = "{ choice = [..] } or { range = [a, b] }";
                    return Err(format!("[space] {name} is {other}, where {wanted} is expected{near}"));
                }
            };
            if self.domains.insert(name.clone(), domain).is_some() {
                return Err(format!("[space] {name} twice"));
            }
        }
        Ok(())
    }

    /// How many points there are; none if they are too many to count.
    pub fn count(&self) -> Option<usize> {
        self.domains.values().try_fold(1usize, |n, domain| n.checked_mul(domain.count()?))
    }

    /// Draws a point: a value for each setting, in order.
    pub fn draw(&self, rng: &mut Philox) -> Vec<Value> {
        self.domains.values().map(|domain| domain.draw(rng)).collect()
    }
}

/// Sets a dotted key in settings. Entries of a list are counted from 1: `phase.2.lr`.
///
/// # Errors
/// The text of what stands in the way.
pub(super) fn set(settings: &mut Table, key: &str, value: Value) -> Result<(), String> {
    let Some((first, rest)) = key.split_once('.') else {
        settings.insert(key.to_owned(), value);
        return Ok(());
    };
    match settings.entry(first).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(inner) => set(inner, rest, value),
        Value::Array(entries) => {
            let (number, rest) = rest.split_once('.').unwrap_or((rest, ""));
            let of = entries.len();
            let entry = number.parse::<usize>().ok().and_then(|n| entries.get_mut(n.checked_sub(1)?));
            match entry {
                Some(Value::Table(inner)) if !rest.is_empty() => set(inner, rest, value),
                Some(entry) if rest.is_empty() => {
                    *entry = value;
                    Ok(())
                }
                _ => Err(format!("`{first}` is a list of {of}; `{first}.1` is the first")),
            }
        }
        other => Err(format!("`{first}` is {other} in [settings], not a table")),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn space(text: &str) -> Result<Space, String> {
        Space::parse(&text.parse().unwrap())
    }

    const ALL: &str = "a = { choice = ['x', 3] }\nb = { range = [1, 4] }\nc = { range = [8, 64], step = 8 }\n\
        d = { range = [1, 1000], log = true }\ne.f = { range = [0.0, 0.5], step = 0.05 }\n\
        'e.g' = { range = [1e-4, 1e-2], log = true }\n[h]\ni = { range = [-1, 1.5] }\n";

    #[test]
    fn every_domain_stays_within_itself_and_reaches_its_ends() {
        let space = space(ALL).unwrap();
        let names: Vec<_> = space.domains.keys().map(String::as_str).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e.f", "e.g", "h.i"]);
        let counts: Vec<_> = space.domains.values().map(Domain::count).collect();
        assert_eq!(counts, [Some(2), Some(4), Some(8), Some(1000), Some(11), None, None]);
        assert_eq!(space.count(), None);
        let points: Vec<_> = (0..2000).map(|n| space.draw(&mut Philox::new(7, n))).collect();
        let column = |i: usize| points.iter().map(move |p| p[i].clone());
        assert_eq!(column(0).filter(|v| v.as_str() == Some("x")).count().abs_diff(1000) / 150, 0);
        for (i, [a, b]) in [(1, [1, 4]), (2, [8, 64])] {
            let whole: Vec<i64> = column(i).map(|v| v.as_integer().unwrap()).collect();
            assert_eq!([*whole.iter().min().unwrap(), *whole.iter().max().unwrap()], [a, b]);
        }
        assert!(column(2).all(|v| v.as_integer().unwrap() % 8 == 0));
        let under_32 = column(3).filter(|v| v.as_integer().unwrap() < 32).count();
        assert!((850..1150).contains(&under_32), "half of the logarithms: {under_32}");
        let reals = |i: usize| column(i).map(|v| v.as_float().unwrap()).collect::<Vec<_>>();
        assert!(reals(4).contains(&0.15) && reals(4).contains(&0.5) && reals(4).contains(&0.0));
        assert!(reals(5).iter().all(|v| (1e-4..=1e-2).contains(v) && v.to_string().len() <= 10));
        let under = reals(5).iter().filter(|v| **v < 1e-3).count();
        assert!((850..1150).contains(&under), "{under}");
        assert!(reals(6).iter().all(|v| (-1.0..=1.5).contains(v)));
        assert_eq!(points[5], space.draw(&mut Philox::new(7, 5)));
    }

    #[test]
    fn refuses_by_setting() {
        for (text, words) in [
            ("", "empty"),
            ("lr = 0.1", "[space] lr is 0.1"),
            ("lr = { choise = [1] }", "did you mean `choice`"),
            ("lr = { choice = [] }", "lr: `choice` is a list"),
            ("lr = { choice = [1], log = true }", "stands alone"),
            ("lr = { range = [1], log = true }", "two numbers"),
            ("lr = { range = [2, 1] }", "less than"),
            ("lr = { range = [0, 1], log = true }", "over 0"),
            ("lr = { range = [0, 1], stop = 1 }", "did you mean `step`"),
            ("lr = { range = [0, 4], step = 9 }", "step 9"),
            ("lr = { range = [0.1, 0.4], step = 0.1, log = true }", "at once"),
            ("lr = { range = [0, 4], log = 1 }", "true or false"),
            ("'a.b' = { range = [0, 4] }\na.b = { choice = [1] }", "a.b twice"),
        ] {
            let error = space(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn dotted_keys_reach_tables_and_lists() {
        let mut settings: Table = "lr = 1\n[[phase]]\nepochs = 2\n".parse().unwrap();
        for (key, value) in [("lr", 2), ("network.units", 3), ("phase.1.batch", 4)] {
            set(&mut settings, key, value.into()).unwrap();
        }
        let wanted: Table = "lr = 2\n[network]\nunits = 3\n[[phase]]\nepochs = 2\nbatch = 4\n".parse().unwrap();
        assert_eq!(settings, wanted);
        for (key, words) in [("lr.x", "`lr` is 2"), ("phase.2.lr", "a list of 1"), ("phase.x", "a list of 1")] {
            let error = set(&mut settings, key, 1.into()).unwrap_err();
            assert!(error.contains(words), "{key}: {error}");
        }
    }
}
