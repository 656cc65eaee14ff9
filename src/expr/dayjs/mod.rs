//! dayjs: moments on a clock, their arithmetic, and texts by a pattern. What dayjs gives is what counts here,
//! where it is odd too. Zones are called what they are called today, whatever the date.

mod format;
mod input;
mod moment;
mod unit;
mod zone;

pub use format::format;
pub use input::moment_of;
pub use moment::{End, Moment, round};
pub use unit::Unit;
pub use zone::Zone;

use super::Date;

/// A date as text by a pattern, on the server's clock.
pub fn date_text(date: Date, pattern: &str) -> String {
    format(&Moment::new(date.0), pattern)
}
