//! Flattening (`keras.layers.Flatten`): a sample's elements as a vector, in row-major (H, W, C) order.
//!
//! Shapes: `x [n, h, w, c]` (or any other rank), `y [n, h*w*c]`. Layouts are row-major on both sides, so the output is the
//! input's memory under another shape ([`Op::is_view`]): the plan gives both the same storage and the GPU does nothing, forward
//! and backward. For the same reason there is no shader and no GPU case; the reference copies.

mod reference;

use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Op, single};
use crate::error::Result;
use crate::gpu::Recorder;
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flatten;

impl Op for Flatten {
    fn name(&self) -> &'static str {
        "flatten"
    }

    fn keras_name(&self) -> &'static str {
        "Flatten"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok([single("flatten", inputs)?.elements()].into())
    }

    fn is_view(&self) -> bool {
        true
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(io)
    }

    fn backward_reference(&self, io: &HostBackward<'_>) -> HostGradients {
        reference::backward(io)
    }

    /// Nothing to record: `y` is `x`'s storage.
    fn forward(&self, _rec: &mut Recorder<'_>, _io: &GpuForward<'_>) -> Result<()> {
        Ok(())
    }

    /// Nothing to record: `dx` is `dy`'s storage.
    fn backward(&self, _rec: &mut Recorder<'_>, _io: &GpuBackward<'_>) -> Result<()> {
        Ok(())
    }
}

/// None: a view runs nothing that an adapter could get wrong.
pub(super) fn cases() -> Vec<Case> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Pass;
    use crate::tensor::HostTensor;

    #[test]
    fn infers_the_product() {
        let infer = |dims: &[usize]| Flatten.infer(&[&Shape::new(dims)]).expect("any rank");
        assert_eq!(infer(&[4, 5, 3]), Shape::new([60]));
        assert_eq!(infer(&[7]), Shape::new([7]));
        assert!(Flatten.infer(&[]).is_err());
    }

    #[test]
    fn the_reference_keeps_the_order() {
        let x = HostTensor::from_fn([2, 2, 3, 2], |i| i as f64);
        let pass = Pass::default();
        let y = Flatten.forward_reference(&HostForward { x: vec![&x], params: Vec::new(), pass }).y;
        assert_eq!((y.shape.clone(), &y.data), (Shape::new([2, 12]), &x.data));
        let io = HostBackward { x: vec![&x], params: Vec::new(), y: &y, saved: &[], dy: &y, pass };
        assert_eq!(Flatten.backward_reference(&io).dx, vec![x]);
    }
}
