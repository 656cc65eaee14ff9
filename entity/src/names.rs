//! Table and column names of one deployment, from `DB_SCHEMA`, `DB_TABLE_PREFIX` and `DB_UNDERSCORED`
//! (`packages/core/database/src/collection.ts` and `naming` options of NocoBase).

use std::borrow::Cow;

use sea_orm::sea_query::{Alias, DynIden, IntoIden, IntoTableRef, TableRef};

/// The longest name of an index, in bytes: what PostgreSQL keeps of one.
const MAX_NAME: usize = 63;

/// The tables that sidehook reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Workflows,
    FlowNodes,
    Executions,
    Jobs,
    WorkflowStats,
    WorkflowVersionStats,
    ApplicationPlugins,
    Applications,
    EnvironmentVariables,
    Collections,
    Fields,
    Storages,
    DataSources,
    DataSourcesCollections,
    DataSourcesFields,
    NotificationChannels,
    NotificationInAppMessages,
    NotificationSendLogs,
    Instances,
    Leases,
    Timers,
    Handovers,
    Requests,
    Listening,
    Settings,
}

impl Table {
    /// NocoBase's collection name; for sidehook's own tables the part after `sidehook_`.
    fn base_name(self) -> &'static str {
        match self {
            Table::Workflows => "workflows",
            Table::FlowNodes => "flow_nodes",
            Table::Executions => "executions",
            Table::Jobs => "jobs",
            Table::WorkflowStats => "workflowStats",
            Table::WorkflowVersionStats => "workflowVersionStats",
            Table::ApplicationPlugins => "applicationPlugins",
            Table::Applications => "applications",
            Table::EnvironmentVariables => "environmentVariables",
            Table::Collections => "collections",
            Table::Fields => "fields",
            Table::Storages => "storages",
            Table::DataSources => "dataSources",
            Table::DataSourcesCollections => "dataSourcesCollections",
            Table::DataSourcesFields => "dataSourcesFields",
            Table::NotificationChannels => "notificationChannels",
            Table::NotificationInAppMessages => "notificationInAppMessages",
            Table::NotificationSendLogs => "notificationSendLogs",
            Table::Instances => "instances",
            Table::Leases => "leases",
            Table::Timers => "timers",
            Table::Handovers => "handovers",
            Table::Requests => "requests",
            Table::Listening => "listening",
            Table::Settings => "settings",
        }
    }

    /// Whether sidehook created this table and may change it.
    pub fn is_own(self) -> bool {
        matches!(
            self,
            Table::Instances
                | Table::Leases
                | Table::Timers
                | Table::Handovers
                | Table::Requests
                | Table::Listening
                | Table::Settings
        )
    }
}

/// How one deployment names its tables and columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    schema: Option<String>,
    prefix: String,
    underscored: bool,
}

impl Names {
    /// `schema` counts on PostgreSQL only; pass `None` for the others.
    pub fn new(schema: Option<String>, prefix: impl Into<String>, underscored: bool) -> Self {
        Self { schema: schema.filter(|s| !s.is_empty()), prefix: prefix.into(), underscored }
    }

    /// The name of a table without its schema.
    ///
    /// sidehook's own tables are named `sidehook_<prefix><table>`, so that two deployments that share a
    /// database under two prefixes don't share leases.
    pub fn table_name(&self, table: Table) -> String {
        if table.is_own() {
            return format!("sidehook_{}{}", self.prefix, table.base_name());
        }
        self.prefixed(&self.column_name(table.base_name()))
    }

    /// The name of an index that sidehook makes: table and fields in snake_case, whatever the columns are called, such as
    /// `executions_status_expires_at`. Cut where PostgreSQL would cut it, which MySQL refuses instead (from 65 characters
    /// on): a prefix may be long.
    pub fn index_name(&self, table: Table, fields: &[&str]) -> String {
        let mut name = snake_case(&self.table_name(table));
        for field in fields {
            name.push('_');
            name.push_str(&snake_case(field));
        }
        name.truncate(MAX_NAME);
        name
    }

    /// The name of a column of one of NocoBase's tables, given its camelCase field name.
    pub fn column_name<'a>(&self, field: &'a str) -> Cow<'a, str> {
        if self.underscored { snake_case(field).into() } else { field.into() }
    }

    /// A table for sea-query, with its schema.
    pub fn table(&self, table: Table) -> TableRef {
        let name = Alias::new(self.table_name(table));
        match &self.schema {
            Some(schema) => (Alias::new(schema), name).into_table_ref(),
            None => name.into_table_ref(),
        }
    }

    /// A column of one of NocoBase's tables for sea-query.
    pub fn column(&self, field: &str) -> DynIden {
        Alias::new(self.column_name(field)).into_iden()
    }

    /// The name of a user table, without its schema: `name` is the collection's or its `tableName`, in
    /// snake_case already where that is to be.
    pub fn prefixed(&self, name: &str) -> String {
        if name.starts_with(&self.prefix) { name.to_owned() } else { format!("{}{name}", self.prefix) }
    }

    /// `DB_UNDERSCORED`.
    pub fn underscored(&self) -> bool {
        self.underscored
    }

    /// The PostgreSQL schema, where one is set.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }
}

/// `allPosts` → `all_posts`, `HTMLBody` → `html_body`: the rule of the `inflection` package that NocoBase
/// applies when `DB_UNDERSCORED` is set.
pub fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (i, &c) in chars.iter().enumerate() {
        let after_word = i > 0 && (chars[i - 1].is_ascii_lowercase() || chars[i - 1].is_ascii_digit());
        let ends_acronym = i > 0
            && chars[i - 1].is_ascii_uppercase()
            && chars.get(i + 1).is_some_and(char::is_ascii_lowercase);
        if c.is_ascii_uppercase() && (after_word || ends_acronym) {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_three_settings() {
        let plain = Names::new(None, "", false);
        assert_eq!(plain.table_name(Table::WorkflowVersionStats), "workflowVersionStats");
        assert_eq!(plain.table_name(Table::Leases), "sidehook_leases");
        assert_eq!(plain.column_name("createdAt"), "createdAt");

        let other = Names::new(Some("nbs".into()), "nb_", true);
        assert_eq!(other.table_name(Table::WorkflowVersionStats), "nb_workflow_version_stats");
        assert_eq!(other.table_name(Table::Leases), "sidehook_nb_leases");
        assert_eq!(other.column_name("eventKey"), "event_key");
    }

    #[test]
    fn snake_case_keeps_acronyms_together() {
        assert_eq!(snake_case("allPosts"), "all_posts");
        assert_eq!(snake_case("HTMLBody"), "html_body");
        assert_eq!(snake_case("flow_nodes"), "flow_nodes");
        assert_eq!(snake_case("createdById"), "created_by_id");
    }
}
