//! Group normalization (Wu and He 2018; `keras.layers.GroupNormalization`), within each sample: one group is layer normalization over
//! all of a sample with a gamma a channel, one channel a group is instance normalization.
//!
//! `y = (x - mean) * rstd * gamma + beta`, `rstd = 1 / sqrt(variance + epsilon)`, mean and (biased) variance over the pixels and
//! channels of a group of neighbouring channels. Training and inference are the same. Without `scale` gamma counts as 1, without
//! `center` beta as 0.
//!
//! Shapes: `x`, `y` `[n, h, w, c]`, `[n, l, c]` or `[n, c]`; `gamma beta [c]`. Saved: shift, delta and rstd of each sample and group
//! (`mean = shift + delta`). Backward reads `x`; over the m elements of a group, with `g = dy gamma` and `xhat = (x - mean) rstd`:
//! `dx = rstd (g - sum g / m - xhat sum(g xhat) / m)`; over samples and pixels `dgamma = sum dy xhat`, `dbeta = sum dy`.
//! Errors: groups that do not divide the channels, an input without elements.

mod gpu;
mod norm;
mod reference;

pub(super) use gpu::{record_backward, record_forward};
pub(super) use norm::Norm;
pub(super) use reference::{backward as backward_reference, forward as forward_reference};

use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Input, Needs, Op};
use super::{ParamSpec, Tolerance, single};
use crate::error::{Error, Result};
use crate::gpu::Recorder;
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNorm {
    /// Groups of channels; none for one channel a group.
    pub groups: Option<usize>,
    /// Added to the variance.
    pub epsilon: f32,
    /// Whether there is a beta.
    pub center: bool,
    /// Whether there is a gamma.
    pub scale: bool,
}

impl Default for GroupNorm {
    /// Keras's 32 groups and epsilon 1e-3, with gamma and beta.
    fn default() -> Self {
        Self { groups: Some(32), epsilon: 1e-3, center: true, scale: true }
    }
}

impl GroupNorm {
    /// For samples of shape `x`, which `infer` took.
    fn norm(&self, x: &Shape) -> Norm {
        let c = x.dims().last().copied().unwrap_or(1);
        let groups = self.groups.unwrap_or(c);
        let &Self { epsilon, center, scale, .. } = self;
        let (pixels, width) = (x.elements() / c, c / groups);
        Norm { op: "group_norm", rows: 1, pixels, groups, width, epsilon, scale, center }
    }

    fn of_batch(&self, x: &Shape) -> Norm {
        self.norm(&Shape::new(&x.dims()[1..]))
    }
}

impl Op for GroupNorm {
    fn name(&self) -> &'static str {
        "group_norm"
    }

    fn keras_name(&self) -> &'static str {
        "GroupNormalization"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let x = single(self.name(), inputs)?;
        let refuse = |what: String| Err(Error::shape(self.name(), what));
        let Some(&c) = x.dims().last().filter(|_| x.elements() > 0) else {
            return refuse(format!("takes [h, w, c] or [features], none 0; found {x}"));
        };
        match self.groups {
            Some(groups) if groups == 0 || c % groups != 0 => refuse(format!(
                "{groups} groups of the {c} channels of {x}: the channels must be a multiple of the groups"
            )),
            _ => Ok(x.clone()),
        }
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let norm = self.norm(inputs[0]);
        norm.params(&[norm.channels()])
    }

    fn saved(&self, inputs: &[&Shape], n: usize) -> Vec<Shape> {
        vec![self.norm(inputs[0]).saved(n)]
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

/// One pixel, one channel, one group, one channel a group; channels 1, 3, 5, 7 a group and round ones; vectors and sequences; groups of one
/// strip and of many, more than 65,535 elements; many lines; a large mean beside a small spread; gamma or beta or neither.
pub(super) fn cases() -> Vec<Case> {
    let with = |what, groups, input: Input, op: GroupNorm| {
        let op = GroupNorm { groups, ..op };
        Case::new(what, op, vec![input], Tolerance { abs: 2e-5, rel: 2e-5 })
    };
    let case = |what, groups, shape: &[usize]| {
        with(what, groups, Input::new(shape, 1), GroupNorm { epsilon: 1e-5, ..GroupNorm::default() })
    };
    let wide = |what, groups, shape: &[usize]| {
        // Sums over many elements: rounding grows with the square root of their count.
        let elements: usize = shape[..shape.len() - 1].iter().product();
        Case { tolerance: Tolerance::sum(elements / 4), ..case(what, groups, shape) }
    };
    let without = |what, center, scale| {
        let op = GroupNorm { center, scale, ..GroupNorm::default() };
        with(what, Some(3), Input::new([2, 4, 5, 12], 1), op)
    };
    let large_mean = Input::new([4, 6, 6, 8], 1).around(1e4, 0.2);
    vec![
        case("one_pixel", Some(2), &[2, 1, 1, 6]),
        case("one_channel", Some(1), &[2, 5, 4, 1]),
        case("one_group_c5", Some(1), &[3, 4, 3, 5]),
        case("instances_c3", None, &[2, 7, 3, 3]),
        case("instances_c8", None, &[2, 5, 6, 8]),
        case("groups_of_3", Some(5), &[2, 4, 5, 15]),
        case("groups_of_4", Some(8), &[3, 4, 5, 32]),
        case("groups_of_7", Some(2), &[2, 9, 7, 14]),
        case("groups_of_12", Some(3), &[2, 9, 9, 36]),
        case("rows", Some(4), &[9, 28]),
        case("sequence", Some(2), &[3, 11, 6]),
        wide("strips", Some(3), &[2, 48, 44, 12]),
        wide("strips_c3", None, &[2, 61, 47, 3]),
        wide("over_65535", Some(1), &[2, 300, 260, 1]),
        without("not_scaled", true, false),
        without("not_centered", false, true),
        without("neither", false, false),
        with("large_mean", Some(2), large_mean, GroupNorm::default()),
        wide("resnet", Some(32), &[16, 28, 28, 128]).benched(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_divide_the_channels() {
        let infer = |groups, dims: &[usize]| GroupNorm { groups, ..GroupNorm::default() }.infer(&[&Shape::new(dims)]);
        assert_eq!(infer(Some(3), &[4, 5, 6]).expect("fits"), Shape::new([4, 5, 6]));
        assert!(infer(None, &[4, 5, 7]).is_ok() && infer(Some(7), &[7]).is_ok());
        let text = infer(Some(32), &[4, 5, 48]).expect_err("48 channels").to_string();
        assert!(text.contains("32 groups of the 48 channels"), "{text}");
        assert!(infer(Some(0), &[4]).is_err() && infer(Some(8), &[4]).is_err() && infer(None, &[0, 1, 4]).is_err());
    }
}
