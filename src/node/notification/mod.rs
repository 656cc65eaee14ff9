//! Sends a message through one of NocoBase's channels (`NotificationInstruction.ts` of NocoBase's plugin
//! `workflow-notification`, and the plugins of the channels): mails, and messages inside NocoBase. Channels of other types,
//! and messages that use more of Handlebars than variables, are left to NocoBase.

mod content;
mod mail;
mod receivers;

use async_trait::async_trait;
use entity::status::job::{ERROR, FAILED, PENDING, RESOLVED};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use self::content::Content;
use super::{Context, Draft, Example, Node, NodeType, Outcome, Settled, Work};
use crate::collection::{Channel, InAppMessage, Notifications, SendLog};
use crate::expr::convert::to_text;
use crate::expr::{Object, Scope, Template, Thrown, Value, json};

/// The types of channels that are served here.
pub const EMAIL: &str = "email";
pub const IN_APP: &str = "in-app-message";

#[derive(Default, Deserialize)]
#[serde(from = "Value")]
pub struct Notification {
    /// `channelName` and what the type of the channel has in its form: all that is configured, but for `ignoreFail`.
    message: Template,
    /// The same before its variables are filled in.
    configured: Value,
    /// Its `content`; none where it uses more of Handlebars than variables.
    content: Option<Content>,
    /// Whether the job is resolved whatever comes.
    ignore_fail: bool,
}

impl From<Value> for Notification {
    fn from(config: Value) -> Self {
        let ignore_fail = config.member("ignoreFail").is_truthy();
        let members = config.as_object().into_iter().flat_map(Object::iter);
        let members = members.filter(|(name, _)| &***name != "ignoreFail");
        let configured = Value::object(members.map(|(name, value)| (name.clone(), value.clone())));
        let content = Content::parse(&configured.member("content"));
        Self { message: Template::parse(&configured), configured, content, ignore_fail }
    }
}

impl Notification {
    /// Whether only NocoBase can fill the message in: it uses more of Handlebars than variables.
    pub fn needs_nocobase(&self) -> bool {
        self.content.is_none()
    }
}

/// A message with the channel that it goes through.
struct Sending {
    message: Value,
    channel_name: Value,
    channel: Option<Channel>,
}

#[async_trait]
impl Node for Notification {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let scope = cx.scope()?;
        let rendered = self.message.render(&scope)?;
        let Some(message) = self.filled_in(&rendered, &scope)? else {
            return Ok(Outcome::Leave(Thrown::error(
                "The message uses more of Handlebars than variables, which only NocoBase can fill in",
            )));
        };
        let channel_name = message.member("channelName");
        let notifications = cx.services().notifications.clone();
        let channel = match channel_name.is_nullish() {
            true => None,
            false => notifications.channel(&to_text(&channel_name)?).await.map_err(unread)?,
        };
        let channel = channel.map(|channel| with_environment(channel, &scope)).transpose()?;
        let sending = Sending { message, channel_name, channel };
        match sending.type_name() {
            Some(EMAIL) => sending.mail(cx),
            Some(IN_APP) => sending.in_app(cx, self.ignore_fail).await,
            Some(other) => Ok(Outcome::Leave(Thrown::error(format!(
                "Notifications through channels of the type {other:?} are sent by NocoBase only"
            )))),
            None => sending.without_channel(cx).await,
        }
    }
}

impl Notification {
    /// The message as it is sent; none where only NocoBase can tell.
    fn filled_in(&self, rendered: &Value, scope: &Scope) -> Result<Option<Value>, Thrown> {
        let Some(content) = &self.content else { return Ok(None) };
        let others = self.configured.as_object().into_iter().flat_map(Object::iter);
        let mut others = others.filter(|(name, _)| &***name != "content");
        if others.any(|(name, value)| content::has_more(value, &rendered.member(name))) {
            return Ok(None);
        }
        let mut message = rendered.as_object().cloned().unwrap_or_default();
        if self.configured.as_object().is_some_and(|members| members.get("content").is_some()) {
            message.insert("content", content.render(scope)?);
        }
        Ok(Some(Value::from(message)))
    }
}

/// A channel with its `{{$env}}` filled in; there is nothing else in its templates.
fn with_environment(channel: Channel, scope: &Scope) -> Result<Channel, Thrown> {
    let scope = Scope { env: scope.env.clone(), ..Scope::of_context(Value::Undefined) };
    let text = |text: Option<String>| -> Result<Option<String>, Thrown> {
        let Some(text) = text else { return Ok(None) };
        let rendered = Template::parse(&Value::text(text)).render(&scope)?;
        if rendered.is_nullish() { Ok(None) } else { to_text(&rendered).map(Some) }
    };
    let options = channel.options.and_then(|text| json::parse(text.0.as_bytes()).ok());
    let options = options.map(|options| Template::parse(&options).render(&scope)).transpose()?;
    Ok(Channel {
        title: text(channel.title)?,
        type_name: text(channel.type_name)?,
        options: options.and_then(|options| json::stringify(&options)).map(entity::JsonText),
    })
}

fn unread(err: sea_orm::DbErr) -> Thrown {
    Thrown::error(Notifications::complaint(&err))
}

impl Sending {
    fn type_name(&self) -> Option<&str> {
        self.channel.as_ref().map(|channel| channel.type_name.as_deref().unwrap_or_default())
    }

    /// What NocoBase's log says; the id is random where there is none.
    fn log(&self, cx: &mut Context<'_>, id: Option<String>, failure: Option<String>) -> SendLog {
        let name = &self.channel_name;
        SendLog {
            id: id.unwrap_or_else(|| Uuid::new_v4().to_string()),
            channel_name: if name.is_nullish() { None } else { to_text(name).ok() },
            channel_title: self.channel.as_ref().and_then(|channel| channel.title.clone()),
            type_name: self.type_name().map(str::to_owned),
            is_success: failure.is_none(),
            message: json::stringify_or_null(&self.message),
            reason: failure,
            at: cx.host().now(),
        }
    }

    /// The result of the node.
    fn result(&self, failure: Option<&str>, is_queued: bool) -> Value {
        let mut result = Object::new();
        result.insert("status", Value::from(if failure.is_some() { "failure" } else { "success" }));
        if let Some(reason) = failure {
            result.insert("reason", Value::text(reason));
        }
        result.insert("triggerFrom", Value::from("workflow"));
        result.insert("channelName", self.channel_name.clone());
        result.insert("queued", Value::Bool(is_queued));
        Value::from(result)
    }

    /// There is no such channel: NocoBase finds that out when the node has long succeeded.
    async fn without_channel(self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let log = self.log(cx, None, Some("channel not found".to_owned()));
        let notifications = cx.services().notifications.clone();
        let transaction = cx.transaction().await?;
        notifications.log_within(transaction, &log).await.map_err(unread)?;
        Ok(super::resolved(self.result(None, true)))
    }

    /// Puts the message into the inboxes of its receivers, with the log and the job of the node.
    async fn in_app(self, cx: &mut Context<'_>, ignore_fail: bool) -> Result<Outcome, Thrown> {
        let found = receivers::users(cx, &self.message.member("receivers")).await;
        let failure = found.as_ref().err().map(|thrown| format!("{}: {}", thrown.name, thrown.message));
        let log = self.log(cx, None, failure.clone());
        let text = |name: &str| match self.message.member(name) {
            value if value.is_nullish() => Ok(None),
            value => to_text(&value).map(Some),
        };
        let options = match self.message.member("options") {
            Value::Undefined => Some("{}".to_owned()),
            Value::Null => None,
            options => json::stringify(&options),
        };
        let message = InAppMessage {
            channel_name: to_text(&self.channel_name)?,
            title: text("title")?,
            content: text("content")?,
            options,
            at: log.at,
        };
        let notifications = cx.services().notifications.clone();
        let transaction = cx.transaction().await?;
        let users = found.unwrap_or_default();
        notifications.add_messages(transaction, &message, &users).await.map_err(unread)?;
        notifications.log_within(transaction, &log).await.map_err(unread)?;
        let status = if failure.is_none() || ignore_fail { RESOLVED } else { FAILED };
        let result = self.result(failure.as_deref(), false);
        Ok(Outcome::Finished(Draft { status, result, ..Draft::default() }))
    }

    /// Sends a mail. After a crash it is sent again, with the same Message-ID, and logged once.
    fn mail(self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let effect_key = cx.effect_key();
        let mut log = self.log(cx, Some(log_id(&effect_key)), None);
        let options = self.channel.as_ref().and_then(|channel| channel.options.as_ref());
        let options = options.and_then(|text| json::parse(text.0.as_bytes()).ok()).unwrap_or(Value::Null);
        let mail = mail::mail(&self.message, &options, effect_key, log.at);
        let (client, notifications) = (cx.services().mail.clone(), cx.services().notifications.clone());
        let settled = Settled { status: RESOLVED, result: self.result(None, true) };
        let message = self.message;
        Ok(Outcome::Background(Work {
            pending: Draft { status: PENDING, ..Draft::default() },
            interrupted: None,
            timed_out: None,
            done: Box::pin(async move {
                let failure = match mail {
                    Ok(mail) => super::mailer::send(&client, mail.provider, mail.letter, Vec::new())
                        .await
                        .err()
                        .map(|failure| mail::failure(&failure.message, &message)),
                    Err(reason) => Some(reason),
                };
                (log.is_success, log.reason) = (failure.is_none(), failure);
                if let Err(err) = notifications.log(&log).await {
                    tracing::warn!(reason = %err, "what has become of a notification cannot be logged");
                }
                settled
            }),
        }))
    }
}

/// The id of the row that says what has become of a mail: the same whenever this mail is sent.
fn log_id(effect_key: &str) -> String {
    let hash = Sha256::digest(format!("notification\n{effect_key}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

impl NodeType for Notification {
    const TYPE: &'static str = "notification";
    const ABOUT: &'static str = "Sends a message through a channel of NocoBase's notifications, a mail or one inside NocoBase; channels of other types are left to NocoBase. A mail that fails shows in NocoBase's log of notifications only.";
    const HAS_OUTSIDE_EFFECTS: bool = true;
    const CHANGES_DATA: bool = true;

    fn examples() -> Vec<Example> {
        vec![Example {
            about: "Fails in a database without NocoBase's notifications; a mail that is on its way resolves with {status: \"success\", triggerFrom: \"workflow\", channelName, queued: true}",
            config: r#"{"channelName": "orders", "to": ["{{$context.body.email}}"], "subject": "Order {{$context.body.id}}",
                        "contentType": "text", "text": "Thank you."}"#,
            context: r#"{"body": {"id": 7, "email": "a@example.com"}}"#,
            status: ERROR,
            result: r#"{"message":"There is no table of NocoBase's notifications: enable its plugin notification-manager"}"#,
        }]
    }
}
