//! scratch
use fer_gpu::gpu::{Gpu, adapter::DeviceChoice};
use fer_gpu::{ops, verify};
fn cpu() -> f64 {
    std::fs::read_dir("/proc/self/task").unwrap().filter_map(|t| std::fs::read_to_string(t.unwrap().path().join("schedstat")).ok()).map(|s| s.split(' ').next().unwrap().parse::<f64>().unwrap()).sum::<f64>() / 1e9
}
fn main() {
    let gpu = Gpu::open(&DeviceChoice::Auto, wgpu::Backends::all()).unwrap();
    let want: Vec<String> = std::env::args().skip(1).collect();
    for case in ops::cases(None).unwrap().iter().filter(|c| c.bench && (want.is_empty() || want.iter().any(|w| c.name.contains(w)))) {
        let p = verify::prepare(&gpu, case).unwrap();
        p.time_each(&gpu).unwrap();
        p.bind_contents(&gpu);
        let n = p.time_each(&gpu).unwrap().len();
        let mut best = vec![f64::INFINITY; n];
        let mut labels = vec![];
        for _ in 0..3 {
            labels.clear();
            for i in 0..n {
                let c = cpu();
                labels.push(p.time_one(&gpu, i).unwrap());
                best[i] = best[i].min(cpu() - c);
            }
        }
        let flops = match &case.subject { ops::Subject::Op { op, inputs, .. } => { let s = fer_gpu::tensor::Shape::new(&inputs[0].shape.dims()[1..]); op.flops(&[&s]) * inputs[0].shape.dims()[0] as u64 }, _ => 0 };
        println!("{} {:.2} GFLOP (cpu-seconds)", case.name, flops as f64 / 1e9);
        for i in 0..n {
            println!("   {:<36} {:>9.2} ms  {:>6.2} GF/s/core", labels[i], best[i] * 1e3, flops as f64 / best[i] / 1e9);
        }
    }
}
