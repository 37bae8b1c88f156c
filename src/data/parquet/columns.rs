//! Which columns of a parquet file hold the images and the labels, and what the labels are called.
//!
//! Hugging Face's `datasets` writes JSON into the file's metadata under `huggingface`: `info.features` has, for each column, its
//! `_type` (`Image`, `ClassLabel`) and a class label's `names`. Files of others go by their columns' names.

use std::path::Path;

use parquet::basic::Type;
use parquet::file::metadata::FileMetaData;
use parquet::schema::types::ColumnDescriptor;
use serde_json::Value;

use crate::error::{Error, Result};

const EXPECTED: &str =
    "an `image` of bytes (a struct with `bytes`, as Hugging Face writes it, or a column) and a `label`";

/// What a file's columns are.
pub(super) struct Columns {
    /// Place of the image bytes among the leaves of the schema.
    pub image: usize,
    /// Place of the labels.
    pub label: usize,
    /// What the file says that the labels are called.
    pub names: Option<Vec<String>>,
}

impl Columns {
    /// Finds them.
    ///
    /// # Errors
    /// No such column, or one of another type; two that could be meant.
    pub(super) fn find(path: &Path, about: &FileMetaData) -> Result<Self> {
        let features = features(path, about)?;
        let of_type = |kind: &str| -> Vec<&str> {
            let of = features.iter().flat_map(|features| features.iter());
            of.filter(|(_, feature)| feature["_type"] == kind).map(|(name, _)| name.as_str()).collect()
        };
        let leaves = about.schema_descr().columns();
        let refuse = |what: String| {
            let found: Vec<String> = leaves.iter().map(|leaf| leaf.path().string()).collect();
            Err(Error::data(path, format!("{what}: its columns are {}", found.join(", ")), EXPECTED))
        };
        let Some(image) = choose(&of_type("Image"), &["image", "img"], |name| {
            leaves.iter().position(|l| l.path().string() == format!("{name}.bytes") || l.path().string() == name)
        }) else {
            return refuse("no column of images, or several".into());
        };
        let leaf = |name: &str| leaves.iter().position(|leaf| leaf.path().string() == name);
        let Some(label) = choose(&of_type("ClassLabel"), &["label", "labels"], leaf) else {
            return refuse("no column of labels, or several".into());
        };
        check_type(path, &leaves[image], &[Type::BYTE_ARRAY])?;
        check_type(path, &leaves[label], &[Type::BYTE_ARRAY, Type::INT32, Type::INT64])?;
        let column = leaves[label].path().string();
        let names = features.as_ref().and_then(|features| features.get(&column)?.get("names")?.as_array());
        let names = names.map(|names| names.iter().map(|name| name.as_str().map(str::to_owned)).collect());
        match names {
            Some(None) => refuse("names of classes in its metadata that are no text".into()),
            names => Ok(Self { image, label, names: names.flatten() }),
        }
    }
}

/// The column that is meant: one of the usual names if there is one (of those of the right type, where types are known), else the only
/// one of the type.
fn choose(typed: &[&str], usual: &[&str], find: impl Fn(&str) -> Option<usize>) -> Option<usize> {
    let of_type = |name: &&&str| typed.is_empty() || typed.contains(*name);
    let named = usual.iter().filter(of_type).find_map(|name| find(name));
    named.or_else(|| if let [only] = typed { find(only) } else { None })
}

/// The features by column, where the file has them.
fn features(path: &Path, about: &FileMetaData) -> Result<Option<serde_json::Map<String, Value>>> {
    let pairs = about.key_value_metadata().map(Vec::as_slice).unwrap_or_default();
    let Some(text) = pairs.iter().find(|pair| pair.key == "huggingface").and_then(|pair| pair.value.as_ref()) else {
        return Ok(None);
    };
    let refuse =
        |what: String| Error::data(path, what, "info.features with a `_type` a column, as `datasets` writes it");
    let json: Value = serde_json::from_str(text).map_err(|e| refuse(format!("its `huggingface` metadata: {e}")))?;
    match json.pointer("/info/features").and_then(Value::as_object) {
        Some(features) => Ok(Some(features.clone())),
        None => Err(refuse("its `huggingface` metadata has no features".into())),
    }
}

/// Refuses lists and other types.
fn check_type(path: &Path, leaf: &ColumnDescriptor, wanted: &[Type]) -> Result<()> {
    if leaf.max_rep_level() == 0 && wanted.contains(&leaf.physical_type()) {
        return Ok(());
    }
    let list = if leaf.max_rep_level() > 0 { "lists of " } else { "" };
    let what = format!("column `{}` holds {list}{}", leaf.path().string(), leaf.physical_type());
    Err(Error::data(path, what, EXPECTED))
}
