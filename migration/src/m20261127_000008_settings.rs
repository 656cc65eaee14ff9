//! Settings that are made while sidehook runs, such as on NocoBase's screens.

use entity::{Names, Table};

use crate::{
    column::{Kind, column},
    creation::Creation,
    definition::Definition,
};

/// What is set wins over the environment; a setting without a row is as the environment says. A few rows at most.
const SETTINGS: Definition = Definition {
    table: Table::Settings,
    columns: &[column("name", Kind::Varchar(100)).primary_key(), column("value", Kind::LongText).not_null()],
    indexes: &[],
};

pub(crate) fn migration(names: Names) -> Creation {
    Creation::new(file!(), &[SETTINGS], names)
}
