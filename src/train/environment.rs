//! `env.json`: what a result depends on besides its settings.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// What a result depends on besides its settings; the content of `env.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Environment {
    /// `fer-gpu`.
    pub program: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The adapter, backend and driver that compute.
    pub adapter: String,
    /// Operating system.
    pub os: &'static str,
    /// Processor architecture.
    pub arch: &'static str,
    /// Processors available to the program.
    pub cpus: usize,
    /// The command line as given.
    pub command: Vec<String>,
    /// Start of the run, UTC, as `2026-11-22T01:02:03Z`.
    pub started: String,
}

impl Environment {
    /// Describes this process, now.
    pub fn here(adapter: impl Into<String>) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            program: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            adapter: adapter.into(),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            command: std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect(),
            started: utc(since.as_secs()),
        }
    }
}

/// Seconds since 1970 as ISO 8601, in the Gregorian calendar.
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years are counted from March, so that the leap day is a year's last. 400 years have 146,097 days; day 0 is
    // 0000-03-01.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let (year, hour, minute, second) = (era * 400 + year + next, rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_gregorian() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), text);
        }
    }
}
