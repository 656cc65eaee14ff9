//! The functions that steps name (`dateFunction.ts` of `plugin-workflow-date-calculation`), with the errors
//! that JavaScript has for a value without the method they call.

use crate::expr::convert::{to_number, to_text};
use crate::expr::dayjs::{End, Moment, Unit, Zone, format, moment_of, round};
use crate::expr::path::property;
use crate::expr::{Date, Thrown, Value};

/// What one step hands to the next.
#[derive(Clone, Debug)]
pub(super) enum Current {
    Moment(Moment),
    /// A number, text or boolean.
    Plain(Value),
}

impl Current {
    pub(super) fn into_value(self) -> Value {
        match self {
            Current::Moment(moment) => Value::Date(moment.to_date()),
            Current::Plain(value) => value,
        }
    }

    fn moment(&self, method: &str) -> Result<&Moment, Thrown> {
        match self {
            Current::Moment(moment) => Ok(moment),
            Current::Plain(_) => Err(Thrown::type_error(format!("{method} is not a function"))),
        }
    }

    /// `Number(input)`.
    fn number(&self) -> Result<f64, Thrown> {
        match self {
            Current::Moment(moment) => Ok(moment.time()),
            Current::Plain(value) => to_number(value),
        }
    }
}

/// Runs a step.
pub(super) fn apply(current: &Current, function: &Value, arguments: &Value) -> Result<Current, Thrown> {
    let arguments = Arguments(arguments);
    let moment = Current::Moment;
    let plain = |value: Value| Current::Plain(value);
    Ok(match function.as_str() {
        Some("add") => moment(add(current, arguments, 1.0)?),
        Some("subtract") => moment(add(current, arguments, -1.0)?),
        Some("diff") => plain(diff(current, arguments)?.into()),
        Some("get") => get(current, arguments)?,
        Some("startOfTime") => moment(bound(current, arguments, End::First)?),
        Some("endOfTime") => moment(bound(current, arguments, End::Last)?),
        Some("isLeapYear") => plain(current.moment("input.isLeapYear")?.is_leap_year().into()),
        Some("format") => plain(formatted(current, arguments)?.into()),
        Some("transDuration") => plain(duration(current, arguments)?.into()),
        Some("toTimestamp") => plain(timestamp(current, arguments)?),
        Some("tsToDate") => moment(date_of_timestamp(current, arguments)?),
        Some("changeTimezone") => moment(in_zone(current, arguments)?),
        _ => return Err(Thrown::type_error("calculate is not a function")),
    })
}

/// The `arguments` of a step.
#[derive(Clone, Copy)]
struct Arguments<'a>(&'a Value);

impl Arguments<'_> {
    fn get(self, name: &str) -> Value {
        property(self.0, name)
    }

    /// The argument that NocoBase reads first, where arguments that are none make an error.
    fn first(self, name: &str) -> Result<Value, Thrown> {
        if self.0.is_nullish() {
            let message =
                format!("Cannot destructure property '{name}' of 'args' as it is {}.", to_text(self.0)?);
            return Err(Thrown::type_error(message));
        }
        Ok(self.get(name))
    }

    /// The unit of timestamps, a second when not given.
    fn timestamp_unit(self) -> Result<Value, Thrown> {
        if self.0.is_nullish() {
            return Err(Thrown::reading(self.0, "unit"));
        }
        let unit = self.get("unit");
        Ok(if unit.is_undefined() { "second".into() } else { unit })
    }
}

fn add(current: &Current, arguments: Arguments<'_>, sign: f64) -> Result<Moment, Thrown> {
    let number = arguments.first("number")?;
    let method = if sign < 0.0 { "input.subtract" } else { "input.add" };
    let moment = current.moment(method)?;
    let number = sign * to_number(&number)?;
    Ok(moment.add(number, unit(&arguments.get("unit"))?))
}

/// A unit by any name that dayjs takes.
fn unit(name: &Value) -> Result<Unit, Thrown> {
    Ok(if name.is_truthy() { Unit::parse(&to_text(name)?) } else { Unit::Millisecond })
}

fn diff(current: &Current, arguments: Arguments<'_>) -> Result<f64, Thrown> {
    let date = arguments.first("date")?;
    if !Date::of(&date)?.is_valid() {
        return Err(Thrown::error(format!("Diff date [{}] is not a valid date", to_text(&date)?)));
    }
    let other = moment_of(&date)?;
    let moment = current.moment("input.diff")?;
    let diff = moment.diff(&other, unit(&arguments.get("unit"))?);
    let diff = if arguments.get("isAbs").is_truthy() { diff.abs() } else { diff };
    Ok(rounded(diff, &arguments.get("round")))
}

/// Down for -1, to the nearest for 0, up for 1, not at all for anything else.
fn rounded(number: f64, mode: &Value) -> f64 {
    match mode {
        Value::Number(-1.0) => number.floor(),
        Value::Number(0.0) => round(number),
        Value::Number(1.0) => number.ceil(),
        _ => number,
    }
}

/// A part of a date. What is no date stays as it is, unless it is asked for something unknown, which stands
/// for milliseconds.
fn get(current: &Current, arguments: Arguments<'_>) -> Result<Current, Thrown> {
    let unit = arguments.first("unit")?;
    let Some(unit) = Unit::named(&to_text(&unit)?) else {
        let moment = current.moment("input.millisecond")?;
        return Ok(Current::Plain(moment.fields().millisecond.into()));
    };
    let Current::Moment(moment) = current else { return Ok(current.clone()) };
    let fields = moment.fields();
    let part = match unit {
        Unit::Year => fields.year,
        Unit::Quarter => moment.quarter(),
        Unit::Month => fields.month + 1.0,
        Unit::Week => fields.weekday(),
        Unit::Day => fields.day,
        Unit::Hour => fields.hour,
        Unit::Minute => fields.minute,
        Unit::Second => fields.second,
        Unit::Millisecond | Unit::IsoWeek => fields.millisecond,
    };
    Ok(Current::Plain(part.into()))
}

fn bound(current: &Current, arguments: Arguments<'_>, end: End) -> Result<Moment, Thrown> {
    let unit = arguments.first("unit")?;
    let method = if end == End::First { "input.startOf" } else { "input.endOf" };
    // The unit's name is looked up before the method.
    let unit = match Unit::named(&to_text(&unit)?) {
        Some(Unit::Week) => Unit::IsoWeek,
        unit => unit.unwrap_or(Unit::Millisecond),
    };
    Ok(current.moment(method)?.bound(unit, end))
}

fn formatted(current: &Current, arguments: Arguments<'_>) -> Result<String, Thrown> {
    let pattern = arguments.first("format")?;
    let Some(pattern) = pattern.as_str() else {
        return Err(Thrown::type_error(format!("[{}] is not a string", to_text(&pattern)?)));
    };
    Ok(format(current.moment("input.format")?, pattern))
}

fn duration(current: &Current, arguments: Arguments<'_>) -> Result<f64, Thrown> {
    let milliseconds_of = |unit: Value| {
        let name = to_text(&unit)?;
        let milliseconds = Unit::named(&name).and_then(Unit::duration);
        milliseconds.ok_or_else(|| Thrown::type_error(format!("[{name}] is not a unit string")))
    };
    let before = milliseconds_of(arguments.first("unitBefore")?)?;
    let after = milliseconds_of(arguments.get("unitAfter"))?;
    Ok(rounded(current.number()? * before / after, &arguments.get("round")))
}

fn timestamp(current: &Current, arguments: Arguments<'_>) -> Result<Value, Thrown> {
    let unit = to_text(&arguments.timestamp_unit()?)?;
    match (unit.as_str(), current) {
        ("second", current) => Ok((current.moment("input[method]")?.time() / 1000.0).floor().into()),
        ("millisecond", Current::Moment(moment)) => Ok(moment.time().into()),
        // Every value has a `valueOf`.
        ("millisecond", Current::Plain(value)) => Ok(value.clone()),
        _ => Err(not_a_timestamp_unit(&unit)),
    }
}

fn date_of_timestamp(current: &Current, arguments: Arguments<'_>) -> Result<Moment, Thrown> {
    let unit = arguments.timestamp_unit()?;
    match (unit.as_str(), current) {
        (Some("second"), current) => Ok(Moment::new(current.number()? * 1000.0)),
        (Some("millisecond"), Current::Moment(moment)) => Ok(*moment),
        (Some("millisecond"), Current::Plain(value)) => moment_of(value),
        _ => Err(not_a_timestamp_unit(&to_text(&unit)?)),
    }
}

fn not_a_timestamp_unit(unit: &str) -> Thrown {
    Thrown::type_error(format!("[{unit}] is not valid, only accept second or millisecond"))
}

fn in_zone(current: &Current, arguments: Arguments<'_>) -> Result<Moment, Thrown> {
    let zone = arguments.first("timezone")?;
    let moment = current.moment("input.tz")?;
    // An invalid date is returned before its zone is looked at.
    let zone = match zone {
        Value::Undefined => None,
        _ if !moment.is_valid() => None,
        name => Some(Zone::named(&to_text(&name)?)?),
    };
    Ok(moment.in_zone(zone))
}
