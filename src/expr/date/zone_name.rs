//! What time zones are called in English, as V8 writes it behind a date (`China Standard Time`), and which one
//! the server's is.

use std::collections::HashMap;
use std::sync::LazyLock;

use chrono::{Offset, TimeZone};
use chrono_tz::{OffsetComponents, Tz};

use super::calendar::{Fields, chrono_time};

/// `standard|summer|zones` per line, the second one empty where there is no summer time. `zone_names.js` has
/// made it with Node.js 20.20 (ICU 78.2, CLDR 48).
const TABLE: &str = include_str!("zone_names.txt");

/// The names of a zone in standard time and in summer time.
#[derive(Clone, Copy, Debug)]
struct Names {
    standard: &'static str,
    summer: &'static str,
}

/// The server's zone: what `TZ` names, else the one of the system. `None` for what is no zone of the database.
static SERVER: LazyLock<Option<Tz>> = LazyLock::new(|| {
    #[expect(clippy::disallowed_methods, reason = "the clock that chrono shows goes by it, too")]
    let named = std::env::var("TZ").ok().filter(|name| !name.is_empty());
    // Where nothing names one, in a container without the files of the system, it is UTC.
    let Some(name) = named.or_else(|| iana_time_zone::get_timezone().ok()) else { return Some(Tz::UTC) };
    let name = name.strip_prefix(':').unwrap_or(&name);
    name.strip_prefix("posix/").unwrap_or(name).parse().ok()
});

/// The name of the server's zone at a point in time, for the text of a date whose clock is so many minutes ahead
/// of UTC.
pub fn server(time: f64, minutes_ahead: f64) -> String {
    match SERVER.as_ref().and_then(|zone| in_text_of_date(*zone, time)) {
        Some(name) => name.to_owned(),
        None => offset(minutes_ahead),
    }
}

/// The name of a zone at a point in time.
pub fn long(zone: Tz, time: f64) -> Option<&'static str> {
    let names = names(zone)?;
    let is_summer = is_summer(zone, time)? && !names.summer.is_empty();
    Some(if is_summer { names.summer } else { names.standard })
}

/// V8 knows from 1970 to 2038 whether it is summer time. Before and after it asks for a year with the same
/// calendar.
fn in_text_of_date(zone: Tz, time: f64) -> Option<&'static str> {
    const LAST: f64 = i32::MAX as f64 * 1000.0;
    let known = if (0.0..=LAST).contains(&time) { time } else { in_equivalent_year(time) };
    long(zone, known)
}

/// The same time of a year from 2008 to 2035 with the same weekdays and as many days.
fn in_equivalent_year(time: f64) -> f64 {
    let start = |year: f64| Fields::midnight(year, 0.0, 1.0);
    let days_of = |year: f64| start(year + 1.0).reading() - start(year).reading();
    let year = Fields::of(time).year;
    let is_equivalent =
        |other: &f64| start(*other).weekday() == start(year).weekday() && days_of(*other) == days_of(year);
    let other = (2008..2036).map(f64::from).find(is_equivalent);
    other.map_or(time, |other| time - start(year).reading() + start(other).reading())
}

/// Whether a zone has summer time. Irish time is the other way round in the time zone database: there the winter
/// is the exception, while ICU has an ordinary summer.
fn is_summer(zone: Tz, time: f64) -> Option<bool> {
    let offset = zone.offset_from_utc_datetime(&chrono_time(time)?.naive_utc());
    Some(match zone {
        Tz::Europe__Dublin | Tz::Eire => offset.fix().local_minus_utc() > 0,
        _ => !offset.dst_offset().is_zero(),
    })
}

fn names(zone: Tz) -> Option<Names> {
    static NAMES: LazyLock<HashMap<&'static str, Names>> = LazyLock::new(|| {
        let mut names = HashMap::new();
        for line in TABLE.lines() {
            let mut parts = line.splitn(3, '|').map(str::trim);
            let (Some(standard), Some(summer), Some(zones)) = (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            names.extend(zones.split(' ').map(|zone| (zone, Names { standard, summer })));
        }
        names
    });
    NAMES.get(zone.name()).copied()
}

/// `GMT+08:00`, for a zone without a name.
pub fn offset(minutes_ahead: f64) -> String {
    let sign = if minutes_ahead < 0.0 { '-' } else { '+' };
    let whole = minutes_ahead.abs() as u32;
    format!("GMT{sign}{:02}:{:02}", whole / 60, whole % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Node.js 20.20 wrote for these.
    #[test]
    fn zones_are_called_what_v8_calls_them() {
        let cases = [
            ("Asia/Shanghai", 1_000_000_000_000.0, "China Standard Time"),
            ("PRC", 620_000_000_000.0, "China Daylight Time"),
            ("Europe/London", 1_000_000_000_000.0, "British Summer Time"),
            ("Europe/London", 1_010_000_000_000.0, "Greenwich Mean Time"),
            ("America/St_Johns", 1_000_000_000_000.0, "Newfoundland Daylight Time"),
            ("America/New_York", 1_010_000_000_000.0, "Eastern Standard Time"),
            ("Europe/Berlin", 4_086_000_000_000.0, "Central European Summer Time"),
            ("Europe/Dublin", 1_010_000_000_000.0, "Greenwich Mean Time"),
            ("Europe/Dublin", 1_000_000_000_000.0, "Irish Standard Time"),
            ("Etc/GMT+5", 0.0, "GMT-05:00"),
            ("UTC", 0.0, "Coordinated Universal Time"),
            ("Europe/Istanbul", 1_700_000_000_000.0, "Türkiye Standard Time"),
        ];
        for (zone, time, expected) in cases {
            let zone = zone.parse().expect(zone);
            assert_eq!(in_text_of_date(zone, time), Some(expected), "{zone} {time}");
        }
    }

    /// China had summer time in 1949, which V8 does not see there.
    #[test]
    fn other_times_are_those_of_a_year_with_the_same_calendar() {
        let shanghai = Tz::Asia__Shanghai;
        let summer_of_1949 = Fields::midnight(1949.0, 4.0, 10.0).reading();
        assert_eq!(in_text_of_date(shanghai, summer_of_1949), Some("China Standard Time"));
        assert_eq!(long(shanghai, summer_of_1949), Some("China Daylight Time"));
        let new_york = Tz::America__New_York;
        for year in [-100_000.0, 1600.0, 3000.0, 200_000.0] {
            let summer = Fields::midnight(year, 6.0, 1.0).reading();
            assert_eq!(in_text_of_date(new_york, summer), Some("Eastern Daylight Time"), "{year}");
        }
    }

    #[test]
    fn zones_without_names_have_offsets() {
        assert_eq!([offset(480.0), offset(-210.0), offset(0.0)], ["GMT+08:00", "GMT-03:30", "GMT+00:00"]);
    }
}
