//! What is wrong, or may be, with a webhook workflow.

use std::collections::{BTreeMap, BTreeSet};

use entity::flow_node;

use super::{called, channel, listener, missed};
use crate::app::{Hook, ModuleSetting};
use crate::expr::Object;
use crate::node::loop_::Loop;
use crate::node::script::ScriptNode;
use crate::node::{self, NodeType};
use crate::store::Callable;
use crate::store::catalog::Definition;
use crate::store::event::RecordEvent;
use crate::webhook::json_path::JsonPath;
use crate::webhook::secret::Secret;
use crate::webhook::trigger::{Item, Place, Trigger};

/// One thing about a workflow.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub level: Level,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Its webhook, or a URL of it, serves nobody.
    Error,
    /// It does not work as it was meant.
    Warning,
    /// It may be meant.
    Note,
}

/// What a workflow's findings depend on beside itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'a> {
    /// Whether nodes that sidehook does not run are left to NocoBase.
    pub hands_over: bool,
    /// The modules that scripts may load.
    pub modules: &'a ModuleSetting,
    /// Whether `WORKFLOW_LOOP_LIMIT` bounds the rounds of loops.
    pub limits_loops: bool,
    /// NocoBase's workflows that start when records change; none where NocoBase does the writing.
    pub events: &'a [RecordEvent],
    /// `$env`
    pub environment: &'a Object,
    /// The types of the channels of notifications, by their names.
    pub channels: &'a BTreeMap<String, String>,
    /// The workflows that can be called, by their keys.
    pub workflows: &'a BTreeMap<String, Callable>,
}

/// Everything that is found, but for its custom path, which depends on other workflows.
pub(super) fn all(definition: &Definition, hook: &Hook, setting: Setting<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    about_trigger(&hook.trigger, &mut findings);
    about_secrets(&hook.trigger, setting.environment, &mut findings);
    let graph = &hook.workflow.graph;
    if graph.head().is_none() && !graph.is_empty() {
        warn(&mut findings, "none of its nodes is the first one, so every execution fails");
    }
    findings.extend(of_nodes(definition, setting));
    about_responses(definition, hook.workflow.is_sync, &mut findings);
    findings
}

/// What is found about the nodes of a workflow, whatever starts it.
pub(super) fn of_nodes(definition: &Definition, setting: Setting<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in &definition.nodes {
        about_node(row, setting, definition.workflow.sync == Some(true), &mut findings);
    }
    findings
}

fn warn(findings: &mut Vec<Finding>, text: impl Into<String>) {
    findings.push(Finding { level: Level::Warning, text: text.into() });
}

fn about_trigger(trigger: &Trigger, findings: &mut Vec<Finding>) {
    let faults = trigger.faults().map(|fault| fault.text.clone());
    findings.extend(faults.map(|text| Finding { level: Level::Error, text }));
    let Some(request) = &trigger.request else { return };
    for (part, items) in [("query", &request.query), ("body", &request.body)] {
        for key in items.iter().filter_map(broken_json_path) {
            warn(findings, format!("`{key}` of its {part} is not a valid JSONPath and finds nothing"));
        }
        for path in items.iter().filter_map(far_reaching) {
            let text = "looks into everything below more than once: large requests may be refused (400)";
            warn(findings, format!("`{path}` of its {part} {text}"));
        }
    }
}

/// Secrets that are not there. Nothing of one that is there is told.
fn about_secrets(trigger: &Trigger, environment: &Object, findings: &mut Vec<Finding>) {
    let missing = |secrets: &mut dyn Iterator<Item = &'_ Secret>| -> BTreeSet<String> {
        let missing = secrets.filter(|secret| secret.bytes(environment).is_none());
        missing.filter_map(Secret::variable).map(str::to_owned).collect()
    };
    let of_checks = missing(&mut trigger.admission.secrets());
    let all = missing(&mut trigger.secrets());
    findings.extend(all.into_iter().map(|name| {
        let outcome =
            if of_checks.contains(&name) { "nobody is let in" } else { "its challenges are refused" };
        let text = format!(
            "the environment variable {name}, which holds a secret of its trigger, is missing or empty: {outcome}"
        );
        Finding { level: Level::Error, text }
    }));
}

/// The key of an item that looks like a JSONPath and is none. A plain name may start with `$` too.
fn broken_json_path(item: &Item) -> Option<&str> {
    match &item.place {
        Place::Path(path) => {
            Some(path.text()).filter(|text| text.starts_with("$.") || text.starts_with("$["))
        }
        Place::JsonPath(_) => None,
    }
}

/// A JSONPath with more than one `..`: what it finds grows with the power of the depth of a request.
fn far_reaching(item: &Item) -> Option<&JsonPath> {
    match &item.place {
        Place::JsonPath(path) => Some(path).filter(|path| path.descents() > 1),
        Place::Path(_) => None,
    }
}

fn about_node(row: &flow_node::Model, setting: Setting<'_>, is_sync: bool, findings: &mut Vec<Finding>) {
    let (name, type_name) = (name(row), row.r#type.as_deref().unwrap_or_default());
    let Some(kind) = node::find(type_name) else {
        let what = if setting.hands_over { "from there on NocoBase runs the workflow" } else { "it fails" };
        let text = format!("node {name} is of the type {type_name:?}, which sidehook does not run: {what}");
        return warn(findings, text);
    };
    let config = row.config.as_ref().map_or("{}", |config| &config.0);
    let Ok(configured) = kind.configure(config) else {
        return warn(findings, format!("node {name} has a configuration that cannot be read: it fails"));
    };
    if let Some(left_out) = listener::warning(type_name, config) {
        warn(findings, format!("node {name} {left_out}"));
    }
    if let Some(missed) = missed::warning(type_name, config, setting.events) {
        warn(findings, format!("node {name} {missed}"));
    }
    if let Some(said) = called::finding(type_name, config, setting.workflows, is_sync) {
        let (level, text) = match said {
            called::Said::Wrong(text) => (Level::Warning, text),
            called::Said::Noted(text) => (Level::Note, text),
        };
        findings.push(Finding { level, text: format!("node {name} {text}") });
    }
    if let Some(unsent) = channel::warning(type_name, config, setting.channels, setting.hands_over) {
        warn(findings, format!("node {name} {unsent}"));
    }
    if !setting.limits_loops && type_name == Loop::TYPE && Loop::takes_rounds_from_event(config) {
        let text = format!(
            "node {name} has as many rounds as the sender says: set WORKFLOW_LOOP_LIMIT to what is enough"
        );
        warn(findings, text);
    }
    if !cfg!(feature = "js") && (configured.library().is_some() || type_name == ScriptNode::TYPE) {
        warn(
            findings,
            format!("node {name} needs JavaScript, which this sidehook was built without: it fails"),
        );
    }
    if type_name == ScriptNode::TYPE && !setting.modules.names.is_empty() {
        let lacking = ScriptNode::modules(config).into_iter().filter_map(|name| setting.modules.lacks(&name));
        lacking.for_each(|why| {
            warn(findings, format!("node {name} cannot load a module, and fails there: {why}"))
        });
    }
}

fn about_responses(definition: &Definition, is_sync: bool, findings: &mut Vec<Finding>) {
    let mut responses = definition.nodes.iter().filter(|row| row.r#type.as_deref() == Some("response"));
    if !is_sync {
        for row in responses {
            let text = format!("node {} answers nobody, because the workflow is asynchronous", name(row));
            warn(findings, text);
        }
    } else if responses.next().is_none() {
        let text = "it has no response node: callers are told 200 when it succeeds and 500 when it fails";
        findings.push(Finding { level: Level::Note, text: text.to_owned() });
    }
}

/// A node's title, else its key, in quotes.
fn name(row: &flow_node::Model) -> String {
    let title = row.title.as_deref().filter(|title| !title.is_empty());
    format!("{:?}", title.or(row.key.as_deref()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use entity::{JsonText, Timestamp, workflow};

    use super::*;
    use crate::expr::Value;

    fn row(id: i64, type_name: &str, config: &str) -> flow_node::Model {
        flow_node::Model {
            id,
            key: Some(format!("n{id}")),
            title: None,
            upstream_id: (id > 1).then_some(id - 1),
            branch_index: None,
            downstream_id: Some(id + 1),
            r#type: Some(type_name.to_owned()),
            config: Some(JsonText(config.to_owned())),
            workflow_id: Some(1),
        }
    }

    /// What is found, with `note: ` before what is no warning.
    fn found(trigger: &str, is_sync: bool, nodes: Vec<flow_node::Model>) -> Vec<String> {
        let workflow = workflow::Model {
            id: 1,
            updated_at: Timestamp(chrono::DateTime::UNIX_EPOCH),
            key: Some("k".to_owned()),
            title: None,
            enabled: Some(true),
            r#type: Some("webhook".to_owned()),
            config: Some(JsonText(trigger.to_owned())),
            current: Some(true),
            sync: Some(is_sync),
            options: None,
        };
        let definition = Definition { workflow, nodes };
        let text = |finding: Finding| match finding.level {
            Level::Error => format!("error: {}", finding.text),
            Level::Warning => finding.text,
            Level::Note => format!("note: {}", finding.text),
        };
        let environment = [("SET", "s"), ("EMPTY", "")].into_iter();
        let environment: Object = environment.map(|(name, text)| (name, Value::from(text))).collect();
        let setting = Setting {
            hands_over: false,
            modules: &ModuleSetting {
                names: vec!["crypto".to_owned(), "fs".to_owned()],
                folders: Vec::new(),
            },
            limits_loops: false,
            events: &[],
            environment: &environment,
            channels: &BTreeMap::new(),
            workflows: &BTreeMap::new(),
        };
        all(&definition, &Hook::build(&definition), setting).into_iter().map(text).collect()
    }

    #[test]
    fn a_sound_workflow_has_no_findings() {
        let nodes = || vec![row(1, "condition", r#"{"engine":"basic"}"#), row(2, "response", "{}")];
        let trigger = r#"{"basicAuthentication":{"username":"a","password":"b"},
            "request":{"body":[{"key":"$.a[0]"},{"key":"$filter"},{"key":"b.c"}]},"sidehook":{"path":"x"}}"#;
        assert_eq!(found(trigger, true, nodes()), Vec::<String>::new());
        assert_eq!(found("{}", false, Vec::new()), Vec::<String>::new());
    }

    #[test]
    fn faults_of_the_trigger_are_named() {
        let trigger = r#"{"basicAuthentication":true,"request":{"query":[{"key":"$[?x"}],
            "body":[{"key":"$.a["},{"key":"$."},{"key":"$"},{"key":"$..a"},{"key":"$..a..b"}]},
            "sidehook":{"signatures":{},"context":"all","methods":["GET","post"],"ipAllowlist":["10.0.0"],
                "rateLimit":{"requests":0},"auth":{"bearer":""},"bodyLimit":"much","cors":{"origins":[]}}}"#;
        let expected = [
            "error: `sidehook.signatures` of its trigger is not known to this version: nobody is let in",
            "error: `sidehook.context` of its trigger is not \"full\": nobody is let in",
            "error: `sidehook.cors.origins` of its trigger has to be a text or a list of texts, none of them empty: nobody is let in",
            "error: `sidehook.methods` of its trigger has to be a list of some of GET, POST, PUT, PATCH, DELETE: nobody is let in",
            "error: `sidehook.ipAllowlist` of its trigger has to be a list of addresses, ranges such as 10.0.0.0/8, and of the names github, gitlab, paddle, pagerduty, stripe, svix, telegram: nobody is let in",
            "error: `sidehook.rateLimit.requests` of its trigger has to be a whole number from 1 to 100000: nobody is let in",
            "error: basic authentication is on, but without a user name and a password: nobody is let in",
            "error: `sidehook.auth.bearer` of its trigger has to be a text that is not empty, or {{$env.NAME}} and nothing else, or a list of such texts: nobody is let in",
            "error: `sidehook.bodyLimit` of its trigger has to be a size such as 100kb or 1mb, or a number of bytes: nobody is let in",
            "`$[?x` of its query is not a valid JSONPath and finds nothing",
            "`$.a[` of its body is not a valid JSONPath and finds nothing",
            "`$.` of its body is not a valid JSONPath and finds nothing",
            "`$..a..b` of its body looks into everything below more than once: large requests may be refused (400)",
        ];
        assert_eq!(found(trigger, false, Vec::new()), expected);
    }

    #[test]
    fn secrets_that_are_not_there_are_named() {
        let auth = |value: &str| format!(r#"{{"sidehook":{{"auth":{{"bearer":{value}}}}}}}"#);
        assert_eq!(found(&auth(r#"["{{$env.SET}}","plain"]"#), false, Vec::new()), [""; 0]);
        let missing = |name: &str| {
            format!(
                "error: the environment variable {name}, which holds a secret of its trigger, is missing or empty: nobody is let in"
            )
        };
        let several = auth(r#"["{{$env.NONE}}","{{$env.EMPTY}}","{{$env.NONE}}"]"#);
        assert_eq!(found(&several, false, Vec::new()), [missing("EMPTY"), missing("NONE")]);
        let challenge = r#"{"sidehook":{"challenge":{"type":"zoom","secret":"{{$env.NONE}}"}}}"#;
        let refused = missing("NONE").replace("nobody is let in", "its challenges are refused");
        assert_eq!(found(challenge, false, Vec::new()), [refused]);
    }

    #[test]
    fn nodes_that_cannot_run_are_named_by_title_or_key() {
        let nodes = vec![
            flow_node::Model { title: Some("Send \"it\"".to_owned()), ..row(1, "manual", "{}") },
            row(2, "script", r#"{"content":"require('crypto'); return require('dayjs')()"}"#),
            row(3, "script", r#"{"content":"return 1"}"#),
            row(5, "variable", "{"),
        ];
        let expected = [
            r#"node "Send \"it\"" is of the type "manual", which sidehook does not run: it fails"#,
            r#"node "n2" cannot load a module, and fails there: module "dayjs" not supported"#,
            r#"node "n5" has a configuration that cannot be read: it fails"#,
        ];
        assert_eq!(found("{}", false, nodes), expected);
    }

    #[test]
    fn loops_whose_rounds_a_sender_chooses_are_named() {
        let nodes = vec![
            row(1, "loop", r#"{"target":"{{$context.body.n}}"}"#),
            row(2, "loop", r#"{"target":"{{ ctx.$context.body.n }}"}"#),
            row(3, "loop", r#"{"target":"{{$jobsMapByNodeKey.n1}}"}"#),
            row(4, "loop", r#"{"target":5}"#),
            row(5, "loop", r#"{"target":"$context"}"#),
        ];
        let text = |key: &str| {
            format!(
                "node {key:?} has as many rounds as the sender says: set WORKFLOW_LOOP_LIMIT to what is enough"
            )
        };
        assert_eq!(found("{}", false, nodes), [text("n1"), text("n2")]);
    }

    #[test]
    fn nodes_without_a_first_one_fail() {
        let circle = flow_node::Model { upstream_id: Some(1), ..row(1, "variable", "{}") };
        assert_eq!(
            found("{}", false, vec![circle]),
            ["none of its nodes is the first one, so every execution fails"]
        );
    }

    #[test]
    fn responses_belong_to_synchronous_workflows() {
        let note =
            "note: it has no response node: callers are told 200 when it succeeds and 500 when it fails";
        assert_eq!(found("{}", true, vec![row(1, "variable", "{}")]), [note]);
        assert_eq!(
            found("{}", false, vec![row(1, "response", "{}")]),
            [r#"node "n1" answers nobody, because the workflow is asynchronous"#]
        );
    }
}
