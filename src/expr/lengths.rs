//! How many items the long arrays of a JSON text have, so that each gets its memory at once. One that grows is moved
//! again and again, and leaves behind as much as it takes.

/// The arrays of shorter texts may grow.
const LONG_TEXT: usize = 64 << 10;
/// Arrays of at most so many items may grow.
pub(super) const SHORT: usize = 1024;
/// Deeper texts are no JSON that is read.
const DEEPEST: usize = 128;

/// The long arrays of a text, in the order in which they begin.
#[derive(Default)]
pub(super) struct Lengths {
    /// Which of all arrays, counted from 0, and how many items; the last one first.
    long: Vec<(usize, usize)>,
    /// How many arrays have begun so far.
    begun: usize,
}

impl Lengths {
    /// Those of a text, where it is long. Of one that is no JSON they may be anything, but not more than it has bytes.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut long = if text.len() < LONG_TEXT { Vec::new() } else { long_arrays(text) };
        long.sort_unstable_by(|a, b| b.cmp(a));
        Self { long, begun: 0 }
    }

    /// How many items the array has that begins now, if they are many.
    pub(super) fn next(&mut self) -> Option<usize> {
        let place = self.begun;
        self.begun += 1;
        self.long.pop_if(|(array, _)| *array == place).map(|(_, items)| items)
    }
}

fn long_arrays(text: &[u8]) -> Vec<(usize, usize)> {
    let (mut long, mut arrays) = (Vec::new(), 0);
    // Nothing for an object.
    let mut open: Vec<Option<(usize, usize)>> = Vec::new();
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next()
        && open.len() <= DEEPEST
    {
        match byte {
            b'"' => skip_text(&mut bytes),
            b'{' => open.push(None),
            b'[' => {
                open.push(Some((arrays, 1)));
                arrays += 1;
            }
            b',' => {
                if let Some(Some((_, items))) = open.last_mut() {
                    *items += 1;
                }
            }
            b']' | b'}' => long.extend(open.pop().flatten().filter(|(_, items)| *items > SHORT)),
            _ => {}
        }
    }
    long
}

fn skip_text(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_arrays_are_found_wherever_they_are() {
        let numbers = |count: usize| vec!["1"; count].join(",");
        let text = format!(
            r#"{{"[,\\":"a\",[[",  "a":[[],[{}], {{"b":[{}]}}],"c":[{}]}}"#,
            numbers(SHORT + 1),
            numbers(40_000),
            numbers(SHORT),
        );
        let mut lengths = Lengths::of(text.as_bytes());
        let found: Vec<Option<usize>> = (0..6).map(|_| lengths.next()).collect();
        assert_eq!(found, [None, None, Some(SHORT + 1), Some(40_000), None, None]);
        let nested = format!("[{}]", vec![format!("[{}]", numbers(2_000)); 2_000].join(","));
        let mut lengths = Lengths::of(nested.as_bytes());
        assert!((0..2_001).all(|_| lengths.next() == Some(2_000)));
    }

    #[test]
    fn what_is_no_json_is_no_trouble() {
        for part in ["[", "]", "[,", "\"", "{[", "\\"] {
            Lengths::of(part.repeat(200_000).as_bytes()).next();
        }
    }
}
