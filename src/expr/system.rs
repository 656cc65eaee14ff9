//! The functions of `$system` (`functions/index.ts` of NocoBase's workflow plugin, `getDateVars` in
//! `packages/core/utils/src/parse-filter.ts`).

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, Days, FixedOffset, Months, NaiveDate, Utc};

use super::dayjs::Unit;
use super::{Date, Function, Value};

/// What the functions of `$system` need from outside.
pub trait System: Send + Sync {
    /// The current time in the server's time zone.
    fn now(&self) -> DateTime<FixedOffset>;
    /// A fresh id of the layout of `snowflakeId` fields.
    fn snowflake_id(&self) -> i64;
    /// The number of this instance.
    fn instance_id(&self) -> u16;
}

/// The start of the seconds in `snowflakeId` fields: 2020-11-10T16:00:00Z.
pub const SNOWFLAKE_EPOCH_SECONDS: i64 = 1_605_024_000;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SystemFunction {
    Now,
    InstanceId,
    Epoch,
    GenSnowflakeId,
    /// A whole day, week … so many units from now.
    Unit(Unit, i8),
    /// The last (negative) or next so many days; today counts as the last of the last days.
    Days(i8),
}

const DATE_RANGES: [(&str, SystemFunction); 21] = {
    use SystemFunction::{Days, Unit as U};
    [
        ("yesterday", U(Unit::Day, -1)),
        ("today", U(Unit::Day, 0)),
        ("tomorrow", U(Unit::Day, 1)),
        ("lastWeek", U(Unit::Week, -1)),
        ("thisWeek", U(Unit::Week, 0)),
        ("nextWeek", U(Unit::Week, 1)),
        ("lastMonth", U(Unit::Month, -1)),
        ("thisMonth", U(Unit::Month, 0)),
        ("nextMonth", U(Unit::Month, 1)),
        ("lastQuarter", U(Unit::Quarter, -1)),
        ("thisQuarter", U(Unit::Quarter, 0)),
        ("nextQuarter", U(Unit::Quarter, 1)),
        ("lastYear", U(Unit::Year, -1)),
        ("thisYear", U(Unit::Year, 0)),
        ("nextYear", U(Unit::Year, 1)),
        ("last7Days", Days(-7)),
        ("next7Days", Days(7)),
        ("last30Days", Days(-30)),
        ("next30Days", Days(30)),
        ("last90Days", Days(-90)),
        ("next90Days", Days(90)),
    ]
};

/// The object behind `$system`: its functions by name, those of `dateRange` in an object of their own.
pub fn functions() -> Value {
    static FUNCTIONS: LazyLock<Value> = LazyLock::new(|| {
        let function = |function| Value::Function(Function::System(function));
        let ranges = DATE_RANGES.map(|(name, range)| (name, function(range)));
        Value::object([
            ("now", function(SystemFunction::Now)),
            ("dateRange", Value::object(ranges)),
            ("instanceId", function(SystemFunction::InstanceId)),
            ("epoch", function(SystemFunction::Epoch)),
            ("genSnowflakeId", function(SystemFunction::GenSnowflakeId)),
        ])
    });
    FUNCTIONS.clone()
}

impl SystemFunction {
    pub fn call(self, system: &dyn System) -> Value {
        match self {
            SystemFunction::Now => Value::Date(Date(system.now().timestamp_millis() as f64)),
            SystemFunction::InstanceId => Value::Number(f64::from(system.instance_id())),
            SystemFunction::Epoch => Value::Number(SNOWFLAKE_EPOCH_SECONDS as f64),
            SystemFunction::GenSnowflakeId => Value::Number(system.snowflake_id() as f64),
            SystemFunction::Unit(unit, offset) => unit_text(system.now(), unit, offset.into()).into(),
            SystemFunction::Days(days) => day_range(system.now(), days.into()),
        }
    }
}

/// `2026-11-22+00:00`, `2026w48+00:00`, `2026-11+00:00`, `2026Q4+00:00`, `2026+00:00`.
fn unit_text(now: DateTime<FixedOffset>, unit: Unit, offset: i32) -> String {
    let (today, zone) = (now.date_naive(), now.format("%:z"));
    let months = |count: i32| {
        let shift = Months::new(count.unsigned_abs());
        let moved = if count < 0 { today.checked_sub_months(shift) } else { today.checked_add_months(shift) };
        moved.unwrap_or(today)
    };
    match unit {
        Unit::Week | Unit::IsoWeek => {
            let (year, week) = locale_week(shift_days(today, 7 * i64::from(offset)));
            format!("{year:04}w{week:02}{zone}")
        }
        Unit::Month => format!("{}{zone}", months(offset).format("%Y-%m")),
        Unit::Quarter => {
            let day = months(3 * offset);
            format!("{:04}Q{}{zone}", day.year(), day.month0() / 3 + 1)
        }
        Unit::Year => format!("{:04}{zone}", today.year() + offset),
        // There is no range of less than a day.
        Unit::Day | Unit::Hour | Unit::Minute | Unit::Second | Unit::Millisecond => {
            format!("{}{zone}", shift_days(today, i64::from(offset)).format("%Y-%m-%d"))
        }
    }
}

/// `["2026-11-16","2026-11-23","[)","+00:00"]`.
fn day_range(now: DateTime<FixedOffset>, days: i64) -> Value {
    let tomorrow = shift_days(now.date_naive(), 1);
    let (start, end) = if days < 0 {
        (shift_days(tomorrow, days), tomorrow)
    } else {
        (tomorrow, shift_days(tomorrow, days))
    };
    let text = |day: NaiveDate| Value::from(day.format("%Y-%m-%d").to_string());
    Value::array(vec![text(start), text(end), "[)".into(), now.format("%:z").to_string().into()])
}

fn shift_days(day: NaiveDate, days: i64) -> NaiveDate {
    let count = Days::new(days.unsigned_abs());
    let moved = if days < 0 { day.checked_sub_days(count) } else { day.checked_add_days(count) };
    moved.unwrap_or(day)
}

/// Year and number of the week in dayjs' English locale: weeks start on Sunday, and the first week of a
/// year is the one with January 1st in it.
fn locale_week(day: NaiveDate) -> (i32, i64) {
    let sunday = |day: NaiveDate| shift_days(day, -i64::from(day.weekday().num_days_from_sunday()));
    let first = |year: i32| NaiveDate::from_ymd_opt(year, 1, 1).map(sunday).unwrap_or(day);
    let year = if day >= first(day.year() + 1) { day.year() + 1 } else { day.year() };
    (year, (sunday(day) - first(year)).num_days() / 7 + 1)
}

/// The world of a template that is rendered outside a run: the time is 1970, ids are 0.
pub(super) struct Nowhere;

impl System for Nowhere {
    fn now(&self) -> DateTime<FixedOffset> {
        DateTime::<Utc>::UNIX_EPOCH.fixed_offset()
    }

    fn snowflake_id(&self) -> i64 {
        0
    }

    fn instance_id(&self) -> u16 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;

    struct At(&'static str);

    impl System for At {
        fn now(&self) -> DateTime<FixedOffset> {
            DateTime::parse_from_rfc3339(self.0).expect("a time in a test")
        }

        fn snowflake_id(&self) -> i64 {
            399_047_438_565_377
        }

        fn instance_id(&self) -> u16 {
            19
        }
    }

    #[test]
    fn ranges_have_the_texts_of_nocobase() {
        let cases = [
            ("today", r#""2026-11-22+00:00""#),
            ("yesterday", r#""2026-11-21+00:00""#),
            ("thisWeek", r#""2026w48+00:00""#),
            ("lastMonth", r#""2026-10+00:00""#),
            ("thisQuarter", r#""2026Q4+00:00""#),
            ("nextQuarter", r#""2027Q1+00:00""#),
            ("thisYear", r#""2026+00:00""#),
            ("last7Days", r#"["2026-11-16","2026-11-23","[)","+00:00"]"#),
            ("next7Days", r#"["2026-11-23","2026-11-30","[)","+00:00"]"#),
        ];
        for (name, expected) in cases {
            let (_, function) = DATE_RANGES.iter().find(|(known, _)| *known == name).expect(name);
            let value = function.call(&At("2026-11-22T12:00:00+00:00"));
            assert_eq!(json::stringify(&value).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn the_last_days_of_december_can_belong_to_the_first_week() {
        let week = SystemFunction::Unit(Unit::Week, 0);
        let cases = [
            ("2026-12-26T12:00:00+08:00", "2026w52+08:00"),
            ("2026-12-27T12:00:00+08:00", "2027w01+08:00"),
            ("2027-01-02T12:00:00+08:00", "2027w01+08:00"),
            ("2027-01-03T12:00:00+08:00", "2027w02+08:00"),
        ];
        for (now, expected) in cases {
            assert_eq!(week.call(&At(now)).as_str(), Some(expected));
        }
    }
}
