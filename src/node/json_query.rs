//! Asks for a part of JSON data in one of three languages (`JSONQueryInstruction.ts` of
//! `plugin-workflow-json-query`). What a query throws goes into the log of the job, whose result is then null.

use async_trait::async_trait;
use entity::status::job::{ERROR, RESOLVED};
use serde::Deserialize;

use super::{Context, Draft, Example, Node, NodeType, Outcome, resolved};
use crate::expr::convert::to_text;
use crate::expr::path::Path;
use crate::expr::{Object, Template, Thrown, Value};
use crate::script::{Library, Pool, Query, QueryEngine, QueryFault};

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct JsonQuery {
    /// `jmespath`, the default, `jsonpathplus` or `jsonata`. With any other name the source is the result.
    engine: Value,
    /// The data; an empty text when not given.
    source: Template,
    /// The query, in the language of the engine.
    expression: Template,
    /// `[{path, alias}]`: the members that an object of the result, or each of a list, is to have.
    model: Value,
}

#[async_trait]
impl Node for JsonQuery {
    async fn run(&self, cx: &mut Context<'_>) -> Result<Outcome, Thrown> {
        let (scope, scripts) = (cx.scope()?, cx.scripts());
        let data = if self.source.is_undefined() { "".into() } else { self.source.render(&scope)? };
        let expression =
            if self.expression.is_truthy() { self.expression.render(&scope)? } else { "".into() };
        Ok(match self.execute(data, expression, &scripts).await {
            Ok(result) => resolved(result),
            Err(fault) => Outcome::Finished(Draft {
                status: ERROR,
                result: Value::Null,
                log: Some(log(&fault)?),
                ..Draft::default()
            }),
        })
    }

    fn library(&self) -> Option<Library> {
        self.engine().map(|_| Library::Query)
    }
}

impl JsonQuery {
    fn engine(&self) -> Option<QueryEngine> {
        match &self.engine {
            Value::Undefined => Some(QueryEngine::JmesPath),
            name => match name.as_str()? {
                "jmespath" => Some(QueryEngine::JmesPath),
                "jsonpathplus" => Some(QueryEngine::JsonPathPlus),
                "jsonata" => Some(QueryEngine::Jsonata),
                _ => None,
            },
        }
    }

    async fn execute(&self, data: Value, expression: Value, scripts: &Pool) -> Result<Value, QueryFault> {
        let result = match self.engine() {
            Some(engine) => scripts.query(Query { engine, expression, data }).await?,
            None => data,
        };
        match &self.model {
            Value::Array(model, _) if !model.items().is_empty() => Ok(modelled(result, model.items())?),
            _ => Ok(result),
        }
    }
}

/// The result with the members of the model only; what is no object stays as it is.
fn modelled(result: Value, model: &[Value]) -> Result<Value, Thrown> {
    match &result {
        Value::Array(array, _) => {
            let items: Result<Vec<_>, _> = array.items().iter().map(|item| mapped(item, model)).collect();
            Ok(Value::array(items?))
        }
        Value::Object(_, _) | Value::Live(_) | Value::Date(_) => mapped(&result, model),
        _ => Ok(result),
    }
}

fn mapped(item: &Value, model: &[Value]) -> Result<Value, Thrown> {
    let mut object = Object::new();
    let is_object =
        matches!(item, Value::Array(_, _) | Value::Object(_, _) | Value::Live(_) | Value::Date(_));
    for field in model.iter().filter(|_| is_object) {
        if field.is_nullish() {
            let kind = if field.is_undefined() { "undefined" } else { "null" };
            let text = format!("Cannot destructure property 'path' of 'undefined' as it is {kind}.");
            return Err(Thrown::type_error(text));
        }
        let (path, alias) = (field.member("path"), field.member("alias"));
        let path = match &path {
            Value::Undefined | Value::Null if !alias.is_truthy() => {
                return Err(Thrown::reading(&path, "replace"));
            }
            path => to_text(path)?,
        };
        let name = if alias.is_truthy() { to_text(&alias)? } else { path.replace('.', "_") };
        object.insert(name, Path::parse(&path).get(item));
    }
    Ok(Value::from(object))
}

/// The error as lines `key: value`: its own members, and name, message and stack if it is an error.
fn log(fault: &QueryFault) -> Result<String, Thrown> {
    let QueryFault { thrown, stack } = fault;
    let own = thrown.value.as_deref().and_then(Value::as_object);
    let mut details = own.cloned().unwrap_or_default();
    if !thrown.name.is_empty() {
        details.insert("name", Value::text(&*thrown.name));
        details.insert("message", Value::text(&*thrown.message));
        details.insert("stack", Value::from(format!("{thrown}\n{}", stack.trim_end())));
    }
    let mut lines = Vec::new();
    for (key, value) in details.iter() {
        lines.push(format!("{key}: {}", to_text(value)?));
    }
    Ok(if lines.is_empty() { thrown.message.clone() } else { lines.join("\n") })
}

impl NodeType for JsonQuery {
    const TYPE: &'static str = "json-query";
    const ABOUT: &'static str = "Asks for a part of JSON data with JMESPath, JSONPath Plus or JSONata.";

    fn examples() -> Vec<Example> {
        vec![
            Example {
                about: "Names the fields of a list with JMESPath",
                config: r#"{"source": "{{$context.body}}", "expression": "items",
                    "model": [{"path": "name", "alias": "title"}, {"path": "size.width"}]}"#,
                context: r#"{"body": {"items": [{"name": "a", "size": {"width": 2}}]}}"#,
                status: RESOLVED,
                result: r#"[{"title":"a","size_width":2}]"#,
            },
            Example {
                about: "Filters with JSONPath",
                config: r#"{"engine": "jsonpathplus", "source": "{{$context.body}}",
                    "expression": "$.items[?(@.n > 1)].n"}"#,
                context: r#"{"body": {"items": [{"n": 1}, {"n": 2}, {"n": 3}]}}"#,
                status: RESOLVED,
                result: "[2,3]",
            },
            Example {
                about: "Adds up with JSONata",
                config: r#"{"engine": "jsonata", "source": "{{$context.body}}", "expression": "$sum(items.n)"}"#,
                context: r#"{"body": {"items": [{"n": 1}, {"n": 2}]}}"#,
                status: RESOLVED,
                result: "3",
            },
        ]
    }
}
