//! Floats as text: `#[serde(with = "exact_float")]` on an `f32` or `f64` field.
//!
//! A resumed run must compare its next metric with the same best bits, but JSON has no NaN or infinity, and
//! `serde_json` may read a number back one unit in the last place off. Rust's own shortest text and parser are exact,
//! so the float travels as a string in JSON and as a plain field in CSV. A number written by hand is accepted as well.

use std::fmt::{Debug, Formatter, Result as FmtResult};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// Writes the shortest text that parses back to the same bits (`NaN`, `inf`, `-inf` included).
pub fn serialize<T: Debug, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:?}"))
}

/// Reads such a text, or a number.
pub fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(TextOrNumber(PhantomData))
}

struct TextOrNumber<T>(PhantomData<T>);

impl<T: FromStr> Visitor<'_> for TextOrNumber<T> {
    type Value = T;

    fn expecting(&self, f: &mut Formatter<'_>) -> FmtResult {
        f.write_str("a number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.trim().parse().map_err(|_| E::custom(format_args!("`{text}` is not a number")))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        self.visit_str(&format!("{value:?}"))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }
}
