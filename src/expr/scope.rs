//! The variables that a node's templates can reach: `$context`, `$jobsMapByNodeKey`, `$scopes`, `$system`,
//! `$env`, and `ctx`, which holds all five again (`getScope` in NocoBase's `Processor.ts`).

use std::sync::Arc;

use super::path::{Path, property};
use super::system::{self, System};
use super::{Function, Object, Thrown, Value};

/// The variables of one node at one moment.
#[derive(Clone)]
pub struct Scope {
    /// `executions.context`.
    pub context: Value,
    /// Node key → result of the newest job of that node.
    pub results: Arc<Object>,
    /// Node key and node id → what a loop around the node offers: `{item, index, sequence, length}`.
    pub scopes: Arc<Object>,
    /// Environment variables and decrypted secrets, all as text.
    pub env: Arc<Object>,
    /// What the functions of `$system` ask.
    pub system: Arc<dyn System>,
}

impl Scope {
    /// A scope with a context and nothing else, for tests and for templates outside a run.
    pub fn of_context(context: Value) -> Self {
        Self {
            context,
            results: Arc::default(),
            scopes: Arc::default(),
            env: Arc::default(),
            system: Arc::new(system::Nowhere),
        }
    }

    /// One of the roots; for any other name what an empty object inherits.
    pub fn root(&self, name: &str) -> Value {
        match name {
            "ctx" => Value::object(ROOTS.map(|root| (root, self.root(root)))),
            "$context" => self.context.clone(),
            "$jobsMapByNodeKey" => Value::from(self.results.clone()),
            "$scopes" => Value::from(self.scopes.clone()),
            "$system" => system::functions(),
            "$env" => Value::from(self.env.clone()),
            name => property(&Value::empty_object(), name),
        }
    }

    /// lodash's `get(scope, path)`.
    pub fn get(&self, path: &Path) -> Value {
        path.get_from(|name| self.root(name))
    }

    /// Calls a function that a path led to.
    pub fn call(&self, function: Function) -> Result<Value, Thrown> {
        match function {
            Function::System(function) => Ok(function.call(&*self.system)),
            Function::Method(method) => method.call(),
        }
    }
}

const ROOTS: [&str; 5] = ["$context", "$jobsMapByNodeKey", "$system", "$scopes", "$env"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctx_holds_the_same_roots() {
        let scope = Scope::of_context(Value::object([("n", Value::from(5))]));
        for path in ["$context.n", "ctx.$context.n"] {
            assert_eq!(scope.get(&Path::parse(path)).as_number(), Some(5.0), "{path}");
        }
        assert!(scope.get(&Path::parse("nope.n")).is_undefined());
    }
}
