//! Every kernel that any case renders, in every tiling, is valid WGSL within the WebGPU default limits and translates to what
//! Vulkan (SPIR-V), Metal (MSL) and DX12 (HLSL) take.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use fer_gpu::gpu::adapter::DeviceChoice;
use fer_gpu::gpu::{Gpu, Tiling};
use fer_gpu::{ops, verify};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

type Sources = BTreeMap<String, String>;

/// The text of every kernel of every case under a tiling, by a label that tells variants apart.
fn sources(tiling: Tiling) -> Sources {
    let mut gpu =
        Gpu::open(&DeviceChoice::Auto, wgpu::Backends::all()).expect("an adapter: tools/test.sh installs one");
    gpu.tiling = tiling;
    let found = Arc::new(Mutex::new(Sources::new()));
    let note = Arc::clone(&found);
    gpu.rewrite_shaders(move |kernel| {
        let mut found = note.lock().expect("no thread panics with it");
        let text = kernel.source.to_string();
        let number = found.values().position(|known| *known == text).unwrap_or(found.len());
        found.insert(format!("{} in {tiling:?}, text {number}", kernel.label()), text.clone());
        // What is compiled matters not: an empty kernel is quick, and this test runs nothing.
        Some(format!("@compute @workgroup_size(1) fn {}() {{}}", kernel.entry))
    });
    for case in ops::cases(None).expect("all") {
        verify::prepare(&gpu, &case).expect(&case.name);
    }
    let found = found.lock().expect("no thread panics with it");
    found.clone()
}

fn translate(module: &naga::Module, info: &ModuleInfo) -> Result<(), String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    naga::back::spv::write_vec(
        module,
        info,
        &naga::back::spv::Options { lang_version: (1, 3), ..Default::default() },
        None,
    )
    .map_err(|e| format!("SPIR-V: {}", text(&e)))?;
    let msl = naga::back::msl::Options { lang_version: (2, 4), ..Default::default() };
    naga::back::msl::write_string(module, info, &msl, &Default::default()).map_err(|e| format!("MSL: {}", text(&e)))?;
    let hlsl = naga::back::hlsl::Options {
        shader_model: naga::back::hlsl::ShaderModel::V6_0,
        // DX12 has no built-in for the number of workgroups; wgpu passes it in a constant buffer.
        special_constants_binding: Some(Default::default()),
        ..Default::default()
    };
    let mut out = String::new();
    let options = Default::default();
    let mut writer = naga::back::hlsl::Writer::new(&mut out, &hlsl, &options);
    writer.write(module, info, None).map(|_| ()).map_err(|e| format!("HLSL: {}", text(&e)))
}

/// What is wrong with a kernel's text.
fn check(source: &str) -> Result<(), String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::SUBGROUP | Capabilities::SHADER_INT64);
    let info = validator
        .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
        .subgroup_operations(naga::valid::SubgroupOperationSet::all())
        .validate(&module)
        .map_err(|e| e.emit_to_string(source))?;
    for entry in &module.entry_points {
        let size: u32 = entry.workgroup_size.iter().product();
        if size > 256 {
            return Err(format!("{} invocations in a workgroup of {}", size, entry.name));
        }
    }
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).map_err(|e| e.to_string())?;
    let shared = module.global_variables.iter().filter(|(_, v)| v.space == naga::AddressSpace::WorkGroup);
    let bytes: u32 = shared.map(|(_, v)| layouter[v.ty].size).sum();
    if bytes > 16_384 {
        return Err(format!("{bytes} bytes of workgroup memory"));
    }
    translate(&module, &info)
}

#[test]
fn every_kernel_is_valid_and_translates() {
    let subgroups =
        [4, 8, 16].into_iter().flat_map(|lanes| [true, false].map(|slow_loads| Tiling::Subgroup { lanes, slow_loads }));
    let mut count = 0;
    for tiling in subgroups.chain([Tiling::Workgroup]) {
        for (label, source) in sources(tiling) {
            check(&source).unwrap_or_else(|e| panic!("{label}: {e}"));
            count += 1;
        }
    }
    assert!(count > 100, "{count} kernels");
}
