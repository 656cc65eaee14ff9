//! Files of environment variables, read as the `dotenv` package does with which NocoBase reads its `.env`:
//! unlike Rust's parsers it takes values with spaces without quotes.

/// Names and values of a file, in its order. Lines that are no `NAME=value` are passed over.
pub(super) fn parse(text: &str) -> Vec<(String, String)> {
    lines(text).filter_map(parse_line).collect()
}

/// The numbers of the lines that say something and are passed over all the same, such as `DB_PORT: 5432`.
pub(super) fn passed_over(text: &str) -> Vec<usize> {
    let says_something = |line: &str| !line.trim().is_empty() && !line.trim().starts_with('#');
    let numbered = lines(text).enumerate();
    numbered
        .filter(|(_, line)| says_something(line) && parse_line(line).is_none())
        .map(|(index, _)| index + 1)
        .collect()
}

/// Editors on Windows put a mark before the first line.
fn lines(text: &str) -> std::str::Lines<'_> {
    text.trim_start_matches('\u{feff}').lines()
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
    use super::{parse, passed_over};

    #[test]
    fn lines_read_as_nocobase_reads_them() {
        let text = "# comment\nA=1\nB = two words # note\nC=\"x # y\\nz\"\nexport D='it''s'\n\nnonsense\nE=\nF=a=b\n";
        let expected =
            [("A", "1"), ("B", "two words"), ("C", "x # y\nz"), ("D", "it"), ("E", ""), ("F", "a=b")];
        let found = parse(text);
        let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_mark_is_no_part_of_the_first_name_and_skipped_lines_are_known() {
        let text = "\u{feff}A=1\n# note\nDB_HOST 1.2.3.4\n\nDB_PORT: 5432\nB=2\n";
        assert_eq!(parse(text), [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())]);
        assert_eq!(passed_over(text), [3, 5]);
    }
}
