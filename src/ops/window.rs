//! Windows that slide over an axis: the geometry of convolution and pooling, with Keras's rules.

use crate::error::{Error, Result};

/// Keras's padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Padding {
    /// `ceil(in / stride)` outputs; the input is padded, the smaller half first.
    Same,
    /// Only whole windows.
    Valid,
}

/// One axis of a sliding window. Output `o` covers inputs `o * stride - pad .. + window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Input size.
    pub input: usize,
    /// Output size.
    pub output: usize,
    /// Window size.
    pub window: usize,
    /// Step between windows.
    pub stride: usize,
    /// Padding before the first input.
    pub pad: usize,
}

impl Axis {
    /// The geometry of one axis.
    ///
    /// # Errors
    /// A window or stride of 0, an empty input, or (`valid`) a window larger than the input.
    pub fn new(op: &'static str, input: usize, window: usize, stride: usize, padding: Padding) -> Result<Self> {
        if window == 0 || stride == 0 || input == 0 {
            return Err(Error::shape(
                op,
                format!("window {window}, stride {stride} on a size of {input}: all must be at least 1"),
            ));
        }
        match padding {
            Padding::Valid if window > input => Err(Error::shape(
                op,
                format!("a window of {window} does not fit a size of {input} with `valid` padding; use `same`"),
            )),
            Padding::Valid => Ok(Self { input, output: (input - window) / stride + 1, window, stride, pad: 0 }),
            Padding::Same => {
                let output = input.div_ceil(stride);
                let total = ((output - 1) * stride + window).saturating_sub(input);
                Ok(Self { input, output, window, stride, pad: total / 2 })
            }
        }
    }

    /// Input index under `tap` of output `o`, if it is not padding.
    pub fn source(&self, o: usize, tap: usize) -> Option<usize> {
        (o * self.stride + tap).checked_sub(self.pad).filter(|i| *i < self.input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keras_sizes() {
        let axis = |i, w, s, p| Axis::new("test", i, w, s, p).expect("valid");
        assert_eq!(axis(48, 2, 1, Padding::Same), Axis { input: 48, output: 48, window: 2, stride: 1, pad: 0 });
        assert_eq!(axis(7, 3, 2, Padding::Same).pad, 1);
        assert_eq!(axis(8, 3, 2, Padding::Same).pad, 0);
        assert_eq!(axis(224, 7, 2, Padding::Same).pad, 2);
        assert_eq!(axis(46, 4, 2, Padding::Valid).output, 22);
        assert_eq!(axis(2, 5, 1, Padding::Same).pad, 2);
        assert!(Axis::new("test", 2, 3, 1, Padding::Valid).is_err());
        assert!(Axis::new("test", 2, 0, 1, Padding::Same).is_err());
    }
}
