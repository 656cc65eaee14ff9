//! A point in time together with the clock that shows it, and the arithmetic of dayjs on it.
//!
//! dayjs computes on what the clock reads, so the clock decides where days and months begin. Three clocks
//! can be shown; see [`Clock`].

use super::unit::Unit;
use super::zone::Zone;
use crate::expr::Date;
use crate::expr::date::calendar::{
    Fields, MS_PER_DAY, MS_PER_MINUTE, at_server_reading, clip, constructor_year, server_minutes_behind,
    server_reading,
};

/// Which clock shows a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Clock {
    /// The server's, in its own time zone.
    Server,
    Utc,
    /// The server's, but meant as one that is so many minutes ahead of UTC. NocoBase's hardened JavaScript
    /// cannot read the clock of another zone, so a change of the zone leaves the reading and moves the time.
    Labelled(f64),
}

#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// When the clock has its reading; for a labelled one before the label counts.
    at: f64,
    clock: Clock,
    /// The zone that was asked for.
    zone: Option<Zone>,
}

/// Which end of a unit of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    First,
    Last,
}

impl Moment {
    /// A moment on the server's clock.
    pub fn new(time: f64) -> Self {
        Self { at: clip(time), clock: Clock::Server, zone: None }
    }

    /// Milliseconds since 1970.
    pub fn time(&self) -> f64 {
        match self.clock {
            Clock::Labelled(minutes) => self.at - (minutes + server_minutes_behind(self.at)) * MS_PER_MINUTE,
            Clock::Server | Clock::Utc => self.at,
        }
    }

    /// The time of the reading, whatever the label says.
    pub fn clock_time(&self) -> f64 {
        self.at
    }

    pub fn to_date(self) -> Date {
        Date(clip(self.time()))
    }

    pub fn is_valid(&self) -> bool {
        !self.at.is_nan()
    }

    /// What the clock reads.
    pub fn fields(&self) -> Fields {
        Fields::of(match self.clock {
            Clock::Utc => self.at,
            Clock::Server | Clock::Labelled(_) => server_reading(self.at),
        })
    }

    /// Minutes that the clock is ahead of UTC; the server's are rounded to quarters of an hour.
    pub fn minutes_ahead(&self) -> f64 {
        match self.clock {
            Clock::Utc => 0.0,
            Clock::Labelled(minutes) => minutes,
            Clock::Server => -round(server_minutes_behind(self.at) / 15.0) * 15.0,
        }
    }

    pub fn zone(&self) -> Option<Zone> {
        self.zone
    }

    /// 1 to 4.
    pub fn quarter(&self) -> f64 {
        ((self.fields().month + 1.0) / 3.0).ceil()
    }

    pub fn is_leap_year(&self) -> bool {
        let year = self.fields().year;
        (year % 4.0 == 0.0 && year % 100.0 != 0.0) || year % 400.0 == 0.0
    }

    /// The same clock with another reading.
    fn with(&self, fields: Fields) -> Self {
        let reading = fields.reading();
        let at = match self.clock {
            Clock::Utc => reading,
            Clock::Server | Clock::Labelled(_) => at_server_reading(reading),
        };
        self.moved_to(at)
    }

    fn moved_to(&self, at: f64) -> Self {
        Self { at: clip(at), ..*self }
    }

    fn with_day(&self, day: f64) -> Self {
        self.with(Fields { day, ..self.fields() })
    }

    /// A month counted from January of this year; the day is at most the last one of it.
    fn with_month(&self, month: f64) -> Self {
        self.clamped(|fields| Fields { month, ..fields })
    }

    fn with_year(&self, year: f64) -> Self {
        self.clamped(|fields| Fields { year, ..fields })
    }

    /// Changes the month or year with the day at most the last one of the month.
    fn clamped(&self, change: impl FnOnce(Fields) -> Fields) -> Self {
        let day = self.fields().day;
        let first = self.with_day(1.0);
        let first = first.with(change(first.fields()));
        // In a zone the end of a month is at times in the next one, so that its last day is the first.
        let last_day = first.bound(Unit::Month, End::Last).fields().day;
        first.with_day(if day > last_day { last_day } else { day })
    }

    /// Adds so many units; days and weeks are rounded to whole days, months and years cut off to whole
    /// ones.
    pub fn add(&self, number: f64, unit: Unit) -> Self {
        let fields = self.fields();
        let step = match unit {
            Unit::Quarter => return self.with_month(fields.month + number * 3.0),
            Unit::Month => return self.with_month(fields.month + number),
            Unit::Year => return self.with_year(fields.year + number),
            Unit::Day => return self.with_day(fields.day + round(number)),
            Unit::Week => return self.with_day(fields.day + round(7.0 * number)),
            Unit::Hour => 3_600_000.0,
            Unit::Minute => MS_PER_MINUTE,
            Unit::Second => 1000.0,
            Unit::IsoWeek | Unit::Millisecond => 1.0,
        };
        self.moved_to(self.at + number * step)
    }

    /// The first or last millisecond of the unit around this moment.
    pub fn bound(&self, unit: Unit, end: End) -> Self {
        let fields = self.fields();
        match (unit, self.zone) {
            (Unit::IsoWeek, _) => {
                let monday = fields.day - (iso_weekday(fields) - 1.0);
                let day = if end == End::First { monday } else { monday + 6.0 };
                self.with_day(day).bound(Unit::Day, end)
            }
            (Unit::Quarter, _) => {
                let first_month = (self.quarter() - 1.0) * 3.0;
                let month = if end == End::First { first_month } else { first_month + 2.0 };
                self.with_month(month).bound(Unit::Month, end).bound(Unit::Day, end)
            }
            (_, None) => self.bound_on_clock(unit, end),
            (_, Some(zone)) => {
                let reading = Fields { year: constructor_year(fields.year), ..fields };
                let on_server = Moment::new(at_server_reading(reading.reading()));
                on_server.bound_on_clock(unit, end).keeping_reading_in(zone)
            }
        }
    }

    /// [`Moment::bound`] of a unit that the clock itself shows, or of a week from Sunday to Saturday.
    fn bound_on_clock(&self, unit: Unit, end: End) -> Self {
        let now = self.fields();
        let (month, day) = match (unit, end) {
            (Unit::Year, End::First) => (0.0, 1.0),
            (Unit::Year, End::Last) => (11.0, 31.0),
            (Unit::Month, End::First) => (now.month, 1.0),
            (Unit::Month, End::Last) => (now.month + 1.0, 0.0),
            (Unit::Week, End::First) => (now.month, now.day - now.weekday()),
            (Unit::Week, End::Last) => (now.month, now.day + 6.0 - now.weekday()),
            (Unit::Day | Unit::Hour | Unit::Minute | Unit::Second, _) => {
                return self.with(within_day(now, unit, end));
            }
            _ => return *self,
        };
        let midnight = self.with(Fields::midnight(constructor_year(now.year), month, day));
        if end == End::First { midnight } else { midnight.bound(Unit::Day, End::Last) }
    }

    /// How much later this moment is than another, in fractions of the unit.
    pub fn diff(&self, other: &Moment, unit: Unit) -> f64 {
        let is_same_kind = std::mem::discriminant(&self.clock) == std::mem::discriminant(&other.clock);
        if !is_same_kind {
            return Moment::new(self.time()).diff(&Moment::new(other.time()), unit);
        }
        let ms = self.time() - other.time();
        // For days and weeks the clock counts: the day on which it is set forward or back is as long as others.
        let clock_ms = ms - (other.minutes_ahead() - self.minutes_ahead()) * MS_PER_MINUTE;
        match unit {
            Unit::Year => months_between(self, other) / 12.0,
            Unit::Quarter => months_between(self, other) / 3.0,
            Unit::Month => months_between(self, other),
            Unit::Week => clock_ms / (7.0 * MS_PER_DAY),
            Unit::Day => clock_ms / MS_PER_DAY,
            Unit::Hour => ms / 3_600_000.0,
            Unit::Minute => ms / MS_PER_MINUTE,
            Unit::Second => ms / 1000.0,
            Unit::IsoWeek | Unit::Millisecond => ms,
        }
    }

    /// The moment in a zone (`None` for the server's): only the offset changes, the clock keeps its reading,
    /// unless the zone is at UTC.
    pub fn in_zone(&self, zone: Option<Zone>) -> Self {
        if !self.is_valid() {
            return *self;
        }
        let time = self.time();
        match offset_in(zone, time) {
            0.0 => Self { at: time, clock: Clock::Utc, zone },
            minutes => Self { at: time, clock: Clock::Labelled(minutes), zone },
        }
    }

    /// A moment of the server's clock as dayjs means to move it into a zone without a change of its
    /// reading: it adds what the clocks differ by, although the reading has been kept already.
    fn keeping_reading_in(&self, zone: Zone) -> Self {
        let moved = self.in_zone(Some(zone));
        moved.add(self.minutes_ahead() - moved.minutes_ahead(), Unit::Minute)
    }

    /// The week in English: weeks start on Sunday, and the first one of a year is that with January 1st.
    pub fn week(&self) -> f64 {
        // In a zone a year can seem to start after the moment, but not after the start of its week.
        self.week_or(|| self.bound(Unit::Week, End::First).week_or(|| 1.0))
    }

    fn week_or(&self, before_the_year: impl FnOnce() -> f64) -> f64 {
        let fields = self.fields();
        if fields.month == 11.0 && fields.day > 25.0 {
            let next_year = self.bound(Unit::Year, End::First).add(1.0, Unit::Year).with_day(1.0);
            let week_end = self.bound(Unit::Week, End::Last);
            if next_year.bound(Unit::Millisecond, End::Last).time() < week_end.time() {
                return 1.0;
            }
        }
        let year_start = self.bound(Unit::Year, End::First).with_day(1.0);
        let first_week = year_start.bound(Unit::Week, End::First).add(-1.0, Unit::Millisecond);
        let weeks = self.diff(&first_week, Unit::Week);
        if weeks < 0.0 { before_the_year() } else { weeks.ceil() }
    }

    /// The year that [`Moment::week`] counts in.
    pub fn week_year(&self) -> f64 {
        let Fields { year, month, .. } = self.fields();
        let week = self.week();
        if week == 1.0 && month == 11.0 {
            return year + 1.0;
        }
        if month == 0.0 && week >= 52.0 { year - 1.0 } else { year }
    }

    /// The week of ISO 8601.
    pub fn iso_week(&self) -> f64 {
        let thursday = self.iso_thursday();
        let year = constructor_year(thursday.fields().year);
        let clock = if self.clock == Clock::Utc { Clock::Utc } else { Clock::Server };
        let january = Self { at: 0.0, clock, zone: None }.with(Fields::midnight(year, 0.0, 1.0));
        let to_thursday = (11.0 - iso_weekday(january.fields())) % 7.0;
        thursday.diff(&january.add(to_thursday, Unit::Day), Unit::Week).trunc() + 1.0
    }

    /// The year that [`Moment::iso_week`] counts in.
    pub fn iso_week_year(&self) -> f64 {
        self.iso_thursday().fields().year
    }

    fn iso_thursday(&self) -> Self {
        self.add(4.0 - iso_weekday(self.fields()), Unit::Day)
    }
}

/// The first or last millisecond of a unit that is no longer than a day.
fn within_day(now: Fields, unit: Unit, end: End) -> Fields {
    let (hour, minute, second, millisecond) = match end {
        End::First => (0.0, 0.0, 0.0, 0.0),
        End::Last => (23.0, 59.0, 59.0, 999.0),
    };
    match unit {
        Unit::Day => Fields { hour, minute, second, millisecond, ..now },
        Unit::Hour => Fields { minute, second, millisecond, ..now },
        Unit::Minute => Fields { second, millisecond, ..now },
        Unit::Second => Fields { millisecond, ..now },
        _ => now,
    }
}

/// Monday is 1, Sunday 7.
fn iso_weekday(fields: Fields) -> f64 {
    match fields.weekday() {
        0.0 => 7.0,
        weekday => weekday,
    }
}

/// Whole months, and the part that the last one has passed of the month it is in.
fn months_between(later: &Moment, earlier: &Moment) -> f64 {
    let (a, b) = (later.fields(), earlier.fields());
    if a.day < b.day {
        return -months_between(earlier, later);
    }
    let whole = (b.year - a.year) * 12.0 + (b.month - a.month);
    let anchor = later.add(whole, Unit::Month).time();
    let rest = earlier.time() - anchor;
    let neighbour = later.add(if rest < 0.0 { whole - 1.0 } else { whole + 1.0 }, Unit::Month).time();
    let length = (anchor - neighbour).abs();
    let months = -(whole + rest / length);
    // dayjs takes an invalid date for one without distance.
    if months.is_nan() { 0.0 } else { months }
}

/// Minutes that a zone is ahead of UTC, as dayjs computes them.
fn offset_in(zone: Option<Zone>, time: f64) -> f64 {
    let seconds_ahead = match zone {
        Some(zone) => zone.seconds_ahead(time),
        None => (server_reading(time) - time) / 1000.0,
    };
    // It compares the zone's clock, which shows whole seconds that have begun, with the time without its
    // milliseconds, so before 1970 the zone is up to a second off.
    let shown = (time / 1000.0).floor() + seconds_ahead;
    let minutes = (shown - (time / 1000.0).trunc()) / 60.0;
    // And it takes small numbers for hours.
    if minutes.abs() <= 16.0 { minutes * 60.0 } else { minutes }
}

/// `Math.round`: halves go up.
pub fn round(number: f64) -> f64 {
    let floor = number.floor();
    if number - floor >= 0.5 { floor + 1.0 } else { floor }
}
