//! Whether the machine has memory for a graph on the reference: refused before the first step, with the largest batch that fits.

use super::super::budget::plans;
use super::super::plan::{Options, Plan};
use super::super::{Graph, Parameters};
use super::CpuExecutor;
use crate::error::{Error, Result};
use crate::gpu::available_memory;

/// Bytes of an element.
const F64: u64 = 8;

impl CpuExecutor {
    /// Refuses steps of `batch` samples that need more memory than the system has left, where it says so (Linux).
    ///
    /// # Errors
    /// Names what is needed, what there is and the largest batch that fits.
    pub fn check_room(graph: &Graph, batch: usize, train: bool) -> Result<()> {
        available_memory().map_or(Ok(()), |free| check(graph, batch, train, free))
    }
}

fn check(graph: &Graph, batch: usize, train: bool, free: u64) -> Result<()> {
    // Parameters and both moments; training also keeps parameters as they were, and has gradients.
    let elements: usize = Parameters::new(graph).slots.iter().map(|slot| slot.spec.shape.elements()).sum();
    let fixed = (elements as u64).saturating_mul(F64 * if train { 5 } else { 3 });
    // All tensors of a batch are kept until its end, and grow with it alone.
    let plans = plans(graph, 1, train, Options::default())?;
    let sample = plans.values().map(tensors).max().unwrap_or(0).max(1);
    let total = fixed.saturating_add(sample.saturating_mul(batch as u64));
    if total <= free {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let doing = if train { "training" } else { "inference" };
    let what = format!(
        "{doing} of {} at batch {batch} on the CPU reference needs {} MiB; the system has {}",
        graph.name,
        mib(total),
        mib(free)
    );
    let hint = match free.saturating_sub(fixed) / sample {
        0 => format!("{} does not fit even with --batch 1: use a smaller --size", graph.name),
        n => format!("the largest batch that fits is --batch {n}"),
    };
    Err(Error::usage(what, hint))
}

/// Bytes of the tensors of a plan.
fn tensors(plan: &Plan) -> u64 {
    let owners = (0..plan.tensors.len()).filter(|t| plan.owner(*t) == *t);
    owners.map(|t| (plan.tensors[t].shape.elements() as u64).saturating_mul(F64)).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models;

    #[test]
    fn the_largest_batch_is_named_and_fits() {
        let graph = models::find("fer7-small").expect("listed").graph(7).expect("builds");
        for (train, free) in [(true, 200 << 20), (false, 60 << 20)] {
            let text = check(&graph, 100_000, train, free).expect_err("too much").to_string();
            let largest: usize = text.rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a number");
            assert!(text.contains("at batch 100000 on the CPU reference needs") && largest > 1, "{text}");
            assert!(check(&graph, largest, train, free).is_ok(), "{text}");
            assert!(check(&graph, largest + 1, train, free).is_err(), "{text}");
        }
        let text = check(&graph, 1, true, 1 << 20).expect_err("too much").to_string();
        assert!(text.contains("even with --batch 1"), "{text}");
    }
}
