//! `.keras`: a zip archive of `config.json` (the layers) and `model.weights.h5` (the tensors).

use std::fs::File;
use std::io::Read;
use zip::ZipArchive;

/// The largest configuration: Keras's largest network takes under 2 MiB.
const MAX_CONFIG_BYTES: u64 = 64 << 20;
/// The largest weights inside.
const MAX_WEIGHTS_BYTES: u64 = 8 << 30;
/// Keras does not pack; a member that unpacks to more than this many times its packed size is made to harm.
const MAX_EXPANSION: u64 = 100;

/// The texts of a `.keras` file: the configuration, and the HDF5 file of the weights.
pub(super) fn open(file: File) -> Result<(String, Vec<u8>), String> {
    let mut archive = ZipArchive::new(file).map_err(|e| format!("it cannot be read as a zip archive ({e})"))?;
    let config = member(&mut archive, "config.json", MAX_CONFIG_BYTES)?;
    let config = String::from_utf8(config).map_err(|_| "its `config.json` is not UTF-8 text".to_owned())?;
    Ok((config, member(&mut archive, "model.weights.h5", MAX_WEIGHTS_BYTES)?))
}

fn member(archive: &mut ZipArchive<File>, name: &str, limit: u64) -> Result<Vec<u8>, String> {
    let mut member = archive.by_name(name).map_err(|e| format!("its member `{name}` cannot be read ({e})"))?;
    let (size, packed) = (member.size(), member.compressed_size());
    if size > limit || size / MAX_EXPANSION > packed.max(1) {
        return Err(format!("its member `{name}` claims {size} bytes, packed as {packed}"));
    }
    let mut bytes = Vec::new();
    member.by_ref().take(size).read_to_end(&mut bytes).map_err(|e| format!("its member `{name}`: {e}"))?;
    if bytes.len() as u64 != size {
        return Err(format!("its member `{name}` has {} of its {size} bytes", bytes.len()));
    }
    Ok(bytes)
}
