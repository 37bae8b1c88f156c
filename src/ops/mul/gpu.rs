//! The dispatches: products an element, and the gate's sums a sample and tile of channels.

use super::super::{GpuBackward, GpuForward};
use super::Pairing;
use crate::error::Result;
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder};

const SHADER: &str = include_str!("../../../shaders/mul.wgsl");

/// `Params` of shaders/mul.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    groups: u32,
    pixels: u32,
    tiles: u32,
}

/// The uniform for `count` invocations over samples of the shape of `image`, and the lanes they work on.
fn params(image: &GpuTensor) -> (Lanes, Params) {
    let dims = image.shape.dims();
    let (c, pixels) = (dims[dims.len() - 1], dims[1..dims.len() - 1].iter().product::<usize>());
    let lanes = Lanes::of(c);
    let groups = c / lanes.count();
    (lanes, Params { count: 0, groups: groups as u32, pixels: pixels as u32, tiles: groups.div_ceil(8) as u32 })
}

/// Records `y = image * gate`.
fn record_gated(
    rec: &mut Recorder<'_>,
    pass: &'static str,
    (image, gate, y): (&GpuTensor, &GpuTensor, &GpuTensor),
) -> Result<()> {
    let (lanes, params) = params(image);
    let kernel = Kernel::new("mul", "gated", SHADER).with_lanes(lanes).named(pass);
    for s in rec.batch_slices(&[image, gate, y])? {
        let (image, gate, y) = (image.samples(&s), gate.samples(&s), y.samples(&s));
        let count = y.elements() / lanes.count();
        let params = Params { count: count as u32, ..params };
        rec.dispatch_items(&kernel, &params, &[&image, &gate], &[&y], (count, 64))?;
    }
    Ok(())
}

/// Records `y = a * b`, all of one shape.
fn record_equal(
    rec: &mut Recorder<'_>,
    pass: &'static str,
    (a, b, y): (&GpuTensor, &GpuTensor, &GpuTensor),
) -> Result<()> {
    let kernel = Kernel::new("mul", "equal", SHADER).with_lanes(Lanes::Four).named(pass);
    for s in rec.batch_slices(&[y])? {
        let (a, b, y) = (a.samples(&s), b.samples(&s), y.samples(&s));
        let count = y.elements().div_ceil(4);
        let params = Params { count: count as u32, groups: 0, pixels: 0, tiles: 0 };
        rec.dispatch_items(&kernel, &params, &[&a, &b], &[&y], (count, 64))?;
    }
    Ok(())
}

/// Records `dgate = sum over the pixels of dy * image`.
fn record_gate_sums(rec: &mut Recorder<'_>, (dy, image, dgate): (&GpuTensor, &GpuTensor, &GpuTensor)) -> Result<()> {
    let (lanes, params) = params(image);
    let kernel = Kernel::new("mul", "backward_gate", SHADER).with_lanes(lanes);
    for s in rec.batch_slices(&[dy, image, dgate])? {
        let params = Params { count: s.len() as u32, ..params };
        let groups = s.len() * params.tiles as usize;
        let (dy, image, dgate) = (dy.samples(&s), image.samples(&s), dgate.samples(&s));
        rec.dispatch_items(&kernel, &params, &[&dy, &image], &[&dgate], (groups * 64, 64))?;
    }
    Ok(())
}

pub(super) fn record_forward(rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
    match Pairing::checked(&io.x[0].shape, &io.x[1].shape) {
        Pairing::Equal => record_equal(rec, "forward", (&io.x[0], &io.x[1], io.y)),
        Pairing::Gate(gate) => record_gated(rec, "forward", (&io.x[1 - gate], &io.x[gate], io.y)),
    }
}

pub(super) fn record_backward(rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
    let pairing = Pairing::checked(&io.x[0].shape, &io.x[1].shape);
    for (which, dx) in io.dx.iter().enumerate() {
        let Some(dx) = dx else { continue };
        let other = &io.x[1 - which];
        match pairing {
            Pairing::Equal => record_equal(rec, "backward", (io.dy, other, dx))?,
            Pairing::Gate(gate) if gate == which => record_gate_sums(rec, (io.dy, other, dx))?,
            Pairing::Gate(_) => record_gated(rec, "backward", (io.dy, other, dx))?,
        }
    }
    Ok(())
}
