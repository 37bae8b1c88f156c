//! The ordered sum of a weight gradient's partial sums (shaders/common/conv2d_reduce.wgsl).

use crate::error::Result;
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder, Tiling};

pub(super) const SHADER: &str = include_str!("../../../shaders/common/conv2d_reduce.wgsl");

/// `Params` of the shader.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    stride: u32,
    bias: u32,
    slices: u32,
}

/// Records the ordered sum of partial weight gradients `[slices, rows, c]`: `dw`, and `db`, which is behind it in each slice.
pub(crate) fn reduce(
    rec: &mut Recorder<'_>,
    op: &'static str,
    partial: &GpuTensor,
    dw: &GpuTensor,
    db: Option<&GpuTensor>,
) -> Result<()> {
    let slices = partial.shape.dims()[0];
    let elements = partial.elements() / slices;
    // One loop over hundreds of slices takes longer than all the rest, on a GPU: 33 us on an H100 for 288 weights.
    let shared = slices >= 64 && elements < 64 << 10;
    // A software driver takes as long for four neighbours as for one; a GPU has rather more invocations.
    let lanes = match rec.gpu.tiling {
        Tiling::Subgroup { .. } => Lanes::of(partial.shape.dims()[2]),
        Tiling::Workgroup => Lanes::One,
    };
    let of_lanes = |elements: usize| (elements / lanes.count()) as u32;
    let params = Params {
        count: of_lanes(dw.elements()),
        stride: of_lanes(elements),
        bias: of_lanes(db.map_or(0, GpuTensor::elements)),
        slices: slices as u32,
    };
    let (entry, pass, a_group) = match (shared, db) {
        (false, Some(_)) => ("reduce", "reduce", 64),
        (false, None) => ("reduce_without_bias", "reduce_without_bias", 64),
        (true, Some(_)) => ("reduce_shared", "reduce", 4),
        (true, None) => ("reduce_shared_without_bias", "reduce_without_bias", 4),
    };
    let kernel = Kernel::new(op, entry, SHADER).named(pass).with_lanes(lanes);
    let writes: Vec<&GpuTensor> = std::iter::once(dw).chain(db).collect();
    rec.dispatch_items(&kernel, &params, &[partial], &writes, (elements / lanes.count(), a_group))
}
