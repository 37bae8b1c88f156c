//! Shapes with checked arithmetic, and the host tensors of the f64 reference.

use crate::error::{Error, Result};
use std::fmt;

/// Dimensions, outermost first: `[n, h, w, c]`, `[n, features]`, `[kh, kw, c_in, c_out]` ...
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// A shape from its dimensions.
    pub fn new(dims: impl Into<Vec<usize>>) -> Self {
        Self(dims.into())
    }

    /// The dimensions.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }

    /// How many elements: the product of the dimensions (1 for a scalar), saturating instead of overflowing, so that an
    /// absurd shape fails the size check that follows and not the arithmetic.
    pub fn elements(&self) -> usize {
        self.0.iter().fold(1, |product, d| product.saturating_mul(*d))
    }

    /// The same shape with one more dimension in front.
    #[must_use]
    pub fn with_batch(&self, n: usize) -> Self {
        let mut dims = Vec::with_capacity(self.0.len() + 1);
        dims.push(n);
        dims.extend_from_slice(&self.0);
        Self(dims)
    }

    /// `[n, h, w, c]` of a rank-4 shape, `[n, 1, 1, c]` of a rank-2 one.
    ///
    /// # Errors
    /// Any other rank, named as `op`'s shape error.
    pub fn nhwc(&self, op: &'static str) -> Result<[usize; 4]> {
        match self.0[..] {
            [n, h, w, c] => Ok([n, h, w, c]),
            [n, c] => Ok([n, 1, 1, c]),
            _ => Err(Error::shape(op, format!("takes [n, h, w, c] or [n, features], found {self}"))),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "[{}]", dims.join(", "))
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A tensor of the reference: f64 values in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Dimensions, batch first.
    pub shape: Shape,
    /// `shape.elements()` values.
    pub data: Vec<f64>,
}

impl HostTensor {
    /// A tensor of zeros.
    pub fn zeros(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        let data = vec![0.0; shape.elements()];
        Self { shape, data }
    }

    /// A tensor whose element `i` (row-major) is `value(i)`.
    pub fn from_fn(shape: impl Into<Shape>, value: impl FnMut(usize) -> f64) -> Self {
        let shape = shape.into();
        let data = (0..shape.elements()).map(value).collect();
        Self { shape, data }
    }

    /// A tensor from f32 values.
    ///
    /// # Panics
    /// If the number of values is not the shape's (a caller's bug, never user input).
    pub fn from_f32(shape: impl Into<Shape>, values: &[f32]) -> Self {
        let shape = shape.into();
        assert_eq!(shape.elements(), values.len(), "values for {shape}");
        Self { shape, data: values.iter().map(|v| f64::from(*v)).collect() }
    }

    /// The values rounded to f32.
    pub fn to_f32(&self) -> Vec<f32> {
        self.data.iter().map(|v| *v as f32).collect()
    }

    /// The values of sample `n` of the batch (the outermost dimension).
    pub fn sample(&self, n: usize) -> &[f64] {
        let size = self.data.len() / self.shape.dims()[0];
        &self.data[n * size..(n + 1) * size]
    }
}

impl<T: Into<Vec<usize>>> From<T> for Shape {
    fn from(dims: T) -> Self {
        Self::new(dims)
    }
}

/// The project's formula for test inputs, the same bits in Rust and Python (tools/keras_golden.py): a hash of the element
/// index and a seed, uniform on [-1, 1) in steps of 2^-23.
pub fn fill(seed: u32, index: u32) -> f32 {
    let mut h = index.wrapping_mul(0x9E37_79B1).wrapping_add(seed.wrapping_mul(0x85EB_CA77));
    h ^= h >> 15;
    h = h.wrapping_mul(0x2C1B_3C6D);
    h ^= h >> 12;
    h = h.wrapping_mul(0x297A_2D39);
    h ^= h >> 15;
    (h >> 8) as f32 / 8_388_608.0 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_shapes_saturate() {
        assert_eq!(Shape::new([usize::MAX, 3]).elements(), usize::MAX);
        assert_eq!(Shape::new([]).elements(), 1);
        assert_eq!(Shape::new([4, 0]).elements(), 0);
    }

    #[test]
    fn fill_is_uniform_and_seeded() {
        let mean: f64 = (0..10_000).map(|i| f64::from(fill(1, i))).sum::<f64>() / 10_000.0;
        assert!(mean.abs() < 0.02, "mean {mean}");
        assert_ne!(fill(1, 5), fill(2, 5));
        assert!((0..10_000).all(|i| (-1.0..1.0).contains(&fill(3, i))));
    }
}
