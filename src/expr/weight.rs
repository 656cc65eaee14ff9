//! Whether something that takes time in proportion to a value may be done at once, or somewhere else.

use super::Value;

/// What is written in about a millisecond, in bytes of JSON.
const LIGHT: usize = 64 << 10;

impl Value {
    /// Whether its JSON is longer than what is written at once. Looks at no more of it than it takes to know.
    pub fn is_heavy(&self) -> bool {
        let (mut weight, mut left) = (0, vec![self]);
        while let Some(value) = left.pop() {
            weight += 4;
            match value {
                Value::Text(text) => weight += text.len(),
                Value::Array(array, _) => {
                    let items = array.items();
                    weight += items.len();
                    // Those that are looked at later are not put aside before it is known that they have to be.
                    left.extend(items.iter().take(LIGHT));
                }
                Value::Object(object, _) => {
                    for (key, value) in object.iter().take(LIGHT) {
                        weight += key.len();
                        left.push(value);
                    }
                }
                _ => {}
            }
            if weight > LIGHT {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use crate::expr::json;

    #[test]
    fn what_is_long_is_heavy_whatever_makes_it_long() {
        let is_heavy = |text: &str| json::parse(text.as_bytes()).expect("JSON").is_heavy();
        let many = |text: &str, times: usize| vec![text; times].join(",");
        assert!(!is_heavy("{}") && !is_heavy(&format!("[{}]", many("{}", 1_000))));
        assert!(is_heavy(&format!("[{}]", many("{}", 70_000))));
        assert!(is_heavy(&format!("[{}]", many("[[]]", 20_000))));
        assert!(is_heavy(&format!("{{\"a\":{{\"b\":\"{}\"}}}}", "x".repeat(70_000))));
        assert!(is_heavy(&format!("{{\"{}\":1}}", "k".repeat(70_000))));
        assert!(!is_heavy(&format!("[\"{}\"]", "x".repeat(60_000))));
    }
}
