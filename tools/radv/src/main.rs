//! Compiles every kernel that fer-gpu ships for GPUs with RADV, Mesa's Vulkan driver for AMD, on its null device: no AMD GPU is
//! needed, only the driver (Debian: mesa-vulkan-drivers). Prints a table a GPU family: registers, spilled registers, bytes of
//! scratch and of workgroup memory, waves that a SIMD holds, the compiler's estimate of the cycles that a wave keeps it busy
//! (inverse throughput), and the same for one multiply-add. A wave of 64 takes 2 cycles for one at least on RDNA, 4 on GCN.
//!
//! Waves are counted in units of 32 invocations, as RADV does on RDNA: a wave of 64 on GCN holds two, so that 8 mean the same
//! 256 invocations on each. (GCN's register file would hold 8 waves of 64 only for kernels of 32 registers.)
//!
//! ```text
//! cargo run --release --manifest-path tools/radv/Cargo.toml -- [FAMILY...]       (navi21 gfx1100 vega10)
//! ```
//!
//! Exit code 1: a kernel spills or uses scratch, or a tiled kernel of convolution (the GEMM) leaves less than 8 waves a SIMD.
//! Exit code 2: no RADV, or it gives no statistics.
//!
//! The kernels are rendered by fer-gpu itself, on any adapter that this machine has, then compiled in a process of its own a
//! family, because RADV reads the family from its environment and a null device confuses whoever looks for real ones.

mod listing;
mod spirv;
mod vulkan;

use fer_gpu::gpu::adapter::{DeviceChoice, backends};
use fer_gpu::gpu::{Gpu, Kernel, Pick, Tiling};
use fer_gpu::ops::conv2d::variant::MOST_CANDIDATES;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// GPU families by their names in RADV: RDNA 2, RDNA 3, GCN 5.
const FAMILIES: [&str; 3] = ["navi21", "gfx1100", "vega10"];

/// Where distributions put RADV's description for the Vulkan loader.
const DRIVERS: [&str; 2] =
    ["/usr/share/vulkan/icd.d/radeon_icd.x86_64.json", "/usr/share/vulkan/icd.d/radeon_icd.json"];

/// The fewest waves a SIMD that hide memory's latency in the tiled kernels.
const WAVES: u64 = 8;

/// One kernel on its way to a compiling process.
#[derive(Clone, Serialize, Deserialize)]
struct Text {
    label: String,
    entry: String,
    source: String,
}

impl Text {
    /// Whether it is one of the register-tiled kernels.
    fn is_tiled(&self) -> bool {
        let passes = ["forward", "backward_input", "backward_params"];
        ["conv2d", "dense"].iter().any(|op| passes.iter().any(|pass| self.label == format!("{op}.{pass}")))
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        Some("--compile") => compile(),
        Some(option) if option.starts_with('-') => Err("usage: fer-gpu-radv [FAMILY...]".into()),
        _ => all(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(2)
        }
    }
}

/// Renders the kernels and compiles them for each family in a process of its own; whether none was found wanting.
fn all(families: &[String]) -> Result<bool> {
    let driver = match std::env::var("FER_GPU_RADV_ICD") {
        Ok(path) => path,
        Err(_) => (DRIVERS.iter().find(|path| std::path::Path::new(path).exists()))
            .ok_or("no RADV here: install mesa-vulkan-drivers, or name its .json file in FER_GPU_RADV_ICD")?
            .to_string(),
    };
    let rendered = |picks: &[Pick]| -> Result<Vec<Kernel>> {
        let mut gpu = Gpu::open(&DeviceChoice::Auto, backends(None)?)?;
        // The other variants are for software drivers, of subgroup sizes that no AMD GPU has.
        gpu.tiling = Tiling::Workgroup;
        Ok(fer_gpu::verify::kernels(gpu, picks, true)?)
    };
    let table = rendered(&[Pick::default()])?;
    let every = rendered(&(0..MOST_CANDIDATES).map(Pick::Nth).collect::<Vec<_>>())?;
    let text = |k: &Kernel| {
        let label = if table.contains(k) { k.label() } else { format!("{} (candidate)", k.label()) };
        Text { label, entry: k.entry.to_owned(), source: k.source.to_string() }
    };
    let texts: Vec<Text> = every.iter().map(text).collect();
    let input = serde_json::to_vec(&texts)?;
    let mut passed = true;
    let known = FAMILIES.map(str::to_owned);
    for family in if families.is_empty() { &known[..] } else { families } {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--compile")
            .env("RADV_FORCE_FAMILY", family)
            .env("VK_DRIVER_FILES", &driver)
            .env("VK_ICD_FILENAMES", &driver)
            // A cached shader comes without statistics.
            .env("MESA_SHADER_CACHE_DISABLE", "true")
            .stdin(Stdio::piped())
            .spawn()?;
        child.stdin.take().ok_or("no pipe to the compiling process")?.write_all(&input)?;
        match child.wait()?.code() {
            Some(0) => {}
            Some(1) => passed = false,
            _ => return Err(format!("compiling for {family} failed").into()),
        }
    }
    Ok(passed)
}

/// The compiling process: kernels from standard input, the table to standard output.
fn compile() -> Result<bool> {
    let texts: Vec<Text> = serde_json::from_reader(std::io::stdin().lock())?;
    let driver = vulkan::Driver::open()?;
    println!("\n{}: {} kernels", driver.name(), texts.len());
    println!(
        "{:<38} {:>5} {:>5} {:>6} {:>7} {:>6} {:>6} {:>9} {:>8}",
        "kernel", "VGPRs", "SGPRs", "spills", "scratch", "LDS", "waves", "cycles", "a FMA"
    );
    let mut faults = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        let at = |e| format!("{}, text {number}: {e}", text.label);
        let module = spirv::translate(&text.source, &text.entry, driver.robust()).map_err(at)?;
        let s = driver.statistics(&module, &text.entry).map_err(|e| format!("{}: {e}", text.label))?;
        let spills = s.spilled_vgprs + s.spilled_sgprs;
        let cycles_an_fma = if s.multiply_adds == 0 {
            "-".into()
        } else {
            format!("{:.1}", s.inverse_throughput as f64 / s.multiply_adds as f64)
        };
        println!(
            "{:<38} {:>5} {:>5} {spills:>6} {:>7} {:>6} {:>6} {:>9} {cycles_an_fma:>8}",
            text.label, s.vgprs, s.sgprs, s.scratch, s.lds, s.waves, s.inverse_throughput
        );
        if spills > 0 || s.scratch > 0 {
            faults.push(format!("{}: {spills} registers spilled, {} bytes of scratch", text.label, s.scratch));
        }
        if text.is_tiled() && s.waves < WAVES {
            faults.push(format!("{}: {} waves a SIMD, at least {WAVES} wanted", text.label, s.waves));
        }
    }
    for fault in &faults {
        println!("FAULT {fault}");
    }
    println!("{}: {} faults", driver.name(), faults.len());
    Ok(faults.is_empty())
}
