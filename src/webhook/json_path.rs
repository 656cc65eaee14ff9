//! JSONPath (RFC 9535) over values, within limits. `jsonpath-rust` parses; evaluating is done here, because there it
//! has no limits, and writes a path down for each value that it comes by.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;

use jsonpath_rust::parser::model::{
    Comparable, Comparison, Filter, FilterAtom, FnArg, JpQuery, Literal, Segment, Selector, SingularQuery,
    SingularQuerySegment, Test, TestFunction,
};
use jsonpath_rust::parser::parse_json_path;
use regex::Regex;

use crate::expr::{Array, Object, Value};

/// The most steps that the paths of a trigger take through one request: values that are come by, and values
/// within what is found. It is above the number of values that a body may have.
pub const MAX_STEPS: usize = 5_000_000;
/// How often the time is looked at.
const STEPS_PER_LOOK: usize = 4096;
/// So much of a text that is found counts as a step.
const TEXT_STEP: usize = 16;
/// Patterns that are kept while one request is searched.
const MAX_PATTERNS: usize = 32;
/// The most memory that a pattern may take, in bytes; it can come from a payload.
const MAX_PATTERN_SIZE: usize = 256 << 10;

/// A path such as `$.items[*].id`.
#[derive(Clone, Debug)]
pub struct JsonPath {
    text: String,
    query: JpQuery,
    singular: bool,
}

/// The steps of one request, which all of its paths share.
pub struct Search<'a> {
    steps: Cell<usize>,
    max_steps: usize,
    is_late: &'a dyn Fn() -> bool,
    patterns: RefCell<HashMap<String, Option<Regex>>>,
}

/// A search that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded;

impl JsonPath {
    /// `None` for a text that is none.
    pub fn parse(text: &str) -> Option<Self> {
        let query = parse_json_path(text).ok()?;
        let is_singular =
            |segment: &Segment| matches!(segment, Segment::Selector(Selector::Name(_) | Selector::Index(_)));
        let singular = query.segments.iter().all(is_singular);
        Some(Self { text: text.to_owned(), query, singular })
    }

    /// Whether it can find one value at most, as `$.a[0]` does.
    pub fn is_singular(&self) -> bool {
        self.singular
    }

    /// How often it looks into all that is below (`..`).
    pub fn descents(&self) -> usize {
        self.query.segments.iter().filter(|segment| matches!(segment, Segment::Descendant(_))).count()
    }

    /// The values found, in the order of RFC 9535: the one value of a singular path, undefined without one;
    /// of any other path an array.
    pub fn find(&self, root: &Value, search: &Search<'_>) -> Result<Value, Exceeded> {
        let nodes = Walk { root, search }.query(vec![root], &self.query.segments)?;
        nodes.iter().try_for_each(|node| search.weigh(node))?;
        let mut nodes = nodes.into_iter().cloned();
        Ok(if self.singular { nodes.next().unwrap_or_default() } else { Value::array(nodes.collect()) })
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'a> Search<'a> {
    /// `is_late` is asked now and then.
    pub fn new(is_late: &'a dyn Fn() -> bool) -> Self {
        Self { steps: Cell::new(0), max_steps: MAX_STEPS, is_late, patterns: RefCell::default() }
    }

    fn step(&self, count: usize) -> Result<(), Exceeded> {
        let before = self.steps.get();
        let steps = before.saturating_add(count);
        self.steps.set(steps);
        let looks = before / STEPS_PER_LOOK != steps / STEPS_PER_LOOK;
        if steps > self.max_steps || looks && (self.is_late)() { Err(Exceeded) } else { Ok(()) }
    }

    /// Counts all that is within a value, because it becomes part of the context once more.
    fn weigh(&self, value: &Value) -> Result<(), Exceeded> {
        self.step(1 + value.as_str().map_or(0, |text| text.len() / TEXT_STEP))?;
        children(value).try_for_each(|child| self.weigh(child))
    }

    /// Whether a text matches an I-Regexp (RFC 9485), as a whole or somewhere.
    fn matches(&self, text: &str, pattern: &str, whole: bool) -> Result<bool, Exceeded> {
        // A pattern may take as long as thousands of steps do.
        self.step(STEPS_PER_LOOK.min(1 + text.len() + pattern.len()))?;
        let source = regex_source(pattern, whole);
        let mut patterns = self.patterns.borrow_mut();
        if !patterns.contains_key(&source) {
            self.step(STEPS_PER_LOOK)?;
            if patterns.len() >= MAX_PATTERNS {
                patterns.clear();
            }
            let regex = regex::RegexBuilder::new(&source).size_limit(MAX_PATTERN_SIZE).build().ok();
            patterns.insert(source.clone(), regex);
        }
        let regex = patterns.get(&source).and_then(Option::as_ref);
        Ok(regex.is_some_and(|regex| regex.is_match(text)))
    }
}

/// The crate's `.` matches a carriage return, that of an I-Regexp does not.
fn regex_source(pattern: &str, whole: bool) -> String {
    let mut source = String::with_capacity(pattern.len() + 6);
    let (mut chars, mut in_class) = (pattern.chars(), false);
    while let Some(c) = chars.next() {
        match c {
            '.' if !in_class => source.push_str(r"[^\n\r]"),
            '\\' => {
                source.push(c);
                source.extend(chars.next());
            }
            c => {
                in_class = if in_class { c != ']' } else { c == '[' };
                source.push(c);
            }
        }
    }
    if whole { format!(r"\A(?:{source})\z") } else { source }
}

/// The items of an array or the values of an object.
fn children(value: &Value) -> impl Iterator<Item = &Value> {
    let items = value.as_array().map(Array::items).unwrap_or_default();
    items.iter().chain(value.as_object().into_iter().flat_map(Object::iter).map(|(_, value)| value))
}

/// A walk through one value.
#[derive(Clone, Copy)]
struct Walk<'v, 's> {
    root: &'v Value,
    search: &'s Search<'s>,
}

type Nodes<'v> = Vec<&'v Value>;

impl<'v> Walk<'v, '_> {
    fn query(self, mut nodes: Nodes<'v>, segments: &[Segment]) -> Result<Nodes<'v>, Exceeded> {
        for segment in segments {
            let mut found = Vec::new();
            for node in nodes {
                self.segment(node, segment, &mut found)?;
            }
            nodes = found;
        }
        Ok(nodes)
    }

    fn segment(self, node: &'v Value, segment: &Segment, found: &mut Nodes<'v>) -> Result<(), Exceeded> {
        match segment {
            Segment::Selector(selector) => self.select(node, selector, found),
            Segment::Selectors(selectors) => {
                selectors.iter().try_for_each(|selector| self.select(node, selector, found))
            }
            Segment::Descendant(segment) => {
                self.segment(node, segment, found)?;
                // Bodies are at most 128 levels deep.
                children(node).try_for_each(|child| self.below(child, segment, found))
            }
        }
    }

    /// The segment applied to a node and to all that is below it.
    fn below(self, node: &'v Value, segment: &Segment, found: &mut Nodes<'v>) -> Result<(), Exceeded> {
        self.search.step(1)?;
        self.segment(node, segment, found)?;
        children(node).try_for_each(|child| self.below(child, segment, found))
    }

    fn select(self, node: &'v Value, selector: &Selector, found: &mut Nodes<'v>) -> Result<(), Exceeded> {
        self.search.step(1)?;
        let items = node.as_array().map(Array::items).unwrap_or_default();
        match selector {
            Selector::Name(name) => found.extend(node.as_object().and_then(|object| object.get(name))),
            Selector::Index(index) => found.extend(at(items, *index)),
            Selector::Wildcard => {
                for child in children(node) {
                    self.search.step(1)?;
                    found.push(child);
                }
            }
            Selector::Slice(start, end, step) => {
                for item in slice(items, (*start, *end, step.unwrap_or(1))) {
                    self.search.step(1)?;
                    found.push(item);
                }
            }
            Selector::Filter(filter) => {
                for child in children(node) {
                    self.search.step(1)?;
                    if self.filter(child, filter)? {
                        found.push(child);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a filter lets `node` through, which is `@` in it.
    fn filter(self, node: &'v Value, filter: &Filter) -> Result<bool, Exceeded> {
        let holds = |atom: bool, not: bool| atom != not;
        Ok(match filter {
            Filter::Or(filters) => {
                for filter in filters {
                    if self.filter(node, filter)? {
                        return Ok(true);
                    }
                }
                false
            }
            Filter::And(filters) => {
                for filter in filters {
                    if !self.filter(node, filter)? {
                        return Ok(false);
                    }
                }
                true
            }
            Filter::Atom(FilterAtom::Filter { expr, not }) => holds(self.filter(node, expr)?, *not),
            Filter::Atom(FilterAtom::Test { expr, not }) => holds(self.test(node, expr)?, *not),
            Filter::Atom(FilterAtom::Comparison(comparison)) => self.compare(node, comparison)?,
        })
    }

    fn test(self, node: &'v Value, test: &Test) -> Result<bool, Exceeded> {
        Ok(match test {
            Test::Function(function) => match &**function {
                TestFunction::Match(text, pattern) => self.matches(node, (text, pattern), true)?,
                TestFunction::Search(text, pattern) => self.matches(node, (text, pattern), false)?,
                function => self.call(node, function)?.is_some(),
            },
            test => !self.nodes(node, test)?.is_empty(),
        })
    }

    fn nodes(self, node: &'v Value, test: &Test) -> Result<Nodes<'v>, Exceeded> {
        match test {
            Test::RelQuery(segments) => self.query(vec![node], segments),
            Test::AbsQuery(query) => self.query(vec![self.root], &query.segments),
            Test::Function(_) => Ok(Vec::new()),
        }
    }

    fn compare(self, node: &'v Value, comparison: &Comparison) -> Result<bool, Exceeded> {
        let (left, right) = comparison.vals();
        let (left, right) = (self.operand(node, left)?, self.operand(node, right)?);
        let equal = || match (&left, &right) {
            (Some(left), Some(right)) => self.equals(left, right),
            (left, right) => Ok(left.is_none() && right.is_none()),
        };
        Ok(match comparison {
            Comparison::Eq(..) => equal()?,
            Comparison::Ne(..) => !equal()?,
            Comparison::Lt(..) => is_less(&left, &right),
            Comparison::Gt(..) => is_less(&right, &left),
            Comparison::Lte(..) => is_less(&left, &right) || equal()?,
            Comparison::Gte(..) => is_less(&right, &left) || equal()?,
        })
    }

    fn equals(self, left: &Value, right: &Value) -> Result<bool, Exceeded> {
        self.search.step(1)?;
        Ok(match (left, right) {
            (Value::Array(left, _), Value::Array(right, _)) => {
                if left.items().len() != right.items().len() {
                    return Ok(false);
                }
                for (left, right) in left.items().iter().zip(right.items()) {
                    if !self.equals(left, right)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Value::Object(left, _), Value::Object(right, _)) => {
                if left.len() != right.len() {
                    return Ok(false);
                }
                for (key, left) in left.iter() {
                    match right.get(key) {
                        Some(right) if self.equals(left, right)? => {}
                        _ => return Ok(false),
                    }
                }
                true
            }
            (Value::Null, Value::Null) => true,
            (Value::Bool(left), Value::Bool(right)) => left == right,
            (Value::Number(left), Value::Number(right)) => left == right,
            (Value::Text(left), Value::Text(right)) => left == right,
            _ => false,
        })
    }

    /// The value of one side of a comparison; `None` where there is none.
    fn operand(self, node: &'v Value, comparable: &Comparable) -> Result<Option<Value>, Exceeded> {
        self.search.step(1)?;
        match comparable {
            Comparable::Literal(value) => Ok(Some(literal(value))),
            Comparable::Function(function) => self.call(node, function),
            Comparable::SingularQuery(query) => {
                let (start, segments) = match query {
                    SingularQuery::Current(segments) => (node, segments),
                    SingularQuery::Root(segments) => (self.root, segments),
                };
                let found = segments.iter().try_fold(start, |node, segment| match segment {
                    SingularQuerySegment::Name(name) => node.as_object()?.get(name),
                    SingularQuerySegment::Index(index) => at(node.as_array()?.items(), *index),
                });
                Ok(found.cloned())
            }
        }
    }

    /// The value of a function; `None` for nothing, and for functions that RFC 9535 does not have.
    fn call(self, node: &'v Value, function: &TestFunction) -> Result<Option<Value>, Exceeded> {
        Ok(match function {
            TestFunction::Count(FnArg::Test(test)) => {
                Some(Value::Number(self.nodes(node, test)?.len() as f64))
            }
            TestFunction::Value(argument) => self.argument(node, argument)?,
            TestFunction::Length(argument) => {
                let length = |value: Value| match value {
                    Value::Text(text) => Some(text.chars().count()),
                    Value::Array(array, _) => Some(array.items().len()),
                    Value::Object(object, _) => Some(object.len()),
                    _ => None,
                };
                self.argument(node, argument)?.and_then(length).map(|length| Value::Number(length as f64))
            }
            _ => None,
        })
    }

    /// The one value of an argument.
    fn argument(self, node: &'v Value, argument: &FnArg) -> Result<Option<Value>, Exceeded> {
        match argument {
            FnArg::Literal(value) => Ok(Some(literal(value))),
            FnArg::Filter(_) => Ok(None),
            FnArg::Test(test) => match &**test {
                Test::Function(function) => self.call(node, function),
                test => match self.nodes(node, test)?.as_slice() {
                    [one] => Ok(Some((*one).clone())),
                    _ => Ok(None),
                },
            },
        }
    }

    fn matches(
        self,
        node: &'v Value,
        (text, pattern): (&FnArg, &FnArg),
        whole: bool,
    ) -> Result<bool, Exceeded> {
        match (self.argument(node, text)?, self.argument(node, pattern)?) {
            (Some(Value::Text(text)), Some(Value::Text(pattern))) => {
                self.search.matches(&text, &pattern, whole)
            }
            _ => Ok(false),
        }
    }
}

fn literal(literal: &Literal) -> Value {
    match literal {
        Literal::Int(number) => Value::Number(*number as f64),
        Literal::Float(number) => Value::Number(*number),
        Literal::String(text) => Value::from(text.as_str()),
        Literal::Bool(flag) => Value::Bool(*flag),
        Literal::Null => Value::Null,
    }
}

/// Only numbers and texts have an order.
fn is_less(left: &Option<Value>, right: &Option<Value>) -> bool {
    match (left, right) {
        (Some(Value::Number(left)), Some(Value::Number(right))) => left < right,
        (Some(Value::Text(left)), Some(Value::Text(right))) => left < right,
        _ => false,
    }
}

/// A negative index counts from the end.
fn at(items: &[Value], index: i64) -> Option<&Value> {
    let index = if index < 0 { index.checked_add(i64::try_from(items.len()).ok()?)? } else { index };
    items.get(usize::try_from(index).ok()?)
}

/// The items of a slice (RFC 9535, section 2.3.4.2.2).
fn slice(
    items: &[Value],
    (start, end, step): (Option<i64>, Option<i64>, i64),
) -> impl Iterator<Item = &Value> {
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let normal = |index: i64| if index < 0 { index.saturating_add(length) } else { index };
    let (first, last) = if step >= 0 {
        let clamp = |index: i64| normal(index).clamp(0, length);
        (clamp(start.unwrap_or(0)), clamp(end.unwrap_or(length)))
    } else {
        let clamp = |index: i64| normal(index).clamp(-1, length - 1);
        (start.map_or(length - 1, clamp), end.map_or(-1, clamp))
    };
    let mut next = Some(first).filter(|_| step != 0);
    std::iter::from_fn(move || {
        let index = next.filter(|index| if step > 0 { *index < last } else { *index > last })?;
        next = index.checked_add(step);
        items.get(usize::try_from(index).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expr::json;

    fn value(text: &str) -> Value {
        json::parse(text.as_bytes()).expect("JSON in a test")
    }

    /// What a path finds; `given up` beyond the limits.
    fn found(path: &str, text: &str, max_steps: usize) -> String {
        let path = JsonPath::parse(path).unwrap_or_else(|| panic!("{path} is a JSONPath"));
        let search = Search { max_steps, ..Search::new(&|| false) };
        match path.find(&value(text), &search) {
            Ok(found) => json::stringify(&found).unwrap_or_else(|| "nothing".to_owned()),
            Err(Exceeded) => "given up".to_owned(),
        }
    }

    const BOOKS: &str =
        r#"{"b":[{"n":"a","p":1,"t":["x"]},{"n":"b","p":2.5},{"n":"cc","p":3,"t":[]}],"m":2.5}"#;

    #[test]
    fn values_are_found_as_rfc_9535_says() {
        let cases = [
            ("$.b[0].n", r#""a""#),
            ("$.b[-1]['n']", r#""cc""#),
            ("$.b[9]", "nothing"),
            ("$.b[*].n", r#"["a","b","cc"]"#),
            ("$..n", r#"["a","b","cc"]"#),
            ("$.b[0,2].p", "[1,3]"),
            ("$.b[0]['p','n']", r#"[1,"a"]"#),
            ("$..['n','p']", r#"["a",1,"b",2.5,"cc",3]"#),
            ("$.b[1:].p", "[2.5,3]"),
            ("$.b[::-1].p", "[3,2.5,1]"),
            ("$.b[-2:-1].p", "[2.5]"),
            ("$.b[5:1:-2].p", "[3]"),
            ("$.b[::0]", "[]"),
            ("$.b[?@.p > 1].n", r#"["b","cc"]"#),
            ("$.b[?@.p >= $.m && @.t].n", r#"["cc"]"#),
            ("$.b[?@.p == $.m || @.n == 'a'].p", "[1,2.5]"),
            ("$.b[?!(@.p < 2)].p", "[2.5,3]"),
            ("$.b[?!@.t].n", r#"["b"]"#),
            ("$.b[?@.t == @.u].n", r#"["b"]"#),
            ("$.b[?length(@.n) == 2].p", "[3]"),
            ("$.b[?count(@.t[*]) == 1].p", "[1]"),
            ("$.b[?value(@..x) == 1]", "[]"),
            ("$.b[?match(@.n, 'c.')].p", "[3]"),
            ("$.b[?match(@.n, 'a|c')].p", "[1]"),
            ("$.b[?search(@.n, '[ac]')].p", "[1,3]"),
            ("$.b[?match(@.n, '(')].p", "[]"),
            ("$[?@[0].p == 1][0].n", r#"["a"]"#),
            ("$..*", "all"),
        ];
        for (path, expected) in cases {
            match expected {
                "all" => assert!(found(path, BOOKS, MAX_STEPS).starts_with(r#"[[{"n":"a""#)),
                expected => assert_eq!(found(path, BOOKS, MAX_STEPS), expected, "{path}"),
            }
        }
    }

    #[test]
    fn a_search_that_grows_too_large_is_given_up() {
        let nested = format!("{}1{}", "{\"a\":".repeat(120), "}".repeat(120));
        assert_eq!(found("$..*..*..*", &nested, MAX_STEPS), "given up");
        assert_eq!(found("$..*..*..*..*..*", &nested, MAX_STEPS), "given up");
        assert_ne!(found("$..*", &nested, MAX_STEPS), "given up");
        // What is found counts with all that is in it.
        let wide = format!("{}[{}1]{}", "[".repeat(100), "1,".repeat(100_000), "]".repeat(100));
        assert_eq!(found("$..*", &wide, MAX_STEPS), "given up");
        assert_ne!(found("$..a", &wide, MAX_STEPS), "given up");
        let text = format!("{{\"a\":\"{}\"}}", "x".repeat(1_000_000));
        assert_eq!(found(&format!("$['a'{}]", ",'a'".repeat(100)), &text, MAX_STEPS), "given up");
        assert_eq!(found("$[?@.p > 1]", BOOKS, 3), "given up");
    }

    #[test]
    fn a_search_that_takes_too_long_is_given_up() {
        let looks = Cell::new(0);
        let is_late = || {
            looks.set(looks.get() + 1);
            looks.get() > 3
        };
        let body = value(&format!("[{}1]", "1,".repeat(100_000)));
        let found = JsonPath::parse("$[*]").expect("a path").find(&body, &Search::new(&is_late));
        assert_eq!((found.map(|_| ()), looks.get()), (Err(Exceeded), 4));
    }

    #[test]
    fn what_can_find_one_value_only_is_singular() {
        let cases =
            [("$", true), ("$.a[0]['b c']", true), ("$[-1]", true), ("$.a[*]", false), ("$..a", false)];
        for (path, singular) in cases {
            assert_eq!(JsonPath::parse(path).map(|path| path.is_singular()), Some(singular), "{path}");
        }
        assert_eq!(JsonPath::parse("$..a..b.c").map(|path| path.descents()), Some(2));
        for none in ["$filter", "$.a[", "$[?bad", "a.$", ""] {
            assert!(JsonPath::parse(none).is_none(), "{none}");
        }
    }

    proptest! {
        /// The library has no limits, but finds the same in small values.
        #[test]
        fn the_library_finds_the_same(
            path in "\\$(\\.a|\\.\\*|\\.\\.a|\\.\\.\\*|\\[0\\]|\\[-1\\]|\\[1:\\]|\\[\\?@\\.a\\]|\\[\\?@\\.a == 1\\]|\\[\\?@ > 1\\]){0,3}",
            text in "(\\{\"a\":|\\[1,){0,4}[12]",
        ) {
            let closing = text.chars().rev().filter_map(|c| match c { '{' => Some('}'), '[' => Some(']'), _ => None });
            let text: String = text.chars().chain(closing).collect();
            let plain: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let query = parse_json_path(&path).expect("a path");
            let theirs = jsonpath_rust::query::js_path_process(&query, &plain).expect("values");
            let theirs: Vec<_> = theirs.into_iter().map(|found| found.val.clone()).collect();
            let ours = found(&path, &text, MAX_STEPS);
            let ours: serde_json::Value = serde_json::from_str(&ours).unwrap_or(serde_json::Value::Null);
            match JsonPath::parse(&path).expect("a path").is_singular() {
                true => prop_assert_eq!(Some(ours), theirs.into_iter().next().or(Some(serde_json::Value::Null))),
                false => prop_assert_eq!(ours, serde_json::Value::Array(theirs)),
            }
        }
    }
}
