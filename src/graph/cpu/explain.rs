//! Gradients of class scores to a value of the graph, in f64.

use super::super::executor::samples_to_explain;
use super::super::plan::Mode;
use super::super::{At, Batch, Samples, Value};
use super::{CpuExecutor, view};
use crate::error::{Error, Result};
use crate::tensor::HostTensor;

impl CpuExecutor {
    /// [`crate::graph::Executor::explain`] in f64: the value and its gradient.
    ///
    /// # Errors
    /// As [`crate::graph::Executor::explain`].
    pub fn explain_exact(&mut self, x: &[f32], cotangent: &[f32], value: Value) -> Result<[HostTensor; 2]> {
        let n = samples_to_explain(&self.graph, x, cotangent, self.batch)?;
        // Where training has targets, explaining has the cotangent: a row of outputs a sample.
        let samples = Samples::unknown(n, self.graph.output().elements());
        let batch = Batch { x, targets: cotangent, ..samples.batch() };
        let run = self.run(Mode::Explain(value), &batch, At::default(), |_, _| {})?;
        let plan = &self.plans[&(Mode::Explain(value), n)];
        let explained =
            plan.explained.ok_or_else(|| Error::usage("a plan that explains nothing", "please report this"))?;
        Ok([explained.value, explained.gradient].map(|t| view(plan, &run.tensors, t)))
    }
}
