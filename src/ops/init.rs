//! How parameters start: Keras's initializers that our networks use. All but zeros and ones are its `VarianceScaling`: a
//! distribution around 0 whose variance is a scale over a fan, the inputs of one output or the outputs of one input.

use crate::philox::Philox;
use crate::tensor::Shape;

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Uniform on +-sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010; Keras's default kernel).
    GlorotUniform {
        /// Inputs of one output.
        fan_in: usize,
        /// Outputs of one input.
        fan_out: usize,
    },
    /// Uniform on +-sqrt(3 scale / fan), whose variance is scale / fan.
    ScaledUniform {
        /// Variance times fan.
        scale: f64,
        /// Inputs of one output or outputs of one input, as the initializer's mode says.
        fan: usize,
    },
    /// Normal, drawn again beyond two deviations; the variance of what remains is scale / fan.
    ScaledNormal {
        /// Variance times fan.
        scale: f64,
        /// As for [`Init::ScaledUniform`].
        fan: usize,
    },
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
}

/// Deviation of a standard normal distribution that is cut off at +-2, to the digits that Keras writes.
const CUT_DEVIATION: f64 = 0.879_625_661_034_239_8;

impl Init {
    /// For the kernel of a convolution before a rectifier, after its outputs (He et al. 2015; Keras's
    /// `VarianceScaling(2.0, "fan_out", "truncated_normal")`, EfficientNet's convolutions). `kernel` is `[kh, kw, c_in, c_out]`, or
    /// `[kh, kw, c, multiplier]` of a depthwise one.
    pub fn he_fan_out(kernel: &Shape) -> Self {
        Self::ScaledNormal { scale: 2.0, fan: fan_out(kernel) }
    }

    /// Uniform on +-1 / sqrt(fan_out): Keras's `VarianceScaling(1 / 3, "fan_out", "uniform")`, EfficientNet's head. `kernel` is
    /// `[in, units]`.
    pub fn uniform_fan_out(kernel: &Shape) -> Self {
        Self::ScaledUniform { scale: 1.0 / 3.0, fan: fan_out(kernel) }
    }

    /// `n` starting values from a stream of random numbers.
    pub fn draw(self, n: usize, mut random: Philox) -> Vec<f32> {
        let mut uniform = |square: f64| {
            let limit = square.sqrt() as f32;
            (0..n).map(|_| random.uniform(-limit, limit)).collect()
        };
        match self {
            Self::Zeros => vec![0.0; n],
            Self::Ones => vec![1.0; n],
            Self::GlorotUniform { fan_in, fan_out } => uniform(6.0 / (fan_in + fan_out).max(1) as f64),
            Self::ScaledUniform { scale, fan } => uniform(3.0 * scale / fan.max(1) as f64),
            Self::ScaledNormal { scale, fan } => {
                let deviation = (scale / fan.max(1) as f64).sqrt() / CUT_DEVIATION;
                (0..n).map(|_| (deviation * f64::from(random.truncated_normal())) as f32).collect()
            }
        }
    }
}

/// Outputs of one input of a kernel, as Keras counts them: its last axis times its window.
fn fan_out(kernel: &Shape) -> usize {
    match kernel.dims() {
        [window @ .., _, c_out] => window.iter().product::<usize>() * c_out,
        dims => dims.iter().product(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean, deviation and largest absolute value of many draws.
    fn moments(init: Init) -> [f64; 3] {
        let values = init.draw(100_000, Philox::new(5, 2));
        let n = values.len() as f64;
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let variance = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
        let largest = values.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
        [mean, variance.sqrt(), largest]
    }

    #[test]
    fn the_variance_is_the_scale_over_the_fan() {
        let conv = Init::he_fan_out(&Shape::new([3, 3, 8, 16]));
        assert_eq!(conv, Init::ScaledNormal { scale: 2.0, fan: 144 });
        assert_eq!(Init::he_fan_out(&Shape::new([5, 5, 96, 1])), Init::ScaledNormal { scale: 2.0, fan: 25 });
        let head = Init::uniform_fan_out(&Shape::new([1280, 7]));
        assert_eq!(head, Init::ScaledUniform { scale: 1.0 / 3.0, fan: 7 });
        let glorot = Init::GlorotUniform { fan_in: 30, fan_out: 20 };
        let [conv_deviation, head_deviation, glorot_deviation] = [2.0 / 144.0, 1.0 / 21.0, 1.0 / 25.0].map(f64::sqrt);
        for (init, deviation, limit) in [
            (conv, conv_deviation, 2.0 * conv_deviation / CUT_DEVIATION),
            (head, head_deviation, 1.0 / 7f64.sqrt()),
            (glorot, glorot_deviation, (6.0f64 / 50.0).sqrt()),
        ] {
            let [mean, found, largest] = moments(init);
            // Five standard errors of the mean, more than that of the deviation.
            assert!(mean.abs() < 5.0 * deviation / 100_000f64.sqrt(), "{init:?}: mean {mean}");
            assert!((found / deviation - 1.0).abs() < 0.01, "{init:?}: deviation {found}, not {deviation}");
            assert!(largest <= limit * 1.000_001 && largest > limit * 0.99, "{init:?}: {largest} to {limit}");
        }
    }

    #[test]
    fn zeros_and_ones() {
        assert_eq!(Init::Zeros.draw(2, Philox::new(1, 0)), [0.0, 0.0]);
        assert_eq!(Init::Ones.draw(2, Philox::new(1, 0)), [1.0, 1.0]);
    }
}
