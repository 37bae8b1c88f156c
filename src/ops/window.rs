//! Windows that slide over an axis: the geometry of convolution and pooling, with Keras's rules.

use super::image_dims;
use crate::error::{Error, Result};
use crate::gpu::grid::MAX_TRIPS;
use crate::tensor::Shape;

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

/// A window that slides over a map a channel at a time: both axes, and the channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Vertical.
    pub h: Axis,
    /// Horizontal.
    pub w: Axis,
    /// Channels of the input.
    pub c: usize,
}

/// The sizes of the maps of [`Windows`] as the kernels' uniforms hold them: pairs of height and width.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct Sizes {
    in_size: [u32; 2],
    out_size: [u32; 2],
}

impl Windows {
    /// The most taps of a window: a nested loop makes up to two trips a tap.
    pub const MAX_TAPS: usize = MAX_TRIPS / 2;

    /// Windows over a sample `x [h, w, c]`; `window` and `stride` are height, width.
    ///
    /// # Errors
    /// Inputs that are not images, no channels, what [`Axis::new`] refuses, more than [`Self::MAX_TAPS`] taps.
    pub fn new(op: &'static str, x: &Shape, window: [usize; 2], stride: [usize; 2], padding: Padding) -> Result<Self> {
        let [h, w, c] = image_dims(op, x)?;
        let [window_h, window_w] = window;
        if window_h.saturating_mul(window_w) > Self::MAX_TAPS {
            let most = Self::MAX_TAPS;
            let what = format!("a window of {window_h} x {window_w} is over the limit of {most} elements");
            return Err(Error::shape(op, what));
        }
        if c == 0 {
            return Err(Error::shape(op, format!("takes at least 1 channel, found {x}")));
        }
        let axis = |i: usize, size| Axis::new(op, size, window[i], stride[i], padding);
        Ok(Self { h: axis(0, h)?, w: axis(1, w)?, c })
    }

    /// Taps of a window.
    pub fn taps(&self) -> usize {
        self.h.window * self.w.window
    }

    /// Whether the windows lie side by side from the map's corner on, so that each pixel is in one, or at the far edges in none; and a
    /// kernel may walk a line of them.
    pub fn tile(&self) -> bool {
        let side_by_side = |a: &Axis| a.stride == a.window && a.pad == 0;
        side_by_side(&self.h) && side_by_side(&self.w) && self.line_trips() <= MAX_TRIPS
    }

    /// Whether all windows lie on the map whole and leave no pixel of it out, side by side or each sharing half with the next; and a kernel
    /// may walk a line of them.
    pub(crate) fn covers(&self) -> bool {
        let covers = |a: &Axis| {
            let steps = [a.stride, 2 * a.stride].contains(&a.window);
            steps && a.pad == 0 && (a.output - 1) * a.stride + a.window == a.input
        };
        covers(&self.h) && covers(&self.w) && self.line_trips() <= MAX_TRIPS
    }

    /// Windows, down and across, that begin on a window, behind its own corner: 0 where they lie side by side, 1 where each shares half with
    /// the next.
    pub(crate) fn overlap(&self) -> [usize; 2] {
        [self.h, self.w].map(|a| a.window.div_ceil(a.stride) - 1)
    }

    /// Whether windows that [tile](Self::tile) the map leave no pixel of it out.
    pub(crate) fn whole(&self) -> bool {
        [self.h, self.w].iter().all(|a| a.output * a.window == a.input)
    }

    /// Loop trips of an invocation that walks a line of windows which tile the map, and in each its taps.
    pub(crate) fn line_trips(&self) -> usize {
        self.lines()[1] * (1 + self.h.window * (1 + self.w.window))
    }

    /// Lines of windows which tile the map, and windows of a line, with those that only lie on the map in part.
    pub(crate) fn lines(&self) -> [usize; 2] {
        [self.h, self.w].map(|a| a.input.div_ceil(a.window))
    }

    /// Calls `visit(output pixel, tap, input pixel)` for every tap on the map of every window of a sample, in row-major order;
    /// pixels and taps are numbered in that order too.
    pub fn for_each_tap(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let Self { h, w, .. } = self;
        for output in 0..h.output * w.output {
            for i in 0..h.window {
                let Some(row) = h.source(output / w.output, i) else { continue };
                for j in 0..w.window {
                    let Some(column) = w.source(output % w.output, j) else { continue };
                    visit(output, i * w.window + j, row * w.input + column);
                }
            }
        }
    }

    /// With steps of 1: the windows over the output by which an input gathers from the outputs that it went into, through the
    /// taps in reverse.
    pub(crate) fn reversed(&self) -> Self {
        let axis = |a: Axis| Axis { input: a.output, output: a.input, pad: a.window - 1 - a.pad, ..a };
        Self { h: axis(self.h), w: axis(self.w), c: self.c }
    }

    pub(crate) fn sizes(&self) -> Sizes {
        let pair = |of: fn(&Axis) -> usize| [of(&self.h) as u32, of(&self.w) as u32];
        Sizes { in_size: pair(|a| a.input), out_size: pair(|a| a.output) }
    }

    /// `shaders/common/windows.wgsl` and the constants that it wants in front: the same for maps of all sizes.
    pub(crate) fn text(&self) -> String {
        let Self { h, w, .. } = self;
        let pair = |name: &str, of: fn(&Axis) -> usize| format!("const {name} = vec2({}u, {}u);\n", of(h), of(w));
        let inside = |a: &Axis| a.pad == 0 && (a.output - 1) * a.stride + a.window <= a.input;
        [
            pair("WINDOW", |a| a.window),
            pair("STRIDE", |a| a.stride),
            pair("PAD", |a| a.pad),
            format!("const INSIDE = {};\n", inside(h) && inside(w)),
            include_str!("../../shaders/common/windows.wgsl").to_owned(),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_checked() {
        let windows =
            |dims: &[usize], size: [usize; 2]| Windows::new("test", &Shape::new(dims), size, [2, 1], Padding::Same);
        let g = windows(&[5, 7, 3], [3, 2]).expect("fits");
        assert_eq!((g.h.output, g.w.output, g.c, g.taps()), (3, 7, 3, 6));
        for (dims, size) in [(&[5, 7][..], [1, 1]), (&[5, 7, 0], [1, 1]), (&[5, 7, 3], [0, 1])] {
            assert!(windows(dims, size).is_err(), "{dims:?} {size:?}");
        }
        assert!(windows(&[5, 7, 3], [usize::MAX; 2]).is_err());
    }

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
