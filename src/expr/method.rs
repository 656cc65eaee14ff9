//! The methods that JavaScript values inherit. A path can lead to one (`{{$context.body.rows.map}}`), and a
//! template then calls it without a receiver, which nearly always throws. The texts are those of V8.

use super::{Thrown, Value};

/// An inherited method: whose prototype it is on, and its place among the names there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Method {
    owner: Owner,
    place: u8,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Owner {
    Array,
    /// The array methods that name themselves.
    NamedArray,
    String,
    Number,
    Boolean,
    Object,
}

/// Methods that name themselves when they have no receiver; the other array methods fail in `ToObject`.
const ARRAY_NAMED: [&str; 15] = [
    "concat",
    "every",
    "filter",
    "find",
    "findIndex",
    "findLast",
    "findLastIndex",
    "forEach",
    "indexOf",
    "map",
    "reduce",
    "reduceRight",
    "some",
    "constructor",
    "isPrototypeOf",
];
const ARRAY: [&str; 26] = [
    "at",
    "copyWithin",
    "entries",
    "fill",
    "flat",
    "flatMap",
    "includes",
    "join",
    "keys",
    "lastIndexOf",
    "pop",
    "push",
    "reverse",
    "shift",
    "slice",
    "sort",
    "splice",
    "toLocaleString",
    "toReversed",
    "toSorted",
    "toSpliced",
    "toString",
    "unshift",
    "values",
    "with",
    "valueOf",
];
const STRING: [&str; 48] = [
    "anchor",
    "at",
    "big",
    "blink",
    "bold",
    "charAt",
    "charCodeAt",
    "codePointAt",
    "concat",
    "constructor",
    "endsWith",
    "fixed",
    "fontcolor",
    "fontsize",
    "includes",
    "indexOf",
    "isWellFormed",
    "italics",
    "lastIndexOf",
    "link",
    "localeCompare",
    "match",
    "matchAll",
    "normalize",
    "padEnd",
    "padStart",
    "repeat",
    "replace",
    "replaceAll",
    "search",
    "slice",
    "small",
    "split",
    "startsWith",
    "strike",
    "sub",
    "substr",
    "substring",
    "sup",
    "toLocaleLowerCase",
    "toLocaleUpperCase",
    "toLowerCase",
    "toString",
    "toUpperCase",
    "toWellFormed",
    "trim",
    "trimEnd",
    "trimStart",
];
const NUMBER: [&str; 7] =
    ["constructor", "toExponential", "toFixed", "toLocaleString", "toPrecision", "toString", "valueOf"];
const BOOLEAN: [&str; 3] = ["constructor", "toString", "valueOf"];
const OBJECT: [&str; 7] = [
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

impl Owner {
    fn names(self) -> &'static [&'static str] {
        match self {
            Owner::Array => &ARRAY,
            Owner::NamedArray => &ARRAY_NAMED,
            Owner::String => &STRING,
            Owner::Number => &NUMBER,
            Owner::Boolean => &BOOLEAN,
            Owner::Object => &OBJECT,
        }
    }
}

impl Method {
    /// The method that `value` inherits under this name.
    pub fn of(value: &Value, name: &str) -> Option<Method> {
        let find = |owner: Owner| {
            let place = owner.names().iter().position(|known| *known == name)?;
            u8::try_from(place).ok().map(|place| Method { owner, place })
        };
        let own = match value {
            Value::Undefined | Value::Null => return None,
            Value::Array(_, _) => find(Owner::Array).or_else(|| find(Owner::NamedArray)),
            Value::Text(_) => find(Owner::String),
            Value::Number(_) => find(Owner::Number),
            Value::Bool(_) => find(Owner::Boolean),
            Value::Object(_, _) | Value::Live(_) | Value::Date(_) | Value::Function(_) => None,
        };
        own.or_else(|| find(Owner::Object))
    }

    /// Calls the method without receiver and arguments, as a template does.
    pub fn call(self) -> Result<Value, Thrown> {
        let owner = self.owner;
        let name = owner.names().get(usize::from(self.place)).copied().unwrap_or_default();
        let unreceived = |prototype| {
            Thrown::type_error(format!("{prototype}.prototype.{name} called on null or undefined"))
        };
        let required =
            |kind| Thrown::type_error(format!("{kind}.prototype.{name} requires that 'this' be a {kind}"));
        let no_object = Thrown::type_error("Cannot convert undefined or null to object");
        match (owner, name) {
            (_, "isPrototypeOf") => Ok(Value::Bool(false)),
            (Owner::NamedArray, "constructor") => Ok(Value::array(Vec::new())),
            (Owner::String, "constructor") => Ok(Value::text("")),
            (Owner::Number, "constructor") => Ok(Value::Number(0.0)),
            (Owner::Boolean, "constructor") => Ok(Value::Bool(false)),
            (Owner::Object, "constructor") => Ok(Value::empty_object()),
            (Owner::Object, "toString") => Ok(Value::text("[object Undefined]")),
            (Owner::Object, "toLocaleString") => Err(unreceived("Object")),
            (Owner::NamedArray, _) => Err(unreceived("Array")),
            (Owner::String, "toString") => Err(required("String")),
            (Owner::String, "trimStart" | "trimEnd") => {
                let older = if name == "trimStart" { "trimLeft" } else { "trimRight" };
                Err(Thrown::type_error(format!("String.prototype.{older} called on null or undefined")))
            }
            (Owner::String, _) => Err(unreceived("String")),
            (Owner::Number, _) => Err(required("Number")),
            (Owner::Boolean, _) => Err(required("Boolean")),
            (Owner::Array | Owner::Object, _) => Err(no_object),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_without_a_receiver_throw_what_v8_throws() {
        let list = Value::array(vec![]);
        let cases = [
            (&list, "map", "TypeError: Array.prototype.map called on null or undefined"),
            (&list, "at", "TypeError: Cannot convert undefined or null to object"),
            (
                &Value::text("x"),
                "trimStart",
                "TypeError: String.prototype.trimLeft called on null or undefined",
            ),
            (
                &Value::from(1),
                "toFixed",
                "TypeError: Number.prototype.toFixed requires that 'this' be a Number",
            ),
        ];
        for (value, name, expected) in cases {
            let thrown = Method::of(value, name).expect(name).call().expect_err(name);
            assert_eq!(thrown.to_string(), expected);
        }
        assert!(Method::of(&list, "nope").is_none());
    }
}
