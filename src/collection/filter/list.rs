//! Lists of values that an attribute is one of, or none of; long ones as one value, because databases count those of a
//! statement.

use sea_orm::DbBackend;
use sea_orm::sea_query::{Alias, ArrayType, BinOper, Expr, ExprTrait, Func, Query, Value as SqlValue};

use super::operator::Op;
use crate::collection::bind::stored_text;
use crate::collection::field::{ColumnType, Field};
use crate::expr::{Thrown, Value, json};
use crate::store::Codec;

/// From how many items on a list is one value.
const LONG: usize = 10_000;

/// The items of an operand, by the rules of JavaScript where it is no list.
pub(super) fn items_of(value: &Value) -> Result<&[Value], Thrown> {
    match value {
        Value::Array(array, _) => Ok(array.items()),
        Value::Undefined | Value::Null => Err(Thrown::reading(value, "length")),
        other if other.member("length").is_truthy() => Err(Thrown::type_error("value.map is not a function")),
        _ => Ok(&[]),
    }
}

/// The condition for a long list of whole numbers or of texts, where the column holds such; `None` for any other, and
/// on MySQL, which has nothing for it in all versions.
pub(super) fn long(
    left: &Expr,
    op: Op,
    items: &[Value],
    field: Option<&Field>,
    codec: &Codec,
) -> Option<Expr> {
    if items.len() < LONG {
        return None;
    }
    let numbers = || items.iter().map(whole_number).collect::<Option<Vec<i64>>>();
    let texts = || items.iter().map(Value::as_str).collect::<Option<Vec<&str>>>();
    let type_name = match field?.column_type {
        ColumnType::Integer | ColumnType::BigInt if numbers().is_some() => "bigint[]",
        ColumnType::Text if texts().is_some() => "text[]",
        ColumnType::Uuid if texts().is_some() => "uuid[]",
        _ => return None,
    };
    match codec.backend() {
        DbBackend::Postgres => {
            let (kind, values): (_, Vec<SqlValue>) = match numbers() {
                Some(numbers) => (ArrayType::BigInt, numbers.into_iter().map(SqlValue::from).collect()),
                None => {
                    let text = |text: &str| SqlValue::from(stored_text(text, codec));
                    (ArrayType::String, texts()?.into_iter().map(text).collect())
                }
            };
            let array = Expr::val(SqlValue::Array(kind, Some(Box::new(values))));
            let (operator, quantifier) = if op == Op::In { ("=", "ANY") } else { ("<>", "ALL") };
            let all: Expr = Func::cust(quantifier).arg(array.cast_as(Alias::new(type_name))).into();
            Some(left.clone().binary(BinOper::Custom(operator), all))
        }
        DbBackend::Sqlite => {
            let (each, list) = (Alias::new("each"), json::stringify_or_null(&Value::array(items.to_vec())));
            let values = Query::select()
                .column((each.clone(), Alias::new("value")))
                .from_function(Func::cust("json_each").arg(Expr::val(list)), each)
                .to_owned();
            Some(if op == Op::In {
                left.clone().in_subquery(values)
            } else {
                left.clone().not_in_subquery(values)
            })
        }
        _ => None,
    }
}

fn whole_number(value: &Value) -> Option<i64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    value
        .as_number()
        .filter(|number| number.fract() == 0.0 && number.abs() <= LIMIT)
        .map(|number| number as i64)
}
