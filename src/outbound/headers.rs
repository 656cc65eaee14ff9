//! Headers of a request, in the order and with the case of letters in which they are sent.

use indexmap::IndexMap;

/// Headers in their order, names in the case in which they were set first; a name occurs once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers {
    /// The name as it is sent and the value, by the name in lower case.
    headers: IndexMap<String, (String, String)>,
}

impl Headers {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.get(&name.to_ascii_lowercase()).map(|(_, value)| value.as_str())
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let header = self.headers.entry(name.to_ascii_lowercase());
        header.or_insert_with(|| (name.to_owned(), String::new())).1 = value.into();
    }

    pub fn set_default(&mut self, name: &str, value: impl Into<String>) {
        if self.get(name).is_none() {
            self.set(name, value);
        }
    }

    /// Removes those of which the name in lower case is meant.
    pub fn remove(&mut self, is_meant: impl Fn(&str) -> bool) {
        self.headers.retain(|name, _| !is_meant(name));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.values().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_place_and_its_case() {
        let mut headers = Headers::default();
        for (name, value) in [("X-B", "1"), ("a", "2"), ("x-b", "3")] {
            headers.set(name, value);
        }
        headers.set_default("A", "4");
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("X-B", "3"), ("a", "2")]);
        headers.remove(|name| name == "x-b");
        assert_eq!((headers.get("X-b"), headers.get("A")), (None, Some("2")));
    }

    /// A template can bring as many as a body has room for.
    #[test]
    fn many_headers_are_no_more_work_than_few() {
        let mut headers = Headers::default();
        (0..300_000).for_each(|i| headers.set(&format!("x-{i}"), ""));
        assert_eq!(headers.iter().count(), 300_000);
    }
}
