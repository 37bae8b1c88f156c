//! The methods.

use super::{Layer, Map};
use crate::data::{Head, InputSpec, Preprocess};
use crate::error::{Error, Result};
use crate::eval::metrics::calibration::apply_temperature;
use crate::graph::{Attribution, Executor, Value};
use crate::philox::Philox;

/// Noisy copies of SmoothGrad: more make no visible difference (Smilkov et al. 2017, figure 4).
pub const SMOOTH_COPIES: usize = 25;
/// Standard deviation of their noise, as a share of the range of the image's pixels (the same, figure 3: 0.1 to 0.2).
pub const SMOOTH_NOISE: f32 = 0.15;
/// Seed of that noise: the same image gives the same map.
const SMOOTH_SEED: u64 = 0;
/// Squares of the occlusion map along the shorter side of the image, as if they lay edge to edge.
const SQUARES: usize = 6;
/// Grey of the square, of pixels from 0 to 1.
const GREY: f32 = 0.5;

/// The network's input, as a value of its graph.
const INPUT: Value = 0;

/// A network and the images that it takes. Pixels are from 0 to 1, rows first, channels last, not preprocessed yet; maps are over
/// them.
pub struct Explainer<'a> {
    executor: &'a mut dyn Executor,
    input: InputSpec,
    preprocess: Preprocess,
    classes: usize,
    batch: usize,
    temperature: Option<f64>,
    head: Head,
}

impl<'a> Explainer<'a> {
    /// Of an executor that was planned for batches of up to `batch`.
    pub fn new(
        executor: &'a mut dyn Executor,
        input: InputSpec,
        preprocess: Preprocess,
        classes: usize,
        batch: usize,
    ) -> Self {
        Self { executor, input, preprocess, classes, batch: batch.max(1), temperature: None, head: Head::Softmax }
    }

    /// With probabilities by the temperature that a checkpoint was calibrated with, if it was.
    #[must_use]
    pub fn calibrated(self, temperature: Option<f64>) -> Self {
        Self { temperature, ..self }
    }

    /// With the probabilities of another head than a softmax.
    #[must_use]
    pub fn with_head(self, head: Head) -> Self {
        Self { head, ..self }
    }

    /// Class probabilities of an image, or values.
    ///
    /// # Errors
    /// Whatever the device reports; an image of another size.
    pub fn outputs(&mut self, pixels: &[f32]) -> Result<Vec<f32>> {
        self.check(pixels, 0)?;
        self.predict(pixels.to_vec())
    }

    /// The largest absolute gradient of the class's score to a pixel's channels.
    ///
    /// # Errors
    /// As [`Explainer::outputs`]; a class that the network does not have.
    pub fn saliency(&mut self, pixels: &[f32], class: usize) -> Result<Map> {
        self.check(pixels, class)?;
        let gradient = self.pixel_gradient(pixels.to_vec(), class)?;
        Ok(self.largest(&gradient))
    }

    /// The same of the mean gradient over [`SMOOTH_COPIES`] copies of the image with Gaussian noise.
    ///
    /// # Errors
    /// As [`Explainer::saliency`].
    pub fn smooth_grad(&mut self, pixels: &[f32], class: usize) -> Result<Map> {
        self.check(pixels, class)?;
        let low = pixels.iter().copied().fold(f32::INFINITY, f32::min);
        let high = pixels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let deviation = SMOOTH_NOISE * (high - low);
        let mut sum = vec![0.0; pixels.len()];
        let mut next = 0;
        while next < SMOOTH_COPIES {
            let copies = self.batch.min(SMOOTH_COPIES - next);
            let noisy = (next..next + copies).flat_map(|copy| {
                let mut rng = Philox::new(SMOOTH_SEED, copy as u64);
                pixels.iter().map(|p| p + deviation * rng.normal()).collect::<Vec<_>>()
            });
            let gradient = self.pixel_gradient(noisy.collect(), class)?;
            for one in gradient.chunks_exact(pixels.len()) {
                sum.iter_mut().zip(one).for_each(|(s, g)| *s += g / SMOOTH_COPIES as f32);
            }
            next += copies;
        }
        Ok(self.largest(&sum))
    }

    /// The sum of a layer's channels, each times the mean of the score's gradient to it, where that is positive; brought to the
    /// image's size.
    ///
    /// # Errors
    /// As [`Explainer::saliency`]; a layer that does not lead to the output.
    pub fn grad_cam(&mut self, pixels: &[f32], class: usize, layer: &Layer) -> Result<Map> {
        self.check(pixels, class)?;
        let Attribution { value, gradient } = self.attribute(pixels.to_vec(), class, layer.value)?;
        let [height, width, channels] = layer.shape;
        let mut weights = vec![0.0; channels];
        for place in gradient.chunks_exact(channels) {
            weights.iter_mut().zip(place).for_each(|(w, g)| *w += g / (height * width) as f32);
        }
        let weighted = |place: &[f32]| place.iter().zip(&weights).map(|(a, w)| a * w).sum::<f32>().max(0.0);
        let values = value.chunks_exact(channels).map(weighted).collect();
        Ok(Map { height, width, values }.resized(self.input.height, self.input.width))
    }

    /// What a grey square takes from the class's probability, or the output's value: for each pixel the mean over the squares that cover it. Squares are a
    /// sixth of the image's shorter side and overlap by half.
    ///
    /// # Errors
    /// As [`Explainer::saliency`].
    pub fn occlusion(&mut self, pixels: &[f32], class: usize) -> Result<Map> {
        let whole = self.outputs(pixels)?;
        self.check(pixels, class)?;
        let InputSpec { height, width, channels, .. } = self.input;
        let side = (height.min(width) / SQUARES).max(1);
        let starts = |length: usize| {
            let step = (side / 2).max(1);
            (0..length - side).step_by(step).chain([length - side]).collect::<Vec<_>>()
        };
        let columns = starts(width);
        let squares: Vec<(usize, usize)> =
            starts(height).into_iter().flat_map(|y| columns.iter().map(move |x| (y, *x))).collect();
        let (mut drop, mut covers) = (vec![0.0; height * width], vec![0.0; height * width]);
        for some in squares.chunks(self.batch) {
            let mut images = Vec::with_capacity(some.len() * pixels.len());
            for (top, left) in some {
                let start = images.len();
                images.extend_from_slice(pixels);
                for row in *top..top + side {
                    let first = start + (row * width + left) * channels;
                    images[first..first + side * channels].fill(GREY);
                }
            }
            let found = self.predict(images)?;
            for ((top, left), p) in some.iter().zip(found.chunks_exact(self.classes)) {
                for row in *top..top + side {
                    for place in row * width + left..row * width + left + side {
                        drop[place] += whole[class] - p[class];
                        covers[place] += 1.0;
                    }
                }
            }
        }
        let values = drop.iter().zip(&covers).map(|(d, n)| d / n).collect();
        Ok(Map { height, width, values })
    }

    /// A layer's channels.
    ///
    /// # Errors
    /// As [`Explainer::grad_cam`].
    pub fn activations(&mut self, pixels: &[f32], layer: &Layer) -> Result<Vec<Map>> {
        self.check(pixels, 0)?;
        let value = self.attribute(pixels.to_vec(), 0, layer.value)?.value;
        let [height, width, channels] = layer.shape;
        let channel = |c: usize| value.iter().skip(c).step_by(channels).copied().collect();
        Ok((0..channels).map(|c| Map { height, width, values: channel(c) }).collect())
    }

    fn check(&self, pixels: &[f32], class: usize) -> Result<()> {
        if pixels.len() != self.input.len() || class >= self.classes {
            let what = format!("{} floats and class {class}", pixels.len());
            let InputSpec { height, width, channels, .. } = self.input;
            let hint = format!("the network takes {height} x {width} x {channels} and has {} classes", self.classes);
            return Err(Error::usage(what, hint));
        }
        Ok(())
    }

    fn preprocessed(&self, mut pixels: Vec<f32>) -> Vec<f32> {
        self.preprocess.apply(&mut pixels, self.input.channels);
        pixels
    }

    /// What the network says of some images.
    fn predict(&mut self, images: Vec<f32>) -> Result<Vec<f32>> {
        let n = images.len() / self.input.len();
        let x = self.preprocessed(images);
        let mut outputs = self.executor.predict(&x, n)?;
        self.head.apply(&mut outputs);
        if let Some(temperature) = self.temperature {
            apply_temperature(&mut outputs, self.classes, temperature);
        }
        Ok(outputs)
    }

    /// A value and the gradient of the class's score to it, for some images.
    fn attribute(&mut self, images: Vec<f32>, class: usize, value: Value) -> Result<Attribution> {
        let n = images.len() / self.input.len();
        let mut cotangent = vec![0.0; n * self.classes];
        cotangent.chunks_exact_mut(self.classes).for_each(|row| row[class] = 1.0);
        let x = self.preprocessed(images);
        self.executor.explain(&x, &cotangent, value)
    }

    /// The gradient of the class's score to the pixels of some images.
    fn pixel_gradient(&mut self, images: Vec<f32>, class: usize) -> Result<Vec<f32>> {
        let mut gradient = self.attribute(images, class, INPUT)?.gradient;
        let affine = self.preprocess.affine();
        for pixel in gradient.chunks_exact_mut(self.input.channels) {
            for (c, g) in pixel.iter_mut().enumerate() {
                *g *= (255.0 * affine.scale[c.min(2)]) as f32;
            }
            if affine.reversed {
                pixel.reverse();
            }
        }
        Ok(gradient)
    }

    /// The largest magnitude of each pixel's channels.
    fn largest(&self, gradient: &[f32]) -> Map {
        let pixels = gradient.chunks_exact(self.input.channels);
        let values = pixels.map(|p| p.iter().fold(0.0_f32, |most, g| most.max(g.abs()))).collect();
        Map { height: self.input.height, width: self.input.width, values }
    }
}
