//! WGSL to SPIR-V, with the settings that wgpu gives naga on such a driver.

use naga::back::spv::{Options, PipelineOptions, ZeroInitializeWorkgroupMemoryMode, write_vec};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};

/// A translated entry point and what it binds.
pub struct Module {
    /// SPIR-V.
    pub words: Vec<u32>,
    /// Its resources: group, binding, and whether it is a uniform buffer (else a storage buffer).
    pub bindings: Vec<(u32, u32, bool)>,
}

/// Translates an entry point. On a driver with `robust` buffer access (VK_EXT_robustness2) no bounds checks are added.
pub fn translate(source: &str, entry: &str, robust: bool) -> Result<Module, String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::SUBGROUP)
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(SubgroupOperationSet::all())
        .validate(&module)
        .map_err(|e| e.emit_to_string(source))?;
    let buffer = if robust { BoundsCheckPolicy::Unchecked } else { BoundsCheckPolicy::Restrict };
    let options = Options {
        lang_version: (1, 5),
        flags: naga::back::spv::WriterFlags::empty(),
        bounds_check_policies: BoundsCheckPolicies { index: BoundsCheckPolicy::Restrict, buffer, ..Default::default() },
        zero_initialize_workgroup_memory: ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        ..Options::default()
    };
    let stage = PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: entry.to_owned() };
    let words = write_vec(&module, &info, &options, Some(&stage)).map_err(|e| e.to_string())?;
    let number = module
        .entry_points
        .iter()
        .position(|e| e.name == entry)
        .ok_or_else(|| format!("there is no entry point {entry}"))?;
    let used = info.get_entry_point(number);
    let bindings = module
        .global_variables
        .iter()
        .filter(|(handle, _)| !used[*handle].is_empty())
        .filter_map(|(_, v)| v.binding.map(|b| (b.group, b.binding, v.space == naga::AddressSpace::Uniform)))
        .collect();
    Ok(Module { words, bindings })
}
