//! `sidehook requests show`: one request as an HTTP message, and as a line of curl that sends it again.

use anyhow::{Context as _, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use entity::request;

use super::body::Body;
use super::line;
use super::selection::UNREAD;
use crate::app::{UNOPENED, connect};
use crate::cli::reachable::reachable;
use crate::cli::{Settings, output};
use crate::expr::{Value, json};
use crate::store::request::RequestFilter;
use crate::webhook::logged::MARK;

/// Headers that belong to the connection on which a request came.
pub(crate) const OF_THE_CONNECTION: [&str; 6] =
    ["connection", "content-length", "expect", "host", "keep-alive", "transfer-encoding"];

/// Prints a request.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sidehook requests show 4834329452544 --env-file .env
  sidehook requests show 4834329452544 --curl --env-file .env | sh")]
pub(super) struct Show {
    /// The id of the request, from `sidehook requests`
    id: i64,
    /// Print the line of curl alone
    #[arg(long)]
    curl: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Show {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (config, _log) = self.settings.load().await?;
        let store = connect(&config).await.context(UNOPENED)?;
        let filter = RequestFilter { ids: Some(vec![self.id]), ..RequestFilter::default() };
        let found = store.find_requests(&filter, 1).await.context(UNREAD)?;
        let Some(row) = found.first() else { bail!("no request has the id {}", self.id) };
        let base = format!("http://{}", reachable(config.http.listen));
        if !self.curl {
            for line in facts(row).into_iter().chain(message(row)) {
                output::line(line)?;
            }
            output::line("")?;
        }
        match curl(row, &base) {
            Ok(line) => output::line(line),
            Err(reason) if self.curl => bail!("{reason}"),
            Err(reason) => output::line(format!("There is no line of curl for it: {reason}.")),
        }
    }
}

/// What is known of it beside the message.
fn facts(row: &request::Model) -> Vec<String> {
    let id = |id: Option<i64>| id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let text = |text: &Option<String>| output::printable(text.as_deref().unwrap_or("-"));
    let answer = match (row.status, row.duration_ms) {
        (Some(status), Some(duration)) => format!("{status} after {duration} ms"),
        (Some(status), None) => status.to_string(),
        (None, _) => "not known".to_owned(),
    };
    let mut facts = vec![
        format!("received   {} from {}", line::time(row.received_at), text(&row.peer)),
        format!("workflow   {}", text(&row.workflow_key)),
        format!("answer     {answer}"),
        format!("execution  {}", id(row.execution_id)),
    ];
    facts.extend(row.reason.as_ref().map(|reason| format!("reason     {}", output::printable(reason))));
    facts.extend(row.delivery_id.as_ref().map(|id| format!("delivery   {}", output::printable(id))));
    facts.extend(row.duplicate_of.map(|first| format!("duplicate  of execution {first}")));
    facts.push(String::new());
    facts
}

/// The message as it came, as far as it is kept.
fn message(row: &request::Model) -> Vec<String> {
    let mut lines = vec![format!("{} {} HTTP/1.1", output::printable(&row.method), line::url(row))];
    lines.extend(headers(row).map(|(name, value)| output::printable(&format!("{name}: {value}"))));
    lines.push(String::new());
    let (bytes, note) = match Body::of(row) {
        Body::None => return lines,
        Body::Left => (Vec::new(), Some(format!("({} bytes, which are not kept)", row.body_size))),
        Body::Whole(bytes) => (bytes, None),
        Body::Cut(bytes) => {
            let note = format!("(the first {} of {} bytes)", bytes.len(), row.body_size);
            (bytes, Some(note))
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => lines.extend(text.lines().map(output::printable)),
        Err(err) => lines.push(format!("(no text; as base64: {})", STANDARD.encode(err.as_bytes()))),
    }
    lines.extend(note);
    lines
}

/// The headers in the order of the request.
pub(crate) fn headers(row: &request::Model) -> impl Iterator<Item = (String, String)> + use<> {
    let list = json::parse(row.headers.as_bytes()).unwrap_or_default();
    let list = list.as_array().map(|list| list.items().to_vec()).unwrap_or_default();
    list.into_iter().filter_map(|pair| {
        let text =
            |index: usize| pair.as_array()?.items().get(index).and_then(Value::as_str).map(str::to_owned);
        Some((text(0)?, text(1)?))
    })
}

/// A line for a shell that sends the request to a server, or why there can be none.
fn curl(row: &request::Model, base: &str) -> Result<String, String> {
    let body = match Body::of(row) {
        Body::None => None,
        Body::Whole(bytes) => Some(bytes),
        Body::Cut(_) => return Err("only the beginning of its body is kept".to_owned()),
        Body::Left => return Err("its body is not kept".to_owned()),
    };
    let mark = if row.query.is_empty() { "" } else { "?" };
    let url = format!("{base}{}{mark}{}", row.path, row.query);
    let mut line = format!("curl --globoff --request {} {}", quoted(&row.method), quoted(&url));
    for (name, value) in headers(row) {
        // What was withheld has to be filled in.
        if !OF_THE_CONNECTION.contains(&&*name) {
            line.push_str(&format!(" --header {}", quoted(&format!("{name}: {value}"))));
        }
    }
    let is_plain = |text: &str| !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
    match body.map(String::from_utf8) {
        None => {}
        Some(Ok(text)) if is_plain(&text) => line.push_str(&format!(" --data-raw {}", quoted(&text))),
        Some(other) => {
            let bytes = other.map_or_else(|err| err.into_bytes(), String::into_bytes);
            let encoded = STANDARD.encode(bytes);
            line = format!("printf %s {} | base64 -d | {line} --data-binary @-", quoted(&encoded));
        }
    }
    if line.contains(MARK) {
        line = format!("# Put what was withheld in the place of {MARK}.\n{line}");
    }
    Ok(line)
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(body: &str) -> request::Model {
        request::Model {
            method: "POST".to_owned(),
            path: "/in".to_owned(),
            query: "a=1".to_owned(),
            headers: r#"[["host","h"],["content-type","text/plain"],["x-it","it's"]]"#.to_owned(),
            body: Some(body.to_owned()),
            body_size: body.len() as i64,
            ..request::Model::default()
        }
    }

    #[test]
    fn a_line_of_curl_sends_the_same() {
        assert_eq!(
            curl(&row("it's"), "http://h").as_deref(),
            Ok(
                r"curl --globoff --request 'POST' 'http://h/in?a=1' --header 'content-type: text/plain' --header 'x-it: it'\''s' --data-raw 'it'\''s'"
            )
        );
        let odd = curl(&row("\u{1b}"), "http://h").expect("a line");
        assert!(odd.starts_with("printf %s 'Gw==' | base64 -d | curl ") && odd.ends_with("@-"), "{odd}");
        let cut = request::Model { body_size: 99, ..row("a") };
        assert!(curl(&cut, "http://h").is_err());
        let withheld = request::Model { headers: format!(r#"[["cookie","{MARK}"]]"#), ..row("") };
        assert!(curl(&withheld, "http://h").is_ok_and(|line| line.starts_with("# Put ")));
    }

    #[test]
    fn a_message_says_what_of_its_body_is_not_there() {
        let cut = request::Model { body_size: 99, ..row("a\u{7}\nb") };
        let lines = message(&cut);
        assert_eq!(lines[0], "POST /in?a=1 HTTP/1.1");
        assert_eq!(lines[4..], ["", "a\u{fffd}", "b", "(the first 4 of 99 bytes)"].map(str::to_owned));
        let left = request::Model { body: None, body_size: 9, ..row("") };
        assert_eq!(message(&left).last().map(String::as_str), Some("(9 bytes, which are not kept)"));
    }
}
