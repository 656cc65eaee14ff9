//! Values as JavaScript sees them, and what NocoBase's configurations say about them: templates
//! (`{{$context.body.id}}`), paths into values, the variables of a node, and the basic conditions.
//! Everything here is pure: no database, no HTTP, no clock of its own.

mod array;
pub mod compare;
pub mod convert;
pub mod date;
pub mod dayjs;
pub mod evaluator;
pub mod expression;
pub mod json;
mod lengths;
pub mod logic;
mod members;
mod method;
pub mod path;
pub mod scope;
pub mod system;
pub mod template;
mod twin;
mod value;
mod weight;

pub use array::Array;
pub use members::array_index;
pub use method::Method;
pub use scope::Scope;
pub use template::Template;
pub use twin::{Identity, Twin};
pub use value::{Copies, Date, Function, Live, Object, Str, Thrown, Value};
