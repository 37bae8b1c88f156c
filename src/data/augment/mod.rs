//! Augmentation: the settings, by the names of Keras's `ImageDataGenerator` where it has them, and the numbers that they come to for
//! an image in an epoch. What these do to pixels is an op ([`crate::ops::augment`]).
//!
//! | setting | none | what is drawn, for each image and epoch anew |
//! |---|---|---|
//! | `horizontal-flip` | false | left and right change places in every second image |
//! | `rotation-range` | 0 | degrees, up to this, either way |
//! | `width-shift-range`, `height-shift-range` | 0 | up to this, either way: a share of the side under 1, pixels from 1 on |
//! | `shear-range` | 0 | degrees, up to this, either way |
//! | `zoom-range` | 0 | two factors, one an axis, between 1 less and 1 more than this, or between two numbers; under 1 enlarges |
//! | `fill-mode`, `cval` | nearest, 0 | not drawn: what lies outside (`FillMode`), and the value of `constant`, 0 to 255 |
//! | `brightness-range` | \[1, 1\] | factor of the pixels |
//! | `contrast-range` | \[1, 1\] | factor of their distance from the mean |
//! | `blur-probability`, `blur-sigma` | 0 | whether, and the blur's deviation in pixels |
//! | `noise-sigma` | 0 | the noise's deviation in pixel values from 0 to 255, up to this |
//! | `erasing-probability`, `erasing-scale` | 0 | whether, and the share of the image in a rectangle that becomes black |
//!
//! The keys of a file may be written with `_` as Keras does.

mod draw;
mod preview;
mod settings;

pub use draw::Augmenter;
pub use preview::preview;
pub use settings::{Preset, Settings, Zoom, text_or_table};
