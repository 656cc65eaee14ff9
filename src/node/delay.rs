//! Waits for a time, then ends with a configured status (`DelayInstruction.ts` of `plugin-workflow-delay`).
//!
//! Differs from NocoBase where that would leave the execution started for ever: without an end status the
//! node resolves. NocoBase's timers are those of Node.js, which run out at once beyond 2^31 ms (24.8 days);
//! here such a delay waits.

use std::time::Duration;

use async_trait::async_trait;
use entity::status::job::{PENDING, RESOLVED};
use serde::Deserialize;

use super::{Context, Draft, Example, JobId, Node, NodeType, Outcome};
use crate::expr::convert::to_number;
use crate::expr::{Template, Thrown, Value};

const ONE_SECOND_MS: f64 = 1_000.0;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Delay {
    /// How many units, at least 1; the default is 1.
    duration: Template,
    /// A unit in milliseconds; the default is a second.
    unit: Value,
    /// The status of the job when the time is over.
    #[serde(rename = "endStatus")]
    end_status: Value,
}

#[async_trait]
impl Node for Delay {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let units = match cx.render(&self.duration)? {
            _ if self.duration.is_nullish() => 1.0,
            Value::Number(units) if units.is_finite() && units >= 1.0 => units,
            _ => {
                let text = "Delay duration must be a finite number greater than or equal to 1";
                return Err(Thrown::error(text));
            }
        };
        let unit = if self.unit.is_truthy() { to_number(&self.unit)? } else { ONE_SECOND_MS };
        let milliseconds = units * unit;
        let pending = Draft {
            status: PENDING,
            result: Value::Number(milliseconds),
            upstream: cx.input(),
            ..Draft::default()
        };
        let duration = duration(milliseconds);
        Ok(Outcome::Sleep { pending, duration })
    }

    async fn resume(&self, cx: &mut Context<'_>, job: JobId) -> Result<Outcome, Thrown> {
        let status = to_number(&self.end_status).unwrap_or(f64::NAN) as i32;
        cx.run().set_status(job, if status == PENDING { RESOLVED } else { status });
        Ok(Outcome::Continue(job))
    }
}

/// A time of this many milliseconds. What is no time at all, such as NaN, is over at once, as in a timer of
/// JavaScript; what is longer than can be counted never ends.
fn duration(milliseconds: f64) -> Duration {
    let counted = Duration::try_from_secs_f64(milliseconds / 1_000.0);
    counted.unwrap_or(if milliseconds > 0.0 { Duration::MAX } else { Duration::ZERO })
}

impl NodeType for Delay {
    const TYPE: &'static str = "delay";
    const ABOUT: &'static str = "Waits for a time.";

    fn examples() -> Vec<Example> {
        vec![
            Example {
                about: "Wait for 50 ms, then go on. The result is the time in milliseconds.",
                config: r#"{"duration":5,"unit":10,"endStatus":1}"#,
                context: "{}",
                status: 1,
                result: "50",
            },
            Example {
                about: "A duration that is no number of at least 1 is an error.",
                config: r#"{"duration":"{{$context.body.wait}}","endStatus":1}"#,
                context: r#"{"body":{"wait":"soon"}}"#,
                status: -2,
                result: r#"{"message":"Delay duration must be a finite number greater than or equal to 1"}"#,
            },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_over_at_once_and_too_long_a_time_never() {
        for none in [f64::NAN, 0.0, -1.0, -1e300, f64::NEG_INFINITY] {
            assert_eq!(duration(none), Duration::ZERO, "{none}");
        }
        for long in [1e19, 1e22, 1e25, 1e300, f64::MAX, f64::INFINITY] {
            assert!(duration(long) > Duration::from_secs(1 << 40), "{long}");
        }
        assert_eq!(duration(1_500.0), Duration::from_millis(1_500));
    }
}
