//! What data nodes work on, as far as their configurations say it: for those who look at a workflow before it runs.

use super::data_source::{CollectionName, MAIN, appends};
use crate::expr::Value;
use crate::expr::convert::to_text;

/// What a node does to the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Read,
    Create,
    Update,
    Destroy,
    /// SQL, of which nobody knows what it does.
    Run,
    /// A transaction around others.
    Enclose,
}

impl Deed {
    /// Whether it may change something.
    pub fn writes(self) -> bool {
        !matches!(self, Self::Read | Self::Enclose)
    }
}

/// What one node works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataUse {
    pub source: String,
    /// None for SQL and transactions.
    pub collection: Option<String>,
    /// Associations that it reads, nested ones with dots.
    pub appends: Vec<String>,
    pub deed: Deed,
}

/// What a node of this type and configuration works on; `None` for nodes that work on no collection or database.
pub fn data_use(type_name: &str, config: &Value) -> Option<DataUse> {
    let deed = match type_name {
        "query" | "aggregate" => Deed::Read,
        "create" => Deed::Create,
        "update" => Deed::Update,
        "destroy" => Deed::Destroy,
        "sql" => Deed::Run,
        "transaction" => Deed::Enclose,
        _ => return None,
    };
    if matches!(deed, Deed::Run | Deed::Enclose) {
        let source = config.member("dataSource");
        let source = if source.is_truthy() { to_text(&source).ok()? } else { MAIN.to_owned() };
        return Some(DataUse { source, collection: None, appends: Vec::new(), deed });
    }
    let name = CollectionName::parse(&config.member("collection"));
    let associated = config.member("association").member("associatedCollection");
    let collection = match associated.as_str().filter(|_| config.member("associated").is_truthy()) {
        Some(owner) => owner.to_owned(),
        None => name.collection,
    };
    if collection.is_empty() {
        return None;
    }
    let appends = appends(&config.member("params").member("appends")).unwrap_or_default();
    Some(DataUse { source: name.data_source, collection: Some(collection), appends, deed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    #[test]
    fn configurations_say_what_is_worked_on() {
        let of = |type_name: &str, config: &str| {
            data_use(type_name, &json::parse(config.as_bytes()).expect("JSON"))
        };
        let create = of("create", r#"{"collection":"erp:orders","params":{"appends":["customer.address"]}}"#);
        let create = create.expect("a data node");
        assert_eq!(
            (&*create.source, create.collection.as_deref(), create.deed),
            ("erp", Some("orders"), Deed::Create)
        );
        assert_eq!(create.appends, ["customer", "customer.address"]);
        let associated =
            r#"{"collection":"items","associated":true,"association":{"associatedCollection":"orders"}}"#;
        assert_eq!(of("aggregate", associated).and_then(|one| one.collection).as_deref(), Some("orders"));
        assert_eq!(of("sql", r#"{"dataSource":"erp"}"#).map(|one| one.source).as_deref(), Some("erp"));
        assert_eq!(of("sql", "{}").map(|one| one.source).as_deref(), Some("main"));
        assert_eq!((of("query", "{}"), of("condition", "{}")), (None, None));
    }
}
