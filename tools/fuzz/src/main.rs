//! Feeds damaged files to every reader for some seconds each, the same ones in each run, and counts them.
//!
//! A panic that leaves a reader, a file that takes over ten seconds, and an abort fail the run; the file is kept and named. For
//! memory, run it under a limit: `ulimit -v 8388608`.

use fer_gpu_fuzz::{Mutator, TARGETS, Target, folder, run};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Longest time for one file, in seconds.
const MOST_SECONDS: u64 = 10;

/// Seconds since the start at which the file in hand was begun, plus one; 0 between files.
static BEGUN: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let seconds: f64 = args.next().and_then(|s| s.parse().ok()).unwrap_or(5.0);
    let wanted: Vec<String> = args.collect();
    let start = Instant::now();
    // Readers catch what their libraries panic about; what leaves them is counted below.
    std::panic::set_hook(Box::new(|_| {}));
    std::thread::spawn(move || watch(start));
    let (mut all, mut failed) = (0, 0);
    for target in TARGETS.iter().filter(|t| wanted.is_empty() || wanted.iter().any(|w| w == t.name)) {
        let (tried, faults) = fuzz(target, Duration::from_secs_f64(seconds), start);
        println!("{:<18} {tried:>9} files, {faults} panics", target.name);
        all += tried;
        failed += faults;
    }
    println!("{:<18} {all:>9} files, {failed} panics", "all");
    let _ = std::fs::remove_dir_all(folder());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fuzz(target: &Target, time: Duration, start: Instant) -> (usize, usize) {
    let seeds = (target.seeds)();
    let mut mutator = Mutator::new(25);
    let begin = Instant::now();
    let (mut tried, mut faults) = (0, 0);
    let mut queue: Vec<Vec<u8>> = seeds.clone();
    while begin.elapsed() < time {
        let bytes = queue.pop().unwrap_or_else(|| mutator.draw(&seeds, target.words));
        BEGUN.store(start.elapsed().as_secs() + 1, Ordering::Relaxed);
        let end = catch_unwind(AssertUnwindSafe(|| run(target.name, &bytes)));
        BEGUN.store(0, Ordering::Relaxed);
        tried += 1;
        if let Err(panic) = end {
            faults += 1;
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned())).unwrap_or_default();
            let kept = std::env::temp_dir().join(format!("fer-gpu-fuzz-{}-{faults}", target.name));
            println!("{}: {text}; kept as {}: {:?}", target.name, kept.display(), std::fs::write(&kept, &bytes));
            if faults == 10 {
                break;
            }
        }
    }
    (tried, faults)
}

/// Ends the run at a file that takes too long.
fn watch(start: Instant) {
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let begun = BEGUN.load(Ordering::Relaxed);
        if begun > 0 && start.elapsed().as_secs() > begun + MOST_SECONDS {
            println!("a file takes over {MOST_SECONDS} seconds: the newest in {}", folder().display());
            std::process::exit(1);
        }
    }
}
