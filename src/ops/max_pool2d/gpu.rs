//! The dispatches: an invocation owns an output (forward), and an input or a 2 x 2 block of them (backward).

use super::super::elementwise::text_of;
use super::super::window::{Sizes, Windows};
use super::super::{GpuBackward, GpuForward};
use crate::error::Result;
use crate::gpu::{Kernel, Lanes, Recorder};

const SHADER: &str = include_str!("../../../shaders/max_pool2d.wgsl");

/// `Params` of shaders/max_pool2d.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    groups: u32,
    sizes: Sizes,
    lowest: f32,
    padding: [u32; 3],
}

impl Params {
    fn new(g: &Windows, count: usize) -> Self {
        let groups = g.c / Lanes::of(g.c).count();
        let (count, groups) = (count as u32, groups as u32);
        Self { count, groups, sizes: g.sizes(), lowest: f32::NEG_INFINITY, padding: [0; 3] }
    }
}

pub(super) fn record_forward(g: &Windows, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
    let lanes = Lanes::of(g.c);
    let kernel = Kernel::new("max_pool2d", "forward", SHADER).with_prelude(text_of(None)).with_lanes(lanes);
    for s in rec.batch_slices(&[&io.x[0], io.y, &io.saved[0]])? {
        let (x, y, argmax) = (io.x[0].samples(&s), io.y.samples(&s), io.saved[0].samples(&s));
        let count = y.elements() / lanes.count();
        rec.dispatch_items(&kernel, &Params::new(g, count), &[&x], &[&y, &argmax], (count, 64))?;
    }
    Ok(())
}

pub(super) fn record_backward(g: &Windows, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
    let Some(dx) = &io.dx[0] else { return Ok(()) };
    let lanes = Lanes::of(g.c);
    let stride2 = g.h.stride == 2 && g.w.stride == 2;
    let entry = if stride2 { "backward_stride2" } else { "backward" };
    let kernel = Kernel::new("max_pool2d", entry, SHADER).with_prelude(text_of(io.slope())).with_lanes(lanes);
    // Without a slope its output is not read and may hold anything: dy stands in.
    let y = if io.slope().is_some() { io.y } else { io.dy };
    for s in rec.batch_slices(&[dx, io.dy, &io.saved[0]])? {
        let (argmax, dy, dx) = (io.saved[0].samples(&s), io.dy.samples(&s), dx.samples(&s));
        let y = y.samples(&s);
        let pixels = if stride2 {
            s.len() * (g.h.input + g.h.pad).div_ceil(2) * (g.w.input + g.w.pad).div_ceil(2)
        } else {
            s.len() * g.h.input * g.w.input
        };
        let count = pixels * g.c / lanes.count();
        rec.dispatch_items(&kernel, &Params::new(g, count), &[&argmax, &dy, &y], &[&dx], (count, 64))?;
    }
    Ok(())
}
