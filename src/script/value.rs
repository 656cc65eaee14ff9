//! sidehook's values in JavaScript, and JavaScript's values as sidehook keeps them.

use std::cell::RefCell;
use std::collections::HashMap;

use rquickjs::object::Property;
use rquickjs::{Array, Constructor, Ctx, Filter, Function, Object, Value as Js};

use crate::expr::{Date, Identity, Object as Members, Thrown, Value};

/// Levels of arrays and objects within each other: as many as JSON from the database may have.
const DEEPEST: usize = 127;
/// How much a result may amount to when it is written as JSON: so many values, 16 bytes of text counting like
/// one. JavaScript can share a part thousands of times without using memory for it.
const LARGEST: usize = 8 << 20;

/// Makes values of JavaScript. What is shared stays shared.
pub(super) struct Writer<'js> {
    pub ctx: Ctx<'js>,
    date: Constructor<'js>,
    shared: RefCell<HashMap<Identity, Js<'js>>>,
}

impl<'js> Writer<'js> {
    pub(super) fn new(ctx: &Ctx<'js>) -> rquickjs::Result<Self> {
        Ok(Self { ctx: ctx.clone(), date: ctx.globals().get("Date")?, shared: RefCell::default() })
    }

    pub(super) fn text(&self, text: &str) -> rquickjs::Result<Js<'js>> {
        rquickjs::String::from_str(self.ctx.clone(), text).map(rquickjs::String::into_value)
    }

    /// `with_columns`: whether columns that were set on arrays come along.
    pub(super) fn value(&self, value: &Value, with_columns: bool) -> rquickjs::Result<Js<'js>> {
        self.write(value, with_columns, 0)
    }

    /// An object with these members.
    pub(super) fn object<'v>(
        &self,
        members: impl IntoIterator<Item = (&'v str, &'v Value)>,
        with_columns: bool,
    ) -> rquickjs::Result<Js<'js>> {
        let object = Object::new(self.ctx.clone())?;
        for (name, value) in members {
            define(&object, name, self.value(value, with_columns)?)?;
        }
        Ok(object.into_value())
    }

    fn write(&self, value: &Value, with_columns: bool, depth: usize) -> rquickjs::Result<Js<'js>> {
        let ctx = self.ctx.clone();
        let place = match value {
            Value::Undefined | Value::Function(_) => return Ok(Js::new_undefined(ctx)),
            Value::Null => return Ok(Js::new_null(ctx)),
            Value::Bool(flag) => return Ok(Js::new_bool(ctx, *flag)),
            // As an integer, a negative zero would lose its sign.
            Value::Number(number) if *number == 0.0 => return Ok(Js::new_float(ctx, *number)),
            Value::Number(number) => return Ok(Js::new_number(ctx, *number)),
            Value::Text(text) => return self.text(text),
            Value::Date(date) => return self.date.construct((date.0,)),
            Value::Live(live) => return self.write(&Value::from(live.object()), with_columns, depth),
            Value::Array(..) | Value::Object(..) => value.identity(),
        };
        if let Some(written) = place.and_then(|place| self.shared.borrow().get(&place).cloned()) {
            return Ok(written);
        }
        // A loop can put a value into another one as often as it likes; the stack is finite.
        if depth > 4 * DEEPEST {
            return Err(rquickjs::Exception::throw_range(&ctx, "Maximum call stack size exceeded"));
        }
        let written = match value {
            Value::Array(array, _) => {
                let written = Array::new(ctx)?;
                for (i, item) in array.items().iter().enumerate() {
                    written.set(i, self.write(item, with_columns, depth + 1)?)?;
                }
                let columns = if with_columns { value.columns() } else { Vec::new() };
                for (name, column) in columns {
                    define(written.as_object(), &name, self.write(&column, true, depth + 1)?)?;
                }
                written.into_value()
            }
            value => {
                let written = Object::new(ctx)?;
                for (key, member) in value.as_object().into_iter().flat_map(Members::iter) {
                    define(&written, key, self.write(member, with_columns, depth + 1)?)?;
                }
                written.into_value()
            }
        };
        self.shared.borrow_mut().extend(place.map(|place| (place, written.clone())));
        Ok(written)
    }
}

/// Sets a member whatever its name is and whatever objects inherit.
fn define<'js>(object: &Object<'js>, key: &str, value: Js<'js>) -> rquickjs::Result<()> {
    object.prop(key, Property::from(value).configurable().enumerable().writable())
}

/// Reads values of JavaScript as `JSON.stringify` would see them, but for dates, numbers that are not finite and
/// undefined, which stay what they are.
pub(super) struct Reader<'js> {
    plain: Object<'js>,
    unwrap: Function<'js>,
    well_formed: Function<'js>,
    /// What has been read, and how much it amounts to; nothing while it is being read.
    read: RefCell<HashMap<Js<'js>, Option<(Value, usize)>>>,
}

type Read<T> = rquickjs::Result<Result<T, Thrown>>;

/// `?` for what was thrown inside of what the engine reports.
macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(thrown) => return Ok(Err(thrown)),
        }
    };
}

impl<'js> Reader<'js> {
    /// `host` is the object that `host.js` gives.
    pub(super) fn new(ctx: &Ctx<'js>, host: &Object<'js>) -> rquickjs::Result<Self> {
        let _ = ctx;
        Ok(Self {
            plain: host.get("plain")?,
            unwrap: host.get("unwrap")?,
            well_formed: host.get("wellFormed")?,
            read: RefCell::default(),
        })
    }

    /// The value; what `JSON.stringify` would throw when it cannot be kept.
    pub(super) fn read(&self, value: &Js<'js>) -> Read<Value> {
        let (value, _) = attempt!(self.visit(value, 0)?);
        Ok(Ok(value))
    }

    /// A text, halves of surrogate pairs replaced.
    pub(super) fn text(&self, value: &Js<'js>) -> rquickjs::Result<String> {
        let Some(text) = value.as_string() else { return Ok(String::new()) };
        match text.to_string() {
            Ok(text) => Ok(text),
            Err(_) => self.well_formed.call::<_, rquickjs::String>((text.clone(),))?.to_string(),
        }
    }

    fn visit(&self, value: &Js<'js>, depth: usize) -> Read<(Value, usize)> {
        if let Some(number) = value.as_number() {
            return Ok(Ok((Value::Number(number), 1)));
        }
        if let Some(flag) = value.as_bool() {
            return Ok(Ok((Value::Bool(flag), 1)));
        }
        if value.is_string() {
            let text = self.text(value)?;
            let size = 1 + text.len() / 16;
            return Ok(Ok((Value::from(text), size)));
        }
        if value.is_null() {
            return Ok(Ok((Value::Null, 1)));
        }
        if value.is_big_int() {
            return Ok(Err(Thrown::type_error("Do not know how to serialize a BigInt")));
        }
        match value.as_object() {
            Some(object) if !value.is_function() => self.visit_object(object, depth),
            _ => Ok(Ok((Value::Undefined, 1))),
        }
    }

    fn visit_object(&self, object: &Object<'js>, depth: usize) -> Read<(Value, usize)> {
        match self.read.borrow().get(object.as_value()) {
            Some(Some(read)) => return Ok(Ok(read.clone())),
            Some(None) => return Ok(Err(Thrown::type_error("Converting circular structure to JSON"))),
            None => {}
        }
        if depth >= DEEPEST {
            return Ok(Err(Thrown::range_error(format!(
                "the result has more than {DEEPEST} levels of arrays and objects"
            ))));
        }
        self.read.borrow_mut().insert(object.as_value().clone(), None);
        let read = attempt!(self.parts(object, depth)?);
        if read.1 > LARGEST {
            return Ok(Err(Thrown::range_error("Invalid string length")));
        }
        self.read.borrow_mut().insert(object.as_value().clone(), Some(read.clone()));
        Ok(Ok(read))
    }

    fn parts(&self, object: &Object<'js>, depth: usize) -> Read<(Value, usize)> {
        if let Some(array) = object.as_array() {
            return self.items(array, depth);
        }
        // Objects of a class: dates, boxed values, and those that say themselves what they are as JSON.
        let is_plain = match object.get_prototype() {
            Some(prototype) => prototype == self.plain && !object.contains_key("toJSON")?,
            None => !object.contains_key("toJSON")?,
        };
        if !is_plain {
            let unwrapped: Array = self.unwrap.call((object.clone(),))?;
            let inner: Js = unwrapped.get(1)?;
            match unwrapped.get::<i32>(0)? {
                1 => return Ok(Ok((Value::Date(Date(inner.as_number().unwrap_or(f64::NAN))), 2))),
                2 => return self.visit_unwrapped(&inner, depth),
                _ => {}
            }
        }
        self.members(object, depth)
    }

    /// What `toJSON` has given, which is not asked for its own.
    fn visit_unwrapped(&self, inner: &Js<'js>, depth: usize) -> Read<(Value, usize)> {
        match inner.as_object() {
            Some(object) if !inner.is_function() => match object.as_array() {
                Some(array) => self.items(array, depth),
                None => self.members(object, depth),
            },
            _ => self.visit(inner, depth),
        }
    }

    fn items(&self, array: &Array<'js>, depth: usize) -> Read<(Value, usize)> {
        let length = array.len();
        if length > LARGEST {
            return Ok(Err(Thrown::range_error("Invalid string length")));
        }
        let mut items = Vec::new();
        let mut size = 1;
        for i in 0..length {
            let (item, more) = attempt!(self.visit(&array.get(i)?, depth + 1)?);
            items.push(item);
            size += more;
        }
        Ok(Ok((Value::array(items), size)))
    }

    fn members(&self, object: &Object<'js>, depth: usize) -> Read<(Value, usize)> {
        let mut members = Members::new();
        let mut size = 1;
        for key in object.own_keys::<Js>(Filter::new().string().enum_only()) {
            let key = key?;
            let (member, more) = attempt!(self.visit(&object.get::<_, Js>(key.clone())?, depth + 1)?);
            let name = self.text(&key)?;
            size += more + 1 + name.len() / 16;
            if size > LARGEST {
                return Ok(Err(Thrown::range_error("Invalid string length")));
            }
            members.insert(name, member);
        }
        Ok(Ok((Value::from(members), size)))
    }
}
