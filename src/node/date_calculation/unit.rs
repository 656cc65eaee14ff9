//! Units of time by name.

/// A unit as dayjs reads it.
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
    /// A name that is none.
    Other,
}

impl Unit {
    /// `month`, `months`, `Month` or `M`: of abbreviations the case counts.
    pub fn parse(name: &str) -> Self {
        let abbreviated = match name {
            "y" => Unit::Year,
            "Q" => Unit::Quarter,
            "M" => Unit::Month,
            "w" => Unit::Week,
            "d" => Unit::Day,
            "h" => Unit::Hour,
            "m" => Unit::Minute,
            "s" => Unit::Second,
            "ms" => Unit::Millisecond,
            _ => Unit::Other,
        };
        if abbreviated != Unit::Other {
            return abbreviated;
        }
        let lower = name.to_lowercase();
        match lower.strip_suffix('s').unwrap_or(&lower) {
            "isoweek" => Unit::IsoWeek,
            singular => Unit::singular(singular),
        }
    }

    /// The names that NocoBase offers: `year` to `millisecond`, a week being one from Sunday to Saturday.
    pub fn singular(name: &str) -> Self {
        match name {
            "year" => Unit::Year,
            "quarter" => Unit::Quarter,
            "month" => Unit::Month,
            "week" => Unit::Week,
            "day" => Unit::Day,
            "hour" => Unit::Hour,
            "minute" => Unit::Minute,
            "second" => Unit::Second,
            "millisecond" => Unit::Millisecond,
            _ => Unit::Other,
        }
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
            Unit::Quarter | Unit::IsoWeek | Unit::Other => return None,
        })
    }
}
