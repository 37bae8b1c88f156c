//! A kernel is WGSL text and an entry point; a pipeline is a pure function of it and of how its
//! bindings are accessed.

use super::device::Tiling;
use crate::error::{Error, Result};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Mutex;

const LANES1: &str = include_str!("../../shaders/common/lanes1.wgsl");
const LANES2: &str = include_str!("../../shaders/common/lanes2.wgsl");
const LANES4: &str = include_str!("../../shaders/common/lanes4.wgsl");
const NAN: &str = include_str!("../../shaders/common/nan.wgsl");
const LOADS_PLAIN: &str = include_str!("../../shaders/common/loads_plain.wgsl");
const LOADS_WIDE: &str = include_str!("../../shaders/common/loads_wide.wgsl");
const PLACES_IN_ORDER: &str = include_str!("../../shaders/common/places_in_order.wgsl");
const PLACES_BY_HALVES: &str = include_str!("../../shaders/common/places_by_halves.wgsl");
const ITEM: &str = include_str!("../../shaders/common/item.wgsl");

/// What stands in front of kernels' texts.
pub(crate) const PRELUDES: [&str; 9] =
    [LANES1, LANES2, LANES4, NAN, LOADS_PLAIN, LOADS_WIDE, PLACES_IN_ORDER, PLACES_BY_HALVES, ITEM];

/// How many elements an invocation of an element-wise kernel handles: `shaders/common/lanes*.wgsl` defines the types `F`, `U` and `B`
/// and the constant `LANES` to match, and the shader's text serves all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lanes {
    /// One element; for channel counts that 4 does not divide.
    One,
    /// Two neighbours, loaded as a `vec2`; for kernels that hold many vectors, on drivers where four words a vector spill.
    Two,
    /// Four neighbours, loaded as a `vec4`.
    Four,
}

impl Lanes {
    /// Four if `channels` allows it.
    pub fn of(channels: usize) -> Self {
        if channels.is_multiple_of(4) { Self::Four } else { Self::One }
    }

    /// 1, 2 or 4.
    pub fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    fn prelude(self) -> &'static str {
        match self {
            Self::One => LANES1,
            Self::Two => LANES2,
            Self::Four => LANES4,
        }
    }
}

/// WGSL text and entry point.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// The op's name.
    pub op: &'static str,
    /// What the kernel does for the op: `forward`, `backward_input`. With the op it is the label, `conv2d.forward`.
    pub pass: &'static str,
    /// The entry point: the pass's name, unless one entry point serves several.
    pub entry: &'static str,
    /// The whole module.
    pub source: Cow<'static, str>,
    /// Whether it reads the step uniform: a bind group that others need not meet.
    reads_step: bool,
}

impl Kernel {
    /// A kernel of a shader that stands by itself.
    pub fn new(op: &'static str, entry: &'static str, source: impl Into<Cow<'static, str>>) -> Self {
        Self { op, pass: entry, entry, source: source.into(), reads_step: false }
    }

    /// Renames the pass of a kernel whose entry point serves several.
    #[must_use]
    pub fn named(mut self, pass: &'static str) -> Self {
        self.pass = pass;
        self
    }

    /// Puts a prelude's text in front.
    #[must_use]
    pub fn with_prelude(mut self, prelude: &str) -> Self {
        self.source = format!("{prelude}\n{}", self.source).into();
        self
    }

    /// Puts the prelude for `lanes` in front.
    #[must_use]
    pub fn with_lanes(self, lanes: Lanes) -> Self {
        self.with_nan().with_prelude(lanes.prelude())
    }

    /// Puts `is_nan` in front, of the types of `lanes*.wgsl`.
    #[must_use]
    pub(crate) fn with_nan(self) -> Self {
        self.with_prelude(NAN)
    }

    /// Puts the declaration of the step uniform in front.
    #[must_use]
    pub fn with_step(mut self) -> Self {
        self.reads_step = true;
        self.with_prelude(include_str!("../../shaders/common/step.wgsl"))
    }

    /// Puts in front how the adapter loads and stores vectors, which places lanes take, and the number of an invocation of a folded grid:
    /// every kernel may use them.
    #[must_use]
    pub(crate) fn with_loads(self, tiling: Tiling) -> Self {
        let places = if tiling.by_halves() { PLACES_BY_HALVES } else { PLACES_IN_ORDER };
        let loads = if tiling.loads_wide() { LOADS_WIDE } else { LOADS_PLAIN };
        self.with_prelude(ITEM).with_prelude(places).with_prelude(loads)
    }

    /// Declares what is bound at `binding` read-write instead of read-only.
    #[must_use]
    pub(super) fn with_writable(mut self, binding: usize) -> Self {
        let declaration = |access| format!("@binding({binding}) var<storage, {access}> ");
        self.source = self.source.replace(&declaration("read"), &declaration("read_write")).into();
        self
    }

    /// `op.pass`.
    pub fn label(&self) -> String {
        format!("{}.{}", self.op, self.pass)
    }
}

/// How a storage binding is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Access {
    Read,
    /// Read, from a buffer in which the same dispatch writes another range.
    ReadBesideWrite,
    Write,
}

/// A compiled kernel and the layout of its bind group 0.
#[derive(Clone)]
pub(super) struct Pipeline {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

type Key = (Kernel, Vec<Access>);

/// Another text for a kernel's source, or none.
type Rewrite = Box<dyn Fn(&Kernel) -> Option<String> + Send + Sync>;

/// Compiled kernels of a device.
#[derive(Default)]
pub(crate) struct PipelineCache {
    made: Mutex<HashMap<Key, Pipeline>>,
    rewrite: Option<Rewrite>,
}

impl PipelineCache {
    /// From here on compiles what `rewrite` makes of a kernel: see [`Gpu::rewrite_shaders`].
    ///
    /// [`Gpu::rewrite_shaders`]: super::Gpu::rewrite_shaders
    pub(super) fn rewrite(&mut self, rewrite: impl Fn(&Kernel) -> Option<String> + Send + Sync + 'static) {
        self.rewrite = Some(Box::new(rewrite));
    }

    pub(super) fn get(&self, device: &wgpu::Device, kernel: &Kernel, access: &[Access]) -> Result<Pipeline> {
        let mut kernel = kernel.clone();
        if let Some(source) = self.rewrite.as_ref().and_then(|rewrite| rewrite(&kernel)) {
            kernel.source = source.into();
        }
        let key = (kernel, access.to_vec());
        if let Some(found) = self.made.lock().ok().and_then(|map| map.get(&key).cloned()) {
            return Ok(found);
        }
        let made = compile(device, &key.0, access)?;
        if let Ok(mut map) = self.made.lock() {
            map.insert(key, made.clone());
        }
        Ok(made)
    }
}

/// Bind group 0: the kernel's `Params` uniform, then its storage buffers in order.
fn layout(device: &wgpu::Device, access: &[Access]) -> wgpu::BindGroupLayout {
    let entry = |binding: usize, ty| wgpu::BindGroupLayoutEntry {
        binding: binding as u32,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform)];
    entries.extend(
        access
            .iter()
            .enumerate()
            .map(|(i, a)| entry(i + 1, wgpu::BufferBindingType::Storage { read_only: *a == Access::Read })),
    );
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries })
}

/// Bind group 1: the uniform that changes every step.
pub(super) fn step_layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("step"),
        entries: &[wgpu::BindGroupLayoutEntry {
            binding: 0,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Uniform,
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        }],
    })
}

fn compile(device: &wgpu::Device, kernel: &Kernel, access: &[Access]) -> Result<Pipeline> {
    let label = kernel.label();
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let module = module(device, &label, &kernel.source);
    let layout = layout(device, access);
    let step = kernel.reads_step.then(|| step_layout(device));
    let groups = [Some(&layout), step.as_ref()];
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(&label),
        bind_group_layouts: &groups[..if kernel.reads_step { 2 } else { 1 }],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(&label),
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some(kernel.entry),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &[],
            // Every kernel of ours writes its workgroup memory before it reads it.
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    });
    match pollster::block_on(scope.pop()) {
        None => Ok(Pipeline { pipeline, layout }),
        Some(error) => Err(Error::gpu(format!("kernel {label} did not compile: {error}"), "")),
    }
}

/// A shader module with bounds checks, but without the counters that naga adds to every loop.
#[expect(unsafe_code, reason = "the one switch that wgpu marks unsafe: loop bounding off")]
fn module(device: &wgpu::Device, label: &str, source: &str) -> wgpu::ShaderModule {
    let descriptor =
        wgpu::ShaderModuleDescriptor { label: Some(label), source: wgpu::ShaderSource::Wgsl(source.into()) };
    let mut checks = wgpu::ShaderRuntimeChecks::checked();
    checks.force_loop_bounding = false;
    // SAFETY: the shaders are ours, and each of their loops counts up to a bound (house rule, MAX_TRIPS), so none is
    // infinite; all other checks stay on.
    unsafe { device.create_shader_module_trusted(descriptor, checks) }
}
