//! Addresses as people write them: `a@example.com`, `Name <a@example.com>`, several with commas between them.

use lettre::Address;
use lettre::message::Mailbox;
use url::Host;

use crate::outbound::mail::Undelivered;

/// All addresses of a text. Names of domains become ASCII, in lower case.
pub(super) fn parse(text: &str) -> Result<Vec<Mailbox>, Undelivered> {
    pieces(text).into_iter().map(|piece| mailbox(piece).ok_or_else(|| no_address(piece))).collect()
}

/// nodemailer leaves such a recipient out, and the mail goes to the others only.
fn no_address(piece: &str) -> Undelivered {
    Undelivered::unsaid("EENVELOPE", format!("{piece:?} is no address of the form name@example.com"))
}

/// What stands between the commas and semicolons outside of quotes and angle brackets, without blank ones.
fn pieces(text: &str) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped, mut depth) = (false, false, 0_usize);
    let pieces = text.split(|c: char| {
        let is_plain = !std::mem::take(&mut is_escaped);
        match c {
            '\\' if is_quoted && is_plain => is_escaped = true,
            '"' if is_plain => is_quoted = !is_quoted,
            '<' if !is_quoted => depth += 1,
            '>' if !is_quoted => depth = depth.saturating_sub(1),
            ',' | ';' => return !is_quoted && depth == 0,
            _ => {}
        }
        false
    });
    pieces.map(str::trim).filter(|piece| !piece.is_empty()).collect()
}

fn mailbox(piece: &str) -> Option<Mailbox> {
    let (name, address) = match piece.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((name, address)) => (unquoted(name.trim()), address.trim()),
        None => (String::new(), piece),
    };
    // A quoted name may have spaces; the server would take what follows them for something else.
    if address.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let (user, domain) = address.rsplit_once('@')?;
    let domain = match Host::parse(domain) {
        Ok(Host::Domain(domain)) => domain,
        _ => domain.to_lowercase(),
    };
    let address = Address::new(user, domain).ok()?;
    Some(Mailbox::new(Some(name).filter(|name| !name.is_empty()), address))
}

/// A name without its quotes. Control characters have no place in a header.
fn unquoted(name: &str) -> String {
    let inner = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    let name =
        inner.map_or_else(|| name.to_owned(), |inner| inner.replace("\\\"", "\"").replace("\\\\", "\\"));
    name.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_names_or_not() {
        let cases: [(&str, &[(&str, &str)]); 7] = [
            ("a@Example.COM", &[("", "a@example.com")]),
            (" B <b@example.com> ", &[("B", "b@example.com")]),
            ("a@x.org, B <b@x.org>;c@x.org,,", &[("", "a@x.org"), ("B", "b@x.org"), ("", "c@x.org")]),
            ("\"Shop, the \\\"best\\\"\" <s@x.org>", &[("Shop, the \"best\"", "s@x.org")]),
            ("<a@bücher.example>", &[("", "a@xn--bcher-kva.example")]),
            ("a+b.c@x.org", &[("", "a+b.c@x.org")]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            let mailboxes = parse(text).expect(text);
            let got: Vec<(String, String)> = mailboxes
                .into_iter()
                .map(|mailbox| (mailbox.name.unwrap_or_default(), mailbox.email.to_string()))
                .collect();
            let expected: Vec<(String, String)> =
                expected.iter().map(|(name, address)| ((*name).to_owned(), (*address).to_owned())).collect();
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        for text in ["nobody", "a b@x.org", "a@x.org c", "a@", "@x.org", "a\r\nb@x.org", "<a@x.org", "a@x y"]
        {
            let failure = parse(&format!("ok@x.org,{text}")).expect_err(text);
            assert_eq!((failure.code, failure.command), (Some("EENVELOPE"), Some("API")), "{text}");
        }
    }
}
