//! What came of a request.

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was the first delivery of an event.
    Event,
    /// It was another delivery of one.
    Duplicate,
    /// It was answered and needs no execution: a challenge, a preflight, what the filter leaves out.
    Answered,
    Refused,
    /// Its sender has gone before the answer.
    HungUp,
}

impl Outcome {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Duplicate => "duplicate",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::HungUp => "hung_up",
        }
    }
}
