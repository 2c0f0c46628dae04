//! `seq` and `expr`.

use crate::grep::anchored;
use crate::invocation::{Failure, Invocation, Outcome, finish, output};
use std::io::Write;

/// `seq [-s separator] [-w] [first [step]] last`: whole numbers, or decimal fractions.
pub fn seq(invocation: &Invocation) -> Outcome {
    let mut words: Vec<_> = invocation.arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let (mut separator, mut equal_width) = ("\n".to_owned(), false);
    // Negative numbers look like options, so these are read by hand.
    while let Some(word) = words.first() {
        match word.as_str() {
            "-w" => equal_width = true,
            "-s" if words.len() > 1 => separator = words.remove(1),
            word if word.starts_with("-s") => word[2..].clone_into(&mut separator),
            _ => break,
        }
        words.remove(0);
    }
    let (first, step, last) = match words.as_slice() {
        [last] => ("1", "1", last.as_str()),
        [first, last] => (first.as_str(), "1", last.as_str()),
        [first, step, last] => (first.as_str(), step.as_str(), last.as_str()),
        _ => {
            return Err(Failure::usage("usage: seq [-w] [-s separator] [first [step]] last"));
        }
    };
    // Counted in units of the smallest decimal place, so that no rounding adds up.
    let places =
        [first, step].iter().map(|text| text.split_once('.').map_or(0, |(_, digits)| digits.len())).max().unwrap_or(0);
    let (mut at, step, last) = (scaled(first, places)?, scaled(step, places)?, scaled(last, places)?);
    if step == 0 {
        return Err(Failure::usage("the step must not be zero"));
    }
    let width = if equal_width { shown(at, places).len().max(shown(last, places).len()) } else { 0 };
    let mut output = output()?;
    let mut started = false;
    while if step > 0 { at <= last } else { at >= last } {
        if started {
            output.write_all(separator.as_bytes())?;
        }
        started = true;
        let text = shown(at, places);
        let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
        write!(output, "{sign}{digits:0>0$}", width.saturating_sub(sign.len()))?;
        at += step;
    }
    if started {
        output.write_all(b"\n")?;
    }
    finish(invocation, output)
}

/// A decimal number times ten to the `places`; more places are cut off.
fn scaled(text: &str, places: usize) -> Result<i128, Failure> {
    let wrong = || Failure::usage(format!("invalid number '{text}'"));
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let valid = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    // Eighteen digits on either side are certain to fit.
    if whole.len() + fraction.len() == 0 || !valid(whole) || !valid(fraction) || whole.len() > 18 || places > 18 {
        return Err(wrong());
    }
    let padded: String = fraction.chars().chain(std::iter::repeat('0')).take(places).collect();
    format!("0{whole}{padded}").parse::<i128>().map(|value| sign * value).map_err(|_| wrong())
}

fn shown(value: i128, places: usize) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0>1$}", value.unsigned_abs(), places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let point = if places > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{fraction}")
}

/// `expr expression`: status 0 for a value, 1 for null or zero, 2 for a wrong expression.
pub fn expr(invocation: &Invocation) -> Outcome {
    let words: Vec<_> = invocation.arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut parser = Expression { words: &words, at: 0, depth: 0 };
    let value = parser.binary(0)?;
    if parser.at < words.len() {
        return Err(Failure::usage(format!("syntax error at '{}'", words[parser.at])));
    }
    let mut output = output()?;
    writeln!(output, "{value}")?;
    finish(invocation, output)?;
    Ok(u8::from(is_null(&value)))
}

fn is_null(value: &str) -> bool {
    value.is_empty() || value.parse() == Ok(0_i64)
}

/// Binary operators by rising precedence.
const LEVELS: &[&[&str]] =
    &[&["|"], &["&"], &["=", "==", "!=", "<", "<=", ">", ">="], &["+", "-"], &["*", "/", "%"], &[":"]];

/// Parentheses beyond this are refused, for the stack's sake.
const DEPTH_MAX: usize = 100;

struct Expression<'a> {
    words: &'a [String],
    at: usize,
    depth: usize,
}

impl Expression<'_> {
    fn binary(&mut self, level: usize) -> Result<String, Failure> {
        let Some(operators) = LEVELS.get(level) else {
            return self.primary();
        };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = self.words.get(self.at).filter(|word| operators.contains(&word.as_str())) {
            self.at += 1;
            let right = self.binary(level + 1)?;
            left = apply(operator, left, &right)?;
        }
        Ok(left)
    }

    fn primary(&mut self) -> Result<String, Failure> {
        let word = self.words.get(self.at).ok_or_else(|| Failure::usage("missing operand"))?;
        self.at += 1;
        if word != "(" {
            return Ok(word.clone());
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Failure::usage("nested too deeply"));
        }
        let value = self.binary(0)?;
        self.depth -= 1;
        if self.words.get(self.at).is_none_or(|word| word != ")") {
            return Err(Failure::usage("')' expected"));
        }
        self.at += 1;
        Ok(value)
    }
}

fn apply(operator: &str, left: String, right: &str) -> Result<String, Failure> {
    let numbers = left.parse::<i64>().ok().zip(right.parse::<i64>().ok());
    let order = numbers.map_or_else(|| left.as_str().cmp(right), |(left, right)| left.cmp(&right));
    let truth = |value: bool| Ok(u8::from(value).to_string());
    match operator {
        "|" => {
            return Ok(if is_null(&left) { right.to_owned() } else { left });
        }
        "&" => {
            return Ok(if is_null(&left) || is_null(right) { "0".to_owned() } else { left });
        }
        "=" | "==" => return truth(order.is_eq()),
        "!=" => return truth(order.is_ne()),
        "<" => return truth(order.is_lt()),
        "<=" => return truth(order.is_le()),
        ">" => return truth(order.is_gt()),
        ">=" => return truth(order.is_ge()),
        ":" => {
            let found = anchored(right)?.captures(&left).map(|captures| {
                match (captures.len(), captures.get(1), captures.get(0)) {
                    (1, _, whole) => whole.map_or(0, |whole| whole.as_str().chars().count()).to_string(),
                    (_, group, _) => group.map_or(String::new(), |group| group.as_str().to_owned()),
                }
            });
            return Ok(found.unwrap_or_else(|| if right.contains(r"\(") { String::new() } else { "0".to_owned() }));
        }
        _ => {}
    }
    let (left, right) = numbers.ok_or_else(|| Failure::usage("non-integer argument"))?;
    let value = match operator {
        "+" => left.checked_add(right),
        "-" => left.checked_sub(right),
        "*" => left.checked_mul(right),
        _ if right == 0 => return Err(Failure::usage("division by zero")),
        "/" => left.checked_div(right),
        _ => left.checked_rem(right),
    };
    value.map(|value| value.to_string()).ok_or_else(|| Failure::usage("result out of range"))
}
