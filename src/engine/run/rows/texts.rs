//! Values as texts for columns. Jobs that share a large value share its text, too.

use std::collections::HashMap;
use std::sync::Arc;

use crate::expr::{Identity, Value, json};

/// Shorter texts are written again.
const SHARED: usize = 4096;

/// The texts of one moment: between two of them a value can change.
#[derive(Default)]
pub(crate) struct Texts(HashMap<Identity, Arc<str>>);

impl Texts {
    /// For a column of a row that is inserted: null and undefined are SQL NULL.
    pub(super) fn inserted(&mut self, value: &Value) -> Option<Arc<str>> {
        if value.is_nullish() { None } else { self.text(value) }
    }

    /// For a column of a row that exists: null and undefined are the JSON `null`.
    pub(super) fn changed(&mut self, value: &Value) -> Option<Arc<str>> {
        self.text(value).or_else(|| Some("null".into()))
    }

    fn text(&mut self, value: &Value) -> Option<Arc<str>> {
        let identity = value.identity();
        if let Some(known) = identity.and_then(|identity| self.0.get(&identity)) {
            return Some(known.clone());
        }
        let text: Arc<str> = json::stringify(value)?.into();
        if let Some(identity) = identity.filter(|_| text.len() > SHARED) {
            self.0.insert(identity, text.clone());
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_value_that_jobs_share_is_written_once() {
        let large = Value::array(vec!["x".repeat(100).into(); 100]);
        let mut texts = Texts::default();
        let (Some(one), Some(other)) = (texts.inserted(&large), texts.changed(&large.clone())) else {
            panic!("an array has a text")
        };
        assert!(Arc::ptr_eq(&one, &other));
        let (equal, small) = (large.detached(), Value::array(vec![1.into()]));
        assert!(texts.inserted(&equal).is_some_and(|text| text == one && !Arc::ptr_eq(&text, &one)));
        assert_eq!(texts.inserted(&small).as_deref(), Some("[1]"));
    }

    #[test]
    fn null_is_sql_null_only_where_it_is_inserted() {
        for nothing in [Value::Null, Value::Undefined] {
            let mut texts = Texts::default();
            assert_eq!(texts.inserted(&nothing), None);
            assert_eq!(texts.changed(&nothing).as_deref(), Some("null"));
        }
    }
}
