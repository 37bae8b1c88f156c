//! How pixels become a network's inputs. A network only works with the one that it was trained with, so a checkpoint says
//! which.
//!
//! The names are Keras's (`keras.applications.imagenet_utils.preprocess_input`), but for `unit`, `vggface` and `none`.

use super::within::Within;
use super::{Dataset, Split};
use crate::error::{Error, Result, nearest};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What happens to pixels x from 0 to 255.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Preprocess {
    /// x / 255.
    #[default]
    Unit,
    /// x / 127.5 - 1.
    Tf,
    /// Blue, green, red, less ImageNet's means of each.
    Caffe,
    /// (x / 255 - mean) / deviation, of ImageNet's colours.
    Torch,
    /// Blue, green, red, less VGGFace's means of each.
    VggFace,
    /// x itself: the network begins with layers that do it.
    None,
}

/// An affine map of each channel of pixels from 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Whether red, green, blue become blue, green, red, before all else.
    pub reversed: bool,
    /// Factor of each channel.
    pub scale: [f64; 3],
    /// Added to each channel.
    pub offset: [f64; 3],
}

const NAMES: [(&str, Preprocess); 6] = [
    ("unit", Preprocess::Unit),
    ("tf", Preprocess::Tf),
    ("caffe", Preprocess::Caffe),
    ("torch", Preprocess::Torch),
    ("vggface", Preprocess::VggFace),
    ("none", Preprocess::None),
];

/// ImageNet's colours from 0 to 1: means and standard deviations of red, green and blue.
const TORCH: ([f64; 3], [f64; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

impl Preprocess {
    /// The map of each channel.
    pub fn affine(self) -> Affine {
        let reversed = |offset| Affine { reversed: true, scale: [1.0; 3], offset };
        let same = |scale: f64, offset: f64| Affine { reversed: false, scale: [scale; 3], offset: [offset; 3] };
        match self {
            Self::Unit => same(1.0 / 255.0, 0.0),
            Self::Tf => same(1.0 / 127.5, -1.0),
            Self::None => same(1.0, 0.0),
            Self::Caffe => reversed([-103.939, -116.779, -123.68]),
            // Of the 2.6 million photographs that Parkhi et al. 2015 trained on; as in keras-vggface 0.6, `preprocess_input`, version 1.
            Self::VggFace => reversed([-93.594, -104.7624, -129.1863]),
            Self::Torch => Affine {
                reversed: false,
                scale: TORCH.1.map(|deviation| 1.0 / (255.0 * deviation)),
                offset: [0, 1, 2].map(|c| -TORCH.0[c] / TORCH.1[c]),
            },
        }
    }

    /// Refuses a number of channels that it is not defined for.
    ///
    /// # Errors
    /// `caffe`, `torch` and `vggface` for anything but three channels.
    pub fn check(self, channels: usize) -> Result<()> {
        if channels == 3 || !matches!(self, Self::Caffe | Self::Torch | Self::VggFace) {
            return Ok(());
        }
        let what = format!("preprocessing `{self}` is of 3 colours, the network's images have {channels} channel(s)");
        Err(Error::usage(what, "unit (x/255), tf (x/127.5 - 1) and none (x) go with any image"))
    }

    /// Applies it to pixels on [0, 1], as images are read: any number of images of `channels` channels, channels last.
    pub fn apply(self, pixels: &mut [f32], channels: usize) {
        if self == Self::Unit {
            return;
        }
        let Affine { reversed, scale, offset } = self.affine();
        for pixel in pixels.chunks_exact_mut(channels) {
            if reversed {
                pixel.reverse();
            }
            for (c, x) in pixel.iter_mut().enumerate() {
                let c = c.min(2);
                *x = (f64::from(*x) * 255.0 * scale[c] + offset[c]) as f32;
            }
        }
    }

    /// The pixels on [0, 1] that [`Preprocess::apply`] made `values` of.
    pub fn undo(self, values: &mut [f32], channels: usize) {
        let Affine { reversed, scale, offset } = self.affine();
        for pixel in values.chunks_exact_mut(channels).filter(|_| self != Self::Unit) {
            for (c, x) in pixel.iter_mut().enumerate() {
                let c = c.min(2);
                *x = ((f64::from(*x) - offset[c]) / scale[c] / 255.0) as f32;
            }
            if reversed {
                pixel.reverse();
            }
        }
    }

    /// The dataset whose splits give what the network takes.
    pub(super) fn of_dataset(self, mut dataset: Dataset) -> Dataset {
        if self == Self::Unit {
            return dataset;
        }
        let wrap = |whole: Arc<dyn Split>| -> Arc<dyn Split> { Arc::new(Preprocessed { whole, preprocess: self }) };
        dataset.train = wrap(dataset.train);
        dataset.validation = wrap(dataset.validation);
        dataset.test = dataset.test.map(wrap);
        dataset
    }
}

impl fmt::Display for Preprocess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, p)| p == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl FromStr for Preprocess {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, preprocess)| *preprocess).ok_or_else(|| {
            let names = NAMES.map(|(name, _)| name);
            let near = nearest(text, names).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            format!("preprocessing `{text}` is not known{near} (one of {})", names.join(", "))
        })
    }
}

impl TryFrom<String> for Preprocess {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Preprocess> for String {
    fn from(preprocess: Preprocess) -> Self {
        preprocess.to_string()
    }
}

/// A split as a network takes it.
struct Preprocessed {
    whole: Arc<dyn Split>,
    preprocess: Preprocess,
}

impl Within for Preprocessed {
    fn whole(&self) -> &dyn Split {
        self.whole.as_ref()
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
        self.whole.read(index, out)?;
        self.preprocess.apply(out, self.whole.input().channels);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Keras 3.15's `preprocess_input` gives for one pixel of red 10, green 128, blue 255, and that of keras-vggface 0.6.
    #[test]
    fn keras_values() {
        let pixel = [10.0, 128.0, 255.0f32];
        for (name, expected) in [
            ("unit", [0.039_215_69, 0.501_960_8, 1.0]),
            ("tf", [-0.921_568_6, 0.003_921_57, 1.0]),
            ("caffe", [151.061, 11.221, -113.68]),
            ("torch", [-1.946_656_4, 0.205_182_1, 2.64]),
            ("vggface", [255.0 - 93.594, 128.0 - 104.7624, 10.0 - 129.1863]),
            ("none", [10.0, 128.0, 255.0]),
        ] {
            let mut x = pixel.map(|v| v / 255.0);
            let preprocess: Preprocess = name.parse().expect("known");
            preprocess.apply(&mut x, 3);
            for (found, wanted) in x.iter().zip(expected) {
                assert!((found - wanted).abs() <= 1e-5 * wanted.abs().max(1.0), "{name}: {x:?}");
            }
            preprocess.undo(&mut x, 3);
            assert!(x.iter().zip(pixel).all(|(x, v)| (x - v / 255.0).abs() < 1e-5), "{name}: {x:?}");
            assert_eq!(serde_json::to_string(&preprocess).expect("JSON"), format!("\"{name}\""));
        }
    }

    #[test]
    fn names_and_channels_are_checked() {
        let text = "unti".parse::<Preprocess>().expect_err("mistyped");
        assert!(text.contains("`unti` is not known") && text.contains("`unit`") && text.contains("caffe"), "{text}");
        assert!(
            Preprocess::Caffe.check(1).is_err()
                && Preprocess::Torch.check(3).is_ok()
                && Preprocess::Tf.check(1).is_ok()
        );
        let mut grey = [0.0, 1.0];
        Preprocess::Tf.apply(&mut grey, 1);
        assert_eq!(grey, [-1.0, 1.0]);
    }
}
