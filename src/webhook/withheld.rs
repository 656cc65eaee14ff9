//! Which headers and query parameters stay out of a context: executions are shown to people who must not know what
//! lets a sender in.

use crate::expr::{Object, Value};

/// Headers that never enter a context, not even when they are configured.
const CREDENTIALS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];

/// Words by which a name says that its value is a secret or a proof. `x-auth-token`, `apiKey` and
/// `x-hub-signature-256` have one; `author`, `keyboard` and `tokenizer` have none.
const WORDS: [&str; 23] = [
    "accesskey",
    "accesstoken",
    "apikey",
    "auth",
    "authentication",
    "authkey",
    "authorization",
    "authtoken",
    "cookie",
    "credential",
    "hmac",
    "jwt",
    "key",
    "oauth",
    "passwd",
    "password",
    "passphrase",
    "pwd",
    "secret",
    "secretkey",
    "sig",
    "signature",
    "token",
];

/// Whether a header is a credential, its name in lower case.
pub(super) fn is_credential(header: &str) -> bool {
    CREDENTIALS.contains(&header)
}

/// Whether a value of this name enters a context only where it is configured.
pub(super) fn is_withheld(name: &str) -> bool {
    words(name).any(|word| {
        // `signature256`, `tokens`
        let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
        let one = word.strip_suffix(['s', 'S']).unwrap_or(word);
        WORDS.iter().any(|known| is_same(word, known) || is_same(one, known))
    })
}

/// Whether a word is one of ours, in capitals or not.
fn is_same(word: &str, known: &str) -> bool {
    match word.is_ascii() {
        true => word.eq_ignore_ascii_case(known),
        false => word.chars().flat_map(char::to_lowercase).eq(known.chars()),
    }
}

/// A query without the members that are withheld, on all levels.
pub(super) fn without_withheld(query: &Value) -> Value {
    match query {
        Value::Array(array, _) => Value::array(array.items().iter().map(without_withheld).collect()),
        Value::Object(object, _) => Value::from(visible(object)),
        value => value.clone(),
    }
}

fn visible(object: &Object) -> Object {
    let members = object.iter().filter(|(key, _)| !is_withheld(key));
    members.map(|(key, value)| (key.clone(), without_withheld(value))).collect()
}

/// The words of a name: between signs, and where a small letter is followed by a capital one or several capitals by a
/// small one (`APIKey`). Every header of every request comes by here.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = name;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
        let (word, after) = rest.split_at(end_of_word(rest));
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

/// Where the first word of a text ends, in bytes.
fn end_of_word(text: &str) -> usize {
    let mut chars = text.char_indices().peekable();
    let mut before = chars.next();
    while let Some((at, c)) = chars.next() {
        let is_after_small = before.is_some_and(|(_, before)| !before.is_uppercase());
        let is_before_small = chars.peek().is_some_and(|(_, after)| after.is_lowercase());
        if !c.is_alphanumeric() || c.is_uppercase() && (is_after_small || is_before_small) {
            return at;
        }
        before = Some((at, c));
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::json;

    #[test]
    fn names_with_a_word_for_a_secret_are_withheld() {
        let withheld = [
            "authorization",
            "x-forwarded-authorization",
            "x-auth-token",
            "x-webhook-secret",
            "x-access-token",
            "x-amz-security-token",
            "x-goog-iap-jwt-assertion",
            "x-gitlab-token",
            "x-goog-channel-token",
            "x-telegram-bot-api-secret-token",
            "x-api-key",
            "x-apikey",
            "x-hub-signature",
            "x-hub-signature-256",
            "x-shopify-hmac-sha256",
            "stripe-signature",
            "set-cookie",
            "token",
            "access_token",
            "accessToken",
            "APIKey",
            "apiKeys",
            "user.password",
            "TOKEN",
            "signature2",
        ];
        for name in withheld {
            assert!(is_withheld(name), "{name}");
        }
        let visible = [
            "content-type",
            "user-agent",
            "x-author",
            "x-authority",
            "x-keyboard",
            "monkey",
            "tokenizer",
            "secretary",
            "x-github-event",
            "x-request-id",
            "keyword",
            "",
            "é",
        ];
        for name in visible {
            assert!(!is_withheld(name), "{name}");
        }
    }

    #[test]
    fn the_signatures_of_all_schemes_are_withheld() {
        for header in crate::webhook::admission::signature::headers() {
            assert!(is_withheld(header), "{header}");
        }
    }

    #[test]
    fn members_of_a_query_are_withheld_on_all_levels() {
        let query = r#"{"a":{"token":"x","b":"1"},"list":[{"key":"x","c":"2"}],"signature":"x"}"#;
        let query = json::parse(query.as_bytes()).expect("JSON in a test");
        let expected = r#"{"a":{"b":"1"},"list":[{"c":"2"}]}"#;
        assert_eq!(json::stringify_or_null(&without_withheld(&query)), expected);
    }
}
