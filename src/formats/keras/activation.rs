//! What a layer of Keras's does to its output.

use super::model::foreign;
use crate::ops::describe::Config;
use serde_json::Value as Json;

/// An activation.
pub(super) enum Activation {
    Linear,
    Op { class: String, config: Config },
}

impl Activation {
    /// `"relu"`, or an object with a class, as Keras 3 may write it.
    pub(super) fn of(json: &Json) -> Result<Self, String> {
        let plain = |name: &str| match name {
            "linear" => Self::Linear,
            _ => {
                let config = Config::from_iter([("activation".to_owned(), Json::from(name))]);
                Self::Op { class: "Activation".into(), config }
            }
        };
        match json {
            Json::Null => Ok(Self::Linear),
            Json::String(name) => Ok(plain(name)),
            Json::Object(_) => {
                if let Some(whose) = foreign(json) {
                    return Err(format!("its activation is a function or class of its author's, {whose}"));
                }
                match (json["class_name"].as_str(), &json["config"]) {
                    (Some("function"), Json::String(name)) => Ok(plain(name)),
                    (Some(class), Json::Object(config)) => Ok(Self::Op { class: class.into(), config: config.clone() }),
                    _ => Err("its activation is malformed".into()),
                }
            }
            _ => Err("its activation is malformed".into()),
        }
    }
}
