//! Where the time of a training step goes.

use crate::gpu::{Clock, Peaks, Timing};
use serde::Serialize;

/// A profile of the training step of a graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// The network.
    pub network: String,
    /// The device, in a line.
    pub adapter: String,
    /// Images a step.
    pub batch: usize,
    /// What the kernels were timed by.
    pub clock: Clock,
    /// What the adapter did at best, in the same minute.
    pub peaks: Peaks,
    /// Seconds of a step, from upload to the device being done, steps queued behind one another as in training; the median of
    /// several rounds.
    pub step_seconds: f64,
    /// Seconds of all kernels of a step; the median of as many rounds.
    pub kernel_seconds: f64,
    /// The share of a step in which no kernel runs. Below 0 where kernels in passes of their own, as they are timed, take longer
    /// than in the one pass of a step; none where the clock is the wall's.
    pub outside_kernels: Option<f64>,
    /// Seconds of the host for encoding one dispatch: the median of encodings one after another, in the quickest round. What interrupts
    /// the host is none of it, nor are caches that a software driver's kernels have filled: the first encoding after those takes longer.
    pub encode_seconds: f64,
    /// Every dispatch in order, each the median of its rounds.
    pub dispatches: Vec<Timing>,
}

/// All dispatches of a kernel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KernelTotal {
    /// Its name and sums.
    #[serde(flatten)]
    pub total: Timing,
    /// Dispatches.
    pub calls: usize,
    /// The share of the adapter's measured peak, of arithmetic or of copying, whichever is nearer its limit.
    pub of_peak: f64,
    /// Whether that is arithmetic.
    pub arithmetic: bool,
}

impl Profile {
    /// Sums by kernel, the longest first.
    pub fn kernels(&self) -> Vec<KernelTotal> {
        let mut totals: Vec<KernelTotal> = Vec::new();
        for d in &self.dispatches {
            match totals.iter_mut().find(|t| t.total.kernel == d.kernel) {
                Some(KernelTotal { total, calls, .. }) => {
                    total.seconds += d.seconds;
                    total.flops += d.flops;
                    total.bytes += d.bytes;
                    *calls += 1;
                }
                None => totals.push(KernelTotal { total: d.clone(), calls: 1, of_peak: 0.0, arithmetic: false }),
            }
        }
        for t in &mut totals {
            (t.of_peak, t.arithmetic) = self.peaks.share(t.total.seconds, t.total.flops, t.total.bytes);
        }
        totals.sort_by(|a, b| b.total.seconds.total_cmp(&a.total.seconds));
        totals
    }
}
