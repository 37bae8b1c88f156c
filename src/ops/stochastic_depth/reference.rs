//! The f64 reference.

use super::super::{Pass, dropout};
use super::StochasticDepth;
use crate::tensor::HostTensor;

/// Forward of `x` or backward of `dy`.
pub(super) fn apply(op: &StochasticDepth, x: &HostTensor, pass: Pass) -> HostTensor {
    let n = x.shape.dims()[0];
    let factors = dropout::reference(&op.of_samples(pass), &HostTensor::from_fn([n], |_| 1.0), pass);
    let sample = x.data.len() / n.max(1);
    HostTensor::from_fn(x.shape.clone(), |i| match factors.data[i / sample] {
        0.0 => 0.0,
        factor => x.data[i] * factor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASS: Pass = Pass { training: true, layer: 3, seed: 7, step: 11 };

    fn ones(n: usize, pass: Pass) -> Vec<f64> {
        apply(&StochasticDepth { rate: 0.25 }, &HostTensor::from_fn([n, 3, 5], |_| 1.0), pass).data
    }

    #[test]
    fn samples_are_kept_or_dropped_whole() {
        let y = ones(10_000, PASS);
        let samples: Vec<f64> = y.chunks(15).map(|s| s[0]).collect();
        assert!(y.chunks(15).zip(&samples).all(|(s, first)| s.iter().all(|v| v == first)));
        assert!(samples.iter().all(|v| *v == 0.0 || (*v * 0.75 - 1.0).abs() < 1e-12), "scale");
        let kept = samples.iter().filter(|v| **v != 0.0).count() as f64;
        // Four standard deviations of a binomial count.
        assert!((kept - 7_500.0).abs() <= 4.0 * (10_000.0f64 * 0.75 * 0.25).sqrt(), "{kept} of 10000");
    }

    #[test]
    fn the_layer_and_the_step_change_the_mask_and_inference_has_none() {
        let first = ones(100, PASS);
        assert_eq!(first, ones(100, PASS));
        assert_ne!(first, ones(100, Pass { layer: 4, ..PASS }));
        assert_ne!(first, ones(100, Pass { step: 12, ..PASS }));
        assert!(ones(100, Pass { training: false, ..PASS }).iter().all(|v| *v == 1.0));
    }
}
