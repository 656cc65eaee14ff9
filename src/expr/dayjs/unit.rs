//! Units of time: those of dayjs, which the date operators of filters and the ranges of `$system` share.

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unit {
    Year,
    Quarter,
    Month,
    /// From Sunday to Saturday.
    Week,
    /// From Monday to Sunday.
    IsoWeek,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

impl Unit {
    /// The unit that dayjs takes a name for: `month`, `months`, `Month` or `M`, where of abbreviations the case
    /// counts. A name that it does not know is one for milliseconds.
    pub fn parse(name: &str) -> Self {
        match name {
            "y" => return Unit::Year,
            "Q" => return Unit::Quarter,
            "M" => return Unit::Month,
            "w" => return Unit::Week,
            "d" => return Unit::Day,
            "h" => return Unit::Hour,
            "m" => return Unit::Minute,
            "s" => return Unit::Second,
            _ => {}
        }
        let lower = name.to_lowercase();
        match lower.strip_suffix('s').unwrap_or(&lower) {
            "isoweek" => Unit::IsoWeek,
            singular => Unit::named(singular).unwrap_or(Unit::Millisecond),
        }
    }

    /// The names that NocoBase offers: `year` to `millisecond`, a week being one from Sunday to Saturday.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "year" => Unit::Year,
            "quarter" => Unit::Quarter,
            "month" => Unit::Month,
            "week" => Unit::Week,
            "day" => Unit::Day,
            "hour" => Unit::Hour,
            "minute" => Unit::Minute,
            "second" => Unit::Second,
            "millisecond" => Unit::Millisecond,
            _ => return None,
        })
    }

    /// Milliseconds of the unit as a duration; quarters are none.
    pub fn duration(self) -> Option<f64> {
        const DAY: f64 = 86_400_000.0;
        Some(match self {
            Unit::Year => 365.0 * DAY,
            Unit::Month => 365.0 * DAY / 12.0,
            Unit::Week => 7.0 * DAY,
            Unit::Day => DAY,
            Unit::Hour => 3_600_000.0,
            Unit::Minute => 60_000.0,
            Unit::Second => 1000.0,
            Unit::Millisecond => 1.0,
            Unit::Quarter | Unit::IsoWeek => return None,
        })
    }
}
