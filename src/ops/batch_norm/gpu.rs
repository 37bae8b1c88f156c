//! The dispatches: strips of rows, merged in order.

use super::super::max_pool2d::{self, Normalized};
use super::super::{GpuBackward, GpuForward};
use super::cut::Cut;
use super::stem::Passes;
use super::{BatchNorm, split};
use crate::error::Result;
use crate::gpu::{GpuTensor, Recorder};

pub(super) fn record_forward(op: &BatchNorm, rec: &mut Recorder<'_>, io: &GpuForward<'_>) -> Result<()> {
    let (gamma, [beta, moving_mean, moving_variance]) = split(io.params);
    // Without a gamma its binding still needs something; the kernels do not read it.
    let gamma = gamma.unwrap_or(beta);
    let (x, y, saved) = (&io.x[0], io.y, &io.saved[0]);
    let stem = Passes::of(rec, (&io.stem, &io.pool), x, y)?;
    // A stem's output is bound nowhere.
    let cut = Cut::sums(op, rec, &[if stem.is_some() { y } else { x }, y])?;
    if io.pass.training {
        let left = match &stem {
            Some(stem) => Some(stem.statistics(rec)?),
            None => rec.take_statistics(x),
        };
        let partial = left.unwrap_or_else(|| {
            let partial = rec.scratch(0, [cut.count(), 4, cut.c]);
            for (s, params) in &cut.slices {
                rec.dispatch(&cut.kernel("statistics"), params, &[&x.samples(s)], &[&partial], Cut::strips(params));
            }
            partial
        });
        let params = cut.whole.merging(partial.shape.dims()[0]);
        let (writes, groups) = ([moving_mean, saved, moving_variance], [cut.whole.groups, 1, 1]);
        rec.dispatch(&cut.kernel("finish_statistics"), &params, &[&partial, gamma, beta], &writes, groups);
    } else {
        let reads = [moving_mean, gamma, beta, moving_variance];
        rec.dispatch(&cut.kernel("use_moving"), &cut.whole, &reads, &[saved], cut.channels());
    }
    if let Some(stem) = stem {
        return stem.forward(rec, [saved, y], io.activation.as_ref());
    }
    if let Some(pool) = &io.pool {
        let before = Normalized { saved, activation: io.activation.as_ref() };
        let forward =
            max_pool2d::Forward { x, normalized: Some(before), y, kept: &pool.saved[0], values: pool.with_backward };
        return max_pool2d::record_forward(rec, &pool.op.checked(&x.shape), &forward);
    }
    let cut = Cut::maps(op, rec, &[x, y])?;
    let apply = &cut.kernel_with("apply", io.activation.as_ref());
    for (s, params) in &cut.slices {
        let reads = [&x.samples(s), saved];
        rec.dispatch(apply, params, &reads, &[&y.samples(s)], Cut::strips(params));
    }
    Ok(())
}

pub(super) fn record_backward(op: &BatchNorm, rec: &mut Recorder<'_>, io: &GpuBackward<'_>) -> Result<()> {
    let (x, dy, saved) = (&io.x[0], io.dy, &io.saved[0]);
    // Behind a pool only what was the maximum of a window has a gradient: the sums are over the windows.
    let summed = io.pool.as_ref().map_or(x, |pool| &pool.saved[0]);
    let stem = Passes::of(rec, (&io.stem, &io.pool), x, dy)?;
    let cut = Cut::sums(op, rec, &[summed, dy])?;
    let (dgamma, [dbeta, ..]) = split(io.dparams);
    let sums = rec.scratch(1, [2, cut.c]);
    if dbeta.is_some() || io.pass.training {
        // The gradient of a gamma that is not there, or of parameters that are not trained, goes nowhere.
        let mut wanted =
            |slot, gradient: Option<&GpuTensor>| gradient.cloned().unwrap_or_else(|| rec.scratch(slot, [cut.c]));
        let dgamma = wanted(2, dgamma.and_then(Option::as_ref));
        let dbeta = wanted(3, dbeta.as_ref());
        let partial = match &stem {
            Some(stem) => stem.sums(rec, [saved, dy])?,
            None => {
                let partial = rec.scratch(0, [cut.count(), 2, cut.c]);
                for (s, params) in &cut.slices {
                    let reads = [&summed.samples(s), saved, &dy.samples(s)];
                    rec.dispatch(&cut.kernel("backward_sums"), params, &reads, &[&partial], Cut::strips(params));
                }
                partial
            }
        };
        let params = cut.whole.merging(partial.shape.dims()[0]);
        let writes = [&sums, &dgamma, &dbeta];
        rec.dispatch(&cut.kernel("finish_sums"), &params, &[&partial], &writes, [cut.whole.groups, 1, 1]);
    }
    if let Some(stem) = stem {
        return stem.backward(rec, [saved, &sums, dy]);
    }
    let Some(dx) = &io.dx[0] else { return Ok(()) };
    if let Some(pool) = &io.pool {
        let windows = pool.op.checked(&x.shape);
        let cut = Cut::lines(op, rec, &[x, dx, dy, summed], &windows)?;
        let kernel = cut.pooled(io.slope(), &windows);
        for (s, params) in &cut.slices {
            let reads = [&x.samples(s), saved, &dy.samples(s), &sums, &summed.samples(s)];
            rec.dispatch(&kernel, params, &reads, &[&dx.samples(s)], Cut::strips(params));
        }
        return Ok(());
    }
    let cut = Cut::maps(op, rec, &[x, dy])?;
    for (s, params) in &cut.slices {
        let (dy, dx) = (dy.samples(s), dx.samples(s));
        if io.pass.training {
            let reads = [&x.samples(s), saved, &dy, &sums];
            let kernel = cut.kernel_with("backward_input", io.slope());
            rec.dispatch(&kernel, params, &reads, &[&dx], Cut::strips(params));
        } else {
            let kernel = cut.kernel_with("backward_input_inference", io.slope());
            rec.dispatch(&kernel, params, &[&x.samples(s), saved, &dy], &[&dx], Cut::strips(params));
        }
    }
    Ok(())
}
