//! Whether an adapter has room for a graph: refused before the first step, with the largest batch that would fit.

use super::super::budget::{Budget, plans};
use super::super::gpu_memory::Memory;
use super::super::plan::{Mode, Options, Plan};
use super::super::{Graph, Parameters};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use std::collections::HashMap;

/// Plans and their buffers.
type Made = (HashMap<Mode, Plan>, Memory);

/// As much of `options` as the adapter can do.
pub(super) fn possible(gpu: &Gpu, options: Options) -> Options {
    let (largest_arena, unrolled) = (options.largest_arena.min(gpu.max_buffer()), options.unrolled.min(gpu.unrolls()));
    Options { largest_arena, unrolled, ..options }
}

/// Plans a graph and makes the buffers.
///
/// # Errors
/// An adapter without the room, naming the largest batch that it has room for.
pub(super) fn make(gpu: &Gpu, graph: &Graph, batch: usize, (train, options): (bool, Options)) -> Result<Made> {
    let options = possible(gpu, options);
    let parameters = Parameters::new(graph);
    let make = |batch| make_once(gpu, graph, &parameters, batch, (train, options));
    let error = match make(batch) {
        Ok(made) => return Ok(made),
        Err(error) if batch == 0 => return Err(error),
        Err(error) => error,
    };
    gpu.check()?;
    let (what, short) = match error {
        Error::Gpu { what, .. } => (what, true),
        Error::Usage { what, .. } => (what, false),
        other => return Err(other),
    };
    let hint = match largest(batch, |n| make(n).is_ok()) {
        0 => format!("{} does not fit even with --batch 1: use a smaller --size, or freeze layers", graph.name),
        n => format!("the largest batch that fits is --batch {n}"),
    };
    Err(if short { Error::gpu(what, hint) } else { Error::usage(what, hint) })
}

/// Refuses more buffers, beside `used` bytes that are there, than the adapter has room for; `what` they are for, and what to do.
pub(super) fn check_more(gpu: &Gpu, used: u64, bytes: u64, (what, hint): (&str, &str)) -> Result<()> {
    match gpu.memory_beside(used).filter(|room| bytes > *room) {
        None => Ok(()),
        Some(room) => {
            let mib = |bytes: u64| bytes.div_ceil(1 << 20);
            let what = format!("{what} needs {} MiB more; {} has {}", mib(bytes), gpu.description.name, mib(room));
            Err(Error::gpu(what, hint))
        }
    }
}

fn make_once(
    gpu: &Gpu,
    graph: &Graph,
    parameters: &Parameters,
    batch: usize,
    (train, options): (bool, Options),
) -> Result<Made> {
    let plans = plans(graph, batch, train, options)?;
    let Budget { total, .. } = Budget::of(&plans, parameters, batch);
    if let Some(room) = gpu.memory().filter(|room| total > *room) {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let doing = if train { "training" } else { "inference" };
        let what = format!("{doing} of {} at batch {batch} needs {} MiB", graph.name, mib(total));
        return Err(Error::gpu(format!("{what}; {} has {}", gpu.description.name, mib(room)), ""));
    }
    let memory = Memory::new(gpu, &plans, parameters, batch)?;
    Ok((plans, memory))
}

/// The largest number under `limit` that fits, or 0: what fits is taken to fit with less, too.
fn largest(limit: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut good, mut bad) = (0, limit);
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if fits(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    good
}

#[cfg(test)]
mod tests {
    use super::largest;

    #[test]
    fn finds_the_largest() {
        for most in 0..20 {
            assert_eq!(largest(20, |n| n <= most), most);
        }
        assert_eq!((largest(1, |_| true), largest(usize::MAX, |n| n < 1000)), (0, 999));
    }
}
