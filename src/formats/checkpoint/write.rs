//! Checkpoint to bytes: 8 bytes of header length, the JSON header padded to 8 bytes, the tensors.
//!
//! The header is laid out here, with the `safetensors` crate's own types, because its writer orders the metadata by a
//! random hash and keeps a second copy of all tensors; ours is the same bytes every time and streams.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use flate2::Crc;
use half::f16;
use safetensors::tensor::{Dtype, TensorInfo};
use serde::Serialize;

use super::{Checkpoint, FORMAT, FORMAT_WITH_HEAD, MAX_HEADER_BYTES, OPTIMIZER, TensorData, check_meta, elements};
use crate::error::{Error, Result};
use crate::formats::atomic::write_atomically;

/// Values converted at a time.
const CHUNK: usize = 1 << 14;

#[derive(Serialize)]
struct Header<'a> {
    __metadata__: BTreeMap<&'static str, &'a str>,
    #[serde(flatten)]
    tensors: BTreeMap<&'a str, TensorInfo>,
}

/// Saves, in half precision if `half`.
pub(super) fn save(checkpoint: &Checkpoint, path: &Path, half: bool) -> Result<()> {
    let named = named_tensors(checkpoint);
    let tensors = || named.iter().map(|(name, tensor)| (name.as_str(), *tensor));
    let header = check(checkpoint, tensors())
        .and_then(|()| header(checkpoint, tensors(), half))
        .map_err(|what| Error::checkpoint(path, format!("cannot be saved: {what}"), ""))?;
    write_atomically(path, |w| {
        w.write_all(&(header.len() as u64).to_le_bytes())?;
        w.write_all(&header)?;
        tensors().try_for_each(|(_, tensor)| each_chunk(tensor, half, |bytes| w.write_all(bytes)))
    })
}

fn named_tensors(checkpoint: &Checkpoint) -> Vec<(String, &TensorData)> {
    let parameters = checkpoint.tensors.iter().map(|(name, tensor)| (name.clone(), tensor));
    let optimizer = checkpoint.optimizer.iter().map(|(name, tensor)| (format!("{OPTIMIZER}{name}"), tensor));
    let mut all: Vec<_> = parameters.chain(optimizer).collect();
    // The order of the header's map, so that offsets grow along it.
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn check<'a>(checkpoint: &Checkpoint, tensors: impl Iterator<Item = (&'a str, &'a TensorData)>) -> Result<(), String> {
    check_meta(&checkpoint.meta)?;
    if let Some(name) = checkpoint.tensors.keys().find(|n| n.starts_with(OPTIMIZER) || *n == "__metadata__") {
        return Err(format!("the tensor name `{name}` is reserved"));
    }
    for (name, tensor) in tensors {
        if elements(&tensor.shape) != Some(tensor.values.len()) {
            return Err(format!("tensor `{name}` of shape {:?} has {} values", tensor.shape, tensor.values.len()));
        }
    }
    Ok(())
}

fn header<'a>(
    checkpoint: &Checkpoint,
    tensors: impl Iterator<Item = (&'a str, &'a TensorData)>,
    half: bool,
) -> Result<Vec<u8>, String> {
    let meta = serde_json::to_string(&checkpoint.meta).map_err(|e| e.to_string())?;
    let mut crc = Crc::new();
    crc.update(meta.as_bytes());
    let (mut infos, mut offset) = (BTreeMap::new(), 0);
    for (name, tensor) in tensors {
        let _: io::Result<()> = each_chunk(tensor, half, |bytes| {
            crc.update(bytes);
            Ok(())
        });
        let (dtype, size) =
            if is_half(tensor, half) { (Dtype::F16, size_of::<f16>()) } else { (Dtype::F32, size_of::<f32>()) };
        let end = offset + tensor.values.len() * size;
        infos.insert(name, TensorInfo { dtype, shape: tensor.shape.clone(), data_offsets: (offset, end) });
        offset = end;
    }
    let crc = format!("{:08x}", crc.sum());
    let format = if checkpoint.meta.head.is_softmax() { FORMAT } else { FORMAT_WITH_HEAD };
    let metadata = BTreeMap::from([("format", format), ("meta", meta.as_str()), ("crc32", crc.as_str())]);
    let header = Header { __metadata__: metadata, tensors: infos };
    let mut bytes = serde_json::to_vec(&header).map_err(|e| e.to_string())?;
    bytes.resize(bytes.len().next_multiple_of(8), b' ');
    if bytes.len() > MAX_HEADER_BYTES {
        return Err(format!(
            "the description takes {} bytes, at most {MAX_HEADER_BYTES} can be read back",
            bytes.len()
        ));
    }
    Ok(bytes)
}

/// A scalar is a count, which may be large and is worth no saving.
fn is_half(tensor: &TensorData, half: bool) -> bool {
    half && !tensor.shape.is_empty()
}

fn each_chunk(tensor: &TensorData, half: bool, mut give: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(CHUNK.min(tensor.values.len()) * size_of::<f32>());
    for values in tensor.values.chunks(CHUNK) {
        bytes.clear();
        if is_half(tensor, half) {
            bytes.extend(values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()));
        } else {
            bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        }
        give(&bytes)?;
    }
    Ok(())
}
