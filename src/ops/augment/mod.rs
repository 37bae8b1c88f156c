//! Augmentation: what a training step does to its images before the network sees them. No gradient passes through it.
//!
//! Images are `x` and `y` `[n, h, w, c]`, up to 4 channels, as the network takes them: `x = scale[k] * pixel + offset[k]` with
//! pixels from 0 to 255. Each image has a [`Row`] of numbers, which are drawn elsewhere; nothing here is random but the noise, and
//! that is a pure function of the row. Two kernels, of which a setting may need one:
//!
//! * `warp`: `y(r, c)` is `x` at `(rows . (r, c, 1), columns . (r, c, 1))`, bilinear, every channel alike. Outside of the image lies
//!   what [`FillMode`] says. This is `scipy.ndimage.affine_transform(order=1)`, which Keras's `apply_affine_transform` calls.
//! * `pixels`, in this order, each clipped to 0 to 255 as the pixels are: a Gaussian blur of 5 x 5 (outside lies the nearest pixel;
//!   `torchvision.transforms.GaussianBlur`); times `brightness` (Keras's `brightness_range`); `mean + contrast * (pixel - mean)` with the
//!   mean of the channel of the image (`keras.layers.RandomContrast`); plus normal noise of deviation `noise` (torchvision's
//!   `GaussianNoise`); 0 inside of the erased rectangle (torchvision's `RandomErasing`).
//!
//! Noise of the pixels `4 i .. 4 i + 4` (row-major) of channel `k`: Box and Muller's formula on the four words of
//! `philox4x32(counter = [i, k, 0, 0], key = bits of row.key)`, upper 24 bits of each as a number on [0, 1).
//! Errors: tensors of other shapes, more than 4 channels, more pixels an image than an invocation may walk.

mod cases;
mod reference;
mod transform;

pub(super) use cases::cases;
pub use reference::reference;
pub use transform::Transform;

use crate::error::{Error, Result};
use crate::gpu::grid::MAX_TRIPS;
use crate::gpu::{GpuTensor, Kernel, Recorder, grid};
use serde::{Deserialize, Serialize};

const SHADER: &str = include_str!("../../../shaders/augment.wgsl");
const PHILOX: &str = include_str!("../../../shaders/common/philox.wgsl");

/// What lies outside of an image; Keras's and SciPy's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FillMode {
    /// One value, `cval`, from the centre of the last pixel on: `k k k | a b c | k k k`.
    Constant,
    /// The nearest pixel: `a a a | a b c | c c c`.
    #[default]
    Nearest,
    /// The image's mirror image: `c b a | a b c | c b a`.
    Reflect,
    /// The image again, its last pixel being its first: `b c | a b c | b c`, as SciPy's `wrap` has it.
    Wrap,
}

/// The settings that all images of a run share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augment {
    /// Whether any image is warped.
    pub warps: bool,
    /// Whether any image's values are changed.
    pub pixels: bool,
    /// What lies outside of an image.
    pub fill: FillMode,
    /// The pixel value of [`FillMode::Constant`].
    pub cval: f32,
    /// Of each channel: `x = scale * pixel + offset`.
    pub scale: [f32; 4],
    /// Of each channel.
    pub offset: [f32; 4],
}

/// The numbers of one image: 64 bytes, as the shader reads them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Row {
    /// Row of `x` for row, column and 1 of `y`.
    pub rows: [f32; 3],
    /// The key of the noise, its first half: any number, of which the bits count.
    pub key_low: f32,
    /// Column of `x` for row, column and 1 of `y`.
    pub columns: [f32; 3],
    /// The key of the noise, its second half.
    pub key_high: f32,
    /// Factor of every pixel.
    pub brightness: f32,
    /// Factor of every pixel's distance from the mean.
    pub contrast: f32,
    /// Standard deviation of the noise, in pixel values; 0 for none.
    pub noise: f32,
    /// Standard deviation of the blur, in pixels; 0 for none.
    pub blur: f32,
    /// What is erased: first row, first column, the row behind the last, the column behind the last.
    pub erased: [f32; 4],
}

impl Row {
    /// Numbers that leave an image as it is.
    pub const IDENTITY: Self = Self {
        rows: [1.0, 0.0, 0.0],
        key_low: 0.0,
        columns: [0.0, 1.0, 0.0],
        key_high: 0.0,
        brightness: 1.0,
        contrast: 1.0,
        noise: 0.0,
        blur: 0.0,
        erased: [0.0; 4],
    };
    /// Floats in a row.
    pub const LEN: usize = size_of::<Self>() / 4;
}

/// The tensors of a batch.
#[derive(Debug)]
pub struct GpuAugment<'a> {
    /// `[n, h, w, c]`.
    pub x: &'a GpuTensor,
    /// `[n, Row::LEN]`: a [`Row`] an image.
    pub rows: &'a GpuTensor,
    /// Written: `[n, h, w, c]`; not `x` itself.
    pub y: &'a GpuTensor,
}

/// `Params` of shaders/augment.wgsl.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    n: u32,
    h: u32,
    w: u32,
    c: u32,
    fill: u32,
    cval: f32,
    padding: [u32; 2],
    scale: [f32; 4],
    offset: [f32; 4],
}

/// Invocations of a workgroup of the kernel `pixels`.
const PIXELS_GROUP: usize = 256;
/// Loop iterations of that kernel for four pixels, all blurred: two loops over them, each of four, and five rows of the blur.
const PIXELS_TRIPS: usize = 2 + 4 + 4 + 4 * 5;
/// Iterations of its reduction, and room.
const REDUCTION_TRIPS: usize = 16;

/// Records the augmentation of a batch.
///
/// # Errors
/// As the op.
pub fn record(rec: &mut Recorder<'_>, op: &Augment, io: &GpuAugment<'_>) -> Result<()> {
    let [_, h, w, c] = sizes(io)?;
    let kernel = |entry| Kernel::new("augment", entry, SHADER).with_prelude(PHILOX);
    for s in rec.batch_slices(&[io.x, io.rows])? {
        let (x, rows, y) = (io.x.samples(&s), io.rows.samples(&s), io.y.samples(&s));
        let params = Params {
            n: s.len() as u32,
            h: h as u32,
            w: w as u32,
            c: c as u32,
            fill: op.fill as u32,
            cval: op.cval,
            padding: [0; 2],
            scale: op.scale,
            offset: op.offset,
        };
        // Without any change images are copied.
        let warps = op.warps || !op.pixels;
        let between = if warps && op.pixels { rec.scratch(0, y.shape.clone()) } else { y.clone() };
        if warps {
            let groups = grid::fold(s.len() * (h * w).div_ceil(64))?;
            rec.dispatch(&kernel("warp"), &params, &[&x, &rows], &[&between], groups);
        }
        if op.pixels {
            let from = if warps { &between } else { &x };
            rec.dispatch(&kernel("pixels"), &params, &[from, &rows], &[&y], grid::fold(s.len() * c)?);
        }
    }
    Ok(())
}

/// `[n, h, w, c]` of tensors that fit each other.
fn sizes(io: &GpuAugment<'_>) -> Result<[usize; 4]> {
    let refuse = |what: String| Err(Error::shape("augment", what));
    let (x, rows, y) = (&io.x.shape, &io.rows.shape, &io.y.shape);
    let &[n, h, w, c] = x.dims() else { return refuse(format!("takes [n, h, w, c], found {x}")) };
    if x != y || *rows.dims() != [n, Row::LEN] {
        return refuse(format!("images {x} into {y} by rows {rows}, expected two like shapes and [{n}, {}]", Row::LEN));
    }
    if h * w == 0 || !(1..=4).contains(&c) {
        return refuse(format!("images {x}, expected at least a pixel and 1 to 4 channels"));
    }
    let most = (MAX_TRIPS - REDUCTION_TRIPS) / PIXELS_TRIPS * PIXELS_GROUP * 4;
    if h * w > most {
        return refuse(format!("images of {h} x {w}, expected up to {most} pixels: use a smaller --size"));
    }
    Ok([n, h, w, c])
}
