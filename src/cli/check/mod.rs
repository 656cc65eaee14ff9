//! `sidehook check`: what stands between a database and being served, and what its webhooks look like.

mod beside;
mod called;
mod channel;
mod finding;
mod front;
mod listener;
mod missed;
mod queued;
mod report;

use std::collections::BTreeMap;

use anyhow::Context as _;
use clap::Args;
use sea_orm::DbErr;

use self::finding::{Finding, Level, Setting};
pub(super) use self::report::Found;

use self::report::Report;
use super::{Settings, output};
use crate::app::{self, Hook, Needs, UNOPENED};
use crate::config::{Config, MAIN};
use crate::node::NodeType as _;
use crate::node::notification::Notification;
use crate::store::Store;
use crate::store::catalog::{Catalog, Definition};
use crate::store::connection::{Address, TlsMode};
use crate::store::fault::{Fault, describe as describe_error};
use crate::store::inspect::Gap;
use crate::store::instance::MAX_INSTANCES;
use crate::store::metadata::Metadata;
use crate::store::notification::Notifications;
use crate::store::rights::{self, Permission};
use crate::webhook::admission::Key;
use crate::webhook::path;
use crate::webhook::trigger::Trigger;

/// Looks at the database and its webhook workflows and says what is wrong with them. Changes nothing.
#[derive(Args)]
#[command(after_help = "\
With an error sidehook cannot serve the database, or a webhook of it, and the exit code is 1. Warnings
name what does not work as it was meant, notes what may be meant.

Examples:
  sidehook check --env-file .env
  sidehook check --grants hook --env-file .env
  sidehook check --database postgres://nocobase:secret@127.0.0.1/nocobase")]
pub(super) struct Check {
    #[command(flatten)]
    settings: Settings,
    /// Print the statements that give a user all rights that are needed instead; the user of the settings unless named.
    #[arg(long, value_name = "USER", num_args = 0..=1, default_missing_value = "")]
    grants: Option<String>,
}

/// A webhook workflow as it is stored and as it would be served.
struct Listed {
    definition: Definition,
    hook: Hook,
}

impl Check {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (mut config, _log) = self.settings.load().await?;
        config.database.address = config.database.address.without_creating();
        let store = app::connect(&config).await.context(UNOPENED)?;
        if let Some(user) = self.grants {
            return print_grants(&store, &config, user).await;
        }
        let mut report = Report::default();
        if examine(&store, &config, &mut report).await? {
            // Such as a right on the collections that is missing.
            if let Err(err) = check_data(&store, &config, &mut report).await {
                report
                    .warning(&format!("what data nodes need cannot be looked at: {}", describe_error(&err)));
                report.hint(
                    "`sidehook check --grants USER`, as somebody who may see all tables, prints the rights.",
                );
            }
        }
        report.finish()
    }
}

/// What is wrong with a deployment and its webhooks; for those who do not read it line by line.
pub(super) async fn findings(store: &Store, config: &Config) -> anyhow::Result<Vec<Found>> {
    let mut report = Report::silent();
    examine(store, config, &mut report).await?;
    Ok(report.found())
}

/// Prints the statements that give a user all rights that are needed.
async fn print_grants(store: &Store, config: &Config, user: String) -> anyhow::Result<()> {
    if matches!(config.database.address, Address::Sqlite { .. }) {
        anyhow::bail!("SQLite has no rights on tables: whoever may write to the file may do everything");
    }
    let user = if user.is_empty() { store.user().await? } else { user };
    let statements = Needs::of(store, config).await?.grants(&user).await?;
    output::line(statements.join("\n"))
}

/// Says what the data nodes of the webhook workflows lack, in this database and in other data sources.
async fn check_data(store: &Store, config: &Config, report: &mut Report) -> Result<(), DbErr> {
    let faults = Needs::of(store, config).await?.faults().await;
    if !faults.is_empty() {
        report.heading("The data of these workflows:");
    }
    for fault in faults {
        let workflows =
            fault.workflows.iter().map(|title| format!("{title:?}")).collect::<Vec<_>>().join(", ");
        let text = format!("{} (of {workflows})", fault.text);
        if fault.is_note { report.note(&text) } else { report.warning(&text) }
    }
    Ok(())
}

/// Returns whether the workflows could be looked at.
async fn examine(store: &Store, config: &Config, report: &mut Report) -> anyhow::Result<bool> {
    if config.app != MAIN {
        report.fact("Application", &config.app);
    }
    report.fact("Database", &store.database_version().await?);
    if let Some(state) = encryption(&config.database.address, store).await? {
        report.fact("Connection", state);
    }
    report.fact("Listens on", &config.http.listen.to_string());
    front::look(config, report).await;
    let permission = store.permission().await?;
    let gaps = check_tables(store, &permission, report).await?;
    if gaps.is_empty() && !permission.hides_workflows() {
        check_plugin(store, report).await?;
    }
    check_own_tables(store, report).await?;
    check_rights(store, &permission, report).await?;
    let is_readable = gaps.is_empty() && !permission.hides_workflows();
    if is_readable {
        list_workflows(store, config, report).await.context("the workflows cannot be read")?;
    }
    Ok(is_readable)
}

/// How far the way to a server is secret.
async fn encryption(address: &Address, store: &Store) -> Result<Option<&'static str>, DbErr> {
    let server = match address {
        Address::Sqlite { .. } => return Ok(None),
        Address::Postgres(server) | Address::Mysql(server) => server,
    };
    Ok(Some(match server.tls.mode {
        TlsMode::Off => "not encrypted",
        TlsMode::Prefer if !store.is_encrypted().await? => "not encrypted: the server offers no TLS",
        TlsMode::Prefer | TlsMode::Require => "encrypted; the server is not verified",
        TlsMode::VerifyCa => "encrypted; the server's certificate is verified, the name in it is not",
        TlsMode::VerifyFull => "encrypted; the server is verified",
    }))
}

/// Returns what is missing of the tables that have to be there.
async fn check_tables(
    store: &Store,
    permission: &Permission,
    report: &mut Report,
) -> Result<Vec<Gap>, DbErr> {
    // A database may hide the tables on which there is no right.
    let is_hidden = |gap: &Gap| permission.missing.iter().any(|missing| missing.table == gap.table);
    let gaps = store.gaps().await?.into_iter().filter(|gap| !is_hidden(gap));
    let (optional, gaps): (Vec<Gap>, Vec<Gap>) = gaps.partition(Gap::is_optional);
    report.fact("NocoBase's tables", if gaps.is_empty() { "complete" } else { "incomplete" });
    for gap in &gaps {
        report.error(&gap.to_string());
    }
    if gaps.iter().any(|gap| gap.columns.is_empty()) {
        report.hint("Is this NocoBase's database? DB_TABLE_PREFIX, DB_UNDERSCORED and DB_SCHEMA have to be");
        report.hint("as NocoBase has them, and its workflow plugin has to be installed.");
    } else if !gaps.is_empty() {
        report.hint("sidehook needs the tables of NocoBase 2.2 or later: upgrade NocoBase.");
    }
    for gap in &optional {
        report.note(&format!("{gap}: $env is empty"));
    }
    Ok(gaps)
}

async fn check_plugin(store: &Store, report: &mut Report) -> Result<(), DbErr> {
    let Some(plugin) = store.workflow_plugin().await? else {
        report.fact("Workflow plugin", "not installed");
        report.error("applicationPlugins has no row of the plugin workflow: install it in NocoBase first");
        return Ok(());
    };
    report.fact("Workflow plugin", plugin.version.as_deref().unwrap_or("of unknown version"));
    if !plugin.is_enabled {
        report.note("the plugin is not enabled, so NocoBase does not show what sidehook records");
    }
    Ok(())
}

async fn check_own_tables(store: &Store, report: &mut Report) -> anyhow::Result<()> {
    const LABEL: &str = "sidehook's tables";
    match migration::has_pending(store.db.as_sea_orm(), &store.names).await {
        Err(err) => {
            report.fact(LABEL, "not usable");
            report.error(&err.to_string());
        }
        Ok(true) if store.may_create_tables().await? => {
            report.fact(LABEL, "not there or not up to date; serve creates them");
        }
        Ok(true) => {
            report.fact(LABEL, "not there or not up to date");
            report.error("this user may not create tables: run `sidehook migrate` as one who may");
        }
        Ok(false) => {
            report.fact(LABEL, "up to date");
            check_instances(store, report).await?;
        }
    }
    Ok(())
}

/// Says what the user of the database lacks, and the statement that gives it.
async fn check_rights(store: &Store, permission: &Permission, report: &mut Report) -> Result<(), DbErr> {
    const LABEL: &str = "Rights";
    if permission.is_read_only {
        report.fact(LABEL, "reading only");
        report.error("the database is read-only: sidehook needs one that takes events, not a standby");
        return Ok(());
    }
    if permission.missing.is_empty() {
        return Ok(());
    }
    report.fact(LABEL, "incomplete");
    let user = store.user().await?;
    for missing in &permission.missing {
        let rights = rights::listed(&missing.rights);
        let text = format!("this user lacks {rights} on {}: {}", missing.name, missing.grant(&user));
        if missing.is_optional() { report.warning(&text) } else { report.error(&text) }
    }
    Ok(())
}

async fn check_instances(store: &Store, report: &mut Report) -> Result<(), DbErr> {
    let numbers = store.instances_in_use().await?;
    let list = numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
    let list = if list.is_empty() { list } else { format!(": {list}") };
    report.fact("Instances", &format!("{} of {MAX_INSTANCES} numbers are in use{list}", numbers.len()));
    if numbers.len() >= MAX_INSTANCES as usize {
        report.warning("another sidehook cannot start before one of these has stopped");
    }
    Ok(())
}

async fn list_workflows(store: &Store, config: &Config, report: &mut Report) -> Result<(), DbErr> {
    let listed =
        |definition: &Definition| Listed { definition: definition.clone(), hook: Hook::build(definition) };
    let catalog = Catalog::new(store.clone(), listed);
    catalog.refresh().await?;
    let entries = catalog.entries();
    let mut workflows: Vec<&Listed> = entries.values().map(|listed| &**listed).collect();
    workflows.sort_by_key(|listed| listed.hook.workflow.id);
    let claims = workflows.iter().filter_map(|listed| listed.hook.claim());
    let (_, unserved) = path::Table::build(&config.http.api_base_path, claims);
    report.heading(&match workflows.len() {
        0 => "No webhook workflow is enabled.".to_owned(),
        1 => "1 webhook workflow is enabled:".to_owned(),
        count => format!("{count} webhook workflows are enabled:"),
    });
    let hands_over = config.nocobase.api.is_some() || store.is_own_plugin_enabled().await?;
    let events = if config.nocobase.writes_data { Vec::new() } else { store.record_events().await? };
    let plugins = store.enabled_plugins().await?;
    let environment = app::environment(store, config).await?;
    let modules = app::modules(config);
    let channels = Notifications::new(store.clone()).channel_types().await?;
    let workflows_to_call = store.callable_workflows().await?;
    let setting = Setting {
        hands_over,
        modules: &modules,
        limits_loops: config.engine.loop_limit.is_some(),
        events: &events,
        environment: &environment,
        channels: &channels,
        workflows: &workflows_to_call,
    };
    for listed in &workflows {
        let refused = unserved.iter().find(|one| one.key == listed.hook.workflow.key);
        let findings = finding::all(&listed.definition, &listed.hook, setting);
        describe(listed, refused.map(|one| &one.reason), findings, config, report);
    }
    check_notifications(store, &workflows, report).await?;
    if !config.nocobase.writes_data {
        let definitions = workflows.iter().map(|listed| &listed.definition);
        // Whoever may not read the collections is told where data nodes need them.
        let metadata = match store.metadata().await {
            Err(err) if Fault::of(&err) == Fault::MissingRight => Metadata::default(),
            read => read?,
        };
        list_left_out(&beside::left_out(definitions, &metadata, &plugins), report);
    }
    queued::list(store, config, setting, report).await
}

/// Says what the user of the database lacks for notifications, where workflows have any.
async fn check_notifications(store: &Store, workflows: &[&Listed], report: &mut Report) -> Result<(), DbErr> {
    let mut nodes = workflows.iter().flat_map(|listed| &listed.definition.nodes);
    if !nodes.any(|row| row.r#type.as_deref() == Some(Notification::TYPE)) {
        return Ok(());
    }
    let user = store.user().await?;
    for missing in store.lacking_for_notifications().await? {
        let (rights, grant) = (rights::listed(&missing.rights), missing.grant(&user));
        report.warning(&format!("notifications need {rights} on {}: {grant}", missing.name));
    }
    Ok(())
}

/// What writes in the database leave out, each collection once.
fn list_left_out(left_out: &BTreeMap<String, Vec<String>>, report: &mut Report) {
    if left_out.is_empty() {
        return;
    }
    report.heading(
        "Collections that are written beside NocoBase (SIDEHOOK_DATA_WRITES=api has NocoBase write them):",
    );
    for (collection, parts) in left_out {
        report.warning(&format!("{collection}: {}", parts.join("; ")));
    }
}

/// How senders prove who they are.
fn authentication(trigger: &Trigger) -> String {
    const WAYS: [(Key, &str); 2] =
        [(Key::Trigger("basicAuthentication"), "basic"), (Key::Extension("auth"), "token")];
    let asked = WAYS.iter().filter(|(key, _)| trigger.admission.asks_for(*key)).map(|(_, name)| *name);
    let mut asked: Vec<&str> = asked.collect();
    if trigger.faults().next().is_some() && !asked.is_empty() {
        asked.push("but unusable");
    }
    if asked.is_empty() { "none".to_owned() } else { asked.join(", ") }
}

fn describe(
    listed: &Listed,
    refused: Option<&path::Reason>,
    findings: Vec<Finding>,
    config: &Config,
    report: &mut Report,
) {
    let Hook { workflow, trigger } = &listed.hook;
    report.heading(if workflow.title.is_empty() { "(without a title)" } else { &workflow.title });
    report.detail("key", &workflow.key);
    let below = if config.app == MAIN { String::new() } else { format!("__app/{}/", config.app) };
    let base = format!("{}{below}", config.http.api_base_path);
    report.detail("URL", &format!("POST {base}webhook:trigger/{}", workflow.key));
    if let (Some(Ok(path)), None) = (&trigger.path, refused) {
        report.detail("", &format!("POST {path}"));
    }
    report.detail("mode", if workflow.is_sync { "synchronous" } else { "asynchronous" });
    report.detail("authentication", &authentication(trigger));
    // What is wrong with the path itself is among the findings.
    let refused = refused.filter(|reason| !matches!(reason, path::Reason::Unusable(_)));
    let path = refused.map(|reason| Finding { level: Level::Error, text: reason.to_string() });
    for finding in path.into_iter().chain(findings) {
        match finding.level {
            Level::Error => report.fault(&finding.text),
            Level::Warning => report.warning(&finding.text),
            Level::Note => report.note(&finding.text),
        }
    }
}
