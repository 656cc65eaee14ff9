//! Sends a mail by SMTP and records what the server said (`MailerInstruction.ts` of NocoBase's plugin
//! `workflow-mailer`, with nodemailer as its client). Beside NocoBase it bounds a mail in time, sends it again after a
//! crash, with the same `Message-ID`, and says why a mail has failed where NocoBase does not.

mod addresses;
mod attachments;
mod letter;
pub(super) mod provider;
mod result;

use async_trait::async_trait;
use entity::status::job::{ABORTED, ERROR, FAILED, PENDING, RESOLVED};
use serde::Deserialize;

use self::attachments::Attached;
pub(super) use self::letter::Letter;

use self::letter::Written;
use super::{Context, Draft, Example, JobId, Node, NodeType, Outcome, Settled, Work};
use crate::expr::{Scope, Template, Thrown};
use crate::outbound::mail::{Delivered, Mailer as Client, Provider, Undelivered};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Mailer {
    /// `{host, port, secure, auth: {user, pass}}`.
    provider: Template,
    /// An address, such as `Shop <shop@example.com>`.
    from: Template,
    /// Lists of addresses, which can hold lists themselves.
    to: Template,
    cc: Template,
    bcc: Template,
    subject: Template,
    /// `html`, or `text` for all else.
    content_type: Template,
    html: Template,
    text: Template,
    /// Records of the file manager, in lists or not.
    attachments: Template,
    /// Whether the job is resolved whatever comes.
    ignore_fail: Template,
}

#[async_trait]
impl Node for Mailer {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let scope = cx.scope()?;
        let rendered = self.provider.render(&scope)?;
        let ignore_fail = self.ignore_fail.render(&scope)?.is_truthy();
        let letter = self.letter(&scope, cx)?;
        // It throws, whatever `ignoreFail` says.
        let provider = provider::of(&rendered)?;
        // An asynchronous workflow comes to it when it resumes.
        let ignores = cx.is_sync() && ignore_fail;
        let attachments = self.attachments.render(&scope)?;
        let now = cx.host().now();
        let (client, files) = (cx.services().mail.clone(), cx.services().files.at(now));
        Ok(Outcome::Background(Work {
            pending: Draft { status: PENDING, upstream: cx.input(), ..Draft::default() },
            interrupted: None,
            timed_out: None,
            done: Box::pin(async move {
                // More than three quarters of it cannot be files, which are sent as base64.
                let room = client.size_limit() / 4 * 3;
                let settled = match attachments::read(&attachments, &files, room).await {
                    Ok(attached) => settle(&client, provider, letter, attached).await,
                    Err(failure) => result::unread(&failure),
                };
                if ignores { Settled { status: RESOLVED, ..settled } } else { settled }
            }),
        }))
    }

    /// NocoBase looks here at the configuration as it is stored, templates not filled in.
    async fn resume(&self, cx: &mut Context<'_>, job: JobId) -> Result<Outcome, Thrown> {
        if self.ignore_fail.is_truthy() && cx.job(job).status != ABORTED {
            cx.run().set_status(job, RESOLVED);
        }
        Ok(Outcome::Continue(job))
    }
}

impl Mailer {
    fn letter(&self, scope: &Scope, cx: &mut Context<'_>) -> Result<Letter, Thrown> {
        let content_type = self.content_type.render(scope)?;
        let is_html = content_type.as_str() == Some("html");
        Ok(Letter {
            from: self.from.render(scope)?,
            to: self.to.render(scope)?,
            cc: self.cc.render(scope)?,
            bcc: self.bcc.render(scope)?,
            subject: self.subject.render(scope)?,
            is_html,
            content: if is_html { &self.html } else { &self.text }.render(scope)?,
            effect_key: cx.effect_key(),
            now: cx.host().now(),
        })
    }
}

/// The job of a letter with its files. A failed one for whatever is in the way.
async fn settle(
    client: &Client,
    provider: Result<Provider, Undelivered>,
    letter: Letter,
    attached: Vec<Attached>,
) -> Settled {
    match send(client, provider, letter, attached).await {
        Ok((written, delivered)) => result::delivered(&written, &delivered),
        Err(failure) => result::failed(&failure),
    }
}

/// Sends a letter with its files.
pub(super) async fn send(
    client: &Client,
    provider: Result<Provider, Undelivered>,
    letter: Letter,
    attached: Vec<Attached>,
) -> Result<(Written, Delivered), Undelivered> {
    // Long files take a while.
    let writing = tokio::task::spawn_blocking(move || letter.write(attached)).await;
    let written = writing.unwrap_or_else(|err| Err(Undelivered::plain(err.to_string())))?;
    let delivered = client.send(&provider?, &written.mail).await?;
    Ok((written, delivered))
}

impl NodeType for Mailer {
    const TYPE: &'static str = "mailer";
    const ABOUT: &'static str = "Sends a mail by SMTP; what the server said is the result. After a crash it is sent again, with the same Message-ID.";
    const HAS_OUTSIDE_EFFECTS: bool = true;

    fn examples() -> Vec<Example> {
        vec![
            Example {
                about: "Goes on although nobody answers; with a mail that is taken, the result is {accepted, rejected, ehlo, envelopeTime, messageTime, messageSize, response, envelope, messageId}",
                config: r#"{"provider": {"host": "127.0.0.1", "port": 1, "secure": false, "auth": {"user": "shop", "pass": "{{$env.SMTP_PASSWORD}}"}},
                            "from": "Shop <shop@example.com>", "to": ["{{$context.body.email}}"], "subject": "Order {{$context.body.id}}",
                            "contentType": "html", "html": "<p>Thank you.</p>", "ignoreFail": true}"#,
                context: r#"{"body": {"id": 7, "email": "a@example.com"}}"#,
                status: RESOLVED,
                result: r#"{"errno":-111,"code":"ESOCKET","syscall":"connect","address":"127.0.0.1","port":1,"command":"CONN"}"#,
            },
            Example {
                about: "Fails with recipients that are no list",
                config: r#"{"provider": {"host": "127.0.0.1", "port": 1}, "from": "shop@example.com", "to": "a@example.com",
                            "subject": "Order", "contentType": "text", "text": "Thank you."}"#,
                context: "{}",
                status: FAILED,
                result: r#"{"message":"`to` of a mail has to be a list of addresses, each a text"}"#,
            },
            Example {
                about: "Throws without a provider",
                config: r#"{"to": ["a@example.com"], "ignoreFail": true}"#,
                context: "{}",
                status: ERROR,
                result: r#"{"message":"Cannot destructure property 'host' of 'provider' as it is undefined."}"#,
            },
        ]
    }
}
