//! The file of timed kernel variants: one for each adapter, in the user's cache folder.

use crate::error::{Error, Result};
use crate::formats::atomic;
use crate::gpu::{Choices, Gpu, Pick, Tune};
use crate::input::read_text;
use crate::ops::conv2d::variant::SHADERS;
use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How kernel variants are to be chosen (`--tune`, `--tune-seconds`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// Nothing is [`Tune::Full`] on GPUs and [`Tune::Off`] on software drivers, whose table was measured and whose compilers are slow.
    pub tune: Option<Tune>,
    /// The most that timing may take, a kernel that is being compiled excepted.
    pub seconds: f64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { tune: None, seconds: 5.0 }
    }
}

/// What timings belong to: others say nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Circumstances {
    adapter: String,
    backend: String,
    driver: String,
    subgroup: [u32; 2],
    shaders: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct File {
    circumstances: Circumstances,
    choices: Choices,
}

/// The cache of one adapter.
#[derive(Debug)]
pub struct Cache {
    path: PathBuf,
    circumstances: Circumstances,
}

impl Cache {
    /// The cache of an adapter, in the system's folder for caches (`XDG_CACHE_HOME` or `~/.cache` on Linux).
    ///
    /// # Errors
    /// A user without a home.
    pub fn of(gpu: &Gpu) -> Result<Self> {
        let system = etcetera::base_strategy::choose_native_strategy().map_err(|e| {
            Error::usage(format!("no folder for the tuner's cache: {e}"), "set HOME, or use --tune off")
        })?;
        Ok(Self::within(&system.cache_dir().join("fer-gpu"), gpu))
    }

    /// The cache of an adapter in `folder`.
    pub fn within(folder: &Path, gpu: &Gpu) -> Self {
        let d = &gpu.description;
        let circumstances = Circumstances {
            adapter: d.name.clone(),
            backend: d.backend.clone(),
            driver: d.driver.clone(),
            subgroup: d.subgroup,
            shaders: format!("{SHADERS:016x}"),
        };
        let safe = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let name: String = format!("{} {}", d.backend, d.name).chars().map(safe).collect();
        Self { path: folder.join(format!("tuning-{name}.json")), circumstances }
    }

    /// What was timed under the same circumstances before, and why it is nothing if there is a file.
    pub fn read(&self) -> (Choices, Option<String>) {
        let path = self.path.display();
        let text = match read_text(&self.path, "the tuner's cache") {
            Ok(text) => text,
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return (Choices::new(), None);
            }
            Err(e) => return (Choices::new(), Some(format!("the tuner's cache is not used: {e}"))),
        };
        match serde_json::from_str::<File>(&text) {
            Ok(file) if file.circumstances == self.circumstances => (file.choices, None),
            Ok(_) => {
                let what = "is of another driver or version of the kernels: its timings are not used";
                (Choices::new(), Some(format!("the tuner's cache {path} {what}")))
            }
            Err(e) => (Choices::new(), Some(format!("the tuner's cache {path} is damaged and not used: {e}"))),
        }
    }

    /// Adds choices to the file.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn add(&self, fresh: Choices) -> Result<()> {
        let (mut choices, _) = self.read();
        choices.extend(fresh);
        let file = File { circumstances: self.circumstances.clone(), choices };
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        let text = serde_json::to_string_pretty(&file).expect("strings only");
        atomic::write_text(&self.path, &text)
    }
}

impl Tuning {
    /// Sets up an opened adapter, and gives the cache to keep its timings in and a note for the user, if there is something to say.
    ///
    /// # Errors
    /// A number of seconds that is none.
    pub fn apply(&self, gpu: &mut Gpu) -> Result<(Option<Cache>, Option<String>)> {
        let budget = Duration::try_from_secs_f64(self.seconds).map_err(|e| {
            Error::usage(format!("--tune-seconds {}: {e}", self.seconds), "a number of seconds, such as 5")
        })?;
        let software = gpu.description.kind == "software";
        let tune = self.tune.unwrap_or(if software { Tune::Off } else { Tune::Full });
        (gpu.tuner.pick, gpu.tuner.budget) = (Pick::Best(tune), budget);
        if tune == Tune::Off {
            return Ok((None, None));
        }
        let cache = match Cache::of(gpu) {
            Ok(cache) => cache,
            Err(e) => return Ok((None, Some(e.to_string()))),
        };
        let (choices, note) = cache.read();
        gpu.tuner.hold(choices);
        Ok((Some(cache), note))
    }
}
