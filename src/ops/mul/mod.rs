//! Multiplication of two tensors, element by element, or of an image by a gate a channel, as squeeze-and-excitation does (Hu, Shen
//! and Sun 2018; `keras.layers.Multiply`).
//!
//! `y = a * b`; with a gate, `y[n, h, w, c] = image[n, h, w, c] * gate[n, c]`. Backward: `da = dy * b`, `db = dy * a`;
//! `dimage = dy * gate` and `dgate[n, c] = sum_{h, w} dy[n, h, w, c] * image[n, h, w, c]`, in a fixed order.
//!
//! Shapes: two equal ones of any rank, or an image `[n, h, w, c]` and, before or after it, a gate `[n, 1, 1, c]` or `[n, c]`
//! (Keras reads the latter as the former); `y` has the larger one's. Nothing is saved: backward reads both inputs. Errors: any
//! other number of inputs or pair of shapes, an image of more pixels than the sum's loops may run over.

mod gpu;
mod reference;

use super::Tolerance;
use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Needs, Op};
use crate::error::{Error, Result};
use crate::gpu::Recorder;
use crate::gpu::grid::MAX_TRIPS;
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mul;

/// The largest image under a gate: 8 invocations share its pixels and then add up in 3 trips.
const MAX_PIXELS: usize = 8 * (MAX_TRIPS - 3);

/// How the two inputs meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pairing {
    /// Element by element.
    Equal,
    /// The input of this number is a gate, a factor a channel; the other one is an image.
    Gate(usize),
}

impl Pairing {
    /// Of the shapes of two samples; none if they do not fit.
    fn of(a: &Shape, b: &Shape) -> Option<Self> {
        let gates = |gate: &Shape, image: &Shape| match (gate.dims(), image.dims()) {
            ([c] | [1, 1, c], [_, _, channels]) => c == channels,
            _ => false,
        };
        match (a, b) {
            _ if a == b => Some(Self::Equal),
            _ if gates(b, a) => Some(Self::Gate(1)),
            _ if gates(a, b) => Some(Self::Gate(0)),
            _ => None,
        }
    }

    /// Of two batches whose shapes `infer` has already taken.
    fn checked(a: &Shape, b: &Shape) -> Self {
        let sample = |batch: &Shape| Shape::new(&batch.dims()[1..]);
        Self::of(&sample(a), &sample(b)).expect("infer has taken these shapes")
    }
}

impl Op for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn keras_name(&self) -> &'static str {
        "Multiply"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let [a, b] = inputs else {
            return Err(Error::shape("mul", format!("takes two inputs, found {}", inputs.len())));
        };
        let image = match Pairing::of(a, b) {
            Some(Pairing::Equal) => return Ok((*a).clone()),
            Some(Pairing::Gate(gate)) => inputs[1 - gate],
            None => {
                let what = format!("takes two equal shapes, or [h, w, c] and [1, 1, c] or [c], found {a} and {b}");
                return Err(Error::shape("mul", what));
            }
        };
        let [h, w] = [image.dims()[0], image.dims()[1]];
        if h.saturating_mul(w) > MAX_PIXELS {
            let what = format!("an image of {h} x {w} pixels under a gate is over the limit of {MAX_PIXELS} pixels");
            return Err(Error::shape("mul", what));
        }
        Ok(image.clone())
    }

    fn needs(&self) -> Needs {
        Needs { x: true, y: false }
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        gpu::record_forward(rec, io)
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        gpu::record_backward(rec, io)
    }
}

/// Equal shapes below, at and above a workgroup of 64 vec4s, and counts that 4 does not divide; gates of both ranks, before and
/// after the image, over channels 1, 3, 5, 7 and round ones, over and under a tile of 8 channel groups and 8 pixels; a map
/// of more than 65,535 pixels; a network's own shape.
pub(super) fn cases() -> Vec<Case> {
    let case = |what, a: &[usize], b: &[usize]| {
        // A gate's gradient is a sum over the pixels of the image.
        let pixels = a.iter().product::<usize>().max(b.iter().product()) / a[0] / a[a.len() - 1];
        Case::new(what, Mul, vec![Input::new(a, 10), Input::new(b, 11)], Tolerance::sum(pixels))
    };
    vec![
        case("one", &[1, 1], &[1, 1]),
        case("equal_below_group", &[3, 5, 7, 2], &[3, 5, 7, 2]),
        case("equal_group", &[1, 8, 8, 4], &[1, 8, 8, 4]),
        case("equal_above_group", &[2, 9, 11, 5], &[2, 9, 11, 5]),
        case("gate_c1", &[3, 5, 7, 1], &[3, 1, 1, 1]),
        case("gate_c3", &[2, 3, 2, 3], &[2, 3]),
        case("gate_first_c5", &[4, 1, 1, 5], &[4, 3, 3, 5]),
        case("gate_first_vector_c7", &[5, 7], &[5, 2, 4, 7]),
        case("gate_one_pixel", &[3, 1, 1, 12], &[3, 12]),
        case("gate_tile", &[2, 2, 4, 32], &[2, 1, 1, 32]),
        case("gate_above_tile", &[3, 5, 6, 100], &[3, 100]),
        case("gate_over_65535_pixels", &[2, 257, 256, 3], &[2, 1, 1, 3]),
        case("squeeze_and_excite", &[8, 28, 28, 240], &[8, 240]).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_checked() {
        let infer = |a: &[usize], b: &[usize]| Mul.infer(&[&Shape::new(a), &Shape::new(b)]);
        let image = Shape::new([4, 5, 3]);
        for gate in [&[3][..], &[1, 1, 3], &[4, 5, 3]] {
            assert_eq!(infer(image.dims(), gate).expect("a gate"), image);
            assert_eq!(infer(gate, image.dims()).expect("a gate"), image);
        }
        for other in [&[5][..], &[1, 5, 3], &[4, 5, 1], &[1, 3]] {
            assert!(infer(image.dims(), other).is_err(), "{other:?}");
        }
        assert!(infer(&[MAX_PIXELS, 2, 3], &[3]).is_err());
        assert!(Mul.infer(&[&image]).is_err() && Mul.infer(&[&image, &image, &image]).is_err());
    }
}
