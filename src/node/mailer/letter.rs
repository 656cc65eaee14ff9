//! The message: headers and body, written as MIME by lettre, and the addresses that it goes to.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use lettre::message::header::{Cc, Date, From, Headers, MIME_VERSION_1_0, MessageId, Subject, To};
use lettre::message::{Mailbox, Mailboxes, MultiPart, SinglePart};
use sha2::{Digest, Sha256};

use super::addresses;
use super::attachments::Attached;
use crate::expr::convert::{to_text, trim};
use crate::expr::{Thrown, Value};
use crate::outbound::mail::{Mail, Undelivered};

/// The configuration of a message with its templates filled in.
pub(in crate::node) struct Letter {
    pub from: Value,
    pub to: Value,
    pub cc: Value,
    pub bcc: Value,
    pub subject: Value,
    pub is_html: bool,
    pub content: Value,
    /// Names this mail, the same after a crash.
    pub effect_key: String,
    pub now: DateTime<Utc>,
}

/// A message that can be sent.
pub(in crate::node) struct Written {
    pub mail: Mail,
    /// With its angle brackets.
    pub message_id: String,
}

impl Letter {
    pub(super) fn write(&self, attached: Vec<Attached>) -> Result<Written, Undelivered> {
        let from = addresses::parse(&text(&self.from)?)?;
        let to = recipients("to", &self.to)?;
        let cc = recipients("cc", &self.cc)?;
        let bcc = recipients("bcc", &self.bcc)?;
        let sender = from.first().map(|mailbox| mailbox.email.to_string()).unwrap_or_default();
        let mut all: Vec<String> = Vec::new();
        for mailbox in to.iter().chain(&cc).chain(&bcc) {
            let address = mailbox.email.to_string();
            if !all.contains(&address) {
                all.push(address);
            }
        }
        let message_id = message_id(&self.effect_key, &sender);
        let mut headers = Headers::new();
        if !from.is_empty() {
            headers.set(From::from(Mailboxes::from(from)));
        }
        // Bcc is for the server only.
        if !to.is_empty() {
            headers.set(To::from(Mailboxes::from(to)));
        }
        if !cc.is_empty() {
            headers.set(Cc::from(Mailboxes::from(cc)));
        }
        let subject = self.subject()?;
        if !subject.is_empty() {
            headers.set(Subject::from(subject));
        }
        headers.set(MessageId::from(message_id.clone()));
        headers.set(Date::from(SystemTime::from(self.now)));
        headers.set(MIME_VERSION_1_0);
        let mut message = headers.to_string().into_bytes();
        let body = self.body()?;
        message.extend(if attached.is_empty() {
            body.formatted()
        } else {
            let mixed = MultiPart::mixed().singlepart(body);
            attached.into_iter().fold(mixed, |mixed, file| mixed.singlepart(file.part())).formatted()
        });
        Ok(Written { mail: Mail { from: sender, to: all, message }, message_id })
    }

    fn subject(&self) -> Result<String, Undelivered> {
        match &self.subject {
            Value::Undefined | Value::Null => Ok(String::new()),
            Value::Text(text) => Ok(trim(text).replace(char::is_control, " ")),
            _ => Err(Undelivered::plain("The subject of a mail has to be a text")),
        }
    }

    fn body(&self) -> Result<SinglePart, Undelivered> {
        // Of a bare CR servers make different things, the end of the message among them.
        let content = text(&self.content)?.replace("\r\n", "\n").replace('\r', "\n");
        Ok(if self.is_html && !content.is_empty() {
            SinglePart::html(content)
        } else {
            SinglePart::plain(content)
        })
    }
}

/// A text; an empty one for what JavaScript takes for false.
fn text(value: &Value) -> Result<String, Undelivered> {
    let text = if value.is_truthy() { to_text(value) } else { Ok(String::new()) };
    text.map_err(|thrown: Thrown| Undelivered::plain(thrown.message))
}

/// The addresses of a list of texts and lists of texts; blank ones and null are left out.
fn recipients(name: &str, configured: &Value) -> Result<Vec<Mailbox>, Undelivered> {
    if !configured.is_truthy() {
        return Ok(Vec::new());
    }
    let wrong =
        || Undelivered::plain(format!("`{name}` of a mail has to be a list of addresses, each a text"));
    let mut mailboxes = Vec::new();
    for item in configured.as_array().ok_or_else(wrong)?.items() {
        for item in item.as_array().map_or(std::slice::from_ref(item), |inner| inner.items()) {
            match item {
                Value::Undefined | Value::Null => {}
                Value::Text(text) => mailboxes.extend(addresses::parse(trim(text))?),
                _ => return Err(wrong()),
            }
        }
    }
    Ok(mailboxes)
}

/// The id of the message: the same whenever this mail is sent, and no other's.
fn message_id(effect_key: &str, sender: &str) -> String {
    let hash = hex::encode(Sha256::digest(format!("{effect_key}\n{sender}")));
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| &hash[range]);
    let domain = sender.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    format!("<{}@{domain}>", groups.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    fn letter(config: &str) -> Letter {
        let config = json::parse(config.as_bytes()).expect(config);
        let html = config.member("html");
        Letter {
            from: config.member("from"),
            to: config.member("to"),
            cc: config.member("cc"),
            bcc: config.member("bcc"),
            subject: config.member("subject"),
            is_html: !html.is_undefined(),
            content: if html.is_undefined() { config.member("text") } else { html },
            effect_key: "7:n:1".to_owned(),
            now: DateTime::from_timestamp(1_700_000_000, 0).expect("a time"),
        }
    }

    fn written(config: &str) -> (Mail, String) {
        let mail = letter(config).write(Vec::new()).expect(config).mail;
        let message = String::from_utf8(mail.message.clone()).expect("ASCII");
        assert!(message.is_ascii(), "{message}");
        (mail, message)
    }

    #[test]
    fn a_message_has_its_headers_and_everybody_gets_it_once() {
        let (mail, message) = written(
            r#"{"from":"Shop <shop@example.com>","to":[["a@x.org"," "],null,"B <b@x.org>"],"cc":["a@X.org, c@x.org"],
                "bcc":["d@x.org"],"subject":" Order ","text":"Hello\nyou\r\nthere\r"}"#,
        );
        assert_eq!(mail.from, "shop@example.com");
        assert_eq!(mail.to, ["a@x.org", "b@x.org", "c@x.org", "d@x.org"]);
        let expected = "From: Shop <shop@example.com>\r\nTo: a@x.org, B <b@x.org>\r\nCc: a@x.org, c@x.org\r\n\
             Subject: Order\r\nMessage-ID: <";
        assert!(message.starts_with(expected), "{message}");
        let expected = "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nHello\r\nyou\r\nthere\r\n\r\n";
        assert!(message.ends_with(expected), "{message}");
    }

    #[test]
    fn nothing_adds_headers() {
        let (mail, message) = written(
            r#"{"from":"\"a\r\nX-One: 1\" <a@x.org>","to":["\"b\r\nX-Two: 2\" <b@x.org>"],
                "subject":"c\r\nX-Three: 3\r\n\r\nbody","html":"<b>é</b>"}"#,
        );
        assert_eq!(mail.to, ["b@x.org"]);
        let head = message.split("\r\n\r\n").next().expect("a head");
        let names: Vec<&str> = head
            .split("\r\n")
            .filter(|line| !line.starts_with(' '))
            .filter_map(|line| line.split(':').next())
            .collect();
        let expected = [
            "From",
            "To",
            "Subject",
            "Message-ID",
            "Date",
            "MIME-Version",
            "Content-Type",
            "Content-Transfer-Encoding",
        ];
        assert_eq!(names, expected, "{message}");
    }

    #[test]
    fn the_message_id_is_that_of_the_mail() {
        let id = |key: &str, sender: &str| message_id(key, sender);
        assert_eq!(id("7:n:1", "a@x.org"), id("7:n:1", "a@x.org"));
        assert_ne!(id("7:n:1", "a@x.org"), id("7:n:2", "a@x.org"));
        assert!(id("7:n:1", "").ends_with("@localhost>"));
        assert_eq!(id("7:n:1", "a@x.org").len(), "<12345678-1234-1234-1234-123456789012@x.org>".len());
    }

    #[test]
    fn what_is_no_list_of_texts_fails() {
        for config in [
            r#"{"to":"a@x.org"}"#,
            r#"{"to":[5]}"#,
            r#"{"to":[[["a@x.org"]]]}"#,
            r#"{"cc":{}}"#,
            r#"{"subject":5}"#,
        ] {
            let failure = letter(config).write(Vec::new()).err().expect(config);
            assert_eq!(failure.code, None, "{config}");
        }
    }
}
