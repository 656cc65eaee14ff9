//! What is logged, and how.

use super::reader::Reader;

#[derive(Clone, Debug)]
pub struct Log {
    /// `SIDEHOOK_LOG`: a filter of tracing-subscriber, such as `info` or `sidehook=debug`.
    pub filter: String,
    /// `SIDEHOOK_LOG_FORMAT`: `text`, `json`, or `auto` for text on a terminal and JSON otherwise.
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Auto,
    Text,
    Json,
}

impl Log {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let default = || "info,sqlx=warn,poem=warn".to_owned();
        let format = reader.with("SIDEHOOK_LOG_FORMAT", "auto, text or json", |text| match text {
            "auto" => Some(LogFormat::Auto),
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        });
        Self {
            filter: reader.text("SIDEHOOK_LOG").unwrap_or_else(default),
            format: format.unwrap_or(LogFormat::Auto),
        }
    }
}
