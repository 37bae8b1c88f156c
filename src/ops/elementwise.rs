//! What the activations share: each element of the output is a function of one element of the input, and its
//! slope a function of that input or of the output. An op gives the two functions, here for the reference and in
//! `shaders/<op>.wgsl` (`activate`, `slope`) for the kernels of `shaders/common/elementwise.wgsl`.

use super::{GpuBackward, GpuForward, HostBackward, HostForward, HostGradients, HostOutput, Tolerance};
use crate::error::Result;
use crate::gpu::{GpuTensor, Kernel, Lanes, Recorder};
use crate::tensor::HostTensor;
use std::borrow::Cow;

const KERNELS: &str = include_str!("../../shaders/common/elementwise.wgsl");

/// How exact a kernel with an exponential is: WGSL grants exp an error of 3 + 2 |x| units in the last place, the backward
/// multiplies a few such factors.
pub(super) const EXPONENTIAL: Tolerance = Tolerance { abs: 2e-6, rel: 1e-5 };

/// Vec4s of the slice; the rest fills the uniform to 16 bytes.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    padding: [u32; 3],
}

/// An op's name and its WGSL text of `activate` and `slope`. Where `slope` is taken at the output, other ops' kernels can take the
/// two in: see [`super::Op::activation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elementwise {
    pub(super) op: &'static str,
    pub(super) text: Cow<'static, str>,
}

/// The text of an activation that a kernel takes in, or of none.
pub(super) fn text_of(activation: Option<&Elementwise>) -> &str {
    activation.map_or(include_str!("../../shaders/common/identity.wgsl"), |a| &a.text)
}

/// A text with everything that it declares renamed, so that a kernel can take in two.
pub(super) fn named(prefix: &str, text: &str) -> String {
    let declared: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("fn ").or(line.strip_prefix("const ")))
        .filter_map(|rest| rest.split(|c: char| !is_name(c)).next())
        .collect();
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let named = is_name(first);
        let (word, behind) = rest.split_at(rest.find(|c| is_name(c) != named).unwrap_or(rest.len()));
        if declared.contains(&word) {
            out.push_str(prefix);
        }
        out.push_str(word);
        rest = behind;
    }
    out
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl Elementwise {
    /// Records `y = activate(x)`.
    pub(super) fn forward(&self, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
        self.record(rec, "forward", &[&io.x[0]], io.y)
    }

    /// Records `dx = dy * slope(at)`; `at` is the input or the output, whichever the op's `slope` takes.
    pub(super) fn backward(&self, rec: &mut Recorder<'_>, io: &GpuBackward<'_>, at: &GpuTensor) -> Result<()> {
        let Some(dx) = &io.dx[0] else { return Ok(()) };
        self.record(rec, "backward", &[at, io.dy], dx)
    }

    fn record(
        &self,
        rec: &mut Recorder<'_>,
        entry: &'static str,
        reads: &[&GpuTensor],
        write: &GpuTensor,
    ) -> Result<()> {
        let kernel = Kernel::new(self.op, entry, self.text.clone()).with_prelude(KERNELS).with_lanes(Lanes::Four);
        for s in rec.batch_slices(&[write])? {
            let (reads, write): (Vec<_>, _) = (reads.iter().map(|t| t.samples(&s)).collect(), write.samples(&s));
            let count = write.elements().div_ceil(4);
            let params = Params { count: count as u32, padding: [0; 3] };
            rec.dispatch_items(&kernel, &params, &reads.iter().collect::<Vec<_>>(), &[&write], (count, 64))?;
        }
        Ok(())
    }
}

/// The reference's forward of an op whose output elements are `activate` of its input's.
pub(super) fn reference_forward(io: &HostForward<'_>, activate: impl Fn(f64) -> f64) -> HostOutput {
    let x = io.x[0];
    HostOutput::only(HostTensor { shape: x.shape.clone(), data: x.data.iter().map(|v| activate(*v)).collect() })
}

/// The reference's backward: `dy * slope(at)`, where `at` is the input or the output.
pub(super) fn reference_backward(io: &HostBackward<'_>, at: &HostTensor, slope: impl Fn(f64) -> f64) -> HostGradients {
    let dx = at.data.iter().zip(&io.dy.data).map(|(v, dy)| dy * slope(*v)).collect();
    HostGradients { dx: vec![HostTensor { shape: io.dy.shape.clone(), data: dx }], dparams: Vec::new() }
}
