//! `echo`: words with blanks between. Escapes are left alone (as in bash and GNU without `-e`).

/// What `echo` prints for its arguments (without the command name).
pub fn text(arguments: &[Vec<u8>]) -> Vec<u8> {
    let mut rest = arguments;
    let (mut newline, mut escapes) = (true, false);
    while let Some((option, after)) = rest.split_first() {
        let letters = option.strip_prefix(b"-").unwrap_or_default();
        if letters.is_empty() || !letters.iter().all(|letter| b"neE".contains(letter)) {
            break;
        }
        for letter in letters {
            match letter {
                b'n' => newline = false,
                letter => escapes = *letter == b'e',
            }
        }
        rest = after;
    }
    let mut text = rest.join(&b' ');
    if escapes {
        let (expanded, stopped) = crate::printf::unescape(&text);
        text = expanded;
        newline &= !stopped;
    }
    if newline {
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(words: &[&str]) -> String {
        let words: Vec<_> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        String::from_utf8(text(&words)).expect("ASCII")
    }

    #[test]
    fn options_and_words_are_told_apart() {
        assert_eq!(echo(&[]), "\n");
        assert_eq!(echo(&["a", "b"]), "a b\n");
        assert_eq!(echo(&["-n", "a"]), "a");
        assert_eq!(echo(&["-x", "-n"]), "-x -n\n");
        assert_eq!(echo(&["-"]), "-\n");
        assert_eq!(echo(&["-e", r"a\tb\n"]), "a\tb\n\n");
        assert_eq!(echo(&[r"a\tb"]), "a\\tb\n");
        assert_eq!(echo(&["-e", r"a\cb"]), "a");
    }
}
