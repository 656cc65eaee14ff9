//! Templates and expressions, filled in from a context of the same input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidehook::expr::expression::{Expression, Language, Variables};
use sidehook::expr::path::Path;
use sidehook::expr::{Scope, Template, Value, json};

fuzz_target!(|text: &str| {
    let (template, context) = text.split_once('\0').unwrap_or((text, r#"{"a":[{"b":1},{"b":[2]}],"t":"$& $`"}"#));
    let context = json::parse(context.as_bytes()).unwrap_or_else(|_| Value::from(context));
    let scope = Scope::of_context(context.clone());
    let _ = Template::parse(&Value::from(template)).render(&scope);
    if let Ok(value) = json::parse(template.as_bytes()) {
        let _ = Template::parse(&value).render(&scope);
    }
    let variables = Variables::of(&scope);
    let parsed = || Expression::parse(&Value::from(template));
    let _ = parsed().and_then(|expression| expression.fill_in(&variables));
    let _ = parsed().and_then(|expression| expression.with_identifiers(Language::Formula, &variables));
    let _ = Path::parse(template).get(&context);
});
