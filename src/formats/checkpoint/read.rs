//! Bytes to checkpoint, from a file that may have been cut, flipped or made to harm.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use flate2::Crc;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::{
    Checkpoint, FORMAT, FORMAT_WITH_HEAD, MAX_FILE_BYTES, MAX_HEADER_BYTES, Meta, OPTIMIZER, TensorData, check_meta,
    elements,
};
use crate::error::{Error, Result};
use crate::formats::kind::Kind;
use crate::input;
use crate::toml_text::plain;

const DAMAGED: &str = "use the run's other checkpoint (`best.safetensors` or `last.safetensors`) or an intact copy";
/// Bytes of the header's length at the start of the file.
const LENGTH_BYTES: usize = 8;

pub(super) fn load(path: &Path) -> Result<Checkpoint> {
    let bytes = read_whole(path)?;
    parse(&bytes).map_err(|what| match Kind::of_prefix(&bytes) {
        Some(kind) => Error::checkpoint(path, format!("it is {kind}, not a checkpoint"), kind.way_on(path)),
        None => Error::checkpoint(path, what, DAMAGED),
    })
}

fn read_whole(path: &Path) -> Result<Vec<u8>> {
    // A device or a pipe has no size to hold the file's claims against, and may never end.
    let file = input::open(path, "a regular file").map_err(|e| match e {
        Error::Data { what, .. } => Error::checkpoint(path, what, "name a `.safetensors` file"),
        e => e,
    })?;
    let size = file.metadata().map_err(Error::io("read", path))?.len();
    if size > MAX_FILE_BYTES {
        let what = format!("it has {size} bytes, more than the {MAX_FILE_BYTES} that any network here needs");
        return Err(Error::checkpoint(path, what, "name a `.safetensors` file that fer-gpu wrote"));
    }
    let mut bytes = Vec::new();
    let reserved = usize::try_from(size).is_ok_and(|n| bytes.try_reserve_exact(n).is_ok());
    if !reserved {
        return Err(Error::checkpoint(path, format!("its {size} bytes do not fit into memory"), ""));
    }
    file.take(size).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<Checkpoint, String> {
    let (header, data) = split_header(bytes)?;
    let header: Metadata = serde_json::from_slice(header)
        .map_err(|e| format!("its header is not a safetensors header: {}", plain(&e.to_string())))?;
    // Offsets are contiguous from 0 and agree with shapes (`Metadata` checks that); here the end meets the real size.
    if header.data_len() != data.len() {
        return Err(format!("its header promises {} bytes of tensors but {} follow", header.data_len(), data.len()));
    }
    let meta = read_meta(&header, data)?;
    let (mut tensors, mut optimizer) = (BTreeMap::new(), BTreeMap::new());
    for (name, info) in header.tensors() {
        let tensor = read_tensor(&name, info, data)?;
        match name.strip_prefix(OPTIMIZER) {
            Some(inner) => optimizer.insert(inner.to_owned(), tensor),
            None => tensors.insert(name, tensor),
        };
    }
    Ok(Checkpoint { meta, tensors, optimizer })
}

fn split_header(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let (length, rest) = bytes
        .split_first_chunk::<LENGTH_BYTES>()
        .ok_or_else(|| format!("it has only {} bytes: it is empty or was cut short", bytes.len()))?;
    let claimed = u64::from_le_bytes(*length);
    let length = usize::try_from(claimed).ok().filter(|&n| n <= MAX_HEADER_BYTES).ok_or_else(|| {
        format!("it claims a header of {claimed} bytes, more than {MAX_HEADER_BYTES}: it is not a safetensors file")
    })?;
    rest.split_at_checked(length)
        .ok_or_else(|| format!("its header has {length} bytes but only {} follow: it was cut short", rest.len()))
}

fn read_meta(header: &Metadata, data: &[u8]) -> Result<Meta, String> {
    let empty = std::collections::HashMap::new();
    let metadata = header.metadata().as_ref().unwrap_or(&empty);
    match metadata.get("format").map(String::as_str) {
        Some(FORMAT | FORMAT_WITH_HEAD) => {}
        Some(other) => return Err(format!("its format is `{other}`, this program reads `{FORMAT}`")),
        None => return Err(format!("fer-gpu did not write it: `__metadata__` has no `format` = `{FORMAT}`")),
    }
    let text = metadata.get("meta").ok_or("`__metadata__` has no `meta`: labels and preprocessing are unknown")?;
    if let Some(expected) = metadata.get("crc32") {
        let mut crc = Crc::new();
        crc.update(text.as_bytes());
        crc.update(data);
        let found = format!("{:08x}", crc.sum());
        if found != *expected {
            return Err(format!("its checksum is {found}, not {expected}: bits have changed since it was written"));
        }
    }
    let meta = serde_json::from_str(text)
        .map_err(|e| format!("its description (`meta`) is wrong: {}", plain(&e.to_string())))?;
    check_meta(&meta).map_err(|what| format!("its description (`meta`) is wrong: {what}"))?;
    Ok(meta)
}

fn read_tensor(name: &str, info: &TensorInfo, data: &[u8]) -> Result<TensorData, String> {
    let (start, end) = info.data_offsets;
    let bytes = data.get(start..end).ok_or_else(|| format!("tensor `{name}` lies outside the file"))?;
    let values: Vec<f32> = match info.dtype {
        Dtype::F32 => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        Dtype::F16 => bytes.as_chunks().0.iter().map(|&b| half::f16::from_le_bytes(b).to_f32()).collect(),
        other => return Err(format!("tensor `{name}` is {other}, expected F32 or F16")),
    };
    let size = if info.dtype == Dtype::F16 { size_of::<half::f16>() } else { size_of::<f32>() };
    if bytes.len() != values.len() * size || elements(&info.shape) != Some(values.len()) {
        return Err(format!("tensor `{name}` of shape {:?} has {} bytes", info.shape, bytes.len()));
    }
    Ok(TensorData { shape: info.shape.clone(), values })
}
