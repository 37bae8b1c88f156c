//! TensorBoard's event files: records of a length, its checksum, a message and its checksum; messages are protobuf's `Event`.
//!
//! Scalars are `Summary.Value` with `simple_value`, which TensorBoard of every version reads. A file is only ever added to, a
//! record at a time: what a kill cuts short, a reader takes for the end.

use super::proto::Message;
use crate::error::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the first record must say.
const VERSION: &str = "brain.Event:2";

/// An event file that is being written.
#[derive(Debug)]
pub struct EventFile {
    file: File,
    path: PathBuf,
}

impl EventFile {
    /// Starts `events.out.tfevents.<seconds>.fer-gpu.<process>` in a folder; a resumed run starts another, which TensorBoard reads
    /// after the first.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(folder: &Path) -> Result<Self> {
        let now = since_1970();
        let name = format!("events.out.tfevents.{:010}.fer-gpu.{}", now as u64, std::process::id());
        let path = folder.join(name);
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        let mut events = Self { file: opened.map_err(Error::io("create", &path))?, path };
        events.write(&record(&Message::default().double(1, now).text(3, VERSION).into_bytes()))?;
        Ok(events)
    }

    /// Adds the values of a step.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> Result<()> {
        let value = |(tag, value): &(&str, f64)| Message::default().text(1, tag).float(2, *value as f32);
        let summary = values.iter().fold(Message::default(), |all, v| all.message(1, &value(v)));
        let event = Message::default().double(1, since_1970()).int(2, step.cast_signed()).message(5, &summary);
        self.write(&record(&event.into_bytes()))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::io("write", &self.path))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Seconds since 1970.
fn since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// A message with its frame.
fn record(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let mut bytes = length.to_vec();
    bytes.extend(masked(&length).to_le_bytes());
    bytes.extend(message);
    bytes.extend(masked(message).to_le_bytes());
    bytes
}

/// The checksum as records hold it: rotated and shifted, so that a checksum of data with checksums in it differs from it.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), a bit at a time: an epoch's record has some two hundred bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// The vectors of RFC 3720, B.4, and the check value of the polynomial.
    #[test]
    fn checksums_are_crc32c() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    /// Reads the records of a file back, checking lengths and checksums.
    fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut take = |n: usize| {
            let (head, rest) = bytes.split_at_checked(n)?;
            bytes = rest;
            Some(head.to_vec())
        };
        let word = |bytes: Vec<u8>| u32::from_le_bytes(bytes.try_into().unwrap());
        let mut out = Vec::new();
        while let Some(length) = take(8) {
            assert_eq!(word(take(4).unwrap()), masked(&length));
            let message = take(u64::from_le_bytes(length.try_into().unwrap()) as usize).unwrap();
            assert_eq!(word(take(4).unwrap()), masked(&message));
            out.push(message);
        }
        out
    }

    #[test]
    fn files_are_records_of_events() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::create(folder.path()).unwrap();
        events.scalars(1, &[("loss", 1.5), ("val_loss", f64::NAN)]).unwrap();
        events.scalars(300, &[("loss", 1.25)]).unwrap();
        assert!(events.path().file_name().unwrap().to_str().unwrap().starts_with("events.out.tfevents.1"));
        let [version, first, second] = records(&std::fs::read(events.path()).unwrap()).try_into().unwrap();
        // Field 1, eight bytes of time; then field 3, a text of 13 bytes.
        assert_eq!((version[0], &version[9..]), (0x09, &b"\x1a\x0dbrain.Event:2"[..]));
        // Step 1; a summary of 30 bytes with two values.
        assert_eq!(first[9..13], [0x10, 1, 0x2a, 30]);
        assert_eq!(first[13..26], *b"\x0a\x0b\x0a\x04loss\x15\x00\x00\xc0\x3f");
        assert_eq!(first[26..38], *b"\x0a\x0f\x0a\x08val_loss");
        assert!(f32::from_le_bytes(first[39..43].try_into().unwrap()).is_nan());
        // Step 300 is a varint of two bytes.
        assert_eq!(second[9..14], [0x10, 0xac, 0x02, 0x2a, 13]);
    }
}
