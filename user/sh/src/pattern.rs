//! Shell patterns: `*`, `?` and bracket expressions, over bytes. Pure; no allocation while matching.
//! Specification: POSIX.1-2024, Shell Command Language, section 2.14.

/// A piece of text in which every byte is marked as quoted or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// The text.
    pub bytes: Vec<u8>,
    /// For every byte: whether quoting took its special meaning.
    pub quoted: Vec<bool>,
}

/// Whether special characters keep their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// They mean themselves.
    Quoted,
    /// They are special.
    Unquoted,
}

impl Field {
    /// Appends text with one marking.
    pub fn push(&mut self, bytes: &[u8], quoting: Quoting) {
        self.bytes.extend_from_slice(bytes);
        self.quoted.resize(self.bytes.len(), quoting == Quoting::Quoted);
    }

    /// The bytes with their marks.
    pub fn marked(&self) -> impl Iterator<Item = (u8, bool)> + '_ {
        self.bytes.iter().copied().zip(self.quoted.iter().copied())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Element {
    Byte(u8),
    AnyByte,
    AnyRun,
    Bracket { negated: bool, ranges: Vec<(u8, u8)> },
}

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Element>);

/// Inclusive ranges of bytes.
type Ranges = &'static [(u8, u8)];

/// The named classes of the C locale.
const CLASSES: &[(&[u8], Ranges)] = &[
    (b"alpha", &[(b'a', b'z'), (b'A', b'Z')]),
    (b"digit", &[(b'0', b'9')]),
    (b"alnum", &[(b'a', b'z'), (b'A', b'Z'), (b'0', b'9')]),
    (b"upper", &[(b'A', b'Z')]),
    (b"lower", &[(b'a', b'z')]),
    (b"space", &[(b'\t', b'\r'), (b' ', b' ')]),
    (b"blank", &[(b' ', b' '), (b'\t', b'\t')]),
    (b"punct", &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')]),
    (b"xdigit", &[(b'0', b'9'), (b'a', b'f'), (b'A', b'F')]),
    (b"cntrl", &[(0, 31), (127, 127)]),
    (b"print", &[(b' ', b'~')]),
    (b"graph", &[(b'!', b'~')]),
];

impl Pattern {
    /// Compiles marked text. A bracket expression without an end is an ordinary `[`.
    pub fn new(field: &Field) -> Self {
        let text: Vec<(u8, bool)> = field.marked().collect();
        let mut elements = Vec::new();
        let mut at = 0;
        while let Some(&(byte, quoted)) = text.get(at) {
            at += 1;
            elements.push(match byte {
                b'*' if !quoted => Element::AnyRun,
                b'?' if !quoted => Element::AnyByte,
                b'[' if !quoted => match bracket(&text[at..]) {
                    Some((element, length)) => {
                        at += length;
                        element
                    }
                    None => Element::Byte(byte),
                },
                _ => Element::Byte(byte),
            });
        }
        Self(elements)
    }

    /// Whether the pattern can match more than one text.
    pub fn is_wild(&self) -> bool {
        self.0.iter().any(|element| !matches!(element, Element::Byte(_)))
    }

    /// Whether the pattern starts with this very byte, not by way of a wildcard.
    pub fn starts_with(&self, byte: u8) -> bool {
        self.0.first() == Some(&Element::Byte(byte))
    }

    /// Whether the pattern matches all of `text`.
    pub fn matches(&self, text: &[u8]) -> bool {
        let (mut element, mut at) = (0, 0);
        // Where to go on when a `*` has to take one byte more: only the last one ever matters.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            match self.0.get(element) {
                Some(Element::AnyRun) => {
                    retry = Some((element + 1, at));
                    element += 1;
                    continue;
                }
                Some(single) if text.get(at).is_some_and(|byte| single.accepts(*byte)) => {
                    element += 1;
                    at += 1;
                    continue;
                }
                None if at == text.len() => return true,
                _ => {}
            }
            match retry {
                Some((after, from)) if from < text.len() => {
                    retry = Some((after, from + 1));
                    (element, at) = (after, from + 1);
                }
                _ => return false,
            }
        }
    }
}

impl Element {
    fn accepts(&self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => *own == byte,
            Self::AnyByte | Self::AnyRun => true,
            Self::Bracket { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&byte)) != *negated
            }
        }
    }
}

/// Reads a bracket expression behind its `[`; returns it with the length read.
fn bracket(text: &[(u8, bool)]) -> Option<(Element, usize)> {
    let negated = matches!(text.first(), Some((b'!' | b'^', false)));
    let start = usize::from(negated);
    let mut at = start;
    let mut ranges = Vec::new();
    loop {
        let &(byte, quoted) = text.get(at)?;
        if byte == b']' && !quoted && at > start {
            return Some((Element::Bracket { negated, ranges }, at + 1));
        }
        if byte == b'[' && !quoted && text.get(at + 1) == Some(&(b':', false)) {
            let length = text[at + 2..].windows(2).position(|pair| pair[0].0 == b':' && pair[1].0 == b']')?;
            let name: Vec<u8> = text[at + 2..at + 2 + length].iter().map(|(byte, _)| *byte).collect();
            if let Some((_, class)) = CLASSES.iter().find(|(class, _)| *class == name) {
                ranges.extend_from_slice(class);
            }
            at += length + 4;
            continue;
        }
        match (text.get(at + 1), text.get(at + 2)) {
            (Some((b'-', false)), Some(&(high, high_quoted))) if high != b']' || high_quoted => {
                ranges.push((byte, high));
                at += 3;
            }
            _ => {
                ranges.push((byte, byte));
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        let mut field = Field::default();
        field.push(pattern.as_bytes(), Quoting::Unquoted);
        Pattern::new(&field).matches(text.as_bytes())
    }

    #[test]
    fn patterns_match_as_posix_says() {
        let table = [
            ("", "", true),
            ("a", "", false),
            ("*", "", true),
            ("*", "anything", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("*.rs", "main.rs", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "abab", true),
            ("??", "ab", true),
            ("??", "abc", false),
            ("[abc]", "b", true),
            ("[!abc]", "b", false),
            ("[^abc]", "d", true),
            ("[a-c]x", "bx", true),
            ("[]]", "]", true),
            ("[a-]", "-", true),
            ("[", "[", true),
            ("[a", "[a", true),
            ("[[:digit:]]*", "7up", true),
            ("[[:upper:]]", "a", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern, text), expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn a_quoted_star_matches_only_itself() {
        let mut field = Field::default();
        field.push(b"*", Quoting::Quoted);
        let pattern = Pattern::new(&field);
        assert!(pattern.matches(b"*") && !pattern.matches(b"x") && !pattern.is_wild());
    }
}
