//! Reshaping (`keras.layers.Reshape`): a sample's elements under another shape, in row-major order.
//!
//! Shapes: `x [n, ...]`, `y [n, target...]` with as many elements. As with [`super::flatten`] the output is the input's memory
//! ([`Op::is_view`]): the GPU does nothing, forward and backward, and there is neither shader nor GPU case. Errors: another
//! number of elements.

mod reference;

use super::{Case, GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Op, single};
use crate::error::{Error, Result};
use crate::gpu::Recorder;
use crate::tensor::Shape;

/// The op.
#[derive(Clone, Debug, PartialEq)]
pub struct Reshape {
    /// Shape of a sample of the output.
    pub target: Shape,
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn keras_name(&self) -> &'static str {
        "Reshape"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let x = single("reshape", inputs)?;
        if x.elements() != self.target.elements() {
            let (has, wants) = (x.elements(), self.target.elements());
            return Err(Error::shape("reshape", format!("{x} has {has} elements, {} has {wants}", self.target)));
        }
        Ok(self.target.clone())
    }

    fn is_view(&self) -> bool {
        true
    }

    fn forward_reference(&self, io: &HostForward<'_>) -> HostOutput {
        reference::forward(&self.target, io)
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
    fn takes_as_many_elements() {
        let op = Reshape { target: [1, 1, 6].into() };
        assert_eq!(op.infer(&[&Shape::new([6])]).expect("6 elements"), Shape::new([1, 1, 6]));
        let error = op.infer(&[&Shape::new([2, 2])]).expect_err("4 elements").to_string();
        assert!(error.contains("[2, 2] has 4") && error.contains("[1, 1, 6] has 6"), "{error}");
    }

    #[test]
    fn the_reference_keeps_the_order() {
        let x = HostTensor::from_fn([2, 6], |i| i as f64);
        let (op, pass) = (Reshape { target: [1, 2, 3].into() }, Pass::default());
        let y = op.forward_reference(&HostForward { x: vec![&x], params: Vec::new(), pass }).y;
        assert_eq!((y.shape.clone(), &y.data), (Shape::new([2, 1, 2, 3]), &x.data));
        let io = HostBackward { x: vec![&x], params: Vec::new(), y: &y, saved: &[], dy: &y, pass };
        assert_eq!(op.backward_reference(&io).dx, vec![x]);
    }
}
