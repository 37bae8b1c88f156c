//! Which adapter to compute on.

use crate::error::{Error, Result, nearest};
use serde::Serialize;

/// How to get an adapter, by system: the hint of every "no adapter" message.
pub const HOW_TO_GET_ONE: &str = "Linux: install your GPU's Vulkan driver, or the software driver of Mesa \
     (Debian, Ubuntu: apt-get install mesa-vulkan-drivers; Fedora: dnf install mesa-vulkan-drivers). \
     Windows: any DX12 or Vulkan driver. macOS: Metal is built in. Or use --device cpu";

/// What `--device` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The best adapter: discrete over integrated over virtual over software.
    Auto,
    /// The f64 reference on the CPU, without any driver.
    Cpu,
    /// The adapter at this index of `fer-gpu devices`.
    Index(usize),
    /// The first adapter whose name contains this text, in any case.
    Name(String),
}

impl std::str::FromStr for DeviceChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.to_lowercase().as_str() {
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            other => other.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Index),
        })
    }
}

/// A graphics API to restrict the choice to (`--backend`).
pub fn backends(name: Option<&str>) -> Result<wgpu::Backends> {
    const KNOWN: [(&str, wgpu::Backends); 4] = [
        ("vulkan", wgpu::Backends::VULKAN),
        ("metal", wgpu::Backends::METAL),
        ("dx12", wgpu::Backends::DX12),
        ("gl", wgpu::Backends::GL),
    ];
    let Some(name) = name else { return Ok(wgpu::Backends::all()) };
    KNOWN.iter().find(|(known, _)| *known == name.to_lowercase()).map(|(_, b)| *b).ok_or_else(|| {
        let what = format!("unknown backend `{name}`");
        if let Some((_, why, instead)) = OTHERS.iter().find(|(others, ..)| others.contains(&&*name.to_lowercase())) {
            return Error::usage(
                what,
                format!("{why}: use --backend {instead} (vulkan, metal, dx12 or gl), or leave it out"),
            );
        }
        let near = nearest(name, KNOWN.iter().map(|(k, _)| *k)).unwrap_or("vulkan");
        Error::usage(what, format!("vulkan, metal, dx12 or gl; did you mean `{near}`?"))
    })
}

/// Names of other programs' for ways to a GPU, why they are none here, and what is.
const OTHERS: [(&[&str], &str, &str); 6] = [
    (
        &["cuda", "nvidia", "cudnn"],
        "kernels are compute shaders, not CUDA; NVIDIA's driver runs them through Vulkan",
        "vulkan",
    ),
    (&["rocm", "hip", "amd"], "kernels are compute shaders, not ROCm; AMD's drivers run them through Vulkan", "vulkan"),
    (
        &["opencl", "sycl", "oneapi", "xpu", "level-zero", "intel"],
        "kernels are compute shaders; drivers run them through Vulkan, also those of OpenCL devices and of Intel's GPUs",
        "vulkan",
    ),
    (&["mps", "apple"], "kernels are compute shaders, which Apple's GPUs run through Metal", "metal"),
    (
        &["directx", "directml", "d3d12", "d3d", "dx11", "dx"],
        "kernels are compute shaders, which Windows runs through Direct3D 12",
        "dx12",
    ),
    (&["opengl", "gles", "webgl"], "kernels are compute shaders, which OpenGL has under the name gl", "gl"),
];

/// One line of `fer-gpu devices`.
#[derive(Clone, Debug, Serialize)]
pub struct AdapterDescription {
    /// Position in the list, for `--device INDEX`.
    pub index: usize,
    /// The adapter's own name.
    pub name: String,
    /// `vulkan`, `metal`, `dx12` or `gl`.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: &'static str,
    /// Driver name and version.
    pub driver: String,
    /// Smallest and largest subgroup, in invocations.
    pub subgroup: [u32; 2],
    /// Largest storage binding, in bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer, in bytes.
    pub max_buffer_bytes: u64,
    /// Largest workgroup, in invocations.
    pub max_workgroup: u32,
    /// Whether kernels can use subgroup operations.
    pub subgroups: bool,
    /// Whether kernels can be timed on the device.
    pub timestamps: bool,
}

impl AdapterDescription {
    fn new(index: usize, adapter: &wgpu::Adapter) -> Self {
        let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
        Self {
            index,
            name: info.name.clone(),
            backend: backend_name(info.backend).to_owned(),
            kind: kind_name(info.device_type),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            subgroup: [info.subgroup_min_size, info.subgroup_max_size],
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            max_buffer_bytes: limits.max_buffer_size,
            max_workgroup: limits.max_compute_invocations_per_workgroup,
            subgroups: features.contains(wgpu::Features::SUBGROUP),
            timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
        }
    }
}

impl std::fmt::Display for AdapterDescription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}, {}, {})", self.name, self.backend, self.kind, self.driver)
    }
}

fn backend_name(backend: wgpu::Backend) -> &'static str {
    match backend {
        wgpu::Backend::Vulkan => "vulkan",
        wgpu::Backend::Metal => "metal",
        wgpu::Backend::Dx12 => "dx12",
        wgpu::Backend::Gl => "gl",
        wgpu::Backend::BrowserWebGpu => "webgpu",
        wgpu::Backend::Noop => "noop",
    }
}

fn kind_name(kind: wgpu::DeviceType) -> &'static str {
    match kind {
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    }
}

/// Lower is better: discrete, integrated, virtual, other, software; a native API before GL.
fn rank(info: &wgpu::AdapterInfo) -> (u8, u8) {
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    };
    (kind, u8::from(info.backend == wgpu::Backend::Gl))
}

/// The adapters of this machine that can run compute shaders, best first.
pub(super) fn enumerate(backends: wgpu::Backends) -> Vec<wgpu::Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        // Validation layers slow every call; they are asked for by name when wanted (WGPU_VALIDATION=1).
        flags: wgpu::InstanceFlags::empty().with_env(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let mut adapters = pollster::block_on(instance.enumerate_adapters(backends));
    adapters.retain(|a| {
        a.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
            && a.get_info().backend != wgpu::Backend::Noop
    });
    adapters.sort_by_key(|a| rank(&a.get_info()));
    adapters
}

/// Describes every usable adapter, best first.
pub fn list(backends: wgpu::Backends) -> Vec<AdapterDescription> {
    enumerate(backends).iter().enumerate().map(|(i, a)| AdapterDescription::new(i, a)).collect()
}

/// Picks the adapter that `choice` asks for.
///
/// # Errors
/// [`Error::NoAdapter`] if there is none, or none of that index or name; the text lists what there is.
pub(super) fn choose(choice: &DeviceChoice, backends: wgpu::Backends) -> Result<(wgpu::Adapter, AdapterDescription)> {
    let adapters = enumerate(backends);
    let index = match choice {
        DeviceChoice::Index(i) => (*i < adapters.len()).then_some(*i),
        DeviceChoice::Name(name) => {
            let wanted = name.to_lowercase();
            adapters.iter().position(|a| a.get_info().name.to_lowercase().contains(&wanted))
        }
        DeviceChoice::Auto | DeviceChoice::Cpu => (!adapters.is_empty()).then_some(0),
    };
    let Some(index) = index else {
        let known: Vec<String> =
            adapters.iter().enumerate().map(|(i, a)| format!("{i}: {}", a.get_info().name)).collect();
        return Err(if known.is_empty() {
            Error::NoAdapter { what: "this machine has none".into(), hint: HOW_TO_GET_ONE.into() }
        } else {
            let asked = match choice {
                DeviceChoice::Index(i) => format!("index {i}"),
                DeviceChoice::Name(n) => format!("name `{n}`"),
                DeviceChoice::Auto | DeviceChoice::Cpu => "any".into(),
            };
            Error::NoAdapter {
                what: format!("{asked} was asked for, there is {}", known.join(", ")),
                hint: "`fer-gpu devices` lists them; --device takes an index, a part of a name, auto (the best) or cpu"
                    .into(),
            }
        });
    };
    let adapter = adapters.into_iter().nth(index).expect("index was found in this list");
    let description = AdapterDescription::new(index, &adapter);
    Ok((adapter, description))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_ways_to_a_gpu_are_explained() {
        for (name, words) in [
            ("cuda", ["not CUDA", "--backend vulkan"]),
            ("ROCm", ["AMD", "--backend vulkan"]),
            ("opencl", ["Vulkan", "--backend vulkan"]),
            ("mps", ["Metal", "--backend metal"]),
            ("vulcan", ["did you mean", "`vulkan`"]),
        ] {
            let error = backends(Some(name)).expect_err("no backend").to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
        assert_eq!(backends(Some("Vulkan")).expect("known"), wgpu::Backends::VULKAN);
    }
}
