//! Dilation as a rearrangement (TensorFlow's `space_to_batch`): output pixels `o = q*d + r` of one phase `r` meet only the input pixels
//! `(q + t)*d + r - pad`, so each phase is a map of its own, whose windows have no gaps. The phases of all samples make a batch for
//! the tuned kernels of [`conv2d`](super::super::conv2d), forward and backward; two kernels copy maps to their phases and back.

use super::super::conv2d;
use super::super::window::{Axis, Padding};
use super::super::{GpuBackward, GpuForward};
use super::{GeneralConv2d, Geometry, NAME};
use crate::error::Result;
use crate::gpu::{Gpu, GpuTensor, Kernel, Lanes, Recorder};
use crate::ops::conv2d::Conv2d;
use crate::tensor::Shape;

const SHADER: &str = include_str!("../../../shaders/common/general_conv2d_phases.wgsl");

/// How many times the outputs the phases' may be: where the rate is near the map's size, most of them are not on the map. The direct kernel
/// is three to six times as slow.
const MOST_OUTPUTS: usize = 2;

/// How many times the tensors the phases' may be altogether, padding included.
const MOST_MEMORY: usize = 4;

/// Scratch slots, behind those of the kernels that run on them.
const X: usize = 32;
const Y: usize = 33;
const DX: usize = 34;

/// `Params` of the shader.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    units: u32,
    map: [u32; 2],
    phase: [u32; 2],
    dilation: [u32; 2],
    pad: [u32; 2],
    padding: [u32; 2],
}

/// The phases of a convolution.
#[derive(Clone, Copy)]
pub(super) struct Phases {
    dilation: [usize; 2],
    pad: [usize; 2],
    input: [usize; 2],
    output: [usize; 2],
    /// Of a phase: its sizes, and those of all of them as a batch.
    of: conv2d::Geometry,
}

impl Phases {
    /// The phases of a dilated convolution without groups; none where they would be too many, or too large for the adapter.
    pub(super) fn of(g: &Geometry, gpu: &Gpu) -> Option<Self> {
        let phases = Self::new(g)?;
        let [x, y] = [phases.shape(true), phases.shape(false)].map(|s| s.elements() as u64 * 4);
        let whole = g.n * (g.h.input * g.w.input * g.c_in).max(g.h.output * g.w.output * g.c_out);
        (x.max(y).max(whole as u64 * 4) <= gpu.max_binding()).then_some(phases)
    }

    fn new(g: &Geometry) -> Option<Self> {
        let [dh, dw] = g.dilation;
        if g.groups != 1 || dh * dw == 1 || g.h.stride * g.w.stride != 1 {
            return None;
        }
        let axis = |a: &Axis, taps: usize, rate: usize| {
            let output = a.output.div_ceil(rate);
            Axis { input: output + taps - 1, output, window: taps, stride: 1, pad: 0 }
        };
        let (h, w) = (axis(&g.h, g.kernel[0], dh), axis(&g.w, g.kernel[1], dw));
        let all = |n: usize, h: usize, w: usize, c: usize| n.checked_mul(h)?.checked_mul(w)?.checked_mul(c);
        let outputs = all(dh.checked_mul(dw)?, h.output, w.output, g.c_out)?;
        let inputs = all(dh * dw, h.input, w.input, g.c_in)?;
        let (given, wanted) = (g.h.input * g.w.input * g.c_in, g.h.output * g.w.output * g.c_out);
        if outputs > MOST_OUTPUTS * wanted || inputs.checked_add(outputs)? > MOST_MEMORY * (given + wanted) {
            return None;
        }
        let of = conv2d::Geometry { n: g.n * dh * dw, h, w, c_in: g.c_in, c_out: g.c_out };
        let (input, output) = ([g.h.input, g.w.input], [g.h.output, g.w.output]);
        Some(Self { dilation: g.dilation, pad: [g.h.pad, g.w.pad], input, output, of })
    }

    /// The phases of the inputs, or of the outputs.
    fn shape(&self, inputs: bool) -> Shape {
        let conv2d::Geometry { n, h, w, c_in, c_out } = self.of;
        if inputs { [n, h.input, w.input, c_in].into() } else { [n, h.output, w.output, c_out].into() }
    }

    /// Records a copy of a map `[n, h, w, c]` to its phases, or back from them.
    fn copy(
        &self,
        rec: &mut Recorder<'_>,
        entry: &'static str,
        inputs: bool,
        [from, to]: [&GpuTensor; 2],
    ) -> Result<()> {
        let c = to.shape.dims()[3];
        let lanes = Lanes::of(c);
        let pair = |values: [usize; 2]| values.map(|v| v as u32);
        let phase = self.shape(inputs);
        let count = to.elements() / lanes.count();
        let params = Params {
            count: count as u32,
            units: (c / lanes.count()) as u32,
            map: pair(if inputs { self.input } else { self.output }),
            phase: pair([phase.dims()[1], phase.dims()[2]]),
            dilation: pair(self.dilation),
            pad: if inputs { pair(self.pad) } else { [0; 2] },
            padding: [0; 2],
        };
        let kernel = Kernel::new(NAME, entry, SHADER).with_lanes(lanes);
        rec.dispatch_items(&kernel, &params, &[from], &[to], (count, 64))
    }

    pub(super) fn record_forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        let (x, y) = (rec.scratch(X, self.shape(true)), rec.scratch(Y, self.shape(false)));
        self.copy(rec, "to_phases", true, [&io.x[0], &x])?;
        let of_phases = GpuForward {
            x: &[x],
            params: io.params,
            y: &y,
            saved: &[],
            activation: None,
            statistics: false,
            pool: None,
            stem: None,
            pass: io.pass,
        };
        conv2d::record_forward(rec, "conv2d", &self.of, &of_phases)?;
        self.copy(rec, "from_phases", false, [&y, io.y])
    }

    pub(super) fn record_backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
        let (x, dy) = (rec.scratch(X, self.shape(true)), rec.scratch(Y, self.shape(false)));
        if io.dparams[0].is_some() {
            self.copy(rec, "to_phases", true, [&io.x[0], &x])?;
        }
        // Outputs that are not on the map get no gradient.
        self.copy(rec, "to_phases", false, [io.dy, &dy])?;
        let dx = io.dx[0].as_ref().map(|_| rec.scratch(DX, self.shape(true)));
        let of_phases = GpuBackward {
            x: &[x],
            params: io.params,
            y: &dy,
            saved: &[],
            dy: &dy,
            dx: std::slice::from_ref(&dx),
            dparams: io.dparams,
            slopes: &[],
            pool: None,
            stem: None,
            pass: io.pass,
        };
        conv2d::record_backward(rec, "conv2d", &self.of, &of_phases)?;
        match (&dx, &io.dx[0]) {
            (Some(phases), Some(dx)) => self.copy(rec, "from_phases", true, [phases, dx]),
            _ => Ok(()),
        }
    }
}

/// How many times the rounding of the sums as they are defined is allowed where the phases' may be computed otherwise.
pub(super) fn rounding(op: &GeneralConv2d, batch: &Shape) -> usize {
    let Some(phases) = Phases::new(&op.checked(batch)) else { return 1 };
    let GeneralConv2d { filters, kernel, bias, .. } = *op;
    let of_phase = Conv2d { filters, kernel, stride: [1; 2], padding: Padding::Valid, bias };
    let [n, h, w, c] = *phases.shape(true).dims() else { return 1 };
    conv2d::rounding(&of_phase, [n, h, w, c])
}
