//! Every kernel that any case or network renders, in every tiling, is valid WGSL within the WebGPU default limits and
//! translates to what Vulkan (SPIR-V), Metal (MSL) and DX12 (HLSL) take.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use fer_gpu::gpu::adapter::DeviceChoice;
use fer_gpu::gpu::{Gpu, Kernel, Loads, Pick, Tiling};
use fer_gpu::ops::conv2d::variant::MOST_CANDIDATES;
use fer_gpu::verify;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Block, Expression, Function, Handle, LocalVariable, Statement};
use rayon::prelude::*;
use std::collections::HashSet;

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

/// The local variable that a pointer leads to, or that an expression reads.
fn local(function: &Function, expression: Handle<Expression>) -> Option<Handle<LocalVariable>> {
    match function.expressions[expression] {
        Expression::LocalVariable(variable) => Some(variable),
        Expression::Load { pointer } => local(function, pointer),
        // A counter of fours.
        Expression::Binary { op: naga::BinaryOperator::Multiply, left, .. } => local(function, left),
        _ => None,
    }
}

/// Whether a block stores to a variable, however deep.
fn stores(function: &Function, block: &Block, variable: Handle<LocalVariable>) -> bool {
    block.iter().any(|statement| match statement {
        Statement::Store { pointer, .. } => local(function, *pointer) == Some(variable),
        Statement::Block(inner) => stores(function, inner, variable),
        Statement::If { accept, reject, .. } => [accept, reject].iter().any(|b| stores(function, b, variable)),
        Statement::Switch { cases, .. } => cases.iter().any(|case| stores(function, &case.body, variable)),
        Statement::Loop { body, continuing, .. } => [body, continuing].iter().any(|b| stores(function, b, variable)),
        _ => false,
    })
}

/// Whether every loop of a block is a `for` that compares its counter first, moves it last and nowhere else: what lets the driver
/// leave out naga's own counters of trips, the only checks that are off (src/gpu/kernel.rs). Indices are checked all the same.
fn loops_count(function: &Function, block: &Block) -> bool {
    block.iter().all(|statement| match statement {
        Statement::Block(inner) => loops_count(function, inner),
        Statement::If { accept, reject, .. } => [accept, reject].iter().all(|b| loops_count(function, b)),
        Statement::Switch { cases, .. } => cases.iter().all(|case| loops_count(function, &case.body)),
        Statement::Loop { body, continuing, break_if } => {
            let counter = match body.iter().find(|s| !matches!(s, Statement::Emit(_))) {
                Some(Statement::If { condition, accept, reject })
                    if accept.is_empty() && matches!(reject.first(), Some(Statement::Break)) =>
                {
                    match function.expressions[*condition] {
                        Expression::Binary { left, .. } => local(function, left),
                        _ => None,
                    }
                }
                _ => None,
            };
            let counts = counter.is_some_and(|c| stores(function, continuing, c) && !stores(function, body, c));
            counts && break_if.is_none() && loops_count(function, body)
        }
        _ => true,
    })
}

/// What is wrong with a kernel's text.
fn check(source: &str, optional: Capabilities) -> Result<(), String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    let mut validator = Validator::new(ValidationFlags::all(), optional);
    let info = validator
        .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
        .subgroup_operations(naga::valid::SubgroupOperationSet::all())
        .validate(&module)
        .map_err(|e| e.emit_to_string(source))?;
    let functions = module.functions.iter().map(|(_, f)| f).chain(module.entry_points.iter().map(|e| &e.function));
    if let Some(function) = functions.into_iter().find(|f| !loops_count(f, &f.body)) {
        return Err(format!(
            "a loop in {} that does not plainly end",
            function.name.as_deref().unwrap_or("a function")
        ));
    }
    for entry in &module.entry_points {
        let [x, y, z] = entry.workgroup_size;
        if x * y * z > 256 || x > 256 || y > 256 || z > 64 {
            return Err(format!("a workgroup of {x} x {y} x {z} in {}", entry.name));
        }
    }
    let is_storage = |v: &naga::GlobalVariable| matches!(v.space, naga::AddressSpace::Storage { .. });
    // A module may hold several entry points, each with some of its buffers.
    for (number, entry) in module.entry_points.iter().enumerate() {
        let used = info.get_entry_point(number);
        let buffers = module.global_variables.iter().filter(|(v, var)| is_storage(var) && !used[*v].is_empty()).count();
        if buffers > 8 {
            return Err(format!("{buffers} storage buffers in {}", entry.name));
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
    let lanes = |lanes, loads| Tiling::Subgroup { lanes, loads };
    // SwiftShader's, and llvmpipe's of 256 and 512 bits.
    let tilings = [
        lanes(4, Loads::Plain),
        lanes(8, Loads::Wide),
        lanes(8, Loads::Slow),
        lanes(16, Loads::Wide),
        lanes(16, Loads::Slow),
        Tiling::Workgroup,
    ];
    // Most texts are the same in several tilings, and several entry points are of one text.
    let (mut count, mut seen, mut texts) = (0, HashSet::new(), Vec::new());
    for tiling in tilings {
        // What a tiling is only chosen with; the GPUs' own has nothing that WebGPU does not guarantee.
        let optional = match tiling {
            Tiling::Subgroup { loads: Loads::Wide | Loads::Slow, .. } => {
                Capabilities::SUBGROUP | Capabilities::SHADER_INT64
            }
            Tiling::Subgroup { .. } => Capabilities::SUBGROUP,
            Tiling::Workgroup => Capabilities::empty(),
        };
        let mut gpu =
            Gpu::open(&DeviceChoice::Auto, wgpu::Backends::all()).expect("an adapter: tools/test.sh installs one");
        gpu.tiling = tiling;
        // What the networks add is how ops are fused: the same texts around each tiling's core.
        let networks = matches!(tiling, Tiling::Workgroup | Tiling::Subgroup { lanes: 8, loads: Loads::Slow });
        let picks: Vec<Pick> = (0..MOST_CANDIDATES).map(Pick::Nth).collect();
        let mut kernels = verify::kernels(gpu, &picks, networks).expect("renders");
        count += kernels.len();
        kernels.retain(|k| seen.insert((k.source.clone(), optional.bits())));
        texts.extend(kernels.into_iter().map(|kernel| (kernel, tiling, optional)));
    }
    let wrong = |(kernel, tiling, optional): &(Kernel, Tiling, Capabilities)| {
        check(&kernel.source, *optional).err().map(|e| format!("{} in {tiling:?}: {e}", kernel.label()))
    };
    let bad: Vec<String> = texts.par_iter().filter_map(wrong).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert!(count > 100, "{count} kernels");
}
