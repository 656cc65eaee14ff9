//! `TZ`, the time zone of `$system.dateRange` and of times in texts. It is a matter of the process, so a file cannot
//! set it; here it is only looked at.

use std::path::Path;

use super::reader::Reader;

/// Warns of a zone that nobody knows: times would be in UTC.
pub(super) fn check(reader: &mut Reader) {
    let Some(name) = reader.environment("TZ") else { return };
    let name = name.trim_start_matches(':');
    let is_rule = name.contains(|c: char| c.is_ascii_digit());
    let is_known = name.parse::<chrono_tz::Tz>().is_ok()
        || is_rule
        || Path::new("/usr/share/zoneinfo").join(name).exists();
    if !is_known {
        reader.warn("TZ names no time zone that is known here: times are in UTC");
    }
}
