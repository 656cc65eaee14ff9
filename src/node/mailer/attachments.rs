//! Files of the file manager that go with a mail.

use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Attachment, Body, SinglePart};

use crate::expr::Value;
use crate::node::Files;
use crate::outbound::Failure;

/// The type of a file that has none.
const OCTETS: &str = "application/octet-stream";

/// A file with the name and the type that it is sent with.
pub(in crate::node) struct Attached {
    name: String,
    content_type: String,
    bytes: Vec<u8>,
}

/// The files of the records among what is configured, however deep in lists; what is no record of a file is left out, as
/// in NocoBase. Together they may have so many bytes.
pub(super) async fn read(configured: &Value, files: &Files, limit: usize) -> Result<Vec<Attached>, Failure> {
    let mut records = Vec::new();
    collect(configured, &mut records);
    let (mut attached, mut room) = (Vec::new(), limit as u64);
    for record in records {
        let file = files.read(record, room).await.map_err(|failure| match failure.code.as_deref() {
            Some("EFBIG") => too_long(),
            _ => failure,
        })?;
        room -= file.bytes.len() as u64;
        attached.push(Attached { name: name(record), content_type: file.content_type, bytes: file.bytes });
    }
    Ok(attached)
}

fn too_long() -> Failure {
    let message = "The attachments of the mail are longer than SIDEHOOK_MAIL_SIZE_LIMIT allows, which counts them as \
                   they are sent, a third longer";
    Failure::coded("EFBIG", message)
}

fn collect<'a>(configured: &'a Value, records: &mut Vec<&'a Value>) {
    match configured {
        Value::Array(items, _) => items.items().iter().for_each(|item| collect(item, records)),
        record if is_file(record) => records.push(record),
        _ => {}
    }
}

fn is_file(record: &Value) -> bool {
    let is_text = |name: &str| record.member(name).as_str().is_some();
    // Large ids come as texts.
    let has_storage = matches!(record.member("storageId"), Value::Number(_) | Value::Text(_));
    is_text("title")
        && has_storage
        && is_text("path")
        && record.member("filename").as_str().is_some_and(|name| !name.is_empty())
}

/// The title with its extension, else the name of the file.
fn name(record: &Value) -> String {
    let member = |name: &str| record.member(name).as_str().unwrap_or_default().to_owned();
    let (title, extension) = (member("title"), member("extname"));
    let name = if title.is_empty() { member("filename") } else { title + &extension };
    name.replace(char::is_control, " ")
}

impl Attached {
    pub(super) fn part(self) -> SinglePart {
        let content_type = self.content_type.parse().or_else(|_| OCTETS.parse());
        // As they are, whatever they hold: other encodings would change the ends of lines.
        let body = Body::new_with_encoding(self.bytes, ContentTransferEncoding::Base64);
        let body = body.unwrap_or_else(Body::new);
        Attachment::new(self.name).body(body, content_type.unwrap_or(ContentType::TEXT_PLAIN))
    }
}
