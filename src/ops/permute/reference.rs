//! The f64 reference.

use super::strides;
use crate::tensor::HostTensor;

/// A batch whose axis `k` is axis `axes[k]` of `x`'s samples.
pub(super) fn permuted(x: &HostTensor, axes: &[usize]) -> HostTensor {
    let dims = &x.shape.dims()[1..];
    let to: Vec<usize> = axes.iter().map(|axis| dims[*axis]).collect();
    let (from, sample) = (strides(dims), dims.iter().product::<usize>());
    let steps = strides(&to);
    let shape = [&x.shape.dims()[..1], &to].concat();
    HostTensor::from_fn(shape, |i| {
        let at = axes.iter().enumerate().map(|(k, axis)| i % sample / steps[k] % to[k] * from[*axis]);
        x.data[i / sample * sample + at.sum::<usize>()]
    })
}
