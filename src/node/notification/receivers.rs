//! The users that a message inside NocoBase goes to: ids, lists of ids, and filters on users (`parseUserSelectionConf.ts`
//! of NocoBase's plugin `notification-in-app-message`).

use crate::collection::{Filter, Find, Sort};
use crate::expr::convert::{to_number, to_text};
use crate::expr::{Thrown, Value};
use crate::node::Context;
use crate::node::data_source::{Source, texts};

/// The greatest whole number that JavaScript has without gaps.
const MAX_ID: f64 = 9_007_199_254_740_991.0;

/// The ids of the users, each once.
pub(super) async fn users(cx: &mut Context<'_>, receivers: &Value) -> Result<Vec<i64>, Thrown> {
    if receivers.is_nullish() {
        return Err(Thrown::reading(receivers, "flat"));
    }
    let list = receivers
        .as_array()
        .ok_or_else(|| Thrown::type_error("userSelectionConfig.flat is not a function"))?;
    let items: Vec<Value> = list
        .items()
        .iter()
        .flat_map(|item| match item {
            Value::Array(inner, _) => inner.items().to_vec(),
            item => vec![item.clone()],
        })
        .filter(Value::is_truthy)
        .collect();
    let mut ids = Vec::new();
    for item in items {
        match &item {
            Value::Object(_, _) | Value::Live(_) => {
                // Without a filter that says something it would be all users.
                if Filter::is_valid(&item.member("filter")) {
                    for id in found(cx, &item).await? {
                        add(&id, &mut ids)?;
                    }
                }
            }
            Value::Array(_, _) => {}
            item => add(item, &mut ids)?,
        }
    }
    Ok(ids)
}

fn add(value: &Value, ids: &mut Vec<i64>) -> Result<(), Thrown> {
    let number = to_number(value)?;
    if number.fract() != 0.0 || number.abs() > MAX_ID {
        return Err(Thrown::error(format!(
            "A receiver has to be the id of a user, not {:?}",
            to_text(value)?
        )));
    }
    let id = number as i64;
    if !ids.contains(&id) {
        ids.push(id);
    }
    Ok(())
}

/// The ids of the users that a query finds: `{filter, sort, limit, offset}`.
async fn found(cx: &mut Context<'_>, query: &Value) -> Result<Vec<Value>, Thrown> {
    let source = Source::of_main(cx, "users").await?;
    let users = source.schema.get("users").ok_or_else(|| Thrown::error("there is no collection users"))?;
    let key = users.target_key().unwrap_or_else(|| "id".into());
    let number = |name: &str| match query.member(name) {
        Value::Number(number) if number >= 0.0 => Some(number as u64),
        _ => None,
    };
    let sort = texts(&query.member("sort"))?.unwrap_or_default();
    let sort = sort.into_iter().map(|field| match field.strip_prefix('-') {
        Some(field) => Sort { field: field.to_owned(), is_descending: true },
        None => Sort { field, is_descending: false },
    });
    let find = Find {
        filter: query.member("filter"),
        fields: Some(vec![key.to_string()]),
        sort: sort.collect(),
        limit: number("limit"),
        offset: number("offset"),
        ..Find::default()
    };
    let db = source.database(cx);
    let records = source.reader(&db).find(users, &find).await?;
    Ok(records.iter().map(|record| record.get(&key)).collect())
}
