//! What is to be written: the options of NocoBase's `repository.create`, `update` and `destroy`.

use super::super::filter::Filter;
use crate::expr::Value;

/// What to write: the options of `repository.create` and `update`.
#[derive(Clone, Debug)]
pub struct Change {
    /// An object, or an array of them.
    pub values: Value,
    pub filter: Value,
    /// The key of a record, or several.
    pub filter_by_tk: Value,
    /// Names of values that may be written; all when not given.
    pub whitelist: Option<Vec<String>>,
    pub blacklist: Option<Vec<String>>,
    /// Associations of which linked records get the values, too, nested ones with dots.
    pub update_association_values: Option<Vec<String>>,
    /// Whether each record is loaded and saved by itself.
    pub individual_hooks: bool,
    /// Whether a filter may be missing.
    pub force_update: bool,
}

impl Default for Change {
    fn default() -> Self {
        Self {
            values: Value::Undefined,
            filter: Value::Undefined,
            filter_by_tk: Value::Undefined,
            whitelist: None,
            blacklist: None,
            update_association_values: None,
            individual_hooks: true,
            force_update: false,
        }
    }
}

/// What NocoBase says to an update that names no records.
pub const NO_FILTER: &str = "must provide filter or filterByTk for update call, or set forceUpdate to true";

impl Change {
    /// Whether it says which records are to be changed.
    pub fn names_records(&self) -> bool {
        Filter::is_valid(&self.filter) || self.filter_by_tk.is_truthy() || self.force_update
    }

    /// The filter and the keys as one filter; `key` is the attribute that the keys are values of.
    pub fn found_by(&self, key: &str) -> Value {
        let by_key = || Value::object([(key, self.filter_by_tk.clone())]);
        match (self.filter.is_truthy(), self.filter_by_tk.is_truthy()) {
            (true, true) => Value::object([("$and", Value::array(vec![self.filter.clone(), by_key()]))]),
            (false, true) => by_key(),
            _ => self.filter.clone(),
        }
    }
}
