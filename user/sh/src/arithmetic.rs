//! Arithmetic expansion: C expressions over signed 64-bit integers, with assignment.
//! Specification: POSIX.1-2024, Shell Command Language, section 2.6.4. Pure but for the variables,
//! which the caller lends.

use crate::word::{continues_name, starts_name};

/// The variables an expression may use.
pub trait Names {
    /// The value of a variable, if it is set.
    fn value(&self, name: &[u8]) -> Option<Vec<u8>>;
    /// Sets a variable.
    ///
    /// # Errors
    /// A message when it cannot be changed.
    fn assign(&mut self, name: &[u8], value: i64) -> Result<(), String>;
}

/// Evaluates `expression`; an empty one is zero.
///
/// # Errors
/// A message about a wrong expression or a division by zero.
pub fn evaluate(expression: &[u8], names: &mut dyn Names) -> Result<i64, String> {
    let mut evaluator = Evaluator { text: expression, at: 0, names, skipping: 0, depth: 0 };
    evaluator.blanks();
    if evaluator.at == expression.len() {
        return Ok(0);
    }
    let value = evaluator.comma()?;
    if evaluator.at == expression.len() { Ok(value) } else { Err(evaluator.wrong()) }
}

/// Binary operators by rising precedence; within one level the longer spelling first.
const LEVELS: &[&[&str]] = &[
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

const ASSIGNMENTS: &[&str] = &["<<=", ">>=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "="];

/// Parentheses and unary operators beyond this are refused, for the stack's sake.
const DEPTH_MAX: usize = 100;

struct Evaluator<'a> {
    text: &'a [u8],
    at: usize,
    names: &'a mut dyn Names,
    /// Above zero while the value will not be used (`0 && x=1`): no assignment, no error.
    skipping: usize,
    depth: usize,
}

impl Evaluator<'_> {
    fn wrong(&self) -> String {
        format!("arithmetic expression: syntax error: \"{}\"", String::from_utf8_lossy(self.text))
    }

    fn blanks(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn looking_at(&self, operator: &str) -> bool {
        self.text[self.at..].starts_with(operator.as_bytes())
    }

    fn accept(&mut self, operator: &str) -> bool {
        let found = self.looking_at(operator);
        if found {
            self.at += operator.len();
            self.blanks();
        }
        found
    }

    fn comma(&mut self) -> Result<i64, String> {
        let mut value = self.conditional()?;
        while self.accept(",") {
            value = self.conditional()?;
        }
        Ok(value)
    }

    fn conditional(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("arithmetic expression: nested too deeply".to_owned());
        }
        if let Some(value) = self.assignment()? {
            self.depth -= 1;
            return Ok(value);
        }
        let condition = self.binary(0)?;
        let value = if self.accept("?") {
            let yes = self.unless(condition == 0, Self::conditional)?;
            if !self.accept(":") {
                return Err(self.wrong());
            }
            let no = self.unless(condition != 0, Self::conditional)?;
            if condition != 0 { yes } else { no }
        } else {
            condition
        };
        self.depth -= 1;
        Ok(value)
    }

    /// Runs `parse`, without effects when `skip`.
    fn unless(&mut self, skip: bool, parse: impl FnOnce(&mut Self) -> Result<i64, String>) -> Result<i64, String> {
        self.skipping += usize::from(skip);
        let value = parse(self);
        self.skipping -= usize::from(skip);
        value
    }

    /// `name op= value`, or nothing if the text is something else.
    fn assignment(&mut self) -> Result<Option<i64>, String> {
        let start = self.at;
        let Some(name) = self.name() else {
            return Ok(None);
        };
        let operator = ASSIGNMENTS.iter().find(|operator| self.looking_at(operator));
        let Some(operator) = operator.filter(|_| !self.looking_at("==")) else {
            self.at = start;
            return Ok(None);
        };
        self.accept(operator);
        let right = self.conditional()?;
        let value = match operator.strip_suffix('=') {
            Some("") | None => right,
            Some(binary) => {
                let left = self.variable(&name)?;
                self.apply(binary, left, right)?
            }
        };
        if self.skipping == 0 {
            self.names.assign(&name, value)?;
        }
        Ok(Some(value))
    }

    fn name(&mut self) -> Option<Vec<u8>> {
        let rest = &self.text[self.at..];
        if !starts_name(*rest.first()?) {
            return None;
        }
        let length = rest.iter().take_while(|byte| continues_name(**byte)).count();
        self.at += length;
        self.blanks();
        Some(rest[..length].to_vec())
    }

    fn variable(&mut self, name: &[u8]) -> Result<i64, String> {
        let Some(value) = self.names.value(name) else {
            return Ok(0);
        };
        let text = value.trim_ascii();
        if text.is_empty() {
            return Ok(0);
        }
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        let number = parse_integer(digits);
        let number = number.ok_or_else(|| format!("Illegal number: {}", String::from_utf8_lossy(&value)))?;
        Ok(if negative { number.wrapping_neg() } else { number })
    }

    fn operator_at(&self, level: usize) -> Option<&'static str> {
        let operator = LEVELS[level].iter().find(|operator| self.looking_at(operator))?;
        let rest = &self.text[self.at..];
        let clash = match *operator {
            // A longer operator of another level starts the same way.
            "|" | "&" => rest.get(1) == rest.first() || rest.get(1) == Some(&b'='),
            "<" | ">" => rest.get(1) == rest.first(),
            "^" | "+" | "-" | "*" | "/" | "%" => rest.get(1) == Some(&b'='),
            "<<" | ">>" => rest.get(2) == Some(&b'='),
            _ => false,
        };
        (!clash).then_some(operator)
    }

    fn binary(&mut self, level: usize) -> Result<i64, String> {
        if level == LEVELS.len() {
            return self.unary();
        }
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = self.operator_at(level) {
            self.accept(operator);
            left = match operator {
                "||" => i64::from(self.unless(left != 0, |this| this.binary(level + 1))? != 0 || left != 0),
                "&&" => i64::from(self.unless(left == 0, |this| this.binary(level + 1))? != 0 && left != 0),
                _ => {
                    let right = self.binary(level + 1)?;
                    self.apply(operator, left, right)?
                }
            };
        }
        Ok(left)
    }

    fn apply(&self, operator: &str, left: i64, right: i64) -> Result<i64, String> {
        // The shift count is taken modulo 64, as the hardware does.
        let count = u32::try_from(right & 63).unwrap_or_default();
        Ok(match operator {
            "|" => left | right,
            "^" => left ^ right,
            "&" => left & right,
            "==" => i64::from(left == right),
            "!=" => i64::from(left != right),
            "<=" => i64::from(left <= right),
            ">=" => i64::from(left >= right),
            "<" => i64::from(left < right),
            ">" => i64::from(left > right),
            "<<" => left.wrapping_shl(count),
            ">>" => left.wrapping_shr(count),
            "+" => left.wrapping_add(right),
            "-" => left.wrapping_sub(right),
            "*" => left.wrapping_mul(right),
            _ if right == 0 && self.skipping > 0 => 0,
            _ if right == 0 => return Err("arithmetic expression: division by zero".to_owned()),
            "/" => left.wrapping_div(right),
            _ => left.wrapping_rem(right),
        })
    }

    fn unary(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("arithmetic expression: nested too deeply".to_owned());
        }
        let value = if self.accept("!") {
            i64::from(self.unary()? == 0)
        } else if self.accept("~") {
            !self.unary()?
        } else if self.accept("-") {
            self.unary()?.wrapping_neg()
        } else if self.accept("+") {
            self.unary()?
        } else {
            self.primary()?
        };
        self.depth -= 1;
        Ok(value)
    }

    fn primary(&mut self) -> Result<i64, String> {
        if self.accept("(") {
            let value = self.comma()?;
            return if self.accept(")") { Ok(value) } else { Err(self.wrong()) };
        }
        if let Some(name) = self.name() {
            return self.variable(&name);
        }
        let rest = &self.text[self.at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let value = parse_integer(&rest[..length]).ok_or_else(|| self.wrong())?;
        self.at += length;
        self.blanks();
        Ok(value)
    }
}

/// A decimal, octal (`0…`) or hexadecimal (`0x…`) constant.
fn parse_integer(digits: &[u8]) -> Option<i64> {
    let text = str::from_utf8(digits).ok()?;
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Table(BTreeMap<Vec<u8>, Vec<u8>>);

    impl Names for Table {
        fn value(&self, name: &[u8]) -> Option<Vec<u8>> {
            self.0.get(name).cloned()
        }

        fn assign(&mut self, name: &[u8], value: i64) -> Result<(), String> {
            self.0.insert(name.to_vec(), value.to_string().into_bytes());
            Ok(())
        }
    }

    fn value(expression: &str) -> Result<i64, String> {
        let mut table = Table::default();
        table.0.insert(b"x".to_vec(), b"7".to_vec());
        evaluate(expression.as_bytes(), &mut table)
    }

    #[test]
    fn expressions_have_the_values_of_c() {
        let table = [
            ("", 0),
            ("1+2*3", 7),
            ("(1+2)*3", 9),
            ("10-2-3", 5),
            ("7/2", 3),
            ("-7/2", -3),
            ("-7%3", -1),
            ("1<<4|1", 17),
            ("5&6^1", 5),
            ("3>2&&2>1", 1),
            ("0||0", 0),
            ("x*2", 14),
            ("unset+1", 1),
            ("x=3, x+1", 4),
            ("x+=2", 9),
            ("x==7?10:20", 10),
            ("!x", 0),
            ("~0", -1),
            ("0x1f + 010", 39),
            ("1 <= 1", 1),
            ("0 && (1/0)", 0),
            ("- - 3", 3),
        ];
        for (expression, expected) in table {
            assert_eq!(value(expression), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn wrong_expressions_are_refused() {
        for expression in ["1+", "1 2", "(1", "1/0", "1%0", "08", "x=", "1?2"] {
            assert!(value(expression).is_err(), "{expression}");
        }
        assert!(value(&"(".repeat(10_000)).is_err());
        assert!(value(&"-".repeat(10_000)).is_err());
    }
}
