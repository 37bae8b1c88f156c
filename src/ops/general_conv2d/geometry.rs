//! The sizes of a convolution with dilation and groups, and which of them are refused: pure arithmetic.

use super::super::image_dims;
use super::super::window::{Axis, Padding};
use crate::error::{Error, Result};
use crate::gpu::grid::MAX_TRIPS;
use crate::tensor::Shape;

/// The largest extent of a dilated window: positions are u32 in the kernels, and those before the map wrap around.
const MAX_EXTENT: usize = 1 << 30;

/// What slides over a map: everything that a layer says but its channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sliding {
    /// Taps, height and width; pairs are in this order.
    pub(crate) kernel: [usize; 2],
    /// Steps between windows.
    pub(crate) stride: [usize; 2],
    /// Steps between taps.
    pub(crate) dilation: [usize; 2],
    /// Keras's padding.
    pub(crate) padding: Padding,
}

/// A convolution of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Geometry {
    pub(crate) n: usize,
    /// Vertical; the window's size is its extent, `(kernel - 1) * dilation + 1`.
    pub(crate) h: Axis,
    /// Horizontal.
    pub(crate) w: Axis,
    pub(crate) kernel: [usize; 2],
    pub(crate) dilation: [usize; 2],
    pub(crate) groups: usize,
    pub(crate) c_in: usize,
    pub(crate) c_out: usize,
}

impl Geometry {
    /// The geometry of `n` samples `x [h, w, c_in]` convolved to `c_out` channels in `groups` groups.
    ///
    /// # Errors
    /// Inputs that are not images; no channels, filters or groups, or channels that the groups do not divide; a stride and a dilation that
    /// are both over 1; windows that do not fit, or have more taps than an invocation can visit.
    pub(crate) fn new(
        op: &'static str,
        (n, x): (usize, &Shape),
        sliding: Sliding,
        (groups, c_out): (usize, usize),
    ) -> Result<Self> {
        let [h, w, c_in] = image_dims(op, x)?;
        let Sliding { kernel, stride, dilation, .. } = sliding;
        let refuse = |what: String| Err(Error::shape(op, what));
        if groups == 0 || c_in == 0 || c_out == 0 {
            return refuse(format!(
                "{c_in} input channels to {c_out} filters in {groups} groups: all must be at least 1"
            ));
        }
        if !c_in.is_multiple_of(groups) || !c_out.is_multiple_of(groups) {
            return refuse(format!(
                "{c_in} input channels to {c_out} filters in {groups} groups: both must be multiples of {groups}"
            ));
        }
        if stride.iter().any(|s| *s > 1) && dilation.iter().any(|d| *d > 1) {
            return refuse(format!(
                "strides of {} x {} with a dilation rate of {} x {}: only one of the two may be over 1, as in Keras",
                stride[0], stride[1], dilation[0], dilation[1]
            ));
        }
        let axis = |i: usize, size| dilated_axis(op, size, &sliding, i);
        let geometry = Self { n, h: axis(0, h)?, w: axis(1, w)?, kernel, dilation, groups, c_in, c_out };
        let (trips, [kh, kw]) = (geometry.trips(), kernel);
        if trips > MAX_TRIPS {
            let channels = geometry.c_in_group().max(geometry.c_out_group());
            return refuse(format!(
                "a window of {kh} x {kw} over {channels} channels of a group takes {trips} steps a pixel; the limit is {MAX_TRIPS}"
            ));
        }
        Ok(geometry)
    }

    /// Input channels of a group.
    pub(crate) fn c_in_group(&self) -> usize {
        self.c_in / self.groups
    }

    /// Filters of a group.
    pub(crate) fn c_out_group(&self) -> usize {
        self.c_out / self.groups
    }

    /// Taps of a window.
    pub(crate) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Rows of the weight matrix: taps times input channels of a group.
    pub(crate) fn weight_rows(&self) -> usize {
        self.taps() * self.c_in_group()
    }

    /// Floating-point operations of a pass.
    pub(crate) fn flops(&self) -> u64 {
        2 * (self.n * self.h.output * self.w.output) as u64 * (self.weight_rows() * self.c_out) as u64
    }

    /// Loop iterations of an invocation of `forward` or `backward_input`, whichever makes more. Channels are taken by four where they
    /// divide.
    fn trips(&self) -> usize {
        let steps = |channels: usize| if channels.is_multiple_of(4) { channels / 4 } else { channels };
        let depth = steps(self.c_in_group()).max(steps(self.c_out_group()));
        let [kh, kw] = self.kernel;
        depth.saturating_add(1).saturating_mul(kw).saturating_add(1).saturating_mul(kh)
    }

    /// Calls `visit(output pixel, tap, input pixel)` for every tap on the map of every window of a sample, in row-major order.
    pub(super) fn for_each_tap(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let ([kh, kw], [dh, dw]) = (self.kernel, self.dilation);
        for output in 0..self.h.output * self.w.output {
            for i in 0..kh {
                let Some(row) = self.h.source(output / self.w.output, i * dh) else { continue };
                for j in 0..kw {
                    let Some(column) = self.w.source(output % self.w.output, j * dw) else { continue };
                    visit(output, i * kw + j, row * self.w.input + column);
                }
            }
        }
    }
}

/// One axis, with the dilated window's extent for its window.
fn dilated_axis(op: &'static str, size: usize, sliding: &Sliding, axis: usize) -> Result<Axis> {
    let Sliding { kernel, stride, dilation, padding } = sliding;
    let (taps, rate) = (kernel[axis], dilation[axis]);
    if rate == 0 {
        return Err(Error::shape(
            op,
            format!("a dilation rate of {} x {}: both must be at least 1", dilation[0], dilation[1]),
        ));
    }
    let extent = taps.saturating_sub(1).saturating_mul(rate).saturating_add(1);
    if extent > MAX_EXTENT {
        let what =
            format!("a window of {taps} with a dilation rate of {rate} is over the limit of {MAX_EXTENT} pixels");
        return Err(Error::shape(op, what));
    }
    if *padding == Padding::Valid && extent > size && rate > 1 && taps > 0 {
        let what = format!(
            "a window of {taps} with a dilation rate of {rate} covers {extent} pixels and does not fit a size of {size} with `valid` padding; \
             use `same`"
        );
        return Err(Error::shape(op, what));
    }
    Axis::new(op, size, if taps == 0 { 0 } else { extent }, stride[axis], *padding)
}
