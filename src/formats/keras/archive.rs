//! `.keras`: a zip archive of `config.json` (the layers) and `model.weights.h5` (the tensors).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use zip::ZipArchive;
use zip::read::ZipFile;

/// The layers.
const CONFIG: &str = "config.json";
/// The tensors.
const WEIGHTS: &str = "model.weights.h5";
/// Members: Keras also writes `metadata.json`, and files that layers of text bring along.
const MAX_MEMBERS: usize = 1000;
/// The headers of a member and of its entry in the directory, without the name.
const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
/// The largest configuration: Keras's largest network takes under 2 MiB.
const MAX_CONFIG_BYTES: u64 = 32 << 20;

/// The texts of a `.keras` file: the configuration, and the HDF5 file of the weights. Every member is read to its end, whether it is
/// used or not: only there does the archive's reader compare its checksum. What is unpacked is counted against `budget`, in bytes.
pub(super) fn open(file: File, budget: &mut u64) -> Result<(String, Vec<u8>), String> {
    let mut archive = ZipArchive::new(file).map_err(|e| format!("it cannot be read as a zip archive ({e})"))?;
    let config = member(&mut archive, CONFIG, MAX_CONFIG_BYTES.min(*budget))?;
    *budget -= config.len() as u64;
    let config = String::from_utf8(config).map_err(|_| "its `config.json` is not UTF-8 text".to_owned())?;
    let weights = member(&mut archive, WEIGHTS, *budget)?;
    *budget -= weights.len() as u64;
    if archive.len() > MAX_MEMBERS {
        return Err(format!("it has {} members; Keras writes a few", archive.len()));
    }
    let mut places = Vec::new();
    for i in 0..archive.len() {
        let other = archive.by_index(i).map_err(|e| format!("its member {i} cannot be read ({e})"))?;
        places.push((other.header_start(), other.central_header_start()));
        if !other.name().is_ok_and(|name| name == CONFIG || name == WEIGHTS) {
            *budget -= whole(other, MAX_CONFIG_BYTES.min(*budget))?.len() as u64;
        }
    }
    let mut file = archive.into_inner();
    for place in places {
        compare(&mut file, place)?;
    }
    Ok((config, weights))
}

/// Holds what an archive says of a member at the member itself against what its directory says: no checksum covers these.
fn compare(file: &mut File, (local, central): (u64, u64)) -> Result<(), String> {
    let mut read = |at: u64, length: usize| {
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes)).map_err(|e| e.to_string())?;
        Ok::<_, String>(bytes)
    };
    let (here, there) = (read(local, LOCAL_BYTES)?, read(central, CENTRAL_BYTES)?);
    // The fields from the flags on are the same, two bytes later in the directory.
    let same = |fields: std::ops::Range<usize>| here[fields.clone()] == there[fields.start + 2..fields.end + 2];
    // Checksum and sizes may follow the member, or stand in a field for large files.
    let later = here[6] & 8 != 0;
    let large = here[18..22] == [0xff; 4] || here[22..26] == [0xff; 4];
    let length = usize::from(u16::from_le_bytes([here[26], here[27]]));
    let mut name = |at: u64, header: usize| read(at + header as u64, length);
    let equal = same(6..14) && (later || same(14..18)) && (later || large || same(18..26)) && same(26..28);
    if !equal || name(local, LOCAL_BYTES)? != name(central, CENTRAL_BYTES)? {
        return Err("it is damaged: what its directory says of a member is not what the member says".into());
    }
    Ok(())
}

fn member(archive: &mut ZipArchive<File>, name: &str, limit: u64) -> Result<Vec<u8>, String> {
    let member = archive.by_name(name).map_err(|e| format!("its member `{name}` cannot be read ({e})"))?;
    whole(member, limit)
}

/// A member's bytes, to the end.
fn whole<R: Read + ?Sized>(mut member: ZipFile<'_, R>, limit: u64) -> Result<Vec<u8>, String> {
    let (size, packed) = (member.size(), member.compressed_size());
    let name = member.name().map_or_else(|_| "?".to_owned(), |name| name.into_owned());
    if size > limit {
        return Err(format!(
            "its member `{name}` claims {size} bytes, packed as {packed}: more than such a file may hold"
        ));
    }
    let mut bytes = Vec::new();
    // One byte more, so that the end is met.
    let read = member.by_ref().take(size.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|e| format!("its member `{name}` is damaged ({e})"))?;
    if bytes.len() as u64 != size {
        return Err(format!("its member `{name}` has {} of its {size} bytes", bytes.len()));
    }
    Ok(bytes)
}
