//! Challenges that are encrypted: WeCom's `echostr`, DingTalk's `check_url`, and Feishu's, which may be.

use super::super::admission::signature::envelope::{self, Envelope};
use super::super::admission::signature::feishu::{self, Feishu};
use super::super::admission::signature::{Unit, parse_object, single};
use super::super::admission::{Admit, Fault, Members};
use super::{Greet, Greeting, Look, json_of};
use crate::webhook::head::{Facts, Head};
use crate::webhook::secret::Secret;

pub(super) const ENVELOPE: &[&str] = &envelope::MEMBERS;
pub(super) const FEISHU: &[&str] = &feishu::MEMBERS;

/// `GET …?msg_signature=…&timestamp=…&nonce=…&echostr=…`
/// (<https://developer.work.weixin.qq.com/document/path/90238>).
#[derive(Debug)]
struct Wecom(Envelope);

pub(super) fn parse_wecom(members: &Members<'_>) -> Result<Box<dyn Greet>, Fault> {
    Ok(Box::new(Wecom(Envelope::of_members(members, Unit::Seconds)?)))
}

impl Greet for Wecom {
    fn by_head(&self, head: &Head, facts: &Facts) -> Look {
        let encrypted = single(&head.query, "echostr").filter(|_| head.method == "GET")?;
        let opened = self.0.open_text(head, &encrypted, facts);
        Some(opened.map(|text| Greeting::Echo(String::from_utf8_lossy(&text).into_owned())))
    }

    fn secrets(&self) -> Vec<&Secret> {
        Admit::secrets(&self.0)
    }
}

/// `{"EventType":"check_url"}`, to which the answer is an encrypted `success`, as to every event: one that is answered
/// otherwise counts as lost and is sent again
/// (<https://open.dingtalk.com/document/orgapp/configure-event-subcription>).
#[derive(Debug)]
struct Dingtalk(Envelope);

pub(super) fn parse_dingtalk(members: &Members<'_>) -> Result<Box<dyn Greet>, Fault> {
    Ok(Box::new(Dingtalk(Envelope::of_members(members, Unit::Milliseconds)?)))
}

impl Greet for Dingtalk {
    fn by_unsigned(&self, head: &Head, body: &[u8], facts: &Facts) -> Look {
        // It looks at the signature by itself; what is not right is for the check of signatures to refuse.
        let opened = Admit::open(&self.0, head, body, facts).ok().flatten()?;
        let event = parse_object(&opened)?.member("EventType");
        let is_check = event.as_str() == Some("check_url");
        is_check.then(|| self.0.seal("success", facts).map(Greeting::Json))
    }

    fn acknowledgement(&self, facts: &Facts) -> Look {
        Some(self.0.seal("success", facts).map(Greeting::Json))
    }

    fn secrets(&self) -> Vec<&Secret> {
        Admit::secrets(&self.0)
    }
}

/// `{"type":"url_verification"}`, which is not signed, with the token of the app or encrypted
/// (<https://open.feishu.cn/document/server-docs/event-subscription-guide/event-subscription-configure-/choose-a-subscription-mode/send-notifications-to-developers-server>).
#[derive(Debug)]
struct FeishuGreet(Feishu);

pub(super) fn parse_feishu(members: &Members<'_>) -> Result<Box<dyn Greet>, Fault> {
    Ok(Box::new(FeishuGreet(Feishu::of_members(members)?)))
}

impl Greet for FeishuGreet {
    fn by_unsigned(&self, _: &Head, body: &[u8], facts: &Facts) -> Look {
        let opened = self.0.read(body, facts).ok()?;
        let opened =
            parse_object(&opened).filter(|body| body.member("type").as_str() == Some("url_verification"))?;
        Some(Ok(json_of([("challenge", opened.member("challenge").as_str()?)])))
    }

    fn secrets(&self) -> Vec<&Secret> {
        Admit::secrets(&self.0)
    }
}
