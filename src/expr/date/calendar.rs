//! Calendar arithmetic on JavaScript's numbers: milliseconds since 1970 as doubles, NaN for what is no date
//! (ECMA-262, "Date Objects").

use chrono::{DateTime, MappedLocalTime, Offset, TimeZone};

pub const MS_PER_MINUTE: f64 = 60_000.0;
pub const MS_PER_DAY: f64 = 86_400_000.0;

/// A date reaches 100 million days to either side of 1970.
const LAST_MS: f64 = 8.64e15;

/// A reading of a clock, all NaN for an invalid date. Fields beyond their range carry over into the next
/// greater one, fractions are cut off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fields {
    pub year: f64,
    /// From 0.
    pub month: f64,
    /// Of the month, from 1.
    pub day: f64,
    pub hour: f64,
    pub minute: f64,
    pub second: f64,
    pub millisecond: f64,
}

impl Fields {
    /// What a clock reads; `reading` counts its milliseconds since it read 1970-01-01T00:00.
    pub fn of(reading: f64) -> Self {
        if !reading.is_finite() {
            let none = f64::NAN;
            return Self {
                year: none,
                month: none,
                day: none,
                hour: none,
                minute: none,
                second: none,
                millisecond: none,
            };
        }
        let (year, month, day) = civil((reading / MS_PER_DAY).floor() as i64);
        let in_day = reading.rem_euclid(MS_PER_DAY);
        Self {
            year: year as f64,
            month: month as f64,
            day: day as f64,
            hour: (in_day / 3_600_000.0).floor(),
            minute: (in_day / MS_PER_MINUTE).floor() % 60.0,
            second: (in_day / 1000.0).floor() % 60.0,
            millisecond: in_day % 1000.0,
        }
    }

    /// The start of a day.
    pub fn midnight(year: f64, month: f64, day: f64) -> Self {
        Self { year, month, day, hour: 0.0, minute: 0.0, second: 0.0, millisecond: 0.0 }
    }

    /// The milliseconds that [`Fields::of`] takes apart.
    pub fn reading(self) -> f64 {
        // Far beyond what a date reaches, but small enough for whole numbers.
        const MOST_YEARS: f64 = 1e6;
        const MOST_MONTHS: f64 = 1e7;
        let (year, month) = (self.year.trunc(), self.month.trunc());
        // Not `abs() > MOST`, because that lets NaN through.
        if !(year.abs() <= MOST_YEARS && month.abs() <= MOST_MONTHS) {
            return f64::NAN;
        }
        let months = year as i64 * 12 + month as i64;
        let first = day_number(months.div_euclid(12), months.rem_euclid(12)) as f64;
        let hours = self.hour.trunc() * 3_600_000.0 + self.minute.trunc() * MS_PER_MINUTE;
        let time = hours + self.second.trunc() * 1000.0 + self.millisecond.trunc();
        let reading = (first + self.day.trunc() - 1.0) * MS_PER_DAY + time;
        if reading.is_finite() { reading } else { f64::NAN }
    }

    /// 0 for Sunday.
    pub fn weekday(self) -> f64 {
        let days = (self.reading() / MS_PER_DAY).floor();
        (days + 4.0).rem_euclid(7.0)
    }
}

pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The constructor of `Date` takes the years 0 to 99 for those of the 20th century.
pub fn constructor_year(year: f64) -> f64 {
    let whole = year.trunc();
    if (0.0..=99.0).contains(&whole) { 1900.0 + whole } else { year }
}

/// `TimeClip`: whole milliseconds within what a date reaches, else NaN.
pub fn clip(time: f64) -> f64 {
    if time.abs() <= LAST_MS { time.trunc() + 0.0 } else { f64::NAN }
}

/// What the server's clock reads at a point in time.
pub fn server_reading(time: f64) -> f64 {
    time + server_offset(time)
}

/// The point in time when the server's clock has this reading: the first one when the clock is set back;
/// when it leaps over the reading, as if it had not.
pub fn at_server_reading(reading: f64) -> f64 {
    if reading.is_nan() || reading.abs() > LAST_MS + MS_PER_DAY {
        return f64::NAN;
    }
    let naive = chrono_time(reading).map(|time| time.naive_utc());
    let offset = naive.map(|naive| chrono::Local.offset_from_local_datetime(&naive));
    match offset {
        Some(MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(offset, _)) => {
            reading - 1000.0 * f64::from(offset.fix().local_minus_utc())
        }
        _ => reading - server_offset(reading - MS_PER_DAY),
    }
}

/// How far the server's clock is ahead of UTC, in milliseconds.
fn server_offset(time: f64) -> f64 {
    let Some(time) = chrono_time(time) else { return f64::NAN };
    let offset = chrono::Local.offset_from_utc_datetime(&time.naive_utc());
    1000.0 * f64::from(offset.local_minus_utc())
}

/// `getTimezoneOffset`: whole minutes that UTC is ahead of the server's clock.
pub fn server_minutes_behind(time: f64) -> f64 {
    (-server_offset(time) / MS_PER_MINUTE).trunc()
}

/// For asking about offsets only: the last years of JavaScript are beyond chrono's and taken as its last.
pub fn chrono_time(time: f64) -> Option<DateTime<chrono::Utc>> {
    const LAST_OF_CHRONO: f64 = 8.2e15;
    if time.is_nan() {
        return None;
    }
    DateTime::from_timestamp_millis(time.clamp(-LAST_OF_CHRONO, LAST_OF_CHRONO).floor() as i64)
}

/// Days from 1970-01-01 to the first of a month (from 0), by counting in years that start in March, so that
/// the leap day is the last one, and in eras of 400 years, which all have the same length.
fn day_number(year: i64, month: i64) -> i64 {
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5;
    era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - DAYS_TO_1970
}

/// Year, month from 0 and day from 1 of a day counted from 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_1970;
    let (era, day) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
    let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era;
    if month < 10 { (year, month + 2, day_of_month) } else { (year + 1, month - 10, day_of_month) }
}

const DAYS_PER_ERA: i64 = 146_097;
/// From 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_beyond_their_range_carry_over() {
        let leap_day = Fields::midnight(2024.0, 1.0, 29.0);
        let same = [
            Fields::midnight(2023.0, 13.0, 29.0),
            Fields::midnight(2024.0, 2.0, 0.0),
            Fields { hour: -24.0, ..Fields::midnight(2024.0, 2.0, 1.0) },
            Fields::midnight(2024.9, 1.9, 29.9),
        ];
        for fields in same {
            assert_eq!(fields.reading(), leap_day.reading(), "{fields:?}");
        }
        assert_eq!(leap_day.weekday(), 4.0);
        assert!(Fields::midnight(f64::NAN, 0.0, 1.0).reading().is_nan());
        assert!(Fields::of(f64::NAN).weekday().is_nan());
    }

    proptest! {
        #[test]
        fn readings_survive(reading in -8_640_000_000_000_000_i64..8_640_000_000_000_000) {
            let reading = reading as f64;
            prop_assert_eq!(Fields::of(reading).reading(), reading);
        }

        #[test]
        fn days_are_those_of_chrono(time in -8_000_000_000_000_000_i64..8_000_000_000_000_000) {
            use chrono::{Datelike, Timelike};
            let fields = Fields::of(time as f64);
            let known = DateTime::from_timestamp_millis(time).expect("within chrono's range");
            prop_assert_eq!(
                (fields.year, fields.month, fields.day, fields.hour, fields.weekday()),
                (
                    f64::from(known.year()),
                    f64::from(known.month0()),
                    f64::from(known.day()),
                    f64::from(known.hour()),
                    f64::from(known.weekday().num_days_from_sunday())
                )
            );
        }

        #[test]
        fn the_server_shows_a_reading_when_it_should(time in 0_i64..4_000_000_000_000) {
            let reading = server_reading(time as f64);
            // When clocks are set back, a reading comes twice.
            prop_assert_eq!(server_reading(at_server_reading(reading)), reading);
        }
    }
}
