//! How long the line of a comment may be; rustfmt looks after the code alone.
//!
//! Pure: text in, numbers of lines out.

/// Characters, the indentation among them.
const LONGEST: usize = 132;

/// The lines of `text` that are too long and nothing but a comment.
pub fn too_long(text: &str) -> impl Iterator<Item = usize> {
    let is_too_long = |line: &str| line.trim_start().starts_with("//") && line.chars().count() > LONGEST;
    text.lines().zip(1..).filter(move |(line, _)| is_too_long(line)).map(|(_, number)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &[String]) -> Vec<usize> {
        too_long(&lines.join("\n")).collect()
    }

    #[test]
    fn comments_of_every_kind_are_measured_with_their_indentation() {
        let comments = ["// ", "/// ", "//! ", "        // "].map(|mark| format!("{mark:x<LONGEST$}"));
        assert_eq!(found(&comments), [0; 0]);
        assert_eq!(found(&comments.map(|line| line + "x")), [1, 2, 3, 4]);
    }

    #[test]
    fn characters_are_counted_and_not_bytes() {
        assert_eq!(found(&[format!("// {:…<129}", "")]), [0; 0]);
    }

    #[test]
    fn code_may_be_as_long_as_it_is() {
        assert_eq!(found(&[format!("let url = \"https://{:x<LONGEST$}\"; // {0}", "")]), [0; 0]);
    }
}
