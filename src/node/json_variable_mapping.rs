//! Picks values out of a JSON value into a flat object (`JSONVariableMappingInstruction.ts` of
//! `plugin-workflow-json-variable-mapping`).

use async_trait::async_trait;
use entity::status::job::{FAILED, RESOLVED};
use serde::Deserialize;

use super::{Context, Draft, Example, Node, NodeType, Outcome, resolved};
use crate::expr::convert::to_text;
use crate::expr::path::property;
use crate::expr::{Object, Template, Thrown, Value};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct JsonVariableMapping {
    /// The value to pick from: an object or a list.
    data_source: Template,
    /// `[{key, path, paths, children}]`.
    variables: Value,
    /// Takes lists apart by index instead of collecting over their items.
    parse_array: Value,
}

/// The segment that stands for "every item of the list".
const EVERY_ITEM: &str = "___arr$___";

#[async_trait]
impl Node for JsonVariableMapping {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let source = cx.render(&self.data_source)?;
        if !matches!(source, Value::Object(_, _) | Value::Live(_) | Value::Array(_, _) | Value::Date(_)) {
            let result = Value::from("The input data is not an object nor an array");
            return Ok(Outcome::Finished(Draft { status: FAILED, result, ..Draft::default() }));
        }
        let walk = Walk { parse_array: self.parse_array.is_truthy() };
        let mut result = Object::new();
        walk.collect(&source, &self.variables, &mut result)?;
        Ok(resolved(Value::from(result)))
    }
}

struct Walk {
    parse_array: bool,
}

impl Walk {
    fn collect(&self, source: &Value, variables: &Value, result: &mut Object) -> Result<(), Thrown> {
        let Some(variables) = variables.as_array() else { return Ok(()) };
        for variable in variables.items() {
            if variable.is_nullish() {
                return Err(Thrown::reading(variable, "children"));
            }
            let children = variable.member("children");
            let has_children = property(&children, "length").is_truthy();
            let path = variable.member(if has_children { "path" } else { "paths" });
            if has_children {
                self.collect(source, &children, result)?;
            }
            result.insert(to_text(&variable.member("key"))?, self.value(source, &segments(&path)?)?);
        }
        Ok(())
    }

    /// The value at a path; whatever is falsy on the way ends the walk and is the value.
    fn value(&self, source: &Value, path: &[String]) -> Result<Value, Thrown> {
        if !source.is_truthy() {
            return Ok(source.clone());
        }
        let path = match path.split_first() {
            Some((first, rest)) if first == EVERY_ITEM => {
                if !self.parse_array {
                    return self.items(source, rest);
                }
                rest
            }
            _ => path,
        };
        // A path that has run out reads the property named "undefined", as in JavaScript.
        let Some((key, rest)) = path.split_first() else { return Ok(property(source, "undefined")) };
        let value = property(source, key);
        if rest.is_empty() || !value.is_truthy() {
            return Ok(value);
        }
        self.value(&value, rest)
    }

    /// What a path gives over the items of a list. Falsy values are left out, and a list within the list
    /// takes the place of all that was collected before it.
    fn items(&self, source: &Value, path: &[String]) -> Result<Value, Thrown> {
        let Some(array) = source.as_array() else { return Ok(Value::array(Vec::new())) };
        let key = path.first().map_or("undefined", String::as_str);
        let rest = path.get(1..).unwrap_or_default();
        let mut found = Vec::new();
        for item in array.items() {
            let is_list = key == EVERY_ITEM && matches!(item, Value::Array(_, _));
            if is_list && !rest.is_empty() {
                let inner = self.items(item, rest)?;
                found = inner.as_array().map(|array| array.items().to_vec()).unwrap_or_default();
                continue;
            }
            if item.is_nullish() {
                return Err(Thrown::reading(item, key));
            }
            let value = property(item, key);
            let value = if rest.is_empty() { value } else { self.value(&value, rest)? };
            if value.is_truthy() {
                found.push(value);
            }
        }
        Ok(Value::array(found))
    }
}

/// A path as JavaScript's spread takes it: the items of a list, or the characters of a text.
fn segments(path: &Value) -> Result<Vec<String>, Thrown> {
    match path {
        Value::Array(array, _) => array.items().iter().map(to_text).collect(),
        Value::Text(text) => Ok(text.chars().map(String::from).collect()),
        _ => Err(Thrown::type_error("paths is not iterable")),
    }
}

impl NodeType for JsonVariableMapping {
    const TYPE: &'static str = "json-variable-mapping";
    const ABOUT: &'static str = "Takes named members out of JSON data.";

    fn examples() -> Vec<Example> {
        vec![Example {
            about: "Collects a member over the items of a list",
            config: r#"{"dataSource": "{{$context.body}}", "variables": [
                {"key": "names", "path": "items.name", "paths": ["items", "___arr$___", "name"]}]}"#,
            context: r#"{"body": {"items": [{"name": "a"}, {"name": ""}, {"name": "b"}]}}"#,
            status: RESOLVED,
            result: r#"{"names":["a","b"]}"#,
        }]
    }
}
