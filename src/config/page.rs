//! The page for a browser on the same machine.

use super::reader::Reader;

#[derive(Clone, Debug, Default)]
pub struct Page {
    /// `SIDEHOOK_PAGE`: whether `GET /` shows webhooks and executions to callers from the same machine.
    pub is_shown: bool,
    /// Events that can be sent from it. With them it shows results too, so it is for data of the demo only.
    pub samples: Vec<Sample>,
}

/// An event that the page sends.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The workflow's.
    pub key: String,
    /// JSON.
    pub body: &'static str,
    /// The value of `Authorization`.
    pub authorization: Option<&'static str>,
}

impl Page {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let is_shown = reader.with("SIDEHOOK_PAGE", "true or false", |text| text.parse().ok());
        Self { is_shown: is_shown.unwrap_or(false), samples: Vec::new() }
    }
}
