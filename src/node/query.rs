//! Reads records of a collection, one or many (`QueryInstruction.ts`).

use async_trait::async_trait;
use entity::status::job::{ERROR, FAILED, RESOLVED};
use serde::Deserialize;

use super::data_source::{BOOKS, CollectionName, Source, appends, texts};
use super::{Context, Draft, Example, Node, NodeType, Outcome, Sample};
use crate::collection::{Find, Sort};
use crate::expr::convert::{to_number, to_text};
use crate::expr::{Template, Thrown, Value};

/// NocoBase's `DEFAULT_PAGE` and `DEFAULT_PER_PAGE`.
const PAGE: f64 = 1.0;
const PAGE_SIZE: f64 = 20.0;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Query {
    /// `posts`, or `source:posts`.
    collection: Value,
    /// All matching records of a page instead of the first one.
    multiple: Value,
    /// `{filter, fields, except, appends, sort: [{field, direction}], page, pageSize}`, rendered.
    params: Option<Template>,
    /// A job of status -1 when there is no such record.
    fail_on_empty: Value,
}

#[async_trait]
impl Node for Query {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let name = CollectionName::parse(&self.collection);
        let unknown =
            || Thrown::type_error("Cannot read properties of undefined (reading 'collectionManager')");
        let source = match Source::open(cx, &name.data_source, &name.collection, unknown).await {
            Ok(source) => source,
            Err(refused) => return refused.outcome(),
        };
        let collection = source.schema.get(&name.collection).ok_or_else(|| {
            Thrown::type_error(
                "Cannot destructure property 'repository' of 'this.workflow.app.dataSourceManager.dataSources.get(...)\
                 .collectionManager.getCollection(...)' as it is undefined.",
            )
        })?;
        let params = match &self.params {
            Some(params) => cx.render(params)?,
            None => Value::default(),
        };
        let is_multiple = self.multiple.is_truthy();
        let db = source.database(cx);
        let records = match source.reader(&db).find(collection, &find(&params, is_multiple)?).await {
            Ok(records) => records,
            Err(thrown) => return Err(source.told(thrown).await),
        };
        let is_empty = records.is_empty();
        let mut values = records.iter().map(crate::collection::Record::to_value);
        let result = match is_multiple {
            true => Value::array(values.collect()),
            false => values.next().unwrap_or(Value::Null),
        };
        let status = if is_empty && self.fail_on_empty.is_truthy() { FAILED } else { RESOLVED };
        Ok(Outcome::Finished(Draft { status, result, ..Draft::default() }))
    }
}

fn find(params: &Value, is_multiple: bool) -> Result<Find, Thrown> {
    let number = |name: &str, default: f64| match params.member(name) {
        value if value.is_nullish() => Ok(default),
        value => to_number(&value),
    };
    let (page, size) = (number("page", PAGE)?, number("pageSize", PAGE_SIZE)?);
    let fields = match params.member("fields") {
        value if value.is_truthy() => Some(texts(&value)?.unwrap_or_default()),
        _ => None,
    };
    Ok(Find {
        filter: params.member("filter"),
        fields,
        except: texts(&params.member("except"))?.unwrap_or_default(),
        appends: appends(&params.member("appends"))?,
        sort: sort(&params.member("sort"))?,
        limit: Some(if is_multiple { count(size, "pageSize")? } else { 1 }),
        offset: Some(count((page - 1.0) * size, "page")?),
    })
}

fn count(number: f64, name: &str) -> Result<u64, Thrown> {
    match number {
        number if number >= 0.0 && number <= i64::MAX as f64 => Ok(number as u64),
        _ => Err(Thrown::error(format!("{name} gives no page: it has to be a number of at least 1"))),
    }
}

fn sort(value: &Value) -> Result<Vec<Sort>, Thrown> {
    let Value::Array(array, _) = value else { return Ok(Vec::new()) };
    let mut keys = Vec::new();
    for item in array.items() {
        let field = item.member("field");
        if field.is_truthy() {
            let direction = item.member("direction");
            let is_descending = direction.as_str().is_some_and(|text| text.eq_ignore_ascii_case("desc"));
            keys.push(Sort { field: to_text(&field)?, is_descending });
        }
    }
    Ok(keys)
}

impl NodeType for Query {
    const TYPE: &'static str = "query";
    const ABOUT: &'static str = "Reads one record or several, with associations.";
    const SAMPLE: Option<&'static Sample> = Some(BOOKS);

    fn examples() -> Vec<Example> {
        vec![
            Example {
                about: "Reads the records that match, in the order that is asked for",
                config: r#"{"collection": "books", "multiple": true, "params": {"filter": {"stock": {"$gt": 0}}, "sort": [{"field": "price", "direction": "asc"}], "fields": ["title", "stock"]}}"#,
                context: r#"{}"#,
                status: RESOLVED,
                result: r#"[{"title":"Momo","stock":7},{"title":"Emma","stock":4}]"#,
            },
            Example {
                about: "Says that there is no such collection",
                config: r#"{"collection": "no_such_collection", "params": {"filter": {"id": 1}}}"#,
                context: "{}",
                status: ERROR,
                result: r#"{"message":"Cannot destructure property 'repository' of 'this.workflow.app.dataSourceManager.dataSources.get(...).collectionManager.getCollection(...)' as it is undefined."}"#,
            },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    #[test]
    fn pages_are_of_twenty_and_sorts_without_a_field_are_ignored() {
        let params = |text: &str| json::parse(text.as_bytes()).expect("JSON");
        let all = find(&Value::Undefined, true).expect("defaults");
        assert_eq!((all.limit, all.offset), (Some(20), Some(0)));
        let third = find(&params(r#"{"page":"3","pageSize":"7"}"#), true).expect("numbers");
        assert_eq!((third.limit, third.offset), (Some(7), Some(14)));
        let one = find(&params(r#"{"page":3,"pageSize":7}"#), false).expect("numbers");
        assert_eq!((one.limit, one.offset), (Some(1), Some(14)));
        for bad in [r#"{"page":0}"#, r#"{"pageSize":"x"}"#, r#"{"pageSize":-1}"#] {
            assert!(find(&params(bad), true).is_err(), "{bad}");
        }
        let sorted = params(r#"[{"field":""},{"field":"a","direction":"DESC"},{"field":"b"}]"#);
        let keys = sort(&sorted).expect("texts");
        let keys: Vec<_> = keys.iter().map(|key| (key.field.as_str(), key.is_descending)).collect();
        assert_eq!(keys, [("a", true), ("b", false)]);
        assert_eq!(appends(&params(r#"["a.b","a","c"]"#)).expect("texts"), ["a", "a.b", "c"]);
    }
}
