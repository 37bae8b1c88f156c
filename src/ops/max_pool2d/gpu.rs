//! The dispatches: an invocation owns an output (forward), and an input or a 2 x 2 block of them (backward).

use super::super::GpuBackward;
use super::super::elementwise::{Elementwise, text_of};
use super::super::window::{Sizes, Windows};
use crate::error::Result;
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder, Tiling};

const SHADER: &str = include_str!("../../../shaders/max_pool2d.wgsl");

/// `Params` of shaders/max_pool2d.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    groups: u32,
    sizes: Sizes,
    lowest: f32,
    pixels: u32,
    run: u32,
    padding: [u32; 3],
}

impl Params {
    fn new(g: &Windows, count: usize) -> Self {
        let groups = g.c / Lanes::of(g.c).count();
        let (count, groups) = (count as u32, groups as u32);
        Self { count, groups, sizes: g.sizes(), lowest: f32::NEG_INFINITY, pixels: 0, run: 1, padding: [0; 3] }
    }
}

/// Outputs of an invocation of a forward pass: on a software driver, where loads are what costs, the channels' statistics are loaded once
/// for several.
fn run(tiling: Tiling) -> usize {
    match tiling {
        Tiling::Subgroup { .. } => 8,
        Tiling::Workgroup => 1,
    }
}

fn kernel(entry: &'static str, g: &Windows, activation: Option<&Elementwise>, values: bool) -> Kernel {
    Kernel::new("max_pool2d", entry, SHADER)
        .with_prelude(text_of(activation))
        .with_prelude(&g.text())
        .with_prelude(&format!("const VALUES = {values};"))
        .with_lanes(Lanes::of(g.c))
}

/// What a forward pass binds.
pub(in super::super) struct Forward<'a> {
    pub(in super::super) x: &'a GpuTensor,
    /// How x is normalized when it is read.
    pub(in super::super) normalized: Option<Normalized<'a>>,
    pub(in super::super) y: &'a GpuTensor,
    /// Where the maxima are; with `values` what x is there.
    pub(in super::super) kept: &'a GpuTensor,
    pub(in super::super) values: bool,
}

/// A batch norm and an activation in front of a pool.
pub(in super::super) struct Normalized<'a> {
    /// `[5, c]`: shift, delta, rstd, gamma, beta.
    pub(in super::super) saved: &'a GpuTensor,
    pub(in super::super) activation: Option<&'a Elementwise>,
}

/// Records the pass, in slices of the batch.
pub(in super::super) fn record_forward(rec: &mut Recorder<'_>, g: &Windows, io: &Forward<'_>) -> Result<()> {
    let (lanes, before) = (Lanes::of(g.c), io.normalized.as_ref());
    let entry = if before.is_some() { "forward_normalized" } else { "forward" };
    let activation = before.and_then(|n| n.activation);
    let kernel = kernel(entry, g, activation, io.values);
    for s in rec.batch_slices(&[io.x, io.y, io.kept])? {
        let (x, y, kept) = (io.x.samples(&s), io.y.samples(&s), io.kept.samples(&s));
        let (pixels, run) = (y.elements() / g.c, run(rec.gpu.tiling));
        let count = pixels.div_ceil(run) * g.c / lanes.count();
        let params = Params { pixels: pixels as u32, run: run as u32, ..Params::new(g, count) };
        let mut reads = vec![&x];
        reads.extend(before.map(|n| n.saved));
        rec.dispatch_items(&kernel, &params, &reads, &[&y, &kept], (count, 64))?;
    }
    Ok(())
}

pub(super) fn record_backward(rec: &mut Recorder<'_>, g: &Windows, io: &GpuBackward<'_>) -> Result<()> {
    let Some(dx) = &io.dx[0] else { return Ok(()) };
    let lanes = Lanes::of(g.c);
    let stride2 = g.h.stride == 2 && g.w.stride == 2;
    let entry = if stride2 { "backward_stride2" } else { "backward" };
    let kernel = kernel(entry, g, io.slope(), false);
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
