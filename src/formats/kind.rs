//! What a file is by its content, where it is not what was asked for.

use crate::error::{Error, Result};
use crate::input;
use std::fmt;
use std::io::Read;
use std::path::Path;

/// Bytes that are looked at.
const PREFIX: u64 = 1 << 16;

/// Files of networks, and what people mistake for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Keras's `.h5`, `.hdf5`, `.weights.h5`.
    Hdf5,
    /// Keras's `.keras`.
    KerasZip,
    /// A zip archive or a pickle of PyTorch's.
    PyTorch,
    /// Any other zip archive.
    Zip,
    /// ONNX.
    Onnx,
    /// TensorFlow's SavedModel or frozen graph.
    TensorFlow,
    /// TensorFlow Lite.
    TfLite,
    /// JSON.
    Json,
    /// An image.
    Image,
}

impl Kind {
    /// What a file is, if it is one of these.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn of(path: &Path) -> Result<Option<Self>> {
        let file = input::open(path, "a file of a network")?;
        let mut bytes = Vec::new();
        file.take(PREFIX).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
        Ok(Self::of_prefix(&bytes))
    }

    /// What a file is that begins so.
    pub fn of_prefix(bytes: &[u8]) -> Option<Self> {
        let bytes = &bytes[..bytes.len().min(PREFIX as usize)];
        let contains = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        Some(match bytes {
            [0x89, b'H', b'D', b'F', ..] => Self::Hdf5,
            [b'P', b'K', 3, 4, ..] if contains("config.json") || contains("model.weights.h5") => Self::KerasZip,
            [b'P', b'K', 3, 4, ..] if contains("data.pkl") => Self::PyTorch,
            [b'P', b'K', 3, 4, ..] => Self::Zip,
            [_, _, _, _, b'T', b'F', b'L', b'3', ..] => Self::TfLite,
            // A pickle of protocol 2 to 5: torch.save before version 1.6.
            [0x80, 2..=5, ..] => Self::PyTorch,
            // A protocol buffer whose first field is the version: of SavedModel's schema 1, then a graph; of ONNX's format 3 and on.
            [0x08, 1, 0x12, ..] => Self::TensorFlow,
            [0x08, 1..=20, 0x12 | 0x1a | 0x22 | 0x3a | 0x42, ..] => Self::Onnx,
            // A list of nodes.
            [0x0a, ..] if contains("Placeholder") || contains("Const") => Self::TensorFlow,
            _ if image::guess_format(bytes).is_ok() => Self::Image,
            _ if bytes.trim_ascii_start().starts_with(b"{") => Self::Json,
            _ => return None,
        })
    }

    /// The way on for who wants to use a file of this kind as a network.
    pub fn way_on(self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Hdf5 | Self::KerasZip => format!("`fer-gpu import {path}` makes a checkpoint of it"),
            Self::Json => "if it describes a model of Keras: `fer-gpu import WEIGHTS.h5 --model FILE.json`".into(),
            Self::Image => "images come after the network: a run folder or a .safetensors file".into(),
            Self::Onnx | Self::PyTorch | Self::TensorFlow | Self::TfLite | Self::Zip => {
                "`fer-gpu import` reads models that Keras saved (.keras, .h5); load it in Keras, or build its layers there, and \
                 save it as one of these"
                    .into()
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hdf5 => "an HDF5 file, as Keras saves models and weights",
            Self::KerasZip => "a Keras model (.keras)",
            Self::PyTorch => "a file of PyTorch's",
            Self::Zip => "a zip archive",
            Self::Onnx => "an ONNX model",
            Self::TensorFlow => "a TensorFlow model (protocol buffer)",
            Self::TfLite => "a TensorFlow Lite model",
            Self::Json => "a JSON file",
            Self::Image => "an image",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_content() {
        for (bytes, kind) in [
            (&b"\x89HDF\r\n\x1a\n"[..], Some(Kind::Hdf5)),
            (b"PK\x03\x04 metadata.json config.json", Some(Kind::KerasZip)),
            (b"PK\x03\x04 archive/data.pkl", Some(Kind::PyTorch)),
            (b"PK\x03\x04 photos/a.jpg", Some(Kind::Zip)),
            (b"\x80\x02\x8a\x0a", Some(Kind::PyTorch)),
            (b"\x08\x0a\x12\x07pytorch\x1a\x05", Some(Kind::Onnx)),
            (b"\x08\x08:\xd3\x01", Some(Kind::Onnx)),
            (b"\x08\x01\x12\xff\x10", Some(Kind::TensorFlow)),
            (b"\x0a\x2f\x0a\x01x\x12\x0bPlaceholder", Some(Kind::TensorFlow)),
            (b"\x1c\0\0\0TFL3", Some(Kind::TfLite)),
            (b" {\"class_name\": 1}", Some(Kind::Json)),
            (b"\x89PNG\r\n\x1a\n", Some(Kind::Image)),
            // The length of a checkpoint's header.
            (b"\xe8\x05\0\0\0\0\0\0{\"__metadata__\"", None),
            (b"", None),
        ] {
            assert_eq!(Kind::of_prefix(bytes), kind, "{bytes:?}");
        }
    }
}
