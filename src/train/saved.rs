//! Between an executor's snapshot and a checkpoint file.

use crate::error::Result;
use crate::formats::checkpoint::{Checkpoint, Meta, TensorData};
use crate::graph::{Graph, NamedTensor, Parameters, SlotTensors, Snapshot};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Name of a slot's tensor in a checkpoint.
fn kept(slot: &str, parameter: &str) -> String {
    format!("{slot}/{parameter}")
}

/// A checkpoint of a snapshot.
pub(super) fn checkpoint(meta: Meta, snapshot: Snapshot) -> Checkpoint {
    let data = |t: NamedTensor| TensorData { shape: t.shape.dims().to_vec(), values: t.values };
    let tensors = snapshot.parameters.into_iter().map(|t| (t.name.clone(), data(t))).collect();
    let mut optimizer = BTreeMap::new();
    for slot in snapshot.slots {
        optimizer.extend(slot.tensors.into_iter().map(|t| (kept(&slot.name, &t.name), data(t))));
    }
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
    // Whose they are is for the executor to judge; every slot has a tensor of each trained parameter.
    let names: BTreeSet<String> =
        checkpoint.optimizer.keys().filter_map(|key| key.split_once('/').map(|(slot, _)| slot.to_owned())).collect();
    let stored: Vec<(String, Vec<usize>)> =
        names.iter().flat_map(|slot| trained.iter().map(|(name, shape)| (kept(slot, name), shape.clone()))).collect();
    let mut values = checkpoint.take_optimizer(path, &stored)?.into_iter();
    let plain: Vec<(String, Vec<usize>)> = trained.into_iter().cloned().collect();
    let slots = names
        .into_iter()
        .map(|name| SlotTensors { name, tensors: named(&plain, values.by_ref().take(plain.len()).collect()) })
        .collect();
    Ok(Snapshot { parameters, slots })
}
