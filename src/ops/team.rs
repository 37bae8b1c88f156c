//! Kernels in which some neighbours of a workgroup, a team, reduce one row or group together (`shaders/common/team.wgsl`).

use crate::error::Result;
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder, grid};

const TEXT: &str = include_str!("../../shaders/common/team.wgsl");

/// Invocations of a workgroup.
const WORKGROUP: usize = 64;

/// How many invocations share the elements of a reduction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Team(usize);

impl Team {
    /// For so many loads each: one invocation for every eight of them, a whole workgroup at most.
    pub(super) fn of(loads: usize) -> Self {
        Self(loads.div_ceil(8).next_power_of_two().min(WORKGROUP))
    }

    /// A kernel with the reductions in front.
    pub(super) fn kernel(self, op: &'static str, entry: &'static str, shader: &'static str, lanes: Lanes) -> Kernel {
        let constant = format!("const TEAM = {}u;", self.0);
        Kernel::new(op, entry, shader).with_prelude(TEXT).with_prelude(&constant).with_lanes(lanes)
    }

    /// Records a dispatch of `teams` teams.
    ///
    /// # Errors
    /// More workgroups than a dispatch can hold.
    pub(super) fn dispatch<P: bytemuck::Pod>(
        self,
        rec: &mut Recorder<'_>,
        kernel: &Kernel,
        params: &P,
        (reads, writes): (&[&GpuTensor], &[&GpuTensor]),
        teams: usize,
    ) -> Result<()> {
        let groups = grid::fold(teams.div_ceil(WORKGROUP / self.0))?;
        rec.dispatch(kernel, params, reads, writes, groups);
        Ok(())
    }
}
