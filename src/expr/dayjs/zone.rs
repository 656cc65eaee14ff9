//! Time zones by name, as `Intl.DateTimeFormat` of V8 knows them.

use std::fmt::Write;

use chrono::{Offset, TimeZone};
use chrono_tz::Tz;

use crate::expr::Thrown;
use crate::expr::date::calendar::{Fields, chrono_time};
use crate::expr::date::zone_name;

/// A time zone of the tz database.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Zone(Tz);

impl Zone {
    /// Names are those of the tz database in upper or lower case.
    pub fn named(name: &str) -> Result<Self, Thrown> {
        let old = OLD_NAMES.iter().find(|(old, _)| old.eq_ignore_ascii_case(name));
        let known = Tz::from_str_insensitive(old.map_or(name, |(_, zone)| zone)).ok();
        known.map(Zone).ok_or_else(|| Thrown::range_error(format!("Invalid time zone specified: {name}")))
    }

    /// How many seconds the zone's clocks are ahead of UTC at a point in time.
    pub fn seconds_ahead(self, time: f64) -> f64 {
        let offset = chrono_time(within_tables(time));
        let offset = offset.map(|time| self.0.offset_from_utc_datetime(&time.naive_utc()));
        offset.map_or(0.0, |offset| f64::from(offset.fix().local_minus_utc()))
    }

    /// What the zone is called at a point in time: `EST`, `GMT+8`; or `Eastern Standard Time`, `GMT+08:00`. In
    /// English only North America, UTC and GMT have short names.
    pub fn name(self, time: f64, length: NameLength) -> String {
        let id = self.0.name();
        let long = match zone_name::long(self.0, within_tables(time)) {
            // `Intl` says UTC where the text of a date says GMT.
            Some("Greenwich Mean Time") if id.starts_with("Etc/") || id.starts_with("GMT") => {
                Some("Coordinated Universal Time")
            }
            long => long,
        };
        let name = match length {
            NameLength::Long => long,
            NameLength::Short if long == Some("Hawaii-Aleutian Standard Time") && has_summer(id) => {
                Some("HAST")
            }
            NameLength::Short => SHORT.iter().find(|(known, _)| long == Some(known)).map(|(_, short)| *short),
        };
        name.map_or_else(|| offset_name(self.seconds_ahead(time) / 60.0, length), str::to_owned)
    }
}

/// Whether a zone of the Hawaii-Aleutian time has summer time, as Hawaii itself does not.
fn has_summer(id: &str) -> bool {
    matches!(id, "America/Adak" | "America/Atka" | "US/Aleutian")
}

/// The same time of a year that the tables of chrono-tz cover. They end with the 21st century, while the
/// rules of the zones go on; the year is one with the same weekdays and as many days.
fn within_tables(time: f64) -> f64 {
    const LAST_YEAR: f64 = 2099.0;
    let start = |year: f64| Fields::midnight(year, 0.0, 1.0);
    let days_of = |year: f64| start(year + 1.0).reading() - start(year).reading();
    let year = Fields::of(time).year;
    if year.is_nan() || year <= LAST_YEAR {
        return time;
    }
    let same = (0..28)
        .map(|back| LAST_YEAR - f64::from(back))
        .find(|other| start(*other).weekday() == start(year).weekday() && days_of(*other) == days_of(year));
    same.map_or(time, |same| time - start(year).reading() + start(same).reading())
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NameLength {
    Short,
    Long,
}

/// `GMT+8`, `GMT+5:30` or `GMT+08:00`, `GMT+05:30` for an offset in minutes.
pub(super) fn offset_name(minutes: f64, length: NameLength) -> String {
    let utc = match length {
        NameLength::Short => "UTC",
        NameLength::Long => "Coordinated Universal Time",
    };
    if minutes == 0.0 {
        return utc.to_owned();
    }
    let sign = if minutes < 0.0 { '-' } else { '+' };
    let whole = minutes.abs() as u32;
    let (hour, minute) = (whole / 60, whole % 60);
    if length == NameLength::Long {
        return zone_name::offset(minutes);
    }
    let mut name = format!("GMT{sign}{hour}");
    if minute > 0 {
        // Writing to a text cannot fail.
        let _ = write!(name, ":{minute:02}");
    }
    name
}

/// Long and short names in English.
const SHORT: &[(&str, &str)] = &[
    ("Coordinated Universal Time", "UTC"),
    ("Greenwich Mean Time", "GMT"),
    ("Atlantic Standard Time", "AST"),
    ("Atlantic Daylight Time", "ADT"),
    ("Eastern Standard Time", "EST"),
    ("Eastern Daylight Time", "EDT"),
    ("Central Standard Time", "CST"),
    ("Central Daylight Time", "CDT"),
    ("Mountain Standard Time", "MST"),
    ("Mountain Daylight Time", "MDT"),
    ("Pacific Standard Time", "PST"),
    ("Pacific Daylight Time", "PDT"),
    ("Alaska Standard Time", "AKST"),
    ("Alaska Daylight Time", "AKDT"),
    ("Hawaii-Aleutian Standard Time", "HST"),
    ("Hawaii-Aleutian Daylight Time", "HADT"),
];

/// Names that `Intl` keeps from before the tz database.
const OLD_NAMES: &[(&str, &str)] = &[
    ("ACT", "Australia/Darwin"),
    ("AET", "Australia/Sydney"),
    ("AGT", "America/Argentina/Buenos_Aires"),
    ("ART", "Africa/Cairo"),
    ("AST", "America/Anchorage"),
    ("BET", "America/Sao_Paulo"),
    ("BST", "Asia/Dhaka"),
    ("CAT", "Africa/Harare"),
    ("CNT", "America/St_Johns"),
    ("CST", "America/Chicago"),
    ("CTT", "Asia/Shanghai"),
    ("EAT", "Africa/Addis_Ababa"),
    ("ECT", "Europe/Paris"),
    ("IET", "America/Indianapolis"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("MIT", "Pacific/Apia"),
    ("NET", "Asia/Yerevan"),
    ("NST", "Pacific/Auckland"),
    ("PLT", "Asia/Karachi"),
    ("PNT", "America/Phoenix"),
    ("PRT", "America/Puerto_Rico"),
    ("PST", "America/Los_Angeles"),
    ("SST", "Pacific/Guadalcanal"),
    ("VST", "Asia/Ho_Chi_Minh"),
];
