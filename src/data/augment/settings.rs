//! What a user can set.

use crate::error::{Error, Result, nearest};
use crate::ops::augment::FillMode;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The settings; the module's table says what each means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[expect(missing_docs, reason = "one table says it all")]
pub struct Settings {
    #[serde(alias = "horizontal_flip")]
    pub horizontal_flip: bool,
    #[serde(alias = "rotation_range")]
    pub rotation_range: f32,
    #[serde(alias = "width_shift_range")]
    pub width_shift_range: f32,
    #[serde(alias = "height_shift_range")]
    pub height_shift_range: f32,
    #[serde(alias = "shear_range")]
    pub shear_range: f32,
    #[serde(alias = "zoom_range")]
    pub zoom_range: Zoom,
    #[serde(alias = "fill_mode")]
    pub fill_mode: FillMode,
    pub cval: f32,
    #[serde(alias = "brightness_range")]
    pub brightness_range: [f32; 2],
    #[serde(alias = "contrast_range")]
    pub contrast_range: [f32; 2],
    #[serde(alias = "blur_probability")]
    pub blur_probability: f32,
    #[serde(alias = "blur_sigma")]
    pub blur_sigma: [f32; 2],
    #[serde(alias = "noise_sigma")]
    pub noise_sigma: f32,
    #[serde(alias = "erasing_probability")]
    pub erasing_probability: f32,
    #[serde(alias = "erasing_scale")]
    pub erasing_scale: [f32; 2],
}

/// One number, or two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number such as 0.1, or two such as [0.9, 1.2]")]
pub enum Zoom {
    /// Between 1 less and 1 more than this.
    Around(f32),
    /// Between these.
    Between([f32; 2]),
}

impl Zoom {
    /// Lowest and highest factor.
    pub fn limits(self) -> [f32; 2] {
        match self {
            Self::Around(by) => [1.0 - by, 1.0 + by],
            Self::Between(limits) => limits,
        }
    }
}

impl Default for Settings {
    /// No augmentation.
    fn default() -> Self {
        Self {
            horizontal_flip: false,
            rotation_range: 0.0,
            width_shift_range: 0.0,
            height_shift_range: 0.0,
            shear_range: 0.0,
            zoom_range: Zoom::Around(0.0),
            fill_mode: FillMode::Nearest,
            cval: 0.0,
            brightness_range: [1.0; 2],
            contrast_range: [1.0; 2],
            blur_probability: 0.0,
            blur_sigma: [0.3, 1.0],
            noise_sigma: 0.0,
            erasing_probability: 0.0,
            erasing_scale: [0.02, 0.2],
        }
    }
}

/// Settings by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// None at all.
    None,
    /// Flips, rotation by 10 degrees, shifts and zoom by a tenth.
    Light,
    /// `Light`, and shear, brightness, contrast, blur, noise and erasing.
    Strong,
}

const PRESETS: [(&str, Preset); 3] = [("none", Preset::None), ("light", Preset::Light), ("strong", Preset::Strong)];

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = PRESETS.iter().find(|(name, _)| *name == text);
        found.map(|(_, preset)| *preset).ok_or_else(|| {
            let names = PRESETS.map(|(name, _)| name);
            let near = nearest(text, names).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            format!("augmentation `{text}` is not known{near} (one of {})", names.join(", "))
        })
    }
}

impl From<Preset> for Settings {
    fn from(preset: Preset) -> Self {
        let none = Self::default();
        let light = Self {
            horizontal_flip: true,
            rotation_range: 10.0,
            width_shift_range: 0.1,
            height_shift_range: 0.1,
            zoom_range: Zoom::Around(0.1),
            ..none
        };
        match preset {
            Preset::None => none,
            Preset::Light => light,
            Preset::Strong => Self {
                shear_range: 10.0,
                brightness_range: [0.7, 1.3],
                contrast_range: [0.7, 1.3],
                blur_probability: 0.2,
                noise_sigma: 8.0,
                erasing_probability: 0.25,
                ..light
            },
        }
    }
}

impl Settings {
    /// Whether they change nothing.
    pub fn is_none(&self) -> bool {
        !self.warps() && !self.changes_pixels()
    }

    /// Whether they move pixels.
    pub(super) fn warps(&self) -> bool {
        let ranges = [self.rotation_range, self.width_shift_range, self.height_shift_range, self.shear_range];
        self.horizontal_flip || ranges.iter().any(|r| *r != 0.0) || self.zoom_range.limits() != [1.0; 2]
    }

    /// Whether they change values.
    pub(super) fn changes_pixels(&self) -> bool {
        self.brightness_range != [1.0; 2]
            || self.contrast_range != [1.0; 2]
            || [self.blur_probability, self.noise_sigma, self.erasing_probability].iter().any(|v| *v != 0.0)
    }

    /// Refuses what nothing can be drawn from.
    ///
    /// # Errors
    /// Names the setting, the value and the range.
    pub fn check(&self) -> Result<()> {
        // A range that is one number begins with it.
        let one = |v: f32| [v, v];
        for (name, value @ [low, high], [least, most]) in [
            ("rotation-range", one(self.rotation_range), [0.0, 180.0]),
            ("width-shift-range", one(self.width_shift_range), [0.0, 8192.0]),
            ("height-shift-range", one(self.height_shift_range), [0.0, 8192.0]),
            ("shear-range", one(self.shear_range), [0.0, 80.0]),
            ("zoom-range", self.zoom_range.limits(), [0.01, 100.0]),
            ("cval", one(self.cval), [0.0, 255.0]),
            ("brightness-range", self.brightness_range, [0.0, 10.0]),
            ("contrast-range", self.contrast_range, [0.0, 10.0]),
            ("blur-probability", one(self.blur_probability), [0.0, 1.0]),
            ("blur-sigma", self.blur_sigma, [0.1, 10.0]),
            ("noise-sigma", one(self.noise_sigma), [0.0, 255.0]),
            ("erasing-probability", one(self.erasing_probability), [0.0, 1.0]),
            ("erasing-scale", self.erasing_scale, [0.0, 1.0]),
        ] {
            let range = least..=most;
            if !range.contains(&low) || !range.contains(&high) || low > high {
                let found = if low.total_cmp(&high).is_eq() { low.to_string() } else { format!("{value:?}") };
                let hint = format!("{name} must be from {least} to {most}, the lower number first");
                return Err(Error::setting("augment", name, found, hint));
            }
        }
        Ok(())
    }
}

/// Reads settings from a table of them, or from a preset's name.
///
/// # Errors
/// An unknown name or key, a value of another kind.
pub fn text_or_table<'de, D: Deserializer<'de>>(from: D) -> Result<Settings, D::Error> {
    struct Either;
    impl<'de> Visitor<'de> for Either {
        type Value = Settings;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table of settings, or one of \"none\", \"light\", \"strong\"")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Settings, E> {
            text.parse().map(|preset: Preset| preset.into()).map_err(E::custom)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Settings, A::Error> {
            Settings::deserialize(MapAccessDeserializer::new(map))
        }
    }
    from.deserialize_any(Either)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[derive(Debug, Deserialize)]
    struct File {
        #[serde(deserialize_with = "text_or_table")]
        augment: Settings,
    }

    fn read(text: &str) -> Result<Settings, String> {
        toml::from_str::<File>(text).map(|f| f.augment).map_err(|e| e.to_string())
    }

    #[test]
    fn names_and_tables() {
        assert_eq!(read("augment = 'strong'").unwrap(), Preset::Strong.into());
        let keras = read("[augment]\nrotation_range = 20\nzoom_range = [0.8, 1]\nfill-mode = 'reflect'").unwrap();
        let zoom_range = Zoom::Between([0.8, 1.0]);
        let expected =
            Settings { rotation_range: 20.0, zoom_range, fill_mode: FillMode::Reflect, ..Settings::default() };
        assert_eq!(keras, expected);
        for preset in PRESETS.map(|(_, preset)| Settings::from(preset)) {
            preset.check().unwrap();
            let text = format!("[augment]\n{}", toml::to_string(&preset).unwrap());
            assert_eq!(read(&text).unwrap(), preset);
        }
        assert!(Settings::default().is_none() && !Settings::from(Preset::Light).is_none());
    }

    #[test]
    fn refuses() {
        for (text, words) in [
            ("augment = 'strnog'", &["`strnog`", "did you mean `strong`"][..]),
            ("[augment]\nrotation = 5", &["rotation", "rotation-range"]),
            ("[augment]\nzoom-range = 'big'", &["a number such as 0.1"]),
            ("[augment]\nfill-mode = 'mirror'", &["mirror", "reflect"]),
            ("augment = 5", &["a table of settings"]),
        ] {
            let error = read(text).unwrap_err();
            assert!(words.iter().all(|w| error.contains(w)), "{text}: {error}");
        }
        for (text, words) in [
            ("rotation-range = 200", ["rotation-range 200", "0 to 180"]),
            ("zoom-range = 1.5", ["zoom-range [-0.5, 2.5]", "0.01"]),
            ("brightness-range = [1.2, 0.8]", ["brightness-range [1.2, 0.8]", "lower number first"]),
            ("noise-sigma = nan", ["noise-sigma NaN", "255"]),
            ("erasing-probability = -0.1", ["erasing-probability -0.1", "0 to 1"]),
        ] {
            let error = read(&format!("[augment]\n{text}")).unwrap().check().unwrap_err().to_string();
            assert!(words.iter().all(|w| error.contains(w)), "{text}: {error}");
        }
    }
}
