//! `printf`: formatted output. Specification: POSIX.1-2024, utility `printf`.

/// What a call of `printf` yields.
#[derive(Debug, Default)]
pub struct Output {
    /// To be printed, also when there are complaints.
    pub text: Vec<u8>,
    /// Arguments that were no numbers, and unknown conversions.
    pub complaints: Vec<String>,
}

/// Formats `arguments` by `format`, which is used again until all of them are consumed.
pub fn format(format: &[u8], arguments: &[Vec<u8>]) -> Output {
    let mut output = Output::default();
    let mut rest = arguments.iter();
    loop {
        let before = rest.len();
        let stopped = one_pass(format, &mut rest, &mut output);
        if stopped || rest.len() == 0 || rest.len() == before {
            return output;
        }
    }
}

/// Flags, width and precision of a conversion.
#[derive(Default)]
struct Layout {
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    alternative: bool,
    width: usize,
    precision: Option<usize>,
}

type Arguments<'a> = std::slice::Iter<'a, Vec<u8>>;

/// One use of the format; `true` if `\c` ended the output.
fn one_pass(format: &[u8], arguments: &mut Arguments<'_>, output: &mut Output) -> bool {
    let mut at = 0;
    while let Some(byte) = format.get(at) {
        match byte {
            b'\\' => {
                let (bytes, length) = escape(&format[at..]);
                let Some(bytes) = bytes else { return true };
                output.text.extend(bytes);
                at += length;
            }
            b'%' if format.get(at + 1) == Some(&b'%') => {
                output.text.push(b'%');
                at += 2;
            }
            b'%' => {
                at += 1;
                let layout = layout(format, &mut at, arguments);
                let Some(conversion) = format.get(at) else {
                    output.complaints.push("missing conversion".to_owned());
                    return true;
                };
                at += 1;
                if convert(*conversion, &layout, arguments, output) {
                    return true;
                }
            }
            byte => {
                output.text.push(*byte);
                at += 1;
            }
        }
    }
    false
}

fn layout(format: &[u8], at: &mut usize, arguments: &mut Arguments<'_>) -> Layout {
    let mut layout = Layout::default();
    while let Some(flag) = format.get(*at) {
        match flag {
            b'-' => layout.left = true,
            b'+' => layout.plus = true,
            b' ' => layout.space = true,
            b'0' => layout.zero = true,
            b'#' => layout.alternative = true,
            _ => break,
        }
        *at += 1;
    }
    layout.width = count(format, at, arguments);
    if format.get(*at) == Some(&b'.') {
        *at += 1;
        layout.precision = Some(count(format, at, arguments));
    }
    layout
}

/// A width or precision: digits, or `*` for the next argument. Bounded, so that a format cannot
/// ask for all the memory there is.
fn count(format: &[u8], at: &mut usize, arguments: &mut Arguments<'_>) -> usize {
    const COUNT_MAX: usize = 1 << 16;
    if format.get(*at) == Some(&b'*') {
        *at += 1;
        let text = arguments.next().and_then(|argument| str::from_utf8(argument).ok());
        return text.and_then(|text| text.parse().ok()).unwrap_or(0).min(COUNT_MAX);
    }
    let mut value = 0_usize;
    while let Some(digit) = format.get(*at).filter(|byte| byte.is_ascii_digit()) {
        value = (value * 10 + usize::from(digit - b'0')).min(COUNT_MAX);
        *at += 1;
    }
    value
}

/// Converts the next argument; `true` if a `\c` in it ended the output.
fn convert(conversion: u8, layout: &Layout, arguments: &mut Arguments<'_>, output: &mut Output) -> bool {
    match conversion {
        b's' => {
            let text = arguments.next().map(Vec::as_slice).unwrap_or_default();
            pad_text(text, layout, output);
        }
        b'b' => {
            let (text, stopped) = unescape(arguments.next().map(Vec::as_slice).unwrap_or_default());
            pad_text(&text, layout, output);
            return stopped;
        }
        b'c' => {
            let text = arguments.next().map(Vec::as_slice).unwrap_or_default();
            pad_text(text.get(..1).unwrap_or_default(), layout, output);
        }
        b'd' | b'i' | b'u' | b'o' | b'x' | b'X' => {
            let value = arguments.next().map_or(0, |argument| integer(argument, output));
            let (sign, digits) = match conversion {
                b'd' | b'i' => {
                    let sign = if value < 0 {
                        "-"
                    } else if layout.plus {
                        "+"
                    } else if layout.space {
                        " "
                    } else {
                        ""
                    };
                    (sign, value.unsigned_abs().to_string())
                }
                b'o' => (if layout.alternative { "0" } else { "" }, format!("{value:o}")),
                b'x' => (if layout.alternative { "0x" } else { "" }, format!("{value:x}")),
                b'X' => (if layout.alternative { "0X" } else { "" }, format!("{value:X}")),
                _ => ("", value.cast_unsigned().to_string()),
            };
            pad_number(sign, &digits, layout, output);
        }
        b'f' | b'F' | b'e' | b'g' => {
            let value = arguments.next().map_or(0.0, |argument| real(argument, output));
            let precision = layout.precision.unwrap_or(6);
            let digits = match conversion {
                b'e' => exponential(value.abs(), precision),
                b'g' if layout.precision.is_none() => value.abs().to_string(),
                _ => format!("{:.precision$}", value.abs()),
            };
            let sign = if value.is_sign_negative() { "-" } else { "" };
            pad_number(sign, &digits, &Layout { precision: None, ..*layout }, output);
        }
        other => {
            output.complaints.push(format!("%{}: invalid directive", other.escape_ascii()));
            return true;
        }
    }
    false
}

/// As in C: the exponent with its sign and at least two digits.
fn exponential(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    match text.split_once('e') {
        Some((digits, exponent)) => match exponent.strip_prefix('-') {
            Some(exponent) => format!("{digits}e-{exponent:0>2}"),
            None => format!("{digits}e+{exponent:0>2}"),
        },
        None => text,
    }
}

fn pad_text(text: &[u8], layout: &Layout, output: &mut Output) {
    let text = &text[..layout.precision.map_or(text.len(), |precision| precision.min(text.len()))];
    let blanks = vec![b' '; layout.width.saturating_sub(text.len())];
    let parts = if layout.left { [text, &blanks] } else { [&blanks, text] };
    output.text.extend(parts.concat());
}

fn pad_number(sign: &str, digits: &str, layout: &Layout, output: &mut Output) {
    let mut zeros = layout.precision.unwrap_or(0).saturating_sub(digits.len());
    if layout.zero && !layout.left && layout.precision.is_none() {
        zeros = layout.width.saturating_sub(sign.len() + digits.len());
    }
    let text = format!("{sign}{}{digits}", "0".repeat(zeros));
    pad_text(text.as_bytes(), &Layout { precision: None, ..*layout }, output);
}

/// A number as in C; a quote gives the code of the character behind it.
fn integer(argument: &[u8], output: &mut Output) -> i64 {
    if let [b'\'' | b'"', character, ..] = argument {
        return i64::from(*character);
    }
    let text = String::from_utf8_lossy(argument);
    let trimmed = text.trim();
    let (negative, digits) = match trimmed.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&digits[2..], 16),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    let length = digits.bytes().take_while(|byte| char::from(*byte).is_digit(radix)).count();
    if length < digits.len() || trimmed.is_empty() {
        output.complaints.push(format!("{text}: expected numeric value"));
    }
    if length == 0 {
        return 0;
    }
    match u64::from_str_radix(&digits[..length], radix) {
        Ok(value) if negative => value.cast_signed().wrapping_neg(),
        Ok(value) => value.cast_signed(),
        Err(_) => {
            output.complaints.push(format!("{text}: Numerical result out of range"));
            if negative { i64::MIN } else { i64::MAX }
        }
    }
}

fn real(argument: &[u8], output: &mut Output) -> f64 {
    let text = String::from_utf8_lossy(argument);
    text.trim().parse().unwrap_or_else(|_| {
        output.complaints.push(format!("{text}: expected numeric value"));
        0.0
    })
}

/// The bytes an escape sequence at the start of `text` stands for (`None` for `\c`), and its length.
fn escape(text: &[u8]) -> (Option<Vec<u8>>, usize) {
    let simple = |byte: u8| (Some(vec![byte]), 2);
    match text.get(1) {
        Some(b'n') => simple(b'\n'),
        Some(b't') => simple(b'\t'),
        Some(b'r') => simple(b'\r'),
        Some(b'a') => simple(7),
        Some(b'b') => simple(8),
        Some(b'f') => simple(12),
        Some(b'v') => simple(11),
        Some(b'e') => simple(27),
        Some(b'\\') => simple(b'\\'),
        Some(b'"') => simple(b'"'),
        Some(b'c') => (None, 2),
        Some(b'x') => digits(&text[2..], 16, 2)
            .map_or((Some(b"\\x".to_vec()), 2), |(byte, length)| (Some(vec![byte]), 2 + length)),
        Some(b'0'..=b'7') => {
            digits(&text[1..], 8, 3).map_or_else(|| simple(0), |(byte, length)| (Some(vec![byte]), 1 + length))
        }
        Some(byte) => (Some(vec![b'\\', *byte]), 2),
        None => (Some(vec![b'\\']), 1),
    }
}

/// A byte written in at most `count_max` digits, and how many there were.
fn digits(text: &[u8], radix: u32, count_max: usize) -> Option<(u8, usize)> {
    let length = text.iter().take(count_max).take_while(|byte| char::from(**byte).is_digit(radix)).count();
    let value = u32::from_str_radix(str::from_utf8(&text[..length]).ok()?, radix).ok()?;
    Some((value.to_le_bytes()[0], length))
}

/// Replaces the escapes in the argument of `%b` or `echo -e`; the flag says that a `\c` cut it off.
pub fn unescape(text: &[u8]) -> (Vec<u8>, bool) {
    let mut result = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if *byte != b'\\' {
            result.push(*byte);
            at += 1;
            continue;
        }
        // Here, unlike in a format, octal numbers have a zero in front: \0101.
        if text.get(at + 1) == Some(&b'0')
            && let Some((byte, length)) = digits(&text[at + 2..], 8, 3)
        {
            result.push(byte);
            at += 2 + length;
            continue;
        }
        let (bytes, length) = escape(&text[at..]);
        let Some(bytes) = bytes else {
            return (result, true);
        };
        result.extend(bytes);
        at += length;
    }
    (result, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printf(words: &[&str]) -> String {
        let words: Vec<_> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        String::from_utf8(format(&words[0], &words[1..]).text).expect("ASCII")
    }

    #[test]
    fn conversions_follow_posix() {
        let table: &[(&[&str], &str)] = &[
            (&["hello\\n"], "hello\n"),
            (&["%s-%s\\n", "a", "b", "c"], "a-b\nc-\n"),
            (&["%d|%5d|%-5d|%05d", "1", "2", "3", "4"], "1|    2|3    |00004"),
            (&["%x %X %o %#x", "255", "255", "8", "16"], "ff FF 10 0x10"),
            (&["%+d % d", "5", "6"], "+5  6"),
            (&["%d", "-0x10"], "-16"),
            (&["%d", "'A"], "65"),
            (&["%.2s|%5s|%-5s|", "abc", "de", "fg"], "ab|   de|fg   |"),
            (&["%b", "a\\tb\\0101"], "a\tbA"),
            (&["%c%c", "xyz", "q"], "xq"),
            (&["%5.1f|%f", "3.14159", "2"], "  3.1|2.000000"),
            (&["%%"], "%"),
            (&["%*d", "4", "7"], "   7"),
            (&["\\101\\x42"], "AB"),
            (&["%.3d", "7"], "007"),
        ];
        for (words, expected) in table {
            assert_eq!(printf(words), *expected, "{words:?}");
        }
    }

    #[test]
    fn a_word_that_is_no_number_is_reported() {
        let output = format(b"%d\n", &[b"12x".to_vec()]);
        assert_eq!((output.text.as_slice(), output.complaints.len()), (b"12\n".as_slice(), 1));
    }
}
