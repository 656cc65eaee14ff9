//! PostgreSQL's `numeric` in its binary form, as text.

use std::fmt::Write;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITE: u16 = 0xD000;
const MINUS_INFINITE: u16 = 0xF000;

/// Four 16-bit numbers (count of digits, weight of the first, sign, decimal places), then digits to base 10,000.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let word = |place: usize| Some(u16::from_be_bytes(bytes.get(place * 2..place * 2 + 2)?.try_into().ok()?));
    let (count, weight, sign, scale) = (word(0)?, word(1)? as i16, word(2)?, usize::from(word(3)?));
    match sign {
        NAN => return Some("NaN".into()),
        INFINITE => return Some("Infinity".into()),
        MINUS_INFINITE => return Some("-Infinity".into()),
        _ => {}
    }
    let digit = |place: i32| -> Option<u16> {
        match usize::try_from(place) {
            Ok(place) if place < usize::from(count) => word(4 + place),
            _ => Some(0),
        }
    };
    let mut out = String::new();
    if sign == NEGATIVE {
        out.push('-');
    }
    if weight < 0 {
        out.push('0');
    }
    for place in 0..=i32::from(weight) {
        let digit = digit(place)?;
        if place == 0 { write!(out, "{digit}").ok()? } else { write!(out, "{digit:04}").ok()? }
    }
    if scale > 0 {
        let mut fraction = String::new();
        for place in 0..scale.div_ceil(4) {
            write!(fraction, "{:04}", digit(i32::from(weight) + 1 + i32::try_from(place).ok()?)?).ok()?;
        }
        out.push('.');
        out.push_str(fraction.get(..scale)?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[i32]) -> Vec<u8> {
        words.iter().flat_map(|word| (*word as u16).to_be_bytes()).collect()
    }

    #[test]
    fn numbers_are_written_with_all_their_places() {
        let cases: [(&[i32], &str); 8] = [
            (&[0, 0, 0, 0], "0"),
            (&[2, 0, 0, 2, 12, 5000], "12.50"),
            (&[1, 1, 0, 0, 1], "10000"),
            (&[1, -1, 0x4000, 3, 10], "-0.001"),
            (&[1, -2, 0, 6, 100], "0.000001"),
            (&[3, 2, 0, 0, 1, 2, 3], "100020003"),
            (&[0, 0, 0, 2], "0.00"),
            (&[0, 0, 0xC000, 0], "NaN"),
        ];
        for (words, expected) in cases {
            assert_eq!(text(&bytes(words)).as_deref(), Some(expected));
        }
        assert_eq!(text(&[0, 1]), None);
    }
}
