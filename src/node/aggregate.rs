//! Calculates over the records of a collection (`AggregateInstruction.ts` of `plugin-workflow-aggregate`).

use async_trait::async_trait;
use entity::number_text;
use entity::status::job::{ERROR, RESOLVED};
use serde::Deserialize;

use super::data_source::{BOOKS, CollectionName, Source};
use super::{Context, Example, Node, NodeType, Outcome, Sample, resolved};
use crate::collection::aggregate::{Aggregate as Calculation, AggregateFunction, Source as Associated};
use crate::expr::convert::{text_to_number, to_number, to_text};
use crate::expr::{Object, Template, Thrown, Value};

/// The most decimals that a result is rounded to.
const MOST_DECIMALS: f64 = 14.0;
/// As many decimals as mathjs tells numbers apart by (`relTol` of 1e-12).
const EQUAL_DECIMALS: i32 = 12;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Aggregate {
    /// `count`, `sum`, `avg`, `min` or `max`.
    aggregator: Value,
    collection: Value,
    /// Whether only records count that belong to the one that `association` names.
    associated: Value,
    /// `{associatedCollection, name, associatedKey}`; the key is rendered.
    association: Association,
    /// `{field, distinct, filter}`, rendered.
    params: Option<Template>,
    /// Decimals of the result; 2 when not given.
    precision: Value,
}

#[derive(Default, Deserialize)]
#[serde(from = "Value")]
struct Association {
    collection: Value,
    name: Value,
    key: Template,
}

impl From<Value> for Association {
    fn from(value: Value) -> Self {
        let key = Template::parse(&value.member("associatedKey"));
        Self { collection: value.member("associatedCollection"), name: value.member("name"), key }
    }
}

#[async_trait]
impl Node for Aggregate {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let params = match &self.params {
            Some(params) => cx.render(params)?,
            None => Value::default(),
        };
        let name = CollectionName::parse(&self.collection);
        let is_associated = self.associated.is_truthy();
        let owner = to_text(&self.association.collection)?;
        let wanted = if is_associated { owner.as_str() } else { name.collection.as_str() };
        let source = match Source::open(cx, &name.data_source, wanted, no_source).await {
            Ok(source) => source,
            Err(refused) => return refused.outcome(),
        };
        let collection = source
            .schema
            .get(wanted)
            .cloned()
            .ok_or_else(|| Thrown::reading(&Value::Undefined, "aggregate"))?;
        let calculation = self.calculation(&params)?;
        let result = if is_associated {
            let key = cx.render(&self.association.key)?;
            let association = to_text(&self.association.name)?;
            let of = Associated { collection, association, key };
            let db = source.database(cx);
            source.reader(&db).aggregate_of(&of, &calculation).await
        } else {
            let db = source.database(cx);
            source.reader(&db).aggregate(&collection, &calculation).await
        };
        match result {
            Ok(result) => Ok(resolved(rounded(&result, &self.precision)?)),
            Err(thrown) => Err(source.told(thrown).await),
        }
    }
}

/// What NocoBase throws where there is no such data source.
fn no_source() -> Thrown {
    Thrown::type_error(
        "Cannot destructure property 'collectionManager' of \
         'this.workflow.app.dataSourceManager.dataSources.get(...)' as it is undefined.",
    )
}

impl Aggregate {
    fn calculation(&self, params: &Value) -> Result<Calculation, Thrown> {
        let unreadable = |what: &str| Thrown::reading(&Value::Undefined, what);
        let field = match params.member("field") {
            field if field.is_nullish() => return Err(unreadable("startsWith")),
            field => to_text(&field)?,
        };
        let function = self.aggregator.as_str().and_then(AggregateFunction::parse);
        Ok(Calculation {
            function: function.ok_or_else(|| unreadable("replace"))?,
            field,
            is_distinct: params.member("distinct").is_truthy(),
            filter: params.member("filter"),
        })
    }
}

/// mathjs's `round(value || 0, precision)`.
fn rounded(value: &Value, precision: &Value) -> Result<Value, Thrown> {
    let decimals = if precision.is_undefined() { 2.0 } else { to_number(precision)? };
    let decimals = decimals.clamp(0.0, MOST_DECIMALS);
    if decimals.fract() != 0.0 || decimals.is_nan() {
        return Err(Thrown::type_error("Number of decimals in function round must be an integer"));
    }
    let number = match value {
        value if !value.is_truthy() => 0.0,
        Value::Number(number) => *number,
        Value::Bool(_) => 1.0,
        Value::Text(text) => {
            let number = text_to_number(text);
            if number.is_nan() {
                return Err(Thrown::error(format!("Cannot convert \"{text}\" to a number")));
            }
            number
        }
        other => return Err(not_round(other)),
    };
    let decimals = decimals as i32;
    if decimals >= EQUAL_DECIMALS {
        return Ok(Value::Number(round_decimal(number, decimals)));
    }
    // A number that is as good as a shorter one is rounded like it.
    let near = round_decimal(number, EQUAL_DECIMALS);
    let is_near = (number - near).abs() <= 1e-12 * number.abs().max(near.abs());
    Ok(Value::Number(round_decimal(if is_near { near } else { number }, decimals)))
}

/// Rounds the decimal digits that the number is written with, halves away from zero.
fn round_decimal(number: f64, decimals: i32) -> f64 {
    let text = number_text(number.abs());
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let Ok(exponent) = exponent.trim_start_matches('+').parse::<i32>() else { return number };
    let all = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).unwrap_or(i32::MAX) + exponent;
    let keep = point.saturating_add(decimals);
    if keep >= i32::try_from(all.len()).unwrap_or(i32::MAX) {
        return number;
    }
    let Ok(keep) = usize::try_from(keep) else { return 0.0 };
    let up = all.as_bytes().get(keep).is_some_and(|digit| *digit >= b'5');
    let kept = all.get(..keep).filter(|kept| !kept.is_empty()).unwrap_or("0");
    let Ok(kept) = kept.parse::<u128>() else { return number };
    let kept = if up { kept + 1 } else { kept };
    let rounded: f64 = format!("{kept}e{}", -decimals).parse().unwrap_or(number);
    if number < 0.0 { -rounded } else { rounded }
}

/// mathjs's error for a value that it has no `round` for.
fn not_round(value: &Value) -> Thrown {
    const EXPECTED: [&str; 12] = [
        "number",
        "Complex",
        "BigNumber",
        "bigint",
        "Fraction",
        "Array",
        "Matrix",
        "Unit",
        "DenseMatrix",
        "SparseMatrix",
        "string",
        "boolean",
    ];
    let actual = match value {
        Value::Date(_) => "Date",
        Value::Array(_, _) => "Array",
        _ => "Object",
    };
    let list = |names: &[&str]| Value::array(names.iter().map(|name| Value::from(*name)).collect());
    let data = Value::object([
        ("category", Value::from("wrongType")),
        ("fn", "round".into()),
        ("index", 0.into()),
        ("actual", list(&[actual])),
        ("expected", list(&EXPECTED)),
    ]);
    let message = format!(
        "Unexpected type of argument in function round (expected: {}, actual: {actual}, index: 0)",
        EXPECTED.join(" or ")
    );
    Thrown::type_error(message).with_properties([("data", data)].into_iter().collect::<Object>())
}

impl NodeType for Aggregate {
    const TYPE: &'static str = "aggregate";
    const ABOUT: &'static str = "Counts or calculates over the records of a collection.";
    const SAMPLE: Option<&'static Sample> = Some(BOOKS);

    fn examples() -> Vec<Example> {
        vec![
            Example {
                about: "Adds up a field of the records that match",
                config: r#"{"aggregator": "sum", "collection": "books", "params": {"field": "price", "filter": {"stock": {"$gt": 0}}}}"#,
                context: "{}",
                status: RESOLVED,
                result: "17.5",
            },
            Example {
                about: "Says that there is no such collection",
                config: r#"{"aggregator": "count", "collection": "no_such_collection", "params": {"field": "id"}}"#,
                context: "{}",
                status: ERROR,
                result: r#"{"message":"Cannot read properties of undefined (reading 'aggregate')"}"#,
            },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_rounded_as_mathjs_does() {
        let cases = [
            (1.005, 2, 1.01),
            (2.5, 0, 3.0),
            (-2.5, 0, -3.0),
            (13.8, 2, 13.8),
            (0.1 + 0.2, 14, 0.3),
            (1.283_333_333_333_333_3, 3, 1.283),
            (0.004, 2, 0.0),
            (0.005, 2, 0.01),
            (1e21, 2, 1e21),
            (1e-7, 3, 0.0),
            (9_007_199_254_740_994.0, 2, 9_007_199_254_740_994.0),
            (0.95, 1, 1.0),
        ];
        for (number, precision, expected) in cases {
            let result = rounded(&Value::Number(number), &precision.into()).expect("a number");
            assert_eq!(result.as_number(), Some(expected), "{number} to {precision}");
        }
        let precision =
            |value: Value| rounded(&Value::Number(1.23456), &value).map(|value| value.as_number());
        assert_eq!(precision(Value::Undefined), Ok(Some(1.23)));
        assert_eq!(precision(Value::from("3")), Ok(Some(1.235)));
        assert_eq!(precision((-1).into()), Ok(Some(1.0)));
        assert!(precision(Value::Number(1.5)).is_err());
    }

    #[test]
    fn what_is_no_number_throws() {
        let thrown = rounded(&"b".into(), &Value::Undefined).expect_err("a text");
        assert_eq!(thrown.message, "Cannot convert \"b\" to a number");
        let thrown = rounded(&Value::Date(crate::expr::Date(0.0)), &Value::Undefined).expect_err("a date");
        assert_eq!(thrown.to_result().member("data").member("fn").as_str(), Some("round"));
        assert_eq!(rounded(&Value::Null, &Value::Undefined).map(|value| value.as_number()), Ok(Some(0.0)));
    }
}
