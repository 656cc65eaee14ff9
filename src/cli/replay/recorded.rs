//! A request of the log as it can be sent once more, or why it cannot.

use entity::request;

use crate::cli::requests::{Body, OF_THE_CONNECTION, headers};
use crate::http::{Replay, Sent};
use crate::webhook::logged::{LONGEST, MARK};

/// Tells a recorded request from one that a sender has just sent.
pub(crate) const HEADER: &str = "x-sidehook-replay";

/// A request that can be sent once more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recorded<'a> {
    row: &'a request::Model,
    pub sent: Sent,
}

impl<'a> Recorded<'a> {
    /// `is_here` says that it is handled in this process, where nobody asks again whether it may be let in and nobody
    /// vouches for it, and `is_named` that it was asked for by its id.
    pub(crate) fn of(row: &'a request::Model, is_here: bool, is_named: bool) -> Result<Self, &'static str> {
        let mut all: Vec<(String, String)> = headers(row).collect();
        if !is_named && all.iter().any(|(name, _)| name == HEADER) {
            return Err("it was a replay itself; give its id to send it all the same");
        }
        if is_here && !row.is_admitted {
            return Err("it was not let in when it came; with --to a server decides");
        }
        let is_cut = |text: &str| text.len() + 4 > LONGEST;
        if is_cut(&row.path) || is_cut(&row.query) || all.iter().any(|(_, value)| is_cut(value)) {
            return Err("only the beginning of its URL or of a header is kept");
        }
        let body = match Body::of(row) {
            Body::None => Vec::new(),
            Body::Whole(bytes) => bytes,
            Body::Cut(_) => return Err("only the beginning of its body is kept"),
            Body::Left => return Err("its body is not kept"),
        };
        all.retain(|(name, value)| !value.contains(MARK) && name != HEADER);
        all.push((HEADER.to_owned(), row.id.to_string()));
        let query: Vec<&str> = row.query.split('&').filter(|pair| !pair.contains(MARK)).collect();
        let query = query.join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        let target = format!("{}{mark}{query}", row.path);
        Ok(Self { row, sent: Sent { method: row.method.clone(), target, headers: all, body } })
    }

    /// For this process. An event that has been run is not run `again` unless that is asked for.
    pub(crate) fn in_process(self, again: bool) -> (Sent, Replay) {
        let delivery_id = self.row.delivery_id.clone().filter(|_| !again);
        let peer = self.row.peer.as_ref().and_then(|peer| peer.parse().ok());
        (self.sent, Replay { delivery_id, peer })
    }

    /// For a server, with `more` headers in the place of what was withheld.
    pub(crate) fn over_a_connection(mut self, more: &[(String, String)]) -> Sent {
        let is_replaced = |name: &str| more.iter().any(|(other, _)| other == name);
        self.sent.headers.retain(|(name, _)| !OF_THE_CONNECTION.contains(&&**name) && !is_replaced(name));
        self.sent.headers.extend(more.iter().cloned());
        self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> request::Model {
        request::Model {
            id: 7,
            method: "POST".to_owned(),
            path: "/in".to_owned(),
            query: format!("a=1&key={MARK}"),
            headers: format!(r#"[["host","h"],["authorization","{MARK}"],["x-a","b"]]"#),
            body: Some("{}".to_owned()),
            body_size: 2,
            is_admitted: true,
            delivery_id: Some("d".to_owned()),
            ..request::Model::default()
        }
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_was_withheld_is_left_out_and_can_be_given() {
        let row = row();
        let recorded = || Recorded::of(&row, true, false).expect("it can be sent");
        let (sent, replay) = recorded().in_process(false);
        assert_eq!((&*sent.target, &*sent.body), ("/in?a=1", &b"{}"[..]));
        assert_eq!(sent.headers, pairs(&[("host", "h"), ("x-a", "b"), (HEADER, "7")]));
        assert_eq!(replay.delivery_id.as_deref(), Some("d"));
        assert_eq!(recorded().in_process(true).1.delivery_id, None);
        let sent = recorded().over_a_connection(&pairs(&[("authorization", "x"), ("x-a", "c")]));
        assert_eq!(sent.headers, pairs(&[(HEADER, "7"), ("authorization", "x"), ("x-a", "c")]));
    }

    #[test]
    fn what_is_not_whole_or_was_not_let_in_is_left_out() {
        let refused = |row: &request::Model, is_here: bool, is_named: bool| {
            Recorded::of(row, is_here, is_named).is_err()
        };
        assert!(refused(&request::Model { is_admitted: false, ..row() }, true, true));
        assert!(!refused(&request::Model { is_admitted: false, ..row() }, false, true));
        assert!(refused(&request::Model { body_size: 3, ..row() }, false, true));
        assert!(refused(&request::Model { body: None, ..row() }, false, true));
        assert!(refused(&request::Model { query: "x".repeat(LONGEST), ..row() }, false, true));
        let replay = request::Model { headers: format!(r#"[["{HEADER}","1"]]"#), ..row() };
        assert!(refused(&replay, true, false) && !refused(&replay, true, true));
    }
}
