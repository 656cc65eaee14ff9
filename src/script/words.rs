//! Errors of the engine in the words of V8, which NocoBase runs on: QuickJS words them differently, and jobs
//! record them. Only the common ones are translated; the class of an error is the same in any case.

use super::QueryFault;

/// Texts that say the same in both engines.
const SAME: [(&str, &str); 8] = [
    ("not a object", "CreateListFromArrayLike called on non-object"),
    ("invalid array length", "Invalid array length"),
    ("empty array", "Reduce of empty array with no initial value"),
    ("cannot convert symbol to string", "Cannot convert a Symbol value to a string"),
    ("cannot convert BigInt to number", "Cannot mix BigInt and other types, use explicit conversions"),
    ("expecting hex digit", "URI malformed"),
    ("invalid number of digits", "toFixed() digits argument must be between 0 and 100"),
    ("invalid 'instanceof' right operand", "Right-hand side of 'instanceof' is not callable"),
];

/// Puts the message into V8's words. `text_of` gives the source text of a file that the stack names.
pub(super) fn translate<'t>(fault: &mut QueryFault, text_of: &dyn Fn(&str) -> Option<&'t str>) {
    let message = &fault.thrown.message;
    if let Some(translated) = property_of_nothing(message) {
        fault.thrown.message = translated;
        return;
    }
    let is_of_class = |name: &str| fault.thrown.name == name;
    let translated = match message.as_str() {
        "not a function" | "not a constructor" if is_of_class("TypeError") => {
            callee_at(&fault.stack, text_of).map(|callee| format!("{callee} is {message}"))
        }
        text if is_of_class("TypeError") && text.ends_with("is read-only") => {
            Some("Assignment to constant variable.".to_owned())
        }
        text if is_of_class("SyntaxError") && text.contains(" in JSON at position ") => {
            text.split_once(" (line ").map(|(text, _)| text.to_owned())
        }
        text => SAME.iter().find(|(quick, _)| *quick == text).map(|(_, v8)| (*v8).to_owned()),
    };
    if let Some(translated) = translated {
        fault.thrown.message = translated;
    }
}

/// `cannot read property 'x' of undefined`, also within a longer text: libraries put such a text into their own.
fn property_of_nothing(message: &str) -> Option<String> {
    for (verb, gerund) in [("read", "reading"), ("set", "setting")] {
        let Some((before, rest)) = message.split_once(&format!("cannot {verb} property '")) else { continue };
        for nothing in ["undefined", "null"] {
            let Some((name, after)) = rest.split_once(&format!("' of {nothing}")) else { continue };
            // A symbol is written as `Symbol(Symbol.iterator)`.
            let name = match name.strip_prefix("Symbol.") {
                Some(_) => format!("Symbol({name})"),
                None => name.to_owned(),
            };
            return Some(format!("{before}Cannot {verb} properties of {nothing} ({gerund} '{name}'){after}"));
        }
    }
    None
}

/// The text of what was called, from where the stack says that it was called.
fn callee_at<'t>(stack: &str, text_of: &dyn Fn(&str) -> Option<&'t str>) -> Option<String> {
    let first = stack.lines().map(str::trim).find(|line| !line.is_empty())?;
    let place = first.strip_suffix(')')?.rsplit_once('(')?.1;
    let (rest, column) = place.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    let line_number: usize = line.parse().ok()?;
    let line = text_of(file)?.split('\n').nth(line_number.checked_sub(1)?)?;
    callee(line, column.parse::<usize>().ok()?.checked_sub(1)?)
}

/// The callee at a place of a line: QuickJS tells where the callee is, or where the last argument is.
fn callee(line: &str, column: usize) -> Option<String> {
    let chars: Vec<char> = line.chars().collect();
    let mut at = column.min(chars.len().checked_sub(1)?);
    while chars.get(at).is_some_and(|c| c.is_whitespace() || matches!(c, '.' | '?')) {
        at += 1;
    }
    let mut end = at;
    while end < chars.len() && (is_name(chars[end]) || (chars[end] == '.' && end > at)) {
        end += 1;
    }
    let is_callee = end > at && chars[end..].iter().find(|c| !c.is_whitespace()) == Some(&'(');
    let end = match chars.get(at) {
        _ if is_callee => end,
        Some('(') => at,
        _ => opening(&chars, at, '(', ')')?,
    };
    Some(written(&chars, end))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

/// Where the bracket was opened that `at` is within.
fn opening(chars: &[char], at: usize, open: char, close: char) -> Option<usize> {
    let mut depth = 0;
    for i in (0..at).rev() {
        match chars[i] {
            c if c == close => depth += 1,
            c if c == open && depth == 0 => return Some(i),
            c if c == open => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The chain of names, indices and calls that ends at `end`, as V8 writes it.
fn written(chars: &[char], end: usize) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut end = end;
    while let Some(last) = end.checked_sub(1).map(|i| chars[i]) {
        let start = match last {
            c if is_name(c) || matches!(c, '.' | '?') => end - 1,
            ']' | ')' => {
                let (open, close) = if last == ']' { ('[', ']') } else { ('(', ')') };
                let Some(start) = opening(chars, end - 1, open, close) else { break };
                let belongs =
                    start > 0 && (is_name(chars[start - 1]) || matches!(chars[start - 1], ')' | ']'));
                if !belongs {
                    parts.push("(intermediate value)".to_owned());
                    break;
                }
                start
            }
            '"' | '\'' => {
                let text = |start: &usize| chars[*start] == last;
                let Some(start) = (0..end - 1).rev().find(text) else { break };
                let text: String = chars[start + 1..end - 1].iter().collect();
                parts.push(format!("\"{text}\""));
                break;
            }
            _ => break,
        };
        let part: String = chars[start..end].iter().collect();
        parts.push(if last == ')' { "(...)".to_owned() } else { part });
        end = start;
    }
    let chain: String = parts.into_iter().rev().collect();
    match chain.as_str() {
        "" => "(intermediate value)".to_owned(),
        chain if chain.starts_with('.') => format!("(intermediate value){chain}"),
        chain => chain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Thrown;

    fn translated(name: &'static str, message: &str, stack: &str, source: &str) -> String {
        let mut fault = QueryFault { thrown: Thrown::named(name, message), stack: stack.to_owned() };
        translate(&mut fault, &|file| (file == "<input>").then_some(source));
        fault.thrown.message
    }

    #[test]
    fn properties_of_nothing_are_told_as_v8_tells_them() {
        let cases = [
            ("cannot read property 'x' of undefined", "Cannot read properties of undefined (reading 'x')"),
            ("cannot set property 'a b' of null", "Cannot set properties of null (setting 'a b')"),
            (
                "jsonPath: cannot read property 'x' of null: @.x",
                "jsonPath: Cannot read properties of null (reading 'x'): @.x",
            ),
        ];
        for (quick, v8) in cases {
            assert_eq!(translated("TypeError", quick, "", ""), v8);
        }
    }

    #[test]
    fn what_is_called_is_named_as_it_is_written() {
        let cases = [
            ("foo(1)", 1, "foo is not a function"),
            ("1 + $$0()", 5, "$$0 is not a function"),
            ("let o={}; o.x.y(1)", 14, "o.x.y is not a function"),
            ("let o={}; o.x(1)", 12, "o.x is not a function"),
            ("'abc'.foo()", 6, "\"abc\".foo is not a function"),
            ("BETA(null)", 5, "BETA is not a function"),
            ("(() => 5)()()", 1, "(intermediate value) is not a function"),
            ("BETA(undefined)", 6, "BETA is not a function"),
            ("text.replace(re, '')", 14, "text.replace is not a function"),
            ("matrix[0].map(x)", 15, "matrix[0].map is not a function"),
            ("a.b(1).c(x)", 10, "a.b(...).c is not a function"),
        ];
        for (source, column, v8) in cases {
            let stack = format!("    at <eval> (<input>:1:{column})\n    at apply (native)\n");
            assert_eq!(translated("TypeError", "not a function", &stack, source), v8, "{source}");
        }
        assert_eq!(translated("TypeError", "not a function", "    at map (native)", ""), "not a function");
    }

    #[test]
    fn what_a_user_throws_stays() {
        assert_eq!(
            translated("Error", "not a function", "    at <eval> (<input>:1:1)", "x"),
            "not a function"
        );
        assert_eq!(translated("Error", "boom", "", ""), "boom");
    }
}
