//! The statuses of executions and jobs by their names.

use entity::status::execution::{
    ABORTED, CANCELED, ERROR, FAILED, REJECTED, RESOLVED, RETRY_NEEDED, STARTED,
};

/// By the names of NocoBase's constants; none is an execution that waits for its turn.
const NAMES: [(&str, Option<i32>); 9] = [
    ("queueing", None),
    ("started", Some(STARTED)),
    ("resolved", Some(RESOLVED)),
    ("failed", Some(FAILED)),
    ("error", Some(ERROR)),
    ("aborted", Some(ABORTED)),
    ("canceled", Some(CANCELED)),
    ("rejected", Some(REJECTED)),
    ("retry-needed", Some(RETRY_NEEDED)),
];

/// What a status is called.
pub(super) fn name(status: Option<i32>) -> &'static str {
    NAMES.iter().find(|(_, known)| *known == status).map_or("unknown", |(name, _)| name)
}

/// The status of a name.
pub(super) fn named(text: &str) -> anyhow::Result<Option<i32>> {
    let found = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    found.map(|(_, status)| *status).ok_or_else(|| {
        let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        anyhow::anyhow!("a status is one of {}", names.join(", "))
    })
}

/// The name in a column of `width`; green for success, red for failure, yellow for what was ended.
pub(super) fn coloured(status: Option<i32>, width: usize, is_coloured: bool) -> String {
    let text = format!("{:<width$}", name(status));
    let colour = match status {
        _ if !is_coloured => return text,
        Some(RESOLVED) => 32,
        Some(FAILED | ERROR | RETRY_NEEDED) => 31,
        Some(ABORTED | CANCELED | REJECTED) => 33,
        _ => return text,
    };
    format!("\u{1b}[{colour}m{text}\u{1b}[0m")
}
