//! What came of a request, and of an event of the queue in front of the database.

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

/// What has become of an event of the queue in front of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InFront {
    /// It was stored there.
    Published,
    /// Another one of the same id had been stored there a moment ago.
    Duplicate,
    /// There was no room for it.
    Full,
    /// It is an execution.
    Consumed,
    /// It has come out once more: whoever had it before has died, or could not say that it was done.
    Redelivered,
    /// It could not become an execution and was put aside.
    Dead,
}

impl InFront {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Duplicate => "duplicate",
            Self::Full => "full",
            Self::Consumed => "consumed",
            Self::Redelivered => "redelivered",
            Self::Dead => "dead",
        }
    }
}
