//! The sizes of a convolution, and its dispatch parameters: pure arithmetic.

pub(super) use super::super::window::Axis;

/// A convolution of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Geometry {
    pub(crate) n: usize,
    pub(crate) h: Axis,
    pub(crate) w: Axis,
    pub(crate) c_in: usize,
    pub(crate) c_out: usize,
}

/// For the tuner: the sizes that a pass's speed depends on. Batches of nearly the same size are alike.
impl std::fmt::Display for Geometry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self { h, w, c_in, c_out, .. }, n) = (self, self.n.next_power_of_two());
        // A dense layer's batch is its line of pixels.
        let line = if self.n == 1 && h.input == 1 { w.input.next_power_of_two() } else { w.input };
        write!(f, "{n}x{}x{line}x{c_in}", h.input)?;
        write!(f, " by {}x{} step {}x{} pad {}x{}", h.window, w.window, h.stride, w.stride, h.pad, w.pad)?;
        write!(f, " to {}x{}x{c_out}", h.output, if line == w.input { w.output } else { line })
    }
}

impl Geometry {
    /// A dense layer as a convolution: a 1 x 1 window over one line of `n` pixels.
    pub(crate) fn dense(n: usize, c_in: usize, c_out: usize) -> Self {
        let axis = |size| Axis { input: size, output: size, window: 1, stride: 1, pad: 0 };
        Self { n: 1, h: axis(1), w: axis(n), c_in, c_out }
    }

    /// Floating-point operations of forward.
    pub(crate) fn flops(&self) -> u64 {
        2 * (self.n * self.h.output * self.w.output) as u64 * (self.weight_rows() * self.c_out) as u64
    }

    /// Rows of the weight matrix: taps times input channels.
    pub(crate) fn weight_rows(&self) -> usize {
        self.h.window * self.w.window * self.c_in
    }
}

/// `Params` of shaders/conv2d.wgsl.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    pub(super) rows: u32,
    pub(super) rows_hw: [u32; 2],
    y_hw: [u32; 2],
    y_step: [u32; 2],
    y_first: [u32; 2],
    x_hw: [u32; 2],
    pub(super) x_step: [i32; 2],
    x_first: [i32; 2],
    pub(super) taps: [u32; 2],
    w_first: u32,
    w_step: [u32; 2],
    pub(super) c_x: u32,
    pub(super) c_y: u32,
    matrix_rows: u32,
    /// Of the output's statistics, where the dispatch leaves them.
    pub(super) first_strip: u32,
    /// Channels of a slice of the contraction, and pixels of the output, where it is cut.
    pub(super) slice_channels: u32,
    pub(super) slice_pixels: u32,
    padding: [u32; 2],
}

impl Params {
    /// Floating-point operations of a dispatch; asked before [`Params::widen`].
    pub(super) fn flops(&self) -> u64 {
        let [rows, taps_h, taps_w, c_x, c_y] =
            [self.rows, self.taps[0], self.taps[1], self.c_x, self.c_y].map(u64::from);
        2 * rows * taps_h * taps_w * c_x * c_y
    }

    /// Pixels of the whole output map.
    pub(super) fn pixels(&self) -> u32 {
        self.rows / (self.rows_hw[0] * self.rows_hw[1]) * self.y_hw[0] * self.y_hw[1]
    }

    /// Lets `span` taps of a window's line share loaded pixels: rows run over lines that much wider.
    pub(super) fn widen(&mut self, span: u32) {
        self.rows = self.rows / self.rows_hw[1] * (self.rows_hw[1] + span - 1);
        self.rows_hw[1] += span - 1;
    }
}

/// The forward pass over the samples of `g`.
pub(super) fn forward(g: &Geometry) -> Params {
    Params {
        rows: (g.n * g.h.output * g.w.output) as u32,
        rows_hw: [g.h.output as u32, g.w.output as u32],
        y_hw: [g.h.output as u32, g.w.output as u32],
        y_step: [1, 1],
        y_first: [0, 0],
        x_hw: [g.h.input as u32, g.w.input as u32],
        x_step: [g.h.stride as i32, g.w.stride as i32],
        x_first: [-(g.h.pad as i32), -(g.w.pad as i32)],
        taps: [g.h.window as u32, g.w.window as u32],
        w_first: 0,
        w_step: [g.w.window as u32, 1],
        c_x: g.c_in as u32,
        c_y: g.c_out as u32,
        matrix_rows: u32::MAX,
        first_strip: 0,
        slice_channels: 0,
        slice_pixels: 0,
        padding: [0; 2],
    }
}

/// `count` products of matrices at once: `rows` of x each, with weights of their own, which lie as taps do.
pub(super) fn products(count: usize, rows: usize, (c_in, c_out): (usize, usize)) -> Params {
    Params { matrix_rows: rows as u32, ..forward(&Geometry::dense(count * rows, c_in, c_out)) }
}

/// One axis of one phase of the backward pass: the inputs that the taps `first, first + stride, ...` meet.
struct Phase {
    rows: u32,
    first_input: u32,
    first_output: i32,
    taps: u32,
    first_tap: u32,
}

impl Phase {
    fn last_tap(&self, stride: usize) -> u32 {
        self.first_tap + self.taps.saturating_sub(1) * stride as u32
    }
}

/// Input `i` meets tap `t` in output `(i + pad - t) / stride` where that is whole: for taps `t = phase + stride * j` those
/// are the inputs `i = first + stride * r`, and the output is `r + first_output - j`.
fn phase(axis: &Axis, phase: usize) -> Phase {
    let first_input = (phase + axis.stride - axis.pad % axis.stride) % axis.stride;
    Phase {
        rows: axis.input.saturating_sub(first_input).div_ceil(axis.stride) as u32,
        first_input: first_input as u32,
        first_output: ((first_input + axis.pad - phase) / axis.stride) as i32,
        taps: axis.window.saturating_sub(phase).div_ceil(axis.stride) as u32,
        first_tap: phase as u32,
    }
}

/// The backward-input passes over the samples of `g`, one a phase of the strides; those without pixels are left out.
pub(super) fn backward_input(g: &Geometry) -> Vec<Params> {
    let phases = (0..g.h.stride).flat_map(|i| (0..g.w.stride).map(move |j| (i, j)));
    phases
        .map(|(i, j)| {
            let (h, w) = (phase(&g.h, i), phase(&g.w, j));
            Params {
                rows: g.n as u32 * h.rows * w.rows,
                rows_hw: [h.rows, w.rows],
                y_hw: [g.h.input as u32, g.w.input as u32],
                y_step: [g.h.stride as u32, g.w.stride as u32],
                y_first: [h.first_input, w.first_input],
                x_hw: [g.h.output as u32, g.w.output as u32],
                x_step: [1, 1],
                // Taps in reverse: the last one meets the first output, weights are stepped backwards (wrapped).
                x_first: [h.first_output + 1 - h.taps as i32, w.first_output + 1 - w.taps as i32],
                taps: [h.taps, w.taps],
                w_first: h.last_tap(g.h.stride) * g.w.window as u32 + w.last_tap(g.w.stride),
                w_step: [((g.h.stride * g.w.window) as u32).wrapping_neg(), (g.w.stride as u32).wrapping_neg()],
                c_x: g.c_out as u32,
                c_y: g.c_in as u32,
                ..forward(g)
            }
        })
        .filter(|params| params.rows > 0)
        .collect()
}
