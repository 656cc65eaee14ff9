//! Files of environment variables, read as the `dotenv` package does with which NocoBase reads its `.env`:
//! unlike Rust's parsers it takes values with spaces without quotes.

/// Names and values of a file, in its order. Lines that are no `NAME=value` are passed over.
pub fn parse(text: &str) -> Vec<(String, String)> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let is_name =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    is_name.then(|| (name.to_owned(), parse_value(value.trim())))
}

fn parse_value(value: &str) -> String {
    for quote in ['"', '\'', '`'] {
        let quoted = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote));
        if let Some((inner, _)) = quoted {
            let expanded = || inner.replace("\\n", "\n").replace("\\r", "\r");
            return if quote == '"' { expanded() } else { inner.to_owned() };
        }
    }
    value.split('#').next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn lines_read_as_nocobase_reads_them() {
        let text = "# comment\nA=1\nB = two words # note\nC=\"x # y\\nz\"\nexport D='it''s'\n\nnonsense\nE=\nF=a=b\n";
        let expected =
            [("A", "1"), ("B", "two words"), ("C", "x # y\nz"), ("D", "it"), ("E", ""), ("F", "a=b")];
        let found = parse(text);
        let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(found, expected);
    }
}
