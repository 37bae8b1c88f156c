//! Layer normalization (Ba, Kiros and Hinton 2016; `keras.layers.LayerNormalization`) over the last axis, or the last two or three.
//!
//! `y = (x - mean) * rstd * gamma + beta`, `rstd = 1 / sqrt(variance + epsilon)`, mean and (biased) variance over the last `axes` axes,
//! each place of all other axes by itself. Training and inference are the same. Without `scale` gamma counts as 1, without `center` beta
//! as 0.
//!
//! Shapes: `x`, `y` `[n, h, w, c]`, `[n, l, c]` or `[n, c]`; `gamma beta` those of the axes: `[c]`, `[w, c]`, `[h, w, c]`. Saved,
//! backward and kernels are those of [`super::group_norm`] with one group of one pixel a row. Errors: more axes than the input has, an
//! input without elements.

use super::group_norm::{Norm, backward_reference, forward_reference, record_backward, record_forward};
use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Needs, Op};
use super::{ParamSpec, Tolerance, single};
use crate::error::{Error, Result};
use crate::gpu::Recorder;
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNorm {
    /// How many axes, the last ones, are normalized together.
    pub axes: usize,
    /// Added to the variance.
    pub epsilon: f32,
    /// Whether there is a beta.
    pub center: bool,
    /// Whether there is a gamma.
    pub scale: bool,
}

impl Default for LayerNorm {
    /// Keras's last axis and epsilon 1e-3, with gamma and beta.
    fn default() -> Self {
        Self { axes: 1, epsilon: 1e-3, center: true, scale: true }
    }
}

impl LayerNorm {
    /// The axes of a sample of shape `x`, which `infer` took.
    fn normalized<'a>(&self, x: &'a [usize]) -> &'a [usize] {
        &x[x.len() - self.axes..]
    }

    /// For samples of these sizes.
    fn norm(&self, x: &[usize]) -> Norm {
        let &Self { epsilon, center, scale, .. } = self;
        let width = self.normalized(x).iter().product();
        let rows = x.iter().product::<usize>() / width;
        Norm { op: "layer_norm", rows, pixels: 1, groups: 1, width, epsilon, scale, center }
    }

    fn of_batch(&self, x: &Shape) -> Norm {
        self.norm(&x.dims()[1..])
    }
}

impl Op for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn keras_name(&self) -> &'static str {
        "LayerNormalization"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let x = single(self.name(), inputs)?;
        let (axes, rank) = (self.axes, x.dims().len());
        if axes == 0 || axes > rank {
            return Err(Error::shape(self.name(), format!("the last {axes} axes of {x}, which has {rank}")));
        }
        if x.elements() == 0 {
            return Err(Error::shape(self.name(), format!("takes [h, w, c] or [features], none 0; found {x}")));
        }
        Ok(x.clone())
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let dims = inputs[0].dims();
        self.norm(dims).params(self.normalized(dims))
    }

    fn saved(&self, inputs: &[&Shape], n: usize) -> Vec<Shape> {
        vec![self.norm(inputs[0].dims()).saved(n)]
    }

    fn needs(&self) -> Needs {
        Needs { x: true, y: false }
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        forward_reference(&self.of_batch(&io.x[0].shape), io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        backward_reference(&self.of_batch(&io.x[0].shape), io)
    }

    fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        record_forward(&self.of_batch(&io.x[0].shape), rec, io)
    }

    fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        record_backward(&self.of_batch(&io.x[0].shape), rec, io)
    }
}

/// One channel, whose rows have no spread; channels 3, 5, 7 and round ones, rows of one, some and all invocations of a workgroup, and of
/// many strips; one to three axes; many rows; a large mean beside a small spread; gamma or beta or neither.
pub(super) fn cases() -> Vec<Case> {
    let with = |what, input: Input, op| Case::new(what, op, vec![input], Tolerance { abs: 2e-5, rel: 2e-5 });
    let case =
        |what, axes, shape: &[usize]| with(what, Input::new(shape, 1), LayerNorm { axes, ..LayerNorm::default() });
    let wide = |what, axes, shape: &[usize]| {
        // Sums over many rows, or long ones: rounding grows with the square root of their count.
        let longest = shape[..shape.len() - axes].iter().product::<usize>().max(shape[1..].iter().product());
        Case { tolerance: Tolerance::sum(longest / 4), ..case(what, axes, shape) }
    };
    let without = |what, center, scale| {
        let op = LayerNorm { center, scale, ..LayerNorm::default() };
        with(what, Input::new([2, 4, 5, 12], 1), op)
    };
    let large_mean = Input::new([4, 6, 6, 12], 1).around(1e4, 0.2);
    vec![
        case("one_channel", 1, &[2, 5, 4, 1]),
        case("c3", 1, &[2, 7, 3, 3]),
        case("c5", 1, &[5, 5]),
        case("c7", 1, &[1, 9, 7]),
        case("c12", 1, &[130, 12]),
        case("c100", 1, &[3, 100]),
        case("c260", 1, &[3, 3, 2, 260]),
        case("lines", 2, &[3, 4, 5, 6]),
        case("image", 3, &[3, 4, 5, 6]),
        case("image_c7", 3, &[2, 3, 5, 7]),
        case("one_pixel", 3, &[3, 1, 1, 8]),
        wide("strips", 3, &[2, 40, 33, 4]),
        wide("strips_c1", 3, &[2, 67, 61, 1]),
        wide("many_rows", 1, &[3, 90, 80, 4]),
        without("not_scaled", true, false),
        without("not_centered", false, true),
        without("neither", false, false),
        with("large_mean", large_mean, LayerNorm::default()),
        wide("convnext", 1, &[8, 28, 28, 192]).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_checked() {
        let op = |axes| LayerNorm { axes, ..LayerNorm::default() };
        let image = Shape::new([4, 5, 6]);
        let gamma = |axes| op(axes).params(&[&image])[0].shape.clone();
        assert_eq!([gamma(1), gamma(2), gamma(3)], [[6].into(), [5, 6].into(), image.clone()]);
        let text = op(4).infer(&[&image]).expect_err("three axes").to_string();
        assert!(text.contains("the last 4 axes of [4, 5, 6], which has 3"), "{text}");
        assert!(op(0).infer(&[&image]).is_err() && op(1).infer(&[&Shape::new([4, 0])]).is_err());
    }
}
