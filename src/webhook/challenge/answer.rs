//! Where challenges are answered on the way of a request, and what of one an answer becomes.

use super::Greeting;
use crate::webhook::admission::Stop;
use crate::webhook::intake::{Admitted, Intake};
use crate::webhook::refusal::Refusal;
use crate::webhook::reply::{JSON, Reply, ReplyBody, TEXT};

/// The longest body that may be a challenge. Amazon's are the longest, with about two kilobytes.
const LONGEST_CHALLENGE: usize = 16 << 10;

impl Intake<'_> {
    /// Answers a challenge that comes without a body, for those who may call. It may have a method that the trigger does
    /// not take.
    pub fn greet(&self) -> Result<Option<Greeting>, Refusal> {
        let Some(challenge) = self.trigger.challenge.as_ref().filter(|_| self.trigger.unusable().is_none())
        else {
            return Ok(None);
        };
        let greeting = challenge.by_head(self.head, self.facts);
        if !matches!(greeting, Ok(None)) {
            self.trigger.admission.admit_caller(self.head, self.facts)?;
        }
        greeting
    }

    /// Answers a challenge in a body: before anybody looks at its signature where the sender does not sign it, else
    /// once [`Intake::admit_body`] has let it in.
    pub fn answer(&self, bytes: &[u8], admitted: Option<&Admitted>) -> Result<Option<Greeting>, Stop> {
        let challenge = self.trigger.challenge.as_ref().filter(|_| bytes.len() <= LONGEST_CHALLENGE);
        let Some(challenge) = challenge else { return Ok(None) };
        if admitted.is_none() {
            return Ok(challenge.by_unsigned(self.head, bytes, self.facts)?);
        }
        let opened = self.trigger.admission.open(self.head, bytes, self.facts)?;
        let answer = challenge.by_body(self.head, opened.as_deref().unwrap_or(bytes), self.facts);
        // All checks have been asked by now.
        Ok(answer.map_err(|wanted| Stop::Needs { wanted, from: usize::MAX })??)
    }
}

impl Reply {
    /// The same with what the sender has to hear of an event that was taken, where the answer is a successful one.
    pub fn acknowledging(mut self, acknowledgement: Option<Greeting>) -> Self {
        if let Some(greeting) = acknowledgement.filter(|_| (200..300).contains(&self.status)) {
            let Self { status, headers, body } = Self::from(greeting);
            self.headers.extend(headers);
            return Self { status, body, ..self };
        }
        self
    }
}

/// What is repeated to a sender must not be taken for a page or a script, whoever is made to ask for it.
impl From<Greeting> for Reply {
    fn from(greeting: Greeting) -> Self {
        let (content_type, text) = match greeting {
            Greeting::Empty(status) => return Self::empty(status),
            Greeting::Echo(text) => (TEXT, text),
            Greeting::Json(text) => (JSON, text),
        };
        let headers = [("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let body = ReplyBody { content_type: content_type.into(), bytes: text.into_bytes() };
        Self { status: 200, headers, body: Some(body) }
    }
}
