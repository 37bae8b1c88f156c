//! Between an executor's snapshot and a checkpoint file.

use crate::error::Result;
use crate::formats::checkpoint::{Checkpoint, Meta, TensorData};
use crate::graph::{Graph, NamedTensor, Parameters, Snapshot};
use std::path::Path;

/// Name of a moment in a checkpoint.
fn moment(which: &str, name: &str) -> String {
    format!("{which}/{name}")
}

/// A checkpoint of a snapshot.
pub(super) fn checkpoint(meta: Meta, snapshot: Snapshot) -> Checkpoint {
    let data = |t: NamedTensor| TensorData { shape: t.shape.dims().to_vec(), values: t.values };
    let tensors = snapshot.parameters.into_iter().map(|t| (t.name.clone(), data(t))).collect();
    let moments =
        |which: &'static str, list: Vec<NamedTensor>| list.into_iter().map(move |t| (moment(which, &t.name), data(t)));
    let optimizer = moments("m", snapshot.m).chain(moments("v", snapshot.v)).collect();
    Checkpoint { meta, tensors, optimizer }
}

/// The snapshot in a checkpoint, checked against the graph: every tensor once, of the right shape.
///
/// # Errors
/// Lists what is missing, left over or of another shape.
pub(super) fn snapshot(mut checkpoint: Checkpoint, path: &Path, graph: &Graph) -> Result<Snapshot> {
    let slots = Parameters::new(graph).slots;
    let expected: Vec<(String, Vec<usize>)> =
        slots.iter().map(|s| (s.name.clone(), s.spec.shape.dims().to_vec())).collect();
    let named = |expected: &[(String, Vec<usize>)], values: Vec<Vec<f32>>| -> Vec<NamedTensor> {
        let each = expected.iter().zip(values);
        each.map(|((name, shape), values)| NamedTensor { name: name.clone(), shape: shape.clone().into(), values })
            .collect()
    };
    let parameters = named(&expected, checkpoint.take(path, &expected)?);
    if checkpoint.optimizer.is_empty() {
        return Ok(Snapshot { parameters, ..Snapshot::default() });
    }
    let trained: Vec<&(String, Vec<usize>)> =
        expected.iter().zip(&slots).filter(|(_, s)| s.spec.trainable).map(|(e, _)| e).collect();
    let stored: Vec<(String, Vec<usize>)> = ["m", "v"]
        .iter()
        .flat_map(|which| trained.iter().map(|(name, shape)| (moment(which, name), shape.clone())))
        .collect();
    let mut values = checkpoint.take_optimizer(path, &stored)?;
    let v = values.split_off(trained.len());
    let plain: Vec<(String, Vec<usize>)> = trained.into_iter().cloned().collect();
    Ok(Snapshot { parameters, m: named(&plain, values), v: named(&plain, v) })
}
