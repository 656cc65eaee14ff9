//! Sizes and times as people write them in settings and in configurations: `10mb`, `1h`.

use std::time::Duration;

/// `10mb`, `512 kb`, `1048576`: the forms of the `bytes` package that NocoBase's body parser uses, in bytes.
pub(crate) fn size(text: &str) -> Option<usize> {
    let text = text.trim().to_ascii_lowercase();
    let (number, unit) = split(&text)?;
    let unit = match unit {
        "" | "b" => 1.0,
        "kb" => 1024.0,
        "mb" => 1024.0 * 1024.0,
        "gb" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some((number * unit) as usize)
}

/// `500ms`, `30s`, `5m`, `1h`, `7d`; seconds where there is no unit.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text.trim())?;
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

fn split(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1024() {
        for (text, bytes) in [("10mb", 10 << 20), ("512 kb", 512 << 10), (" 7 ", 7), ("1.5KB", 1536)] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "mb", "-1", "1tb", "1.2.3kb"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_seconds_unless_they_say_otherwise() {
        for (text, ms) in
            [("500ms", 500), ("2", 2_000), ("1.5 m", 90_000), ("1h", 3_600_000), ("1d", 86_400_000)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "-1s", "1w", "1e5", &"9".repeat(30)] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
