//! A tensor on the GPU: a range of a buffer with a shape.

use crate::error::{Error, Result};
use crate::tensor::Shape;
use std::ops::Range;

/// Where a tensor's bytes are.
#[derive(Clone, Debug)]
pub(super) enum Storage {
    /// In a buffer.
    Buffer(wgpu::Buffer),
    /// Scratch of this number, which gets its place when the program is finished.
    Scratch(usize),
}

/// f32 (or u32) elements in row-major order, in a range of a buffer. Cloning copies the handle, not the data.
#[derive(Clone, Debug)]
pub struct GpuTensor {
    /// The buffer, which other tensors may share at other ranges or other times.
    pub(super) storage: Storage,
    /// First byte.
    pub(crate) offset: u64,
    /// Dimensions, batch first.
    pub shape: Shape,
}

impl GpuTensor {
    /// A view of `shape.elements()` elements from byte `offset`.
    pub fn new(buffer: &wgpu::Buffer, offset: u64, shape: impl Into<Shape>) -> Self {
        Self { storage: Storage::Buffer(buffer.clone()), offset, shape: shape.into() }
    }

    /// The buffer behind it.
    ///
    /// # Panics
    /// On a scratch tensor, which exists only inside a recording.
    pub(crate) fn buffer(&self) -> &wgpu::Buffer {
        match &self.storage {
            Storage::Buffer(buffer) => buffer,
            Storage::Scratch(number) => unreachable!("scratch {number} is used outside its recording"),
        }
    }

    /// Whether it exists only inside its recording.
    pub(crate) fn is_scratch(&self) -> bool {
        matches!(self.storage, Storage::Scratch(_))
    }

    /// Whether it lies in the same buffer as another.
    pub(super) fn shares_buffer_with(&self, other: &Self) -> bool {
        match (&self.storage, &other.storage) {
            (Storage::Buffer(a), Storage::Buffer(b)) => a == b,
            (Storage::Scratch(a), Storage::Scratch(b)) => a == b,
            _ => false,
        }
    }

    /// Whether it is the same range of the same buffer.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.shares_buffer_with(other) && self.offset == other.offset && self.elements() == other.elements()
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.elements()
    }

    /// Bytes of its elements.
    pub fn bytes(&self) -> u64 {
        self.elements() as u64 * 4
    }

    /// Bytes bound: whole vec4s, so that kernels of four lanes may touch the padding behind the last element.
    pub fn bound_bytes(&self) -> u64 {
        self.bytes().next_multiple_of(16).max(16)
    }

    /// Samples `range` of the outermost dimension.
    #[must_use]
    pub fn samples(&self, range: &Range<usize>) -> Self {
        let mut dims = self.shape.dims().to_vec();
        let sample = self.elements() / dims[0].max(1);
        dims[0] = range.len();
        Self {
            storage: self.storage.clone(),
            offset: self.offset + (range.start * sample) as u64 * 4,
            shape: dims.into(),
        }
    }

    /// Elements `range` as a flat tensor.
    #[must_use]
    pub fn flat(&self, range: Range<usize>) -> Self {
        Self {
            storage: self.storage.clone(),
            offset: self.offset + range.start as u64 * 4,
            shape: [range.len()].into(),
        }
    }

    /// The same elements under another shape of as many elements.
    ///
    /// # Errors
    /// Another element count.
    pub fn reshaped(&self, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        if shape.elements() != self.elements() {
            return Err(Error::gpu(format!("cannot view {} as {shape}", self.shape), ""));
        }
        Ok(Self { shape, ..self.clone() })
    }
}
