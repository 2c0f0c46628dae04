//! Points in time: calendar arithmetic (UTC: the guest has no time zones) and `date`.

use crate::invocation::{At, Failure, Invocation, Outcome, finish, output};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: &[&str] = &["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: &[&str] = &["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// A point in time in the Gregorian calendar, UTC.
struct Calendar {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    /// Days since Thursday, modulo seven.
    weekday: i64,
    seconds: i64,
}

/// The first day of each month after March 1st, computed from years that begin in March, so that
/// the leap day is the last of its year.
fn calendar(seconds: i64) -> Calendar {
    let days = seconds.div_euclid(86_400);
    let rest = seconds.rem_euclid(86_400);
    // Days since March 1st of year 0; 400 years have 146,097 days.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    Calendar {
        year: era * 400 + year_of_era + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
        hour: rest / 3600,
        minute: rest / 60 % 60,
        second: rest % 60,
        weekday: days.rem_euclid(7),
        seconds,
    }
}

fn name(table: &[&'static str], index: i64) -> &'static str {
    usize::try_from(index).ok().and_then(|index| table.get(index)).copied().unwrap_or("?")
}

/// Now, in seconds since 1970.
pub fn now_seconds() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.ok().and_then(|elapsed| i64::try_from(elapsed.as_secs()).ok()).unwrap_or(0)
}

/// A time as `ls -l` shows it: with the clock if it is within half a year, else with the year.
pub fn short_date(seconds: i64) -> String {
    const HALF_YEAR_SECONDS: i64 = 182 * 86_400;
    let at = calendar(seconds);
    let day = format!("{} {:2}", name(MONTHS, at.month - 1), at.day);
    if (now_seconds() - seconds).abs() < HALF_YEAR_SECONDS {
        format!("{day} {:02}:{:02}", at.hour, at.minute)
    } else {
        format!("{day}  {}", at.year)
    }
}

/// A time as `YYYY-MM-DD HH:MM:SS`.
pub fn long_date(seconds: i64) -> String {
    format(seconds, 0, "%Y-%m-%d %H:%M:%S")
}

/// A time by a format of `date`.
fn format(seconds: i64, nanoseconds: i64, format: &str) -> String {
    let at = calendar(seconds);
    let mut text = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        match letters.next() {
            Some('Y') => text.push_str(&at.year.to_string()),
            Some('m') => text.push_str(&format!("{:02}", at.month)),
            Some('d') => text.push_str(&format!("{:02}", at.day)),
            Some('e') => text.push_str(&format!("{:2}", at.day)),
            Some('H') => text.push_str(&format!("{:02}", at.hour)),
            Some('M') => text.push_str(&format!("{:02}", at.minute)),
            Some('S') => text.push_str(&format!("{:02}", at.second)),
            Some('N') => text.push_str(&format!("{nanoseconds:09}")),
            Some('a') => text.push_str(name(DAYS, at.weekday)),
            Some('b') => text.push_str(name(MONTHS, at.month - 1)),
            Some('s') => text.push_str(&at.seconds.to_string()),
            Some('F') => text.push_str(&self::format(seconds, 0, "%Y-%m-%d")),
            Some('T') => text.push_str(&self::format(seconds, 0, "%H:%M:%S")),
            Some('Z') => text.push_str("UTC"),
            Some('z') => text.push_str("+0000"),
            Some('n') => text.push('\n'),
            Some('%') => text.push('%'),
            Some(other) => text.extend(['%', other]),
            None => text.push('%'),
        }
    }
    text
}

/// `date [-u] [-s @seconds] [-d @seconds] [+format]`
pub fn date(invocation: &Invocation) -> Outcome {
    let options = invocation.options("us:d:")?;
    let seconds_of = |letter| -> Result<Option<i64>, Failure> {
        let Some(text) = options.text(letter)? else {
            return Ok(None);
        };
        let seconds = text.strip_prefix('@').and_then(|digits| digits.parse().ok());
        seconds.map(Some).ok_or_else(|| Failure::usage(format!("invalid date '{text}' (use @seconds)")))
    };
    if let Some(seconds) = seconds_of('s')? {
        clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::new(seconds, 0)).at("clock_settime")?;
    }
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, nanoseconds) = match seconds_of('d')? {
        Some(seconds) => (seconds, 0),
        None => (now_seconds(), i64::from(elapsed.subsec_nanos())),
    };
    let wanted = match options.operands.as_slice() {
        [] => "%a %b %e %H:%M:%S %Z %Y",
        [text] => text
            .to_str()
            .and_then(|text| text.strip_prefix('+'))
            .ok_or_else(|| Failure::usage("usage: date [+format]"))?,
        _ => return Err(Failure::usage("usage: date [+format]")),
    };
    let mut output = output()?;
    writeln!(output, "{}", format(seconds, nanoseconds, wanted))?;
    finish(invocation, output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_gregorian_calendar() {
        let table = [
            (0, "1970-01-01 00:00:00 Thu"),
            (951_782_400, "2000-02-29 00:00:00 Tue"),
            (1_767_225_599, "2025-12-31 23:59:59 Wed"),
            (4_107_542_400, "2100-03-01 00:00:00 Mon"),
            (-1, "1969-12-31 23:59:59 Wed"),
        ];
        for (seconds, expected) in table {
            assert_eq!(format(seconds, 0, "%F %T %a"), expected);
        }
    }
}
