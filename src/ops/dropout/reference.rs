//! The f64 reference.

use super::super::Pass;
use super::Dropout;
use crate::philox::philox4x32;
use crate::tensor::HostTensor;

/// Forward of `x` or backward of `dy`.
pub(in super::super) fn apply(op: &Dropout, x: &HostTensor, pass: Pass) -> HostTensor {
    if !pass.training {
        return x.clone();
    }
    let halves = |v: u64| [v as u32, (v >> 32) as u32];
    let ([step_low, step_high], key) = (halves(pass.step), halves(pass.seed));
    let mut y = x.clone();
    for (i, four) in y.data.chunks_mut(4).enumerate() {
        let words = philox4x32([i as u32, pass.layer, step_low, step_high], key);
        for (v, word) in four.iter_mut().zip(words) {
            *v = if word >> 8 >= op.threshold() { *v * op.scale() } else { 0.0 };
        }
    }
    y
}

#[cfg(test)]
mod tests {
    use super::super::super::Op;
    use super::*;
    use crate::tensor::Shape;

    const PASS: Pass = Pass { training: true, layer: 3, seed: 7, step: 11 };

    fn mask(rate: f32, pass: Pass) -> Vec<f64> {
        apply(&Dropout { rate }, &HostTensor::from_fn([100, 1000], |_| 1.0), pass).data
    }

    #[test]
    fn the_kept_share_is_the_rates() {
        for rate in [0.0, 0.1, 0.25, 0.5, 0.9] {
            let y = mask(rate, PASS);
            let (n, p) = (y.len() as f64, 1.0 - f64::from(rate));
            let kept = y.iter().filter(|v| **v != 0.0).count() as f64;
            // Four standard deviations of a binomial count.
            assert!((kept - n * p).abs() <= 4.0 * (n * p * (1.0 - p)).sqrt(), "rate {rate}: {kept} of {n}");
            assert!(y.iter().all(|v| *v == 0.0 || (v * p - 1.0).abs() < 1e-12), "rate {rate}: scale");
        }
    }

    #[test]
    fn every_counter_and_the_seed_change_the_mask() {
        let first = mask(0.5, PASS);
        assert_eq!(first, mask(0.5, PASS));
        let others = [
            Pass { layer: 4, ..PASS },
            Pass { step: 12, ..PASS },
            Pass { step: 11 + (1 << 32), ..PASS },
            Pass { seed: 8, ..PASS },
            Pass { seed: 7 + (1 << 32), ..PASS },
        ];
        for pass in others {
            let same = first.iter().zip(mask(0.5, pass)).filter(|(a, b)| **a == *b).count() as f64;
            // Two independent fair masks agree on half of the elements, within four standard deviations.
            assert!((same - 50_000.0).abs() < 4.0 * 25_000f64.sqrt(), "{pass:?}: {same} of 100000 agree");
        }
    }

    #[test]
    fn inference_is_the_identity() {
        assert!(mask(0.5, Pass { training: false, ..PASS }).iter().all(|v| *v == 1.0));
    }

    #[test]
    fn rates_are_checked() {
        let infer = |rate| Dropout { rate }.infer(&[&Shape::new([4])]);
        assert!(infer(0.0).is_ok() && infer(1.0f32.next_down()).is_ok());
        for rate in [-0.1, 1.0, 1.5, f32::NAN, f32::INFINITY] {
            assert!(infer(rate).is_err(), "{rate}");
        }
    }
}
